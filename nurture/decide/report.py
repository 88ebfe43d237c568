"""What the reports say, from plain facts: funnel by cohort, speed, SLA, alignment, won against lost, stagnation.

Every rate stands on two feet: of those who reached the stage before, and of all who were acquired.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from statistics import median
from typing import Any, Final

from nurture.decide.interval import Share, wilson
from nurture.model.report import Journey, Past, Stay, Timer, Trip

STEPS: Final = ("acquired", "early", "fit", "mql", "sal", "sql", "opportunity", "won")
"""The way down the funnel, in order."""
DETOURS: Final = ("recycled", "disqualified", "dormant")
FRESH_DAYS: Final = 30
"""An MQL within so many days of acquisition is a new name, later an existing one."""
YOUNG_DAYS: Final = 90
"""How long a cohort is young where too few were won to know better."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of one cohort. `skipped` went past it without entering; they are not filled in."""

    name: str
    reached: int
    skipped: int
    of_previous: Share | None
    """Of those in the nearest earlier step that anybody entered; None for the first step and for an empty one."""
    previous: str | None
    of_acquired: Share


@dataclass(frozen=True, slots=True)
class Cohort:
    name: str
    steps: tuple[Step, ...]
    detours: Mapping[str, int]
    mql_new: int
    mql_existing: int
    young: bool
    """Too recent for its last steps to have happened: its rates will still rise."""

    def step(self, name: str) -> Step:
        return next(step for step in self.steps if step.name == name)


@dataclass(frozen=True, slots=True)
class Funnel:
    cohorts: tuple[Cohort, ...]
    total: Cohort
    mature_days: int
    """From acquisition on, after so many days nine tenths of those who are won were won."""
    known_mature: bool
    """Whether that is measured, or assumed for want of won leads."""


def by_month(journey: Journey) -> str:
    return f"{journey.acquired:%Y-%m}"


def by_source(journey: Journey) -> str:
    return journey.source or "unknown"


