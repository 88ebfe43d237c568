"""Small samples told honestly: Wilson intervals, ranks, lift, drift."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

Z95: Final = 1.959963984540054


class Share(NamedTuple):
    """`hits` of `n` with the Wilson 95 % interval; everything from 0 to 1."""

    hits: int
    n: int
    rate: float
    low: float
    high: float


def wilson(hits: int, n: int, z: float = Z95) -> Share:
    """The share of `hits` in `n`. Nothing seen is anything possible: 0 to 1."""
    if n <= 0:
        return Share(0, 0, 0.0, 0.0, 1.0)
    rate = hits / n
    centre = (rate + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(rate * (1 - rate) / n + z * z / (4 * n * n))
    low = 0.0 if hits == 0 else max(0.0, centre - half)
    high = 1.0 if hits == n else min(1.0, centre + half)
    return Share(hits, n, rate, low, high)


def auc(scores: Sequence[float], outcomes: Sequence[bool]) -> float:
    """How often a good lead ranks above a bad one (ties count half); 0.5 where one kind is missing."""
    order = sorted(range(len(scores)), key=scores.__getitem__)
    good = sum(outcomes)
    bad = len(outcomes) - good
    if not good or not bad:
        return 0.5
    ranks, start = 0.0, 0
    while start < len(order):
        end = start
        while end < len(order) and scores[order[end]] == scores[order[start]]:
            end += 1
        ranks += (start + end + 1) / 2 * sum(outcomes[i] for i in order[start:end])
        start = end
    return (ranks - good * (good + 1) / 2) / (good * bad)


def auc_interval(value: float, good: int, bad: int) -> tuple[float, float]:
    """The 95 % interval of an AUC (Hanley and McNeil)."""
    if not good or not bad:
        return 0.0, 1.0
    q1, q2 = value / (2 - value), 2 * value * value / (1 + value)
    variance = (value * (1 - value) + (good - 1) * (q1 - value**2) + (bad - 1) * (q2 - value**2)) / (good * bad)
    half = Z95 * math.sqrt(max(variance, 0.0))
    return max(0.0, value - half), min(1.0, value + half)


class Decile(NamedTuple):
    """One tenth of the leads, best first."""

    number: int
    lowest: float
    highest: float
    share: Share
    lift: float
    """Against all leads: 2.0 is twice as many."""
    captured: float
    """Of all good leads, how many are in this tenth and those above."""


def deciles(scores: Sequence[float], outcomes: Sequence[bool], parts: int = 10) -> list[Decile]:
    """Leads by score, best first, in `parts` equal groups; fewer where there are fewer leads."""
    order = sorted(range(len(scores)), key=lambda i: (-scores[i], i))
    parts = min(parts, len(order))
    good = sum(outcomes)
    base = good / len(order) if order else 0.0
    found: list[Decile] = []
    captured = 0
    for number in range(parts):
        group = order[number * len(order) // parts : (number + 1) * len(order) // parts]
        hits = sum(outcomes[i] for i in group)
        captured += hits
        share = wilson(hits, len(group))
        found.append(
            Decile(number + 1, scores[group[-1]], scores[group[0]], share, share.rate / base if base else 0.0,
                   captured / good if good else 0.0)
        )
    return found


class Cut(NamedTuple):
    """What handing over everybody from `threshold` points up would have meant."""

    threshold: int
    handed: int
    handed_share: float
    won: Share
    """Won among the handed over."""
    found: float
    """Of all that were won, the share that would have been handed over."""


def sweep(scores: Sequence[int], outcomes: Sequence[bool], thresholds: Iterable[int] | None = None) -> list[Cut]:
    """One cut per threshold, lowest first (default: every score that occurs, at most forty of them)."""
    if not scores:
        return []
    total = sum(outcomes)
    if thresholds is None:
        seen = sorted(set(scores))
        step = max(1, math.ceil(len(seen) / 40))
        thresholds = seen[::step]
    cuts: list[Cut] = []
    for threshold in thresholds:
        handed = [good for score, good in zip(scores, outcomes, strict=True) if score >= threshold]
        won = wilson(sum(handed), len(handed))
        cuts.append(Cut(threshold, len(handed), len(handed) / len(scores), won, won.hits / total if total else 0.0))
    return cuts


def for_capacity(cuts: Sequence[Cut], places: int) -> Cut | None:
    """The lowest cut whose leads sales can take, or None where even the highest is too much."""
    fitting = [cut for cut in cuts if cut.handed <= places]
    return fitting[0] if fitting else None


def drift(before: Sequence[int], after: Sequence[int]) -> float:
    """Population stability index between two sets of counts over the same groups.

    Below 0.1 nothing moved, from 0.25 on the model looks at other people than it learnt from.
    """
    total_before, total_after = sum(before), sum(after)
    if not total_before or not total_after:
        return 0.0
    index = 0.0
    for old, new in zip(before, after, strict=True):
        was, now_is = max(old / total_before, 1e-4), max(new / total_after, 1e-4)
        index += (now_is - was) * math.log(now_is / was)
    return index
