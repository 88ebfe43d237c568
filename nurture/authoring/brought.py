"""What an import map brings, as far as campaigns ask for it. The map itself is read and judged by `intake`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from nurture.authoring.desk import Desk
from nurture.authoring.tree import Node, read_tree


@dataclass(frozen=True, slots=True)
class Brought:
    """Tags and lists that people get, and kinds of events that are told about them."""

    tags: frozenset[str] = frozenset()
    lists: frozenset[str] = frozenset()
    events: frozenset[str] = frozenset()

    def __or__(self, other: Brought) -> Brought:
        return Brought(self.tags | other.tags, self.lists | other.lists, self.events | other.events)


def read_brought(text: str, name: str) -> Brought | None:
    """What the map `text` brings. None where it cannot be read, which `nurture import` will say."""
    root = read_tree(text, Desk(name))
    if root is None or root.kind != "map":
        return None
    told = root.get("events")
    kinds = [entry.get("kind") for entry in told.items if entry.kind == "map"] if told is not None else []
    return Brought(
        frozenset(_words(root.get("tags"))), frozenset(_words(root.get("lists"))),
        frozenset(node.text for node in kinds if node is not None),
    )


def _words(node: Node | None) -> Iterator[str]:
    """One word or several."""
    if node is not None:
        yield from (item.text for item in node.items) if node.kind == "list" else (node.text,)