def funnel(journeys: Sequence[Journey], *, now: datetime, by: Callable[[Journey], str] = by_month) -> Funnel:
    """The funnel of every cohort and of all together; a person counts once per cycle."""
    days = sorted((j.reached["won"] - j.acquired).days for j in journeys if "won" in j.reached)
    known = len(days) >= 20
    mature = max(days[len(days) * 9 // 10], 1) if known else YOUNG_DAYS
    groups: dict[str, list[Journey]] = defaultdict(list)
    for journey in journeys:
        groups[by(journey)].append(journey)
    cohorts = tuple(_cohort(name, groups[name], now, mature) for name in sorted(groups))
    return Funnel(cohorts, _cohort("all", journeys, now, mature), mature, known)


def _cohort(name: str, journeys: Sequence[Journey], now: datetime, mature: int) -> Cohort:
    inside = {step: {i for i, j in enumerate(journeys) if step == "acquired" or step in j.reached} for step in STEPS}
    steps: list[Step] = []
    previous: str | None = None
    for position, step in enumerate(STEPS):
        later = set().union(*(inside[other] for other in STEPS[position + 1 :])) if position + 1 < len(STEPS) else set()
        here = inside[step]
        of_previous = None
        if previous is not None and here:
            of_previous = wilson(len(here & inside[previous]), len(inside[previous]))
        steps.append(Step(step, len(here), len(later - here), of_previous, previous if here else None,
                          wilson(len(here), len(journeys))))
        if here:
            previous = step
    fresh = sum(_fresh(j) for j in journeys if "mql" in j.reached)
    detours = {detour: sum(detour in j.detours for j in journeys) for detour in DETOURS}
    youngest = max((j.acquired for j in journeys), default=now)
    return Cohort(name, tuple(steps), detours, fresh, len(inside["mql"]) - fresh,
                  youngest + timedelta(days=mature) > now)


def _fresh(journey: Journey) -> bool:
    return journey.cycle == 1 and journey.reached["mql"] - journey.acquired <= timedelta(days=FRESH_DAYS)


@dataclass(frozen=True, slots=True)
class Pace:
    stage: str
    people: int
    """Leads (per cycle) who have left the stage."""
    median_days: float
    slowest_tenth_days: float
    inside: int


def pace(stays: Iterable[Stay], order: Sequence[str]) -> list[Pace]:
    """How long stages take. Several stays of one lead in one stage add up; those still inside count apart."""
    total: dict[str, dict[tuple[int, int], timedelta]] = defaultdict(lambda: defaultdict(timedelta))
    inside: Counter[str] = Counter()
    seen: set[str] = set()
    for stay in stays:
        seen.add(stay.stage)
        if stay.left is None:
            inside[stay.stage] += 1
        else:
            total[stay.stage][stay.lead_id, stay.cycle] += stay.left - stay.entered
    found: list[Pace] = []
    for stage in (*(s for s in order if s in seen), *sorted(seen - set(order))):
        days = sorted(spent / timedelta(days=1) for spent in total[stage].values())
        slow = days[min(len(days) * 9 // 10, len(days) - 1)] if days else 0.0
        found.append(Pace(stage, len(days), median(days) if days else 0.0, slow, inside[stage]))
    return found


@dataclass(frozen=True, slots=True)
class SlaRow:
    """`ever_missed` were late at some moment, `past_due` are late now: two questions, two numbers."""

    kind: str
    owner: str
    timers: int
    met_in_time: int
    ever_missed: int
    past_due: int
    running: int
    median_hours: float | None


def sla(timers: Iterable[Timer], *, now: datetime) -> list[SlaRow]:
    """Deadlines by kind and owner."""
    groups: dict[tuple[str, str], list[Timer]] = defaultdict(list)
    for timer in timers:
        groups[timer.kind, timer.owner or "nobody"].append(timer)
    rows: list[SlaRow] = []
    for (kind, owner), mine in sorted(groups.items()):
        late = [t for t in mine if _late(t, now)]
        open_ = [t for t in mine if t.met is None and t.closed is None]
        hours = [(t.met - t.started) / timedelta(hours=1) for t in mine if t.met is not None]
        rows.append(SlaRow(
            kind, owner, len(mine), sum(t.met is not None and not _late(t, now) for t in mine), len(late),
            sum(_late(t, now) for t in open_), len(open_), median(hours) if hours else None,
        ))
    return rows


def _late(timer: Timer, now: datetime) -> bool:
    """Breached as noted by the sweep, or by the clock where the sweep has not come by yet."""
    if timer.breached is not None:
        return True
    return (timer.met or timer.closed or now) > timer.due


@dataclass(frozen=True, slots=True)
class AlignmentRow:
    name: str
    trips: int
    decided: int
    accepted: Share
    reasons: Mapping[str, int]
    """Reasons of rejecting and recycling, most frequent first."""
    other: Share
    """Share of the reason `other`: above a tenth the closed list is missing something."""
    rework: Share


AXES: Final = ("owner", "cell", "source", "segment")


def alignment(trips: Sequence[Trip]) -> dict[str, list[AlignmentRow]]:
    """Accept rate and reasons by owner, cell, source and segment, and of all."""
    found = {"all": [_aligned("all", trips)]}
    for axis in AXES:
        groups: dict[str, list[Trip]] = defaultdict(list)
        for trip in trips:
            groups[getattr(trip, axis) or "unknown"].append(trip)
        found[axis] = [_aligned(name, groups[name]) for name in sorted(groups)]
    return found


def _aligned(name: str, trips: Sequence[Trip]) -> AlignmentRow:
    decided = [t for t in trips if t.accepted or t.outcome in ("rejected", "recycled")]
    refused = [t for t in decided if t.outcome in ("rejected", "recycled")]
    reasons = Counter(t.reason or "none" for t in refused)
    return AlignmentRow(
        name, len(trips), len(decided), wilson(sum(t.accepted for t in decided), len(decided)),
        dict(sorted(reasons.items(), key=lambda item: (-item[1], item[0]))),
        wilson(reasons["other"], len(refused)), wilson(sum(t.rework for t in trips), len(trips)),
    )


@dataclass(frozen=True, slots=True)
class Profile:
    """What leads with one end had in common when they were handed over."""

    end: str
    leads: int
    median_engagement: float | None
    median_level: float | None
    median_days: float
    median_touches: float
    cells: Mapping[str, int]
    first_touches: Mapping[str, int]
    contents: Mapping[str, int]
    last_touches: Mapping[str, int] = field(default_factory=dict)


ENDS: Final = ("won", "lost", "rejected", "recycled", "open")


def profiles(pasts: Iterable[Past], *, last: int = 3, most: int = 8) -> list[Profile]:
    """Won leads beside the others, as they were when they were handed over (S2-14)."""
    groups: dict[str, list[Past]] = defaultdict(list)
    for past in pasts:
        groups[past.end].append(past)
    found: list[Profile] = []
    for end in (*(e for e in ENDS if e in groups), *sorted(set(groups) - set(ENDS))):
        mine = groups[end]
        found.append(Profile(
            end, len(mine), _median(p.engagement for p in mine), _median(p.level for p in mine),
            median(p.days for p in mine), median(len(p.touches) for p in mine),
            _most((p.cell for p in mine), most), _most((p.first_touch for p in mine), most),
            _most((c for p in mine for c in set(p.contents)), most),
            _most((t for p in mine for t in set(p.touches[-last:])), most),
        ))
    return found


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None


def _most(names: Iterable[str | None], most: int) -> dict[str, int]:
    return dict(Counter(name or "unknown" for name in names).most_common(most))


def stagnant(stays: Iterable[Stay], limits: Mapping[str, int], *, now: datetime) -> list[dict[str, Any]]:
    """Leads that have stayed in their stage for more days than its limit, longest first (S4-20)."""
    found = [
        {"lead": stay.lead_id, "stage": stay.stage, "days": (now - stay.entered).days, "limit": limits[stay.stage]}
        for stay in stays
        if stay.left is None and stay.stage in limits and now - stay.entered > timedelta(days=limits[stay.stage])
    ]
    return sorted(found, key=lambda row: (-row["days"], row["lead"]))


def break_even(won_of_handed: float, won_untreated: float) -> float:
    """The share that has to be handed over for a selection to win as much as handing over everybody."""
    return won_untreated / won_of_handed if won_of_handed else 1.0


def expected(acquired: int, handed: int, won_of_handed: float) -> tuple[float, float]:
    """(won, won per hundred acquired) where `handed` of `acquired` are handed over."""
    won = handed * won_of_handed
    return won, 100 * won / acquired if acquired else 0.0
