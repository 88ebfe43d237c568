"""What hand-offs teach: which count as good or bad, which cells and events pay, whether the matrix is in order."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from nurture.decide.bins import Value
from nurture.decide.interval import Cut, Share, drift, sweep, wilson
from nurture.model.agreement import Agreement
from nurture.model.report import Lesson

LEAST_PER_CELL: Final = 10
GOOD: Final = frozenset({"won", "sql", "converted"})
BAD_TRAINING: Final = frozenset({"negative", "fit_negative", "engagement_negative", "lost"})
BAD_REJECTS: Final = frozenset({"not_icp", "competitor", "student_or_jobseeker"})
_SILENT: Final = frozenset({"imported", "list_added", "points", "email_open", "email_bounce"})
"""Events that say nothing about a person's interest."""


def label(lesson: Lesson, agreement: Agreement) -> bool | None:
    """Good, bad, or None: not decided yet, or ended for a reason that says nothing about the lead."""
    if lesson.end in GOOD:
        return True
    if lesson.end == "lost":
        return False
    if lesson.end == "recycled":
        reason = agreement.recycle_reasons.get((lesson.reason or "").split(":")[0])
        return False if reason is not None and reason.training in BAD_TRAINING else None
    if lesson.end == "rejected":
        return False if lesson.reason in BAD_REJECTS else None
    return None


@dataclass(frozen=True, slots=True)
class CellRow:
    cell: str
    share: Share
    enough: bool


@dataclass(frozen=True, slots=True)
class Lift:
    """What it is worth to know that something of this kind happened before the hand-off."""

    kind: str
    with_it: Share
    without: Share
    lift: float
    """With against all: 2.0 is twice as often won."""


def cells(lessons: Sequence[Lesson], outcomes: Sequence[bool]) -> tuple[list[CellRow], list[str]]:
    """Conversion per cell, and where the matrix is not in order: a better cell that surely wins less often."""
    good: Counter[str] = Counter()
    seen: Counter[str] = Counter()
    for lesson, won in zip(lessons, outcomes, strict=True):
        name = lesson.cell or "none"
        seen[name] += 1
        good[name] += won
    rows = [CellRow(name, wilson(good[name], n), n >= LEAST_PER_CELL) for name, n in sorted(seen.items())]
    wrong: list[str] = []
    known = [row for row in rows if row.enough and len(row.cell) == 2]
    for better in known:
        for worse in known:
            above = better.cell[0] <= worse.cell[0] and better.cell[1] <= worse.cell[1] and better.cell != worse.cell
            if above and better.share.high < worse.share.low:
                wrong.append(f"{better.cell} ({better.share.rate:.0%}) is won less often than {worse.cell} "
                             f"({worse.share.rate:.0%}), and that is no chance")
    return rows, wrong


def lifts(lessons: Sequence[Lesson], outcomes: Sequence[bool]) -> list[Lift]:
    """One row per kind of event, the most telling first."""
    base = sum(outcomes) / len(outcomes) if outcomes else 0.0
    kinds = sorted({kind for lesson in lessons for kind in lesson.events} - _SILENT)
    found: list[Lift] = []
    for kind in kinds:
        has = [kind in lesson.events for lesson in lessons]
        yes = [won for won, there in zip(outcomes, has, strict=True) if there]
        no = [won for won, there in zip(outcomes, has, strict=True) if not there]
        share = wilson(sum(yes), len(yes))
        found.append(Lift(kind, share, wilson(sum(no), len(no)), share.rate / base if base else 0.0))
    return sorted(found, key=lambda row: (-row.lift, row.kind))


def columns(lessons: Sequence[Lesson]) -> tuple[dict[str, list[Value]], frozenset[str]]:
    """The lessons as columns to learn from, and which of them count events (`event:webinar_attended`)."""
    table: dict[str, list[Value]] = {}
    names = sorted({name for lesson in lessons for name in lesson.fields})
    for name in names:
        table[name] = [_value(lesson.fields.get(name)) for lesson in lessons]
    counted = frozenset(f"event:{kind}" for lesson in lessons for kind in lesson.events if kind not in _SILENT)
    for name in sorted(counted):
        kind = name.removeprefix("event:")
        table[name] = [float(lesson.events.count(kind)) for lesson in lessons]
    return table, counted


def _value(value: object) -> Value:
    if value is None or value == "":
        return None
    if isinstance(value, bool):
        return "yes" if value else "no"
    return float(value) if isinstance(value, int | float) else str(value)


def thresholds(lessons: Sequence[Lesson], outcomes: Sequence[bool]) -> list[Cut]:
    """What other engagement thresholds would have handed over, in whole points."""
    return sweep([lesson.engagement // 1000 for lesson in lessons], outcomes, range(0, 101, 5))


def cell_drift(lessons: Sequence[Lesson]) -> float:
    """Whether the later half of the hand-offs falls into other cells than the earlier half."""
    half = len(lessons) // 2
    before, after = (Counter(one.cell or "none" for one in part) for part in (lessons[:half], lessons[half:]))
    names = sorted(before | after)
    return drift([before[name] for name in names], [after[name] for name in names])


def per_day(lessons: Sequence[Lesson]) -> float:
    """Hand-offs per day of those on which there were any."""
    days: dict[str, int] = defaultdict(int)
    for lesson in lessons:
        days[f"{lesson.at:%Y-%m-%d}"] += 1
    return sum(days.values()) / len(days) if days else 0.0
