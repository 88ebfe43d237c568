"""YAML text -> a tree with places, or findings. YAML 1.2 core, and only the part of it that people can read aloud.

libyaml reads (0.3 ms for a campaign, thirty times faster than a reader in Python); its scalars are taken as written,
so its YAML 1.1 meanings never apply. When it refuses a text, ruamel.yaml reads it again to say why in better words.
No aliases, merge keys, tags, directives, second documents, duplicate keys or tabs: each of them means one thing to
an editor and another to a reader, or makes a small file large.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import yaml  # type: ignore[import-untyped]  # PyYAML ships no types
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError

from nurture.authoring.desk import Desk
from nurture.model.problem import Place

SIZE_LIMIT: Final = 1024 * 1024
DEPTH_LIMIT: Final = 40
NODE_LIMIT: Final = 60_000
EXPLAIN_LIMIT: Final = 32 * 1024
"""Above this the slower reader is not asked for better words."""

_ODD = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x80-\x9f\u2028\u2029\ufffe\uffff\ud800-\udfff]|\ufeff(?<!^.)")


@dataclass(slots=True)
class Node:
    """A piece of YAML with its place. `text` is a scalar as written; `plain` says it stood without quotes."""

    kind: Literal["text", "list", "map"]
    at: tuple[str, int, int, int]
    """File, line, column, width: a `Place` in the making. Few of them are ever looked at."""
    text: str = ""
    plain: bool = True
    items: list[Node] = field(default_factory=list)
    pairs: dict[str, tuple[Node, Node]] = field(default_factory=dict)
    """Key -> (the key's node, the value's node), in the order written."""

    @property
    def place(self) -> Place:
        return Place(*self.at)

    @property
    def empty(self) -> bool:
        """Nothing was written here, or `null`."""
        return self.kind == "text" and self.plain and self.text in ("", "~", "null", "Null", "NULL")

    def get(self, key: str) -> Node | None:
        found = self.pairs.get(key)
        return None if found is None or found[1].empty else found[1]

    def __iter__(self) -> Iterator[tuple[Node, Node]]:
        return iter(self.pairs.values())


class _Stop(Exception):
    """The rest of the file cannot be read; what was found has been noted."""


def read_tree(text: str, desk: Desk, *, first_line: int = 1) -> Node | None:
    """The tree of `text`, or None when it cannot be read (then `desk` says why). `first_line` shifts the places."""
    if not _readable(text, desk, first_line):
        return None
    shift = first_line - 1
    try:
        return _Builder(desk, shift).build(text)
    except _Stop:
        return None
    except yaml.YAMLError as error:
        _explain(text, error, desk, shift)
        return None


def _readable(text: str, desk: Desk, first_line: int) -> bool:
    """Refusals by the look of the text alone, before any reader sees it."""
    if len(text) > SIZE_LIMIT or len(text.encode("utf-8", "surrogatepass")) > SIZE_LIMIT:
        desk.find("too-large", Place(desk.file), "this file is larger than 1 MB", "split it into several campaigns")
        return False
    odd = _ODD.search(text)
    if odd:
        what = f"character U+{ord(odd.group()):04X}"
        desk.find("odd-character", _place_of(text, odd.start(), desk.file, first_line),
                  f"{what} cannot stand in a campaign", "delete it; it is invisible in most editors")
        return False
    tab = text.find("\t")
    if tab >= 0:
        desk.find("tab", _place_of(text, tab, desk.file, first_line), "a tab stands here",
                  "use spaces; editors can be told to do so for .yaml files")
        return False
    return True


def _place_of(text: str, at: int, file: str, first_line: int = 1) -> Place:
    return Place(file, text.count("\n", 0, at) + first_line, at - (text.rfind("\n", 0, at) + 1) + 1)


class _Builder:
    """Events -> nodes, with every limit checked on the way so that a hostile file stops early."""

    def __init__(self, desk: Desk, shift: int) -> None:
        self.desk = desk
        self.shift = shift
        self.count = 0

    def build(self, text: str) -> Node | None:
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)(text)
        try:
            return self._document(loader)
        finally:
            loader.dispose()

    def _document(self, loader: Any) -> Node | None:
        loader.get_event()
        root: Node | None = None
        while True:
            event = loader.get_event()
            match type(event).__name__:
                case "StreamEndEvent":
                    return root
                case "DocumentStartEvent":
                    if root is not None:
                        self.stop("several-documents", event, "a second document begins here",
                                  "one file holds one thing: remove the `---`")
                    if event.version or event.tags:
                        self.stop("yaml-directive", event, "`%` directives are not read", "remove the line")
                    root = self._node(loader, loader.get_event(), 0)
                    loader.get_event()

    def stop(self, code: str, event: Any, message: str, fix: str) -> None:
        self.desk.find(code, Place(*self.at(event)), message, fix)
        raise _Stop

    def at(self, event: Any) -> tuple[str, int, int, int]:
        start, end = event.start_mark, event.end_mark
        width = end.column - start.column if end.line == start.line else 1
        return self.desk.file, start.line + 1 + self.shift, start.column + 1, width if width > 0 else 1

    def _node(self, loader: Any, event: Any, depth: int) -> Node:
        self.count += 1
        if self.count > NODE_LIMIT:
            self.stop("too-large", event, f"more than {NODE_LIMIT} entries", "split the file")
        if depth > DEPTH_LIMIT:
            self.stop("too-deep", event, f"nested more than {DEPTH_LIMIT} levels deep", "make it flatter")
        self._refuse(event)
        name = type(event).__name__
        if name == "ScalarEvent":
            return Node("text", self.at(event), event.value, event.style in (None, ""))
        if name == "SequenceStartEvent":
            return self._list(loader, event, depth)
        return self._map(loader, event, depth)

    def _refuse(self, event: Any) -> None:
        if type(event).__name__ == "AliasEvent":
            self.stop("alias", event, f"`*{event.anchor}` repeats another part of the file", "write it out")
        if event.anchor is not None:
            self.stop("alias", event, f"`&{event.anchor}` names a part of the file to repeat it", "write it out")
        if event.tag is not None and event.tag != "!":
            self.stop("yaml-tag", event, f"`{event.tag}` is a tag; tags are not read", "remove it")

    def _list(self, loader: Any, event: Any, depth: int) -> Node:
        made = Node("list", self.at(event))
        while type(inner := loader.get_event()).__name__ != "SequenceEndEvent":
            made.items.append(self._node(loader, inner, depth + 1))
        return made

    def _map(self, loader: Any, event: Any, depth: int) -> Node:
        made = Node("map", self.at(event))
        while type(inner := loader.get_event()).__name__ != "MappingEndEvent":
            key = self._node(loader, inner, depth + 1)
            if key.kind != "text":
                self.stop("yaml", inner, "a list or a block cannot be a key", "quote it if it is text: \"{{ ... }}\"")
            if key.plain and key.text == "<<":
                self.stop("merge-key", inner, "`<<` merges another part of the file in", "write it out")
            value = self._node(loader, loader.get_event(), depth + 1)
            if key.text in made.pairs:
                first = made.pairs[key.text][0].place.line
                self.desk.find("duplicate-key", key.place, f"`{key.text}` stands here twice; first on line {first}",
                               "keep one of the two")
                continue
            made.pairs[key.text] = (key, value)
        if made.pairs:
            first_key = next(iter(made.pairs.values()))[0]
            made.at = first_key.at
        return made


def _explain(text: str, error: yaml.YAMLError, desk: Desk, shift: int) -> None:
    """Say why libyaml refused the text, in ruamel's words where it refuses it too."""
    message, mark = _words(error)
    if len(text) <= EXPLAIN_LIMIT:
        try:
            YAML(typ="rt", pure=True).compose(text)
        except MarkedYAMLError as better:
            message, mark = _words(better)
        except Exception:  # noqa: S110 - the better words are a courtesy; any failure keeps libyaml's
            pass
    line, col = (mark.line + 1 + shift, mark.column + 1) if mark is not None else (1 + shift, 1)
    desk.find("yaml", Place(desk.file, line, col), f"this is not YAML: {message}", _hint(text, line - shift))


def _words(error: Exception) -> tuple[str, Any]:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    said = " ".join(str(getattr(error, "problem", None) or error).split())
    around = getattr(error, "context", None)
    return (f"{said} ({' '.join(str(around).split())})" if around else said), mark


def _hint(text: str, line: int) -> str:
    lines = text.splitlines()
    shown = lines[line - 1] if 0 < line <= len(lines) else ""
    if "{{" in shown or "{%" in shown:
        return "put text with {{ ... }} into double quotes"
    if re.search(r":\s+[^'\"{\[]*:\s", shown):
        return "put a text with a colon in it into double quotes"
    return "look at the indentation of this line and the one above"
