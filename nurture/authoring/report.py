"""Findings as people and machines read them: text with an excerpt and a caret, JSON, GitHub annotations, SARIF."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from rich.cells import cell_len
from rich.text import Text

from nurture.authoring.rulebook import RULES, Rule
from nurture.model.problem import Problem, Severity

FORMATS: Final = ("text", "json", "github", "sarif")
_COLOURS: Final = {Severity.ERROR: "bold red", Severity.WARNING: "yellow", Severity.INFO: "cyan"}
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def said(words: str) -> str:
    """Text from a file, safe on a terminal and on one line."""
    return _CONTROL.sub("\ufffd", words.replace("\n", " "))


def as_text(problems: Sequence[Problem], sources: Mapping[str, str]) -> Text:
    """Each finding as `file:line:col: severity[code] message`, the line with a caret below, and the fix."""
    made = Text()
    for problem in problems:
        place, colour = problem.place, _COLOURS[problem.severity]
        made.append(f"{said(place.file)}:{place.line}:{place.col}: ", style="bold")
        made.append(f"{problem.severity}[{problem.code}]", style=colour)
        made.append(f" {said(problem.message)}\n")
        made.append_text(_excerpt(problem, sources))
        if problem.fix:
            made.append("    fix: ", style="green")
            made.append(f"{said(problem.fix)}\n")
    return made


def _excerpt(problem: Problem, sources: Mapping[str, str]) -> Text:
    lines = sources.get(problem.place.file, "").split("\n")
    place = problem.place
    if not 0 < place.line <= len(lines) or not lines[place.line - 1].strip():
        return Text()
    line = lines[place.line - 1]
    start = max(0, place.col - 1 - 60) if len(line) > 110 else 0
    shown = said(line[start:start + 110])
    before = said(line[start:place.col - 1])
    width = max(1, min(cell_len(said(line[place.col - 1:place.col - 1 + place.width])), 110 - len(before)))
    number = str(place.line)
    made = Text(f"  {number} | ", style="dim")
    made.append(f"{shown}\n", style="default not dim")
    made.append(f"  {' ' * len(number)} | {' ' * cell_len(before)}", style="dim")
    made.append("^" * width + "\n", style=_COLOURS[problem.severity])
    return made


def as_json(problems: Iterable[Problem]) -> str:
    """A list of `{file, line, col, end_col, severity, code, message, fix}`."""
    return json.dumps([_plain(p) for p in problems], ensure_ascii=False, indent=2)


def _plain(problem: Problem) -> dict[str, Any]:
    place = problem.place
    return {
        "file": place.file, "line": place.line, "col": place.col, "end_col": place.col + place.width,
        "severity": problem.severity.value, "code": problem.code, "message": problem.message, "fix": problem.fix,
    }


def as_github(problems: Iterable[Problem]) -> str:
    """Workflow commands that become annotations on the changed lines."""
    kinds = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "notice"}
    return "\n".join(
        f"::{kinds[p.severity]} file={_property(p.place.file)},line={p.place.line},col={p.place.col},"
        f"title={_property(p.code)}::{_data(p.message + (f' Fix: {p.fix}' if p.fix else ''))}"
        for p in problems
    )


def _data(words: str) -> str:
    return words.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(words: str) -> str:
    return _data(words).replace(":", "%3A").replace(",", "%2C")


def as_sarif(problems: Sequence[Problem], version: str) -> str:
    """SARIF 2.1.0, for code scanning."""
    codes = sorted({p.code for p in problems})
    levels = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}
    run = {
        "tool": {"driver": {
            "name": "nurture", "version": version,
            "rules": [{
                "id": code, "shortDescription": {"text": RULES[code].title},
                "fullDescription": {"text": RULES[code].why},
                "help": {"text": RULES[code].fix}, "defaultConfiguration": {"level": levels[RULES[code].severity]},
            } for code in codes],
        }},
        "results": [{
            "ruleId": p.code, "ruleIndex": codes.index(p.code), "level": levels[p.severity],
            "message": {"text": p.message + (f" Fix: {p.fix}" if p.fix else "")},
            "locations": [{"physicalLocation": {
                "artifactLocation": {"uri": p.place.file},
                "region": {"startLine": p.place.line, "startColumn": p.place.col,
                           "endColumn": p.place.col + p.place.width},
            }}],
        } for p in problems],
    }
    schema = "https://json.schemastore.org/sarif-2.1.0.json"
    return json.dumps({"$schema": schema, "version": "2.1.0", "runs": [run]}, ensure_ascii=False, indent=2)


def page(rule: Rule) -> Text:
    """A rule's page: what, why, an example that breaks it, the way out."""
    made = Text.assemble((f"{rule.code}", "bold"), (f"  {rule.severity}\n", _COLOURS[rule.severity]),
                         f"{rule.title}\n\n")
    made.append(f"{rule.why}\n\n")
    if rule.wrong:
        made.append("wrong:\n", style="red")
        made.append("".join(f"    {line}\n" for line in rule.wrong.split("\n")))
        made.append("\n")
    made.append("fix: ", style="green")
    made.append(f"{rule.fix}\n")
    return made


def summary(problems: Sequence[Problem], counted: Mapping[str, int]) -> str:
    """`2 errors, 1 warning in 15 campaigns, 48 templates`."""
    def several(number: int, what: str) -> str:
        return f"{number} {what}{'' if number == 1 else 's'}"

    found = [several(n, s.value) for s in Severity if (n := sum(p.severity is s for p in problems))]
    read = [several(n, what) for what, n in counted.items() if n]
    return f"{', '.join(found) or 'no problems'} in {', '.join(read) or 'no files'}"
