"""What the points should be, learnt from outcomes: few integer points per value, and how far to trust them.

Everything that looks at outcomes (cutting numbers, merging values, choosing columns) happens inside `learn`, so a
cross-validation that calls `learn` per fold sees nothing of the fold it judges.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from nurture.decide import bins, logit
from nurture.decide.bins import UNKNOWN, Groups, Value
from nurture.decide.interval import Z95, Share, auc, wilson

LEAST_GOOD: Final = 20
"""Fewer successes than this are not enough to learn from."""
TELLS_NOTHING: Final = 0.02
"""Information value below which a column is left out."""
LEAST_KNOWN: Final = 20
"""Unknown is a column's zero only where it was seen this often."""
RIDGE: Final = 1.0
DISTINCT: Final = 0.7
"""Standard errors a group has to be away from the column's zero; a stricter bar loses columns that say the same."""
TOTAL: Final = 100
"""What the best value of every column sums to: one point is one hundredth of a perfect lead."""


@dataclass(frozen=True, slots=True)
class Line:
    """One rule: these values of this column are worth `points` (between `low` and `high`, 95 %) against unknown."""

    column: str
    group: int
    points: int
    low: int
    high: int
    share: Share
    """Outcomes of the rows it was learnt from."""
    at_least: float | None = None
    at_most: float | None = None
    """The highest value that was seen in this group."""
    one_of: tuple[str, ...] = ()

    @property
    def certain(self) -> bool:
        """Whether the interval keeps to one side of nothing."""
        return self.low > 0 or self.high < 0


@dataclass(frozen=True, slots=True)
class PointModel:
    """Integer points per group of each column. `score` sums them; unknown is worth nothing either way."""

    groups: tuple[Groups, ...]
    points: tuple[tuple[int, ...], ...]
    lines: tuple[Line, ...]
    left_out: Mapping[str, str]
    """Columns that were offered and not used, and why."""
    information: Mapping[str, float]

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(groups.column for groups in self.groups)

    def score(self, row: Mapping[str, Value]) -> int:
        """The points of one lead; a column it does not have is unknown."""
        return sum(
            points[groups.of(row.get(groups.column))] for groups, points in zip(self.groups, self.points, strict=True)
        )

    def scores(self, table: Mapping[str, Sequence[Value]], rows: int) -> list[int]:
        """The points of every row of a table of columns."""
        total = [0] * rows
        for groups, points in zip(self.groups, self.points, strict=True):
            values = table.get(groups.column)
            if values is None:
                continue
            for row, code in enumerate(groups.codes(values)):
                total[row] += points[code]
        return total


def enough(outcomes: Sequence[bool]) -> str | None:
    """Why these outcomes are not enough to learn from, or None."""
    good = sum(outcomes)
    bad = len(outcomes) - good
    if good < LEAST_GOOD or bad < LEAST_GOOD:
        return f"not enough data: {good} good and {bad} bad outcomes, at least {LEAST_GOOD} of each are needed"
    return None


