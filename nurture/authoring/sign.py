"""Writing a signature into `agreement.yaml` without touching anything else in it."""

from __future__ import annotations

from datetime import date
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from nurture.errors import UsageError


def add_signature(text: str, *, role: str, name: str, on: date) -> str:
    """The file with this role's signature; an earlier one of the same role is replaced.

    Raises:
        UsageError: the file does not read, or its signatures are not written one per line.
    """
    try:
        whole: Any = YAML(typ="rt").load(text)
    except YAMLError as broken:
        raise UsageError("agreement.yaml does not read", fix="run `nurture check` first") from broken
    agreement = whole.get("agreement") if hasattr(whole, "get") else None
    if agreement is None:
        raise UsageError("agreement.yaml holds no agreement", fix="begin it with `agreement:`")
    lines = text.splitlines(keepends=True)
    signed = agreement.get("signed")
    if not signed:
        return _begin(lines, agreement, role, name, on)
    places = [signed.lc.item(n) for n in range(len(signed))]
    if len({line for line, _ in places}) < len(places):
        raise UsageError("the signatures stand on one line", fix="write one signature per line")
    indent = " " * (places[-1][1] - 2)
    entry = f"{indent}- {_entry(role, name, on)}\n"
    for (line, _), one in zip(places, signed, strict=True):
        if one.get("role") == role:
            lines[line : _end(lines, line)] = [entry]
            return "".join(lines)
    last = _end(lines, places[-1][0])
    if not lines[last - 1].endswith("\n"):
        lines[last - 1] += "\n"
    lines[last:last] = [entry]
    return "".join(lines)


def _begin(lines: list[str], agreement: Any, role: str, name: str, on: date) -> str:
    first = next(iter(agreement))
    line, column = agreement.lc.key(first)
    indent = " " * column
    entry = [f"{indent}  - {_entry(role, name, on)}\n"]
    if "signed" in agreement:
        at = agreement.lc.key("signed")[0]
        lines[at : at + 1] = [f"{indent}signed:\n", *entry]
    else:
        lines[line:line] = [f"{indent}signed:\n", *entry]
    return "".join(lines)


def _end(lines: list[str], start: int) -> int:
    """The line after the item that begins on `start`: what is indented deeper belongs to it."""
    indent = len(lines[start]) - len(lines[start].lstrip())
    end = start + 1
    while end < len(lines) and lines[end].strip() and len(lines[end]) - len(lines[end].lstrip()) > indent:
        end += 1
    return end


def _entry(role: str, name: str, on: date) -> str:
    quoted = '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return f"{{ role: {role}, name: {quoted}, on_date: {on.isoformat()} }}"
