"""The table of faults: what was caused how often, how many kills, how many mails were lost and went twice.

A test says `note(...)` after its proof; what it noted travels with its report, so several processes make one table,
printed at the end and kept in `build/faults.md`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

KEY = "fault"
BUILD = Path(__file__).parent.parent.parent / "build"
WAYS = ("sqlite", "postgres", "one-by-one", "pipelined")

_running: list[tuple[str, object]] = []
_name, _way = "", ""


def begin(properties: list[tuple[str, object]], name: str, case: str) -> None:
    """From now on notes belong to this test: `name` without `test_`, `case` its parameters."""
    global _running, _name, _way
    _running, _name = properties, name.removeprefix("test_").replace("_", " ")
    _way = " ".join(way for way in WAYS if way in case)


def note(*, mails: int, lost: int, twice: int, kills: int = 0, where: str = "") -> None:
    """What one fault did: mails that were due, those nobody can account for, and copies beyond the first."""
    told = {"fault": _name, "where": where or _way, "mails": mails, "lost": lost, "twice": twice, "kills": kills}
    _running.append((KEY, told))


def rows(reports: Iterable[Any]) -> list[dict[str, Any]]:
    """One row per fault and place, over every test that noted it."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for report in reports:
        for key, told in report.user_properties:
            if key == KEY:
                row = found.setdefault((told["fault"], told["where"]), {"times": 0, "kills": 0, "mails": 0,
                                                                          "lost": 0, "twice": 0})
                row["times"] += 1
                for count in ("kills", "mails", "lost", "twice"):
                    row[count] += told[count]
    return [{"fault": fault, "where": where, **row} for (fault, where), row in sorted(found.items())]


COLUMNS = ("fault", "where", "times", "kills", "mails", "lost", "twice")


def as_markdown(table: Sequence[Mapping[str, Any]]) -> list[str]:
    """The table and its sum, as lines."""
    total = {name: sum(row[name] for row in table) for name in COLUMNS[2:]}
    lines = ["| " + " | ".join(COLUMNS) + " |", "|---|---|" + "---:|" * 5]
    every = [*table, {"fault": "**all**", "where": "", **total}]
    return lines + ["| " + " | ".join(str(row[name]) for name in COLUMNS) + " |" for row in every]


def tell(reports: Iterable[Any], write: Any) -> None:
    """Print the table and keep it, where a test noted anything."""
    table = rows(reports)
    if not table:
        return
    lines = as_markdown(table)
    BUILD.mkdir(exist_ok=True)
    (BUILD / "faults.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    write("")
    for line in lines:
        write(line)
