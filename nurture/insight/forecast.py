"""What a changed agreement or scoring would have done: the last days once more, in memory, with nothing to send by.

Reads the store and writes nothing. The same pure gate that hands leads over is asked at the end of every day on which
something happened to a lead, once with the rules as they are and once as proposed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any, Final

from nurture.decide import gate, scored
from nurture.decide.gate import Circumstances
from nurture.model.consent import ConsentEntry, fold
from nurture.model.facts import Snapshot
from nurture.model.library import Library
from nurture.model.words import Stage
from nurture.sales import assign
from nurture.store import Connection, Store
from nurture.store.audience import snapshots
from nurture.store.privacy import consent
from nurture.store.sales import forecasts

BATCH: Final = 500
_OUT: Final = frozenset({Stage.ERASED, Stage.IDENTIFIED, Stage.CUSTOMER})


@dataclass(frozen=True, slots=True)
class Passed:
    """One lead the gate would have let through, the first time in the window."""

    lead_id: int
    on: date
    cell: str
    via: str
    priority: int


@dataclass(frozen=True, slots=True)
class Load:
    """Hand-offs per day under one set of rules, and what the daily limit makes of them."""

    per_day: Mapping[str, int]
    handed: Mapping[str, int]
    waiting: Mapping[str, int]
    limit: int
    sellers: int

    @property
    def worst(self) -> int:
        return max(self.per_day.values(), default=0)

    def as_dict(self) -> dict[str, Any]:
        total = sum(self.per_day.values())
        days = max(1, len(self.per_day))
        return {
            "qualified": total, "per_day": dict(self.per_day), "handed_over": dict(self.handed),
            "left_waiting": dict(self.waiting), "daily_limit": self.limit, "worst_day": self.worst,
            "mean_per_day": round(total / days, 2), "sellers": self.sellers,
            "decisions_per_seller_and_day": round(total / days / max(1, self.sellers), 2),
        }


@dataclass(slots=True)
class Forecast:
    """`newly` would qualify only under the proposed rules, `dropped` only under those applied."""

    days: int
    leads: int
    before: Load
    after: Load
    newly: list[Passed] = field(default_factory=list)
    dropped: list[Passed] = field(default_factory=list)
    moved: int = 0
    """Leads that qualify under both, on another day or in another cell."""
    mails: int = 0
    """Mails more (or fewer) that nurture would have sent, by the rate of the window."""

    def as_dict(self) -> dict[str, Any]:
        def rows(passed: Iterable[Passed]) -> list[dict[str, Any]]:
            return [{"lead": p.lead_id, "on": p.on.isoformat(), "cell": p.cell, "via": p.via} for p in passed]

        return {
            "days": self.days, "leads": self.leads, "before": self.before.as_dict(), "after": self.after.as_dict(),
            "newly": rows(self.newly), "dropped": rows(self.dropped), "moved": self.moved, "mails": self.mails,
            "by_cell": {"newly": _by_cell(self.newly), "dropped": _by_cell(self.dropped)},
        }


def forecast(
    store: Store, before: Library, after: Library, *, now: datetime, days: int = 30,
    progress: Callable[[int, int], None] | None = None,
) -> Forecast:
    """Replay the last `days` under both sets of rules."""
    start = now - timedelta(days=days)
    was: dict[int, Passed] = {}
    will: dict[int, Passed] = {}
    seen = 0
    with store.read() as conn:
        first, last = forecasts.span(conn)
        rate = forecasts.mails_per_lead_and_day(conn, start, now)
        for low in range(first, last + 1, BATCH):
            found = _load(conn, low, min(low + BATCH - 1, last), start, now)
            for one in found:
                seen += 1
                for rules, kept in ((before, was), (after, will)):
                    passed = _first_pass(one, rules, start, now)
                    if passed is not None:
                        kept[one.snapshot.lead.id] = passed
            if progress is not None:
                progress(min(low + BATCH - 1, last), last)
    window = [(start + timedelta(days=n)).date() for n in range(1, days + 1)]
    made = Forecast(days, seen, _load_of(was.values(), before, window), _load_of(will.values(), after, window))
    made.newly = sorted((p for i, p in will.items() if i not in was), key=lambda p: (-p.priority, p.lead_id))
    made.dropped = sorted((p for i, p in was.items() if i not in will), key=lambda p: (-p.priority, p.lead_id))
    made.moved = sum((p.on, p.cell) != (will[i].on, will[i].cell) for i, p in was.items() if i in will)
    with_marketing = [(now.date() - p.on).days for p in made.dropped]
    with_sales = [(now.date() - p.on).days for p in made.newly]
    made.mails = round(rate * (sum(with_marketing) - sum(with_sales)))
    return made


@dataclass(frozen=True, slots=True)
class _One:
    snapshot: Snapshot
    entries: tuple[ConsentEntry, ...]
    trips: tuple[tuple[datetime, datetime | None], ...]
    """Real trips to sales that began before the window: (opened, closed)."""


def _load(conn: Connection, first: int, last: int, start: datetime, now: datetime) -> list[_One]:
    ids = forecasts.lead_ids(conn, first, last)
    found = snapshots.load(conn, ids, now=now)
    ledgers = consent.entries(conn, found)
    trips = forecasts.trips_before(conn, found, start)
    return [
        _One(s, tuple(ledgers.get(i, ())), tuple(trips.get(i, ())))
        for i, s in found.items() if s.lead.stage not in _OUT
    ]


def _first_pass(one: _One, rules: Library, start: datetime, now: datetime) -> Passed | None:
    holds = scored.holding(rules.company)
    for moment in _moments(one, start, now):
        if any(opened <= moment and (closed is None or closed > moment) for opened, closed in one.trips):
            continue
        snapshot = _as_of(one, moment)
        result = scored.scores(snapshot, rules.scoring, now=moment, holds=holds)
        around = Circumstances(recycles_in_period=snapshot.lead.recycles)
        judged = gate.evaluate(snapshot, rules.agreement, result, now=moment, around=around)
        if judged.outcome == "pass":
            gained = scored.gained(snapshot, result.model, now=moment, before=moment - timedelta(days=7))
            priority = scored.priority(
                fast=judged.fast, cell=result.scores.cell, urgent=scored.urgency(gained),
                rank=0,
            )
            # A day ends at midnight, and that is the day it belongs to.
            day = (moment - timedelta(microseconds=1)).date()
            return Passed(snapshot.lead.id, day, result.scores.cell, judged.via, priority)
    return None


def _moments(one: _One, start: datetime, now: datetime) -> list[datetime]:
    """The beginning of the window, and the end of every day on which something happened."""
    happened = [e.at for e in one.snapshot.events if start < e.at <= now]
    happened += [e.at for e in one.entries if start < e.at <= now]
    happened += [v.at for v in one.snapshot.lead.fields.values() if v.at is not None and start < v.at <= now]
    lead = one.snapshot.lead
    if lead.cool_off_until is not None and start < lead.cool_off_until <= now:
        happened.append(lead.cool_off_until)
    days = sorted({at.date() for at in happened})
    ends = [datetime.combine(day + timedelta(days=1), datetime.min.time(), now.tzinfo) for day in days]
    return [start, *(min(end, now) for end in ends)]


def _as_of(one: _One, moment: datetime) -> Snapshot:
    """The lead as it was known at `moment`; sales' word counts only if it was spoken before the window."""
    lead = one.snapshot.lead
    later = lead.baseline_at is not None and lead.baseline_at > moment
    known = {name: v for name, v in lead.fields.items() if v.at is None or v.at <= moment}
    then = replace(
        lead, stage=Stage.NURTURING, fields=known, baseline_at=None if later else lead.baseline_at,
        cool_off_until=None if later else lead.cool_off_until,
        recycles=max(0, lead.recycles - 1) if later else lead.recycles,
    )
    consents = fold(one.entries, now=moment) if one.entries else one.snapshot.consents
    events = [e for e in one.snapshot.events if e.at <= moment]
    return replace(one.snapshot, lead=then, events=events, consents=consents, open_handoff=None)


def _load_of(passed: Iterable[Passed], rules: Library, window: list[date]) -> Load:
    """Arrivals per day, and the queue that the daily limit makes of them."""
    arrivals = dict.fromkeys((day.isoformat() for day in window), 0)
    for one in passed:
        day = max(window[0], min(one.on, window[-1])).isoformat() if window else one.on.isoformat()
        arrivals[day] = arrivals.get(day, 0) + 1
    limit, waiting = rules.agreement.max_new_handoffs_per_day, 0
    handed, left = {}, {}
    for day, count in arrivals.items():
        handed[day] = min(limit, waiting + count)
        waiting = waiting + count - handed[day]
        left[day] = waiting
    queue = assign.queue_named(rules.sales, None)
    return Load(arrivals, handed, left, limit, assign.sellers_of(queue, rules.sales))


def _by_cell(passed: Iterable[Passed]) -> dict[str, int]:
    counted: dict[str, int] = {}
    for one in passed:
        counted[one.cell] = counted.get(one.cell, 0) + 1
    return dict(sorted(counted.items()))
