"""Values in few groups: numbers cut where outcomes change, rare values together, unknown always for itself."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

Value = float | str | None
"""A number, a text, or None where it is unknown."""

UNKNOWN: Final = 0
"""The group of unknown values, always the first."""
MOST_CUTS: Final = 12
ALIKE: Final = 1.64
"""Neighbours whose difference is below this many standard errors are one group."""


@dataclass(frozen=True, slots=True)
class Groups:
    """How one column falls into groups. Group 0 is unknown.

    Numbers: group i+1 holds values from `cuts[i-1]` up to below `cuts[i]`. Texts: `members[i]` belongs to group i+1,
    and the last group is everything else.
    """

    column: str
    kind: Literal["number", "choice"]
    cuts: tuple[float, ...] = ()
    members: tuple[tuple[str, ...], ...] = ()

    @property
    def size(self) -> int:
        return len(self.cuts) + 2 if self.kind == "number" else len(self.members) + 2

    def of(self, value: Value) -> int:
        if value is None:
            return UNKNOWN
        if self.kind == "number":
            number = number_of(value)
            return UNKNOWN if number is None else bisect_right(self.cuts, number) + 1
        text = str(value)
        for index, group in enumerate(self.members):
            if text in group:
                return index + 1
        return self.size - 1

    def is_rest(self, group: int) -> bool:
        """Whether this is the group of all texts that have none of their own."""
        return self.kind == "choice" and group == self.size - 1

    def codes(self, values: Sequence[Value]) -> list[int]:
        """The group of every value."""
        known = {value: self.of(value) for value in set(values)}
        return [known[value] for value in values]

    def lowest(self, group: int) -> float | None:
        """Numbers: where a group begins; None for the first one."""
        return self.cuts[group - 2] if group >= 2 else None


def is_number(values: Sequence[Value]) -> bool:
    """Whether a column counts something: all known values are numbers, and there are more than five."""
    known = {value for value in values if value is not None}
    return len(known) > 5 and all(number_of(value) is not None for value in known)


def number_of(value: Value) -> float | None:
    """A value as a number, or None where it is none."""
    try:
        found = float(value) if value is not None else math.nan
    except ValueError:
        return None
    return found if math.isfinite(found) else None


def group(column: str, values: Sequence[Value], outcomes: Sequence[bool], *, numeric: bool, least: int) -> Groups:
    """Groups of one column, each of at least `least` known rows, alike neighbours merged."""
    return (_numbers if numeric else _choices)(column, values, outcomes, least)


def _numbers(column: str, values: Sequence[Value], outcomes: Sequence[bool], least: int) -> Groups:
    pairs = sorted(
        (number, good)
        for value, good in zip(values, outcomes, strict=True)
        if (number := number_of(value)) is not None
    )
    if not pairs:
        return Groups(column, "number")
    numbers = [number for number, _ in pairs]
    cuts = sorted({numbers[len(numbers) * k // MOST_CUTS] for k in range(1, MOST_CUTS)} - {numbers[0]})
    counted = [[0, 0] for _ in range(len(cuts) + 1)]
    for number, good in pairs:
        cell = counted[bisect_right(cuts, number)]
        cell[0] += good
        cell[1] += 1
    while len(counted) > 1:
        index = _most_alike(counted, least)
        if index is None:
            break
        counted[index] = [a + b for a, b in zip(counted[index], counted.pop(index + 1), strict=True)]
        cuts.pop(index)
    return Groups(column, "number", tuple(float(cut) for cut in cuts))


def _choices(column: str, values: Sequence[Value], outcomes: Sequence[bool], least: int) -> Groups:
    seen: Counter[str] = Counter()
    good: Counter[str] = Counter()
    for value, won in zip(values, outcomes, strict=True):
        if value is not None:
            seen[str(value)] += 1
            good[str(value)] += won
    often = [text for text, count in seen.items() if count >= least]
    often.sort(key=lambda text: (good[text] / seen[text], text))
    groups = [[text] for text in often]
    counted = [[good[text], seen[text]] for text in often]
    while len(groups) > 1:
        index = _most_alike(counted, least)
        if index is None:
            break
        counted[index] = [a + b for a, b in zip(counted[index], counted.pop(index + 1), strict=True)]
        groups[index] += groups.pop(index + 1)
    return Groups(column, "choice", members=tuple(tuple(sorted(texts)) for texts in groups))


def _most_alike(counted: Sequence[Sequence[int]], least: int) -> int | None:
    """The neighbours that should be one group: those that differ least, if that is little or one is too small."""
    best: tuple[float, int] | None = None
    for index in range(len(counted) - 1):
        (good, n), (other, m) = counted[index], counted[index + 1]
        apart = 0.0 if min(n, m) < least else _apart(good, n, other, m)
        if apart < ALIKE and (best is None or apart < best[0]):
            best = (apart, index)
    return None if best is None else best[1]


def _apart(good: int, n: int, other: int, m: int) -> float:
    """How many standard errors lie between the log-odds of two groups."""
    def odds(hits: int, rows: int) -> tuple[float, float]:
        yes, no = hits + 0.5, rows - hits + 0.5
        return math.log(yes / no), 1 / yes + 1 / no

    (a, va), (b, vb) = odds(good, n), odds(other, m)
    return abs(a - b) / math.sqrt(va + vb)


def information(codes: Sequence[int], outcomes: Sequence[bool], size: int) -> float:
    """Information value of a grouping: below 0.02 it tells nothing, above 0.5 ask whether it leaks the answer."""
    good, bad = [0.5] * size, [0.5] * size
    for code, won in zip(codes, outcomes, strict=True):
        (good if won else bad)[code] += 1
    total_good, total_bad = sum(good), sum(bad)
    value = 0.0
    for g, b in zip(good, bad, strict=True):
        value += (g / total_good - b / total_bad) * math.log((g / total_good) / (b / total_bad))
    return value
