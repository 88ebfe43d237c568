"""What calibration proposes, as YAML a marketer and a seller can read and argue about. Never applied by itself."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from nurture.decide.bins import Groups
from nurture.decide.calibrate import Line, PointModel
from nurture.decide.interval import Share

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9 ./&-]*\Z")
_YAML_WORDS = frozenset({"yes", "no", "true", "false", "on", "off", "null", "y", "n"})


@dataclass(frozen=True, slots=True)
class About:
    """Where a proposal comes from, for the comment above it."""

    name: str
    rows: int
    good: int
    day: str
    quality: str
    """One sentence on how well it ranks."""
    labels: Mapping[str, str]
    """Field -> what the file calls it."""
    leak_risk: Sequence[str] = ()
    yes_no: Sequence[str] = ()
    """Fields that hold yes or no and no text."""


def model_yaml(
    model: PointModel, about: About, bands: Mapping[str, int], *, name: str = "calibrated",
    fields: Collection[str] | None = None,
) -> str:
    """The proposed scoring model as an entry of `models:` in `scoring.yaml`: a shadow, which decides nothing."""
    share = about.good / about.rows if about.rows else 0.0
    told = f"{about.rows:,} leads, {about.good:,} won ({share:.1%})"
    lines = [
        f"  # Proposed by `nurture calibrate` on {about.day} from {about.name}: {told}.",
        f"  # {about.quality}",
        "  # Points are against a lead of whom nothing is known; values sum to 100. (a to b): 95 % interval.",
        "  # A shadow is computed and shown beside the real score and decides nothing until people take `shadow` away.",
    ]
    lines += [f"  # Leak risk: `{name}` may have been written after the outcome was known." for name in about.leak_risk]
    lines += [f"  - model: {name}", "    shadow: true", "    fit:"]
    used = [groups for groups in model.groups if fields is None or groups.column in fields]
    for groups in used:
        lines += _criterion(groups, model, about)
    names = {groups.column for groups in used}
    negative = [line for line in model.lines if line.points < 0 and line.column in names]
    if negative:
        lines.append("    subtract:")
        lines += [_subtraction(line, line.column in about.yes_no) for line in negative]
    told = ", ".join(f"{band}: {points}" for band, points in bands.items())
    lines.append(f"    fit_bands: {{ {told} }}")
    lines += ["    engagement:", "      rules: []"]
    return "\n".join(lines) + "\n"


def _criterion(groups: Groups, model: PointModel, about: About) -> Iterator[str]:
    points = model.points[model.groups.index(groups)]
    weight = max(points)
    if weight <= 0:
        return
    label = about.labels.get(groups.column, groups.column)
    known_as = "" if label == groups.column else f", in the file: {label}"
    tells = f"# information value {model.information[groups.column]:.2f}{known_as}"
    yield f"      - field: {groups.column:<28}{tells}"
    yield f"        weight: {weight}"
    yield "        rules:"
    by_group = {line.group: line for line in model.lines if line.column == groups.column and line.points > 0}
    rules = _ranges if groups.kind == "number" else _texts
    yield from rules(groups, points, by_group, weight, flags=groups.column in about.yes_no)


def _ranges(
    groups: Groups, points: Sequence[int], by_group: Mapping[int, Line], weight: int, *, flags: bool
) -> Iterator[str]:
    """Numbers from the highest range down: the first rule that matches counts."""
    for group in range(groups.size - 1, 1, -1):
        worth = _share(max(0, points[group]), weight)
        rule = f"          - {{ at_least: {_number(groups.lowest(group))}, points: {worth} }}"
        yield rule + _why(by_group.get(group))
    yield f"          - otherwise: {_share(max(0, points[1]), weight)}{_why(by_group.get(1))}"


def _texts(
    groups: Groups, points: Sequence[int], by_group: Mapping[int, Line], weight: int, *, flags: bool
) -> Iterator[str]:
    for _, line in sorted(by_group.items(), key=lambda item: -item[1].points):
        yield f"          - {{ {_asked(line.one_of, flags)}, points: {_share(line.points, weight)} }}{_why(line)}"
    yield "          - otherwise: 0"


def _asked(texts: Sequence[str], flags: bool) -> str:
    if flags:
        return f"is: {'true' if texts[0] == 'yes' else 'false'}"
    return f"one_of: [{', '.join(_text(text) for text in texts)}]"


def _subtraction(line: Line, flags: bool) -> str:
    asked = [_asked(line.one_of, flags)] if line.one_of else []
    if line.at_least is not None:
        asked.append(f"at_least: {_number(line.at_least)}")
    if line.at_most is not None:
        asked.append(f"at_most: {_number(line.at_most)}")
    because = _text(f"{line.share.rate:.0%} of {line.share.n:,} such leads were won")
    told = f"field: {line.column}, {', '.join(asked)}, points: {-line.points}, because: {because}"
    return f"      - {{ {told} }}{_why(line)}"


def _why(line: Line | None) -> str:
    if line is None:
        return ""
    doubt = "" if line.certain else "; by itself it may be nothing"
    return f"   # {line.points:+d} ({line.low:+d} to {line.high:+d}): {won(line.share)}{doubt}"


def won(share: Share) -> str:
    """`332 of 361 won, 92 % (89 to 94)`."""
    low, high = share.low * 100, share.high * 100
    return f"{share.hits:,} of {share.n:,} won, {share.rate * 100:.0f} % ({low:.0f} to {high:.0f})"


def _share(points: int, weight: int) -> int:
    return round(100 * points / weight)


def _number(value: float | None) -> str:
    assert value is not None
    return f"{value:.0f}" if value == int(value) else f"{value:g}"


def _text(text: str) -> str:
    """A text as YAML: bare where nothing can be misread, else quoted."""
    if _PLAIN.match(text) and text.casefold() not in _YAML_WORDS and text == text.strip():
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def insert_model(scoring: str, block: str) -> str:
    """`scoring.yaml` with the proposed model as the first of its models; everything else stays, comments included."""
    lines = scoring.splitlines(keepends=True)
    for index, line in enumerate(lines):
        if re.match(r"models:\s*(#.*)?$", line):
            return "".join(lines[: index + 1]) + block + "\n" + "".join(lines[index + 1 :])
    return scoring.rstrip("\n") + "\nmodels:\n" + block


def as_diff(before: str, after: str, path: str) -> str:
    """The unified diff between two texts of one file."""
    made = difflib.unified_diff(
        before.splitlines(keepends=True), after.splitlines(keepends=True), f"a/{path}", f"b/{path}"
    )
    return "".join(made)
