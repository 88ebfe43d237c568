"""`nurture fmt`: one look for every file, with every comment kept. What a file says never changes; that is checked."""

from __future__ import annotations

import io
import re
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.emitter import Emitter
from ruamel.yaml.error import YAMLError
from ruamel.yaml.scalarstring import ScalarString

from nurture.authoring.desk import Desk
from nurture.authoring.tree import Node, read_tree

WIDTH = 120


def formatted(text: str) -> str | None:
    """The text in the common form, or None when it does not read as a block of words (then `check` says why).

    Two spaces, lists indented, an empty line between steps, no spaces at line ends, one line end at the end.
    """
    before = read_tree(text, Desk("x.yaml"))
    if before is None or before.kind == "text":
        return None
    yaml = _yaml()
    try:
        data = yaml.load(text)
        _unfold(data, 0)
        made = io.StringIO()
        yaml.dump(data, made)
    except YAMLError:
        return None
    result = _tidy(made.getvalue())
    after = read_tree(result, Desk("x.yaml"))
    # ruamel keeps what it understands; where a corner of YAML would come out as something else, nothing is touched.
    kept = after is not None and _same(before, after) and _comments(text) == _comments(result)
    return result if kept else _tidy(text)


class _Emitter(Emitter):
    """`{ a: b }` with room inside, `[a, b]` without, and no text folded over lines."""

    def write_indicator(
        self, indicator: Any, need_whitespace: Any, whitespace: Any = False, indention: Any = False
    ) -> None:
        if indicator == "}":
            super().write_indicator(" ", False)
        super().write_indicator(indicator, need_whitespace, whitespace, indention)
        if indicator == "{":
            super().write_indicator(" ", False, whitespace=True)

    def write_plain(self, text: Any, split: Any = True) -> None:
        super().write_plain(text, False)

    def write_double_quoted(self, text: Any, split: Any = True) -> None:
        super().write_double_quoted(text, False)

    def write_single_quoted(self, text: Any, split: Any = True) -> None:
        super().write_single_quoted(text, False)


def _yaml() -> YAML:
    yaml = YAML(typ="rt", pure=True)
    yaml.version = (1, 2)
    yaml.preserve_quotes = True
    yaml.width = 1_000_000  # long blocks are unfolded, never wrapped in the middle
    yaml.Emitter = _Emitter
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.explicit_start = False
    yaml.allow_duplicate_keys = False
    return yaml


def _unfold(data: Any, indent: int, key: str = "") -> None:
    """A `{ ... }` or `[ ... ]` that is longer than a line becomes one entry per line. `key` stands before it."""
    if not isinstance(data, (CommentedMap, CommentedSeq)):
        return
    if data.fa.flow_style():
        if indent + len(key) + 2 + _length(data) <= WIDTH:
            return
        data.fa.set_block_style()
    if isinstance(data, CommentedMap):
        for name, value in data.items():
            _unfold(value, indent + (2 if key else 0), str(name))
    else:
        for value in data:
            _unfold(value, indent + 4)


def _length(data: Any) -> int:
    if isinstance(data, CommentedMap):
        return 2 + sum(len(str(key)) + 4 + _length(value) for key, value in data.items())
    if isinstance(data, CommentedSeq):
        return sum(2 + _length(value) for value in data)
    return len(str(data)) + (2 if isinstance(data, ScalarString) else 0)


def _comments(text: str) -> list[str]:
    return sorted(found.strip() for found in re.findall(r"(?:^|\s)(#.*)$", text, re.MULTILINE))


def _tidy(text: str) -> str:
    lines = [line.rstrip() for line in text.replace("\r\n", "\n").split("\n")]
    if lines and lines[0].startswith("%YAML"):
        lines = lines[2:] if len(lines) > 1 and lines[1] == "---" else lines[1:]
    joined = re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip("\n")
    return f"{joined}\n" if joined else ""


def _same(one: Node, other: Node) -> bool:
    """Do two trees say the same, places aside?"""
    if one.kind != other.kind or (one.kind == "text" and (one.text, one.plain) != (other.text, other.plain)):
        return False
    if len(one.items) != len(other.items) or list(one.pairs) != list(other.pairs):
        return False
    return all(_same(a, b) for a, b in zip(one.items, other.items, strict=True)) and all(
        _same(one.pairs[key][1], other.pairs[key][1]) for key in one.pairs
    )
