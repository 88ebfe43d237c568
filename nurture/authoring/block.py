"""Reading one block of YAML against the words it may hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, overload

from nurture.authoring.desk import Desk, did_you_mean, nearest
from nurture.authoring.tree import Node
from nurture.authoring.values import Reader, not_like
from nurture.model.problem import Place

T = TypeVar("T")
D = TypeVar("D")


@dataclass(frozen=True, slots=True)
class Word:
    """A key of a block: what it says (an editor's hover text), its JSON Schema, and whether it must be there."""

    says: str
    schema: Mapping[str, Any]
    required: bool = False
    examples: tuple[Any, ...] = ()


Words = Mapping[str, Word]



class Block:
    """A mapping whose keys are known words; unknown and missing ones are noted when it is opened."""

    def __init__(
        self, node: Node, desk: Desk, words: Words, *, missing: Mapping[str, str] = {}, unknown: str = ""
    ) -> None:
        self.node = node
        self.desk = desk
        self.words = words
        self.guessed: set[str] = set()
        """Words that an unknown key was probably meant to be; nobody complains that they are missing."""
        if node.kind != "map":
            not_like(node, desk, f"a block with {', '.join(f'`{w}:`' for w in list(words)[:3])}")
            self.node = Node("map", node.at)
            self.guessed.update(words)
        self._unknown(unknown)
        self._missing(missing)

    def _unknown(self, fix: str) -> None:
        """`fix`: where a word belongs that is like none of ours."""
        for key, (key_node, value) in self.node.pairs.items():
            if key in self.words:
                # `when` and `members` have rules of their own that say what an empty one means.
                wants = self.words[key].schema.get("minItems") and key not in ("when", "members")
                if wants and value.kind == "list" and not value.items:
                    not_like(value, self.desk, "a list with something in it")
                continue
            if value.empty and " " in key:
                self.desk.find("unknown-key", key_node.place, f"`{key[:60]}` is not a word this file knows here.",
                               "a comma inside `{ }` begins a new word: put the whole text into double quotes")
                continue
            meant = nearest(key, [w for w in self.words if w not in self.node.pairs] or self.words)
            if meant:
                self.guessed.add(meant)
            hint = f" Did you mean `{meant}`?" if meant else did_you_mean(key, self.words)
            self.desk.find("unknown-key", key_node.place,
                           f"`{key[:60]}` is not a word this file knows here.{hint}", "" if hint else fix)

    def _missing(self, fixes: Mapping[str, str]) -> None:
        for name, word in self.words.items():
            if word.required and self.node.get(name) is None and name not in self.guessed:
                example = f"{name}: {word.examples[0]}" if word.examples else f"{name}: ..."
                self.desk.find("missing-key", self.node.place, f"`{name}` is missing here",
                               fixes.get(name, f"add `{example}`"))

    def has(self, key: str) -> bool:
        return self.node.get(key) is not None

    def at(self, key: str) -> Node | None:
        return self.node.get(key)

    def place(self, key: str) -> Place:
        """Where the value of `key` stands, or the block when it is not there."""
        found = self.node.get(key)
        return found.place if found is not None else self.node.place

    @overload
    def get(self, key: str, reader: Reader[T]) -> T | None: ...
    @overload
    def get(self, key: str, reader: Reader[T], default: D) -> T | D: ...
    def get(self, key: str, reader: Reader[T], default: Any = None) -> Any:
        """The value of `key`; the default when it is absent or was refused."""
        found = self.node.get(key)
        value = None if found is None else reader(found, self.desk)
        return default if value is None else value

    def items(self, key: str) -> list[Node]:
        """The entries of the list `key`; a lone entry counts as a list of one, a wrong kind is noted."""
        found = self.node.get(key)
        if found is None:
            return []
        if found.kind == "text":
            not_like(found, self.desk, "a list")
            return []
        return found.items if found.kind == "list" else [found]

    def pairs(self, key: str) -> list[tuple[str, Node, Node]]:
        """The entries of the block `key`: name, the name's node, the value's node."""
        found = self.node.get(key)
        if found is None:
            return []
        if found.kind != "map":
            not_like(found, self.desk, "a block of `name: value`")
            return []
        return [(name, pair[0], pair[1]) for name, pair in found.pairs.items()]