def learn(
    table: Mapping[str, Sequence[Value]], outcomes: Sequence[bool], *, numeric: Mapping[str, bool],
    intervals: bool = True,
) -> PointModel:
    """Points from columns (name -> one value per row) and what became of each row.

    `numeric` says which columns count something. The rows of a column are in the order of `outcomes`. Without
    `intervals` the points are the same and cheaper.
    """
    least = max(20, len(outcomes) // 100)
    kept: list[Groups] = []
    codes: list[list[int]] = []
    left_out: dict[str, str] = {}
    information: dict[str, float] = {}
    for column, values in table.items():
        groups = bins.group(column, values, outcomes, numeric=numeric[column], least=least)
        coded = groups.codes(values)
        information[column] = bins.information(coded, outcomes, groups.size)
        if information[column] < TELLS_NOTHING:
            left_out[column] = f"tells nothing (information value {information[column]:.3f})"
            continue
        kept.append(groups)
        codes.append(coded)
    sizes = [groups.size for groups in kept]
    counted = [_count(column, size, outcomes) for column, size in zip(codes, sizes, strict=True)]
    worth = _certain(kept, codes, counted, outcomes, intervals)
    tops = [_tops(groups, table[groups.column]) for groups in kept]
    return _in_points(kept, counted, worth, tops, left_out, information)


Worth = list[list[tuple[float, float]]]
"""Per column and group: log-odds against the column's zero, and their standard error."""


def _certain(
    kept: Sequence[Groups], codes: Sequence[Sequence[int]], counted: Sequence[Sequence[Share]],
    outcomes: Sequence[bool], intervals: bool,
) -> Worth:
    """Fit, give every group that may be nothing to its column's zero, and fit what remains again.

    Rare texts together are nothing too: what an unseen text says about a lead, nobody has seen.
    """
    sizes = [groups.size for groups in kept]
    fitted = logit.fit(codes, sizes, outcomes, ridge=RIDGE)
    zeros = [_zero(counts, weights) for counts, weights in zip(counted, fitted.weights, strict=True)]
    stays: list[list[bool]] = []
    merged: list[list[int]] = []
    for index, (groups, zero) in enumerate(zip(kept, zeros, strict=True)):
        weights = fitted.weights[index]
        stays.append([
            bool(counted[index][number].n)
            and abs(weights[number] - weights[zero]) >= DISTINCT * fitted.error(index, number, zero)
            and not groups.is_rest(number)
            for number in range(groups.size)
        ])
        merged.append([code if stays[index][code] else zero for code in codes[index]])
    fitted = logit.fit(merged, sizes, outcomes, ridge=RIDGE, errors=intervals, start=fitted)
    worth: Worth = []
    for index, (zero, weights) in enumerate(zip(zeros, fitted.weights, strict=True)):
        worth.append([(0.0, 0.0)] * len(weights))
        for number, stay in enumerate(stays[index]):
            if stay and number != zero:
                worth[index][number] = (weights[number] - weights[zero], fitted.error(index, number, zero))
    return worth


def _zero(counts: Sequence[Share], weights: Sequence[float]) -> int:
    """The group that is worth nothing: unknown where that was seen, else the least."""
    if counts[UNKNOWN].n >= LEAST_KNOWN:
        return UNKNOWN
    return min((number for number in range(len(counts)) if counts[number].n), key=lambda number: weights[number])


def _in_points(
    kept: Sequence[Groups], counted: Sequence[Sequence[Share]], worth: Worth, tops: Sequence[Mapping[int, float]],
    left_out: dict[str, str], information: dict[str, float],
) -> PointModel:
    """Log-odds to integers: the best values of all columns sum to `TOTAL`."""
    best = sum(max(0.0, *(value for value, _ in row)) for row in worth)
    scale = TOTAL / best if best else 0.0
    whole = _exact([[round(value * scale) for value, _ in row] for row in worth])
    points: list[tuple[int, ...]] = []
    lines: list[Line] = []
    used: list[Groups] = []
    for groups, row, mine, counts, top in zip(kept, worth, whole, counted, tops, strict=True):
        if not any(mine):
            left_out[groups.column] = "makes no certain difference beside the others"
            continue
        used.append(groups)
        points.append(tuple(mine))
        for number in range(1, groups.size):
            if mine[number]:
                half = Z95 * row[number][1] * scale
                lines.append(_line(groups, number, mine[number], half, counts[number], top.get(number)))
    return PointModel(tuple(used), tuple(points), tuple(lines), left_out, information)


def _exact(whole: list[list[int]]) -> list[list[int]]:
    """Make the best values of all columns sum to exactly `TOTAL`: rounding's rest goes to the weightiest column."""
    heaviest = max(range(len(whole)), key=lambda index: max(whole[index]), default=None)
    if heaviest is None or max(whole[heaviest]) <= 0:
        return whole
    missing = TOTAL - sum(max(0, *row) for row in whole)
    top = max(whole[heaviest])
    whole[heaviest] = [value + missing if value == top else value for value in whole[heaviest]]
    return whole


def _tops(groups: Groups, values: Sequence[Value]) -> dict[int, float]:
    """The highest value of each group of a column of numbers."""
    top: dict[int, float] = {}
    if groups.kind == "number":
        for value in set(values):
            number = bins.number_of(value)
            if number is not None:
                code = groups.of(number)
                top[code] = max(number, top.get(code, number))
    return top


def _line(groups: Groups, number: int, points: int, half: float, share: Share, top: float | None) -> Line:
    low, high = round(points - half), round(points + half)
    if groups.kind == "number":
        last = number == groups.size - 1
        at_least, at_most = groups.lowest(number), None if last else top
        return Line(groups.column, number, points, low, high, share, at_least=at_least, at_most=at_most)
    return Line(groups.column, number, points, low, high, share, one_of=groups.members[number - 1])


def _count(codes: Sequence[int], size: int, outcomes: Sequence[bool]) -> list[Share]:
    good, seen = [0] * size, [0] * size
    for code, won in zip(codes, outcomes, strict=True):
        seen[code] += 1
        good[code] += won
    return [wilson(g, n) for g, n in zip(good, seen, strict=True)]


@dataclass(frozen=True, slots=True)
class Validated:
    """AUC per fold, and on the rows the fold was learnt from; their difference is what was only memorised."""

    folds: tuple[float, ...]
    learnt: tuple[float, ...]
    pooled: tuple[int, ...]
    """For every row, its score from the model that had not seen it (points of different folds are comparable)."""

    @property
    def auc(self) -> float:
        return sum(self.folds) / len(self.folds)

    @property
    def spread(self) -> float:
        """Half the distance between the best and the worst fold."""
        return (max(self.folds) - min(self.folds)) / 2

    @property
    def memorised(self) -> float:
        return sum(self.learnt) / len(self.learnt) - self.auc


def cross_validate(
    table: Mapping[str, Sequence[Value]], outcomes: Sequence[bool], *, numeric: Mapping[str, bool], folds: int = 5
) -> Validated:
    """Learn on all folds but one and judge on that one, in turn. Folds are drawn by a stable hash of the row."""
    drawn = _folds(outcomes, folds)
    judged: list[float] = []
    learnt: list[float] = []
    pooled = [0] * len(outcomes)
    for fold in range(folds):
        inside = [row for row, number in enumerate(drawn) if number != fold]
        outside = [row for row, number in enumerate(drawn) if number == fold]
        known = [outcomes[row] for row in inside]
        part = {column: [values[row] for row in inside] for column, values in table.items()}
        model = learn(part, known, numeric=numeric, intervals=False)
        rest = {column: [values[row] for row in outside] for column, values in table.items()}
        scores = model.scores(rest, len(outside))
        judged.append(auc(scores, [outcomes[row] for row in outside]))
        learnt.append(auc(model.scores(part, len(inside)), known))
        for row, score in zip(outside, scores, strict=True):
            pooled[row] = score
    return Validated(tuple(judged), tuple(learnt), tuple(pooled))


def _folds(outcomes: Sequence[bool], folds: int) -> list[int]:
    """A fold per row, with the same share of good outcomes in each."""
    drawn = [0] * len(outcomes)
    for kind in (True, False):
        rows = [row for row, good in enumerate(outcomes) if good is kind]
        rows.sort(key=lambda row: hashlib.blake2b(row.to_bytes(8, "big"), digest_size=8).digest())
        for position, row in enumerate(rows):
            drawn[row] = position % folds
    return drawn
