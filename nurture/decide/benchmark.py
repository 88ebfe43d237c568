"""The company's own rates beside figures from outside, which decide nothing: each with its denominator and interval."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from nurture.decide.interval import Share, wilson
from nurture.decide.report import STEPS, break_even
from nurture.model.report import Journey, Level

ENOUGH: Final = 30
"""Fewer than so many and an interval says nothing a person could use."""
AT_FIRST: Final = timedelta(days=1)
"""A lead handed over so soon was ready when it came."""


@dataclass(frozen=True, slots=True)
class Compared:
    """One rate beside its benchmark. `told`: above, below, in line, or not enough data."""

    name: str
    view: str
    """Whose view the number is: marketing, sales or both."""
    of: str
    share: Share
    benchmark: tuple[float, float] | None
    told: str


def compare(journeys: Sequence[Journey], benchmarks: Mapping[str, Any]) -> list[Compared]:
    """What share was handed over, was ready at once, was won of those, and was won of all; beside the benchmarks."""
    handed = [j for j in journeys if "mql" in j.reached]
    soon = sum(j.reached["mql"] - j.acquired <= AT_FIRST for j in handed)
    won = sum("won" in j.reached for j in handed)
    of_all = sum("won" in j.reached for j in journeys)
    rows = (
        ("handed_share", "handed over", "marketing", "acquired", wilson(len(handed), len(journeys))),
        ("ready_at_first_touch", "handed over within a day", "marketing", "acquired", wilson(soon, len(journeys))),
        ("won_per_handed", "won", "both", "handed over", wilson(won, len(handed))),
        ("won_per_acquired", "won", "both", "acquired", wilson(of_all, len(journeys))),
    )
    return [
        Compared(name, view, of, share, band, _told(share, band))
        for key, name, view, of, share in rows for band in (band_of(benchmarks.get(key)),)
    ]


def band_of(benchmark: Any) -> tuple[float, float] | None:
    """`0.27` or `[0.05, 0.15]` as a band; None for anything that is not a share."""
    ends = benchmark if isinstance(benchmark, list | tuple) and len(benchmark) == 2 else (benchmark, benchmark)
    try:
        low, high = (float(end) for end in ends)
    except (TypeError, ValueError):
        return None
    return (low, high) if 0 <= low <= high <= 1 else None


def _told(share: Share, band: tuple[float, float] | None) -> str:
    if share.n < ENOUGH:
        return "not enough data"
    if band is None:
        return ""
    if share.low > band[1]:
        return "above"
    return "below" if share.high < band[0] else "in line"


def worth_it(journeys: Sequence[Journey], benchmarks: Mapping[str, Any]) -> tuple[float, Share] | None:
    """(share that has to be handed over to win as much as handing over everybody would, share that is handed over).

    From the company's own rate of won of handed over; None where that, or the rate without nurture, is not known.
    """
    untreated = band_of(benchmarks.get("won_per_handed_untreated"))
    handed = [j for j in journeys if "mql" in j.reached]
    won = sum("won" in j.reached for j in handed)
    if untreated is None or len(handed) < ENOUGH or not won:
        return None
    return min(break_even(won / len(handed), untreated[1]), 1.0), wilson(len(handed), len(journeys))


def quality(journeys: Sequence[Journey]) -> list[tuple[str, Share]]:
    """How many of those who reached each stage were won: it has to rise from stage to stage (S2-04)."""
    found = []
    for step in STEPS[:-1]:
        inside = [j for j in journeys if step == "acquired" or step in j.reached]
        if inside:
            found.append((step, wilson(sum("won" in j.reached for j in inside), len(inside))))
    return found


def upside_down(shares: Sequence[tuple[str, Share]]) -> list[tuple[str, str]]:
    """Pairs of stages (earlier, later) where the later one is surely won less often: it keeps the wrong people."""
    return [
        (early, late) for n, (early, before) in enumerate(shares) for late, after in shares[n + 1 :]
        if after.n >= ENOUGH and after.high < before.low
    ]


def by_level(moves: Iterable[Level], order: Sequence[str], accepted: int) -> list[tuple[str, Share]]:
    """How many of the accepted reached each of the company's own levels, once per lead and cycle."""
    reached: dict[str, set[tuple[int, int]]] = {}
    for move in moves:
        reached.setdefault(move.level, set()).add((move.lead_id, move.cycle))
    return [(level, wilson(len(reached.get(level, ())), max(accepted, len(reached.get(level, ()))))) for level in order]
