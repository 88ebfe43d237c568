"""Logistic regression over groups (one group per feature and row), with a ridge, in plain Python.

Coordinate-wise Newton steps: each group's rows are touched once per round, so a round costs rows times features, and a
few thousand leads take a fraction of a second.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

ROUNDS: Final = 25
CLOSE: Final = 0.004
"""Log-odds; far below what one integer point is worth."""
LONGEST_STEP: Final = 2.0


@dataclass(frozen=True, slots=True)
class Fitted:
    """`weights[feature][group]` in log-odds, and how far any two groups of a feature can be told apart."""

    base: float
    weights: tuple[tuple[float, ...], ...]
    covariance: tuple[tuple[float, ...], ...]
    """Of the intercept and every group, in the order of the features; empty where nobody asked."""
    starts: tuple[int, ...]

    def error(self, feature: int, group: int, against: int | None = None) -> float:
        """Standard error of a group's weight, or of its distance from the group `against`."""
        one = self.starts[feature] + group
        if not self.covariance:
            return 0.0
        if against is None:
            return math.sqrt(max(self.covariance[one][one], 0.0))
        if against == group:
            return 0.0
        other = self.starts[feature] + against
        both = self.covariance[one][one] + self.covariance[other][other] - 2 * self.covariance[one][other]
        return math.sqrt(max(both, 0.0))


def fit(
    codes: Sequence[Sequence[int]], sizes: Sequence[int], outcomes: Sequence[bool], *, ridge: float,
    errors: bool = True, start: Fitted | None = None,
) -> Fitted:
    """Fit `outcomes` to `codes[feature][row]`, a group number below `sizes[feature]`.

    `ridge` is the precision of the belief that a group makes no difference (1.0: a standard deviation of one
    log-odds). Without `errors` the standard errors, half of the work, are left out. `start` is a fit of the same
    features that cannot be far away: fewer rounds lead from there.
    """
    n = len(outcomes)
    target = [1.0 if good else 0.0 for good in outcomes]
    good = sum(target)
    base = start.base if start else math.log((good + 0.5) / (n - good + 0.5))
    weights = [list(row) for row in start.weights] if start else [[0.0] * size for size in sizes]
    eta = [base] * n
    if start:
        for column, weight in zip(codes, weights, strict=True):
            eta = [value + weight[group] for value, group in zip(eta, column, strict=True)]
    for _ in range(ROUNDS):
        moved = _intercept(eta, target)
        base += moved
        for row in range(n):
            eta[row] += moved
        largest = abs(moved)
        for feature, column in enumerate(codes):
            largest = max(largest, _step(column, weights[feature], eta, target, ridge))
        if largest < CLOSE:
            break
    starts = tuple(1 + sum(sizes[:feature]) for feature in range(len(sizes)))
    covariance = _inverse(_curvature(codes, starts, 1 + sum(sizes), eta, ridge)) if errors else ()
    return Fitted(base, tuple(tuple(row) for row in weights), covariance, starts)


def _curvature(
    codes: Sequence[Sequence[int]], starts: Sequence[int], size: int, eta: Sequence[float], ridge: float
) -> list[list[float]]:
    """The second derivative: for every pair of groups, how much the rows in both of them tell."""
    bend = [[0.0] * size for _ in range(size)]
    for index in range(1, size):
        bend[index][index] = ridge
    columns = [[start + code for code in column] for start, column in zip(starts, codes, strict=True)]
    for value, *active in zip(eta, *columns, strict=True):
        chance = chance_of(value)
        told = chance * (1 - chance)
        bend[0][0] += told
        for position, one in enumerate(active):
            row = bend[one]
            row[0] += told
            for other in active[: position + 1]:
                row[other] += told
    for one in range(size):
        for other in range(one):
            bend[other][one] = bend[one][other]
    return bend


def _inverse(matrix: list[list[float]]) -> tuple[tuple[float, ...], ...]:
    """The inverse of a symmetric positive definite matrix."""
    size = len(matrix)
    rows = [[*row, *(1.0 if i == j else 0.0 for j in range(size))] for i, row in enumerate(matrix)]
    for pivot in range(size):
        best = max(range(pivot, size), key=lambda r: abs(rows[r][pivot]))
        rows[pivot], rows[best] = rows[best], rows[pivot]
        head = rows[pivot][pivot] or 1e-12
        rows[pivot] = top = [value / head for value in rows[pivot]]
        for other in range(size):
            factor = rows[other][pivot]
            if other != pivot and factor:
                rows[other] = [value - factor * above for value, above in zip(rows[other], top, strict=True)]
    return tuple(tuple(row[size:]) for row in rows)


def _intercept(eta: Sequence[float], target: Sequence[float]) -> float:
    slope = bend = 0.0
    for value, wanted in zip(eta, target, strict=True):
        chance = chance_of(value)
        slope += wanted - chance
        bend += chance * (1 - chance)
    return _bounded(slope / bend) if bend else 0.0


def _step(
    column: Sequence[int], weight: list[float], eta: list[float], target: Sequence[float], ridge: float
) -> float:
    """One Newton step for every group of one feature; returns the largest change."""
    slope = [-ridge * value for value in weight]
    bend = [ridge] * len(weight)
    exp = math.exp
    for group, value, wanted in zip(column, eta, target, strict=True):
        chance = 1 / (1 + exp(-value)) if value > -700 else 0.0
        slope[group] += wanted - chance
        bend[group] += chance * (1 - chance)
    change = [_bounded(s / b) if b else 0.0 for s, b in zip(slope, bend, strict=True)]
    for group, by in enumerate(change):
        weight[group] += by
    for row, group in enumerate(column):
        eta[row] += change[group]
    return max((abs(by) for by in change), default=0.0)


def chance_of(log_odds: float) -> float:
    return 1 / (1 + math.exp(-log_odds)) if log_odds > -700 else 0.0


def _bounded(step: float) -> float:
    return max(-LONGEST_STEP, min(LONGEST_STEP, step))
