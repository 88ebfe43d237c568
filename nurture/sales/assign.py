"""Who gets a hand-off: territory, turn, deputies, who is there, who has room. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final
from zoneinfo import ZoneInfo

from nurture.model.agreement import Calendar
from nurture.model.company import Queue, Sales, Seller

LONG_AGO: Final = datetime(1, 1, 1, tzinfo=UTC)
TWICE: Final = 2
"""After so many refusals by one seller the lead goes to another."""


@dataclass(frozen=True, slots=True)
class Load:
    """How busy everybody is: open hand-offs per seller, and when each last got one of this queue."""

    open: Mapping[str, int]
    last: Mapping[str, datetime]
    most: int


@dataclass(frozen=True, slots=True)
class Assignment:
    """`owner` None: anybody of the queue may take it."""

    owner: str | None
    why: str


def assign(
    queue: Queue, sales: Sales, load: Load, *, now: datetime, calendar: Calendar, country: str | None = None,
    before: str | None = None, refusals: Mapping[str, int] | None = None, not_to: Iterable[str] = (),
    off: Collection[str] = (),
) -> Assignment:
    """Choose the seller. `before` had this lead last time, `refusals` counts who turned it away how often.

    Whose turn it is passes over those who are `off` today (a public holiday of theirs) while others work.
    """
    refused = {who for who, n in (refusals or {}).items() if n >= TWICE} | set(not_to)
    if queue.assign == "pull":
        return Assignment(None, "whoever of the queue takes it")
    if before is not None and before not in refused and _fits(before, queue, sales):
        there = _there(before, sales, now, refused)
        if there is not None and _room(there, load):
            return Assignment(there, "had this lead before" if there == before else f"deputy of {before}")
    candidates = [who for who in queue.members if who not in refused] or list(queue.members)
    if queue.assign == "territory" and country is not None and country.upper() in queue.territories:
        who = queue.territories[country.upper()]
        there = _there(who, sales, now, refused)
        if who not in refused and there is not None and _room(there, load):
            return Assignment(there, f"territory {country.upper()}" + ("" if there == who else f", deputy of {who}"))
    present = [t for who in candidates if (t := _there(who, sales, now, refused)) is not None]
    free = [who for who in dict.fromkeys(present) if _room(who, load)]
    if not free:
        return Assignment(None, "nobody of the queue has room")
    awake = [who for who in free if who not in off and _working(sales.sellers.get(who), calendar, now)] or free
    who = min(awake, key=lambda w: (load.last.get(w, LONG_AGO), load.open.get(w, 0), awake.index(w)))
    return Assignment(who, "whose turn it is")


def has_room(queue: Queue, sales: Sales, load: Load, *, now: datetime) -> bool:
    """Whether anybody of the queue may get another hand-off."""
    if queue.assign == "pull" or not queue.members:
        return True
    present = (t for who in queue.members if (t := _there(who, sales, now, frozenset())) is not None)
    return any(_room(who, load) for who in present)


def queue_named(sales: Sales, name: str | None) -> Queue:
    """The queue called `name`, else the default one, else one that holds every seller."""
    found = sales.queues.get(name or "") or sales.queues.get(sales.default_queue)
    if found is not None:
        return found
    sellers = tuple(s.id for s in sales.sellers.values() if s.role != "marketing")
    return Queue(name or sales.default_queue or "sales", name or "Sales", sellers)


def sellers_of(queue: Queue, sales: Sales) -> int:
    """How many people really sell in this queue; small teams are treated with more patience."""
    return sum(1 for who in queue.members if who in sales.sellers and sales.sellers[who].role != "marketing")


def away(seller: Seller, day: date) -> bool:
    return any(date.fromisoformat(first) <= day <= date.fromisoformat(last) for first, last in seller.away)


def _fits(who: str, queue: Queue, sales: Sales) -> bool:
    return who in sales.sellers and (not queue.members or who in queue.members)


def _there(who: str, sales: Sales, now: datetime, refused: Iterable[str]) -> str | None:
    """The seller, or the deputy while away, along the chain; None where nobody of it is there."""
    seen: set[str] = set()
    name: str | None = who
    while name is not None and name not in seen:
        seller = sales.sellers.get(name)
        if seller is None:
            return name if name == who else None
        if not away(seller, _day(seller, now)) and (name == who or name not in refused):
            return name
        seen.add(name)
        name = seller.deputy
    return None


def _room(who: str, load: Load) -> bool:
    return load.open.get(who, 0) < load.most


def _day(seller: Seller, now: datetime) -> date:
    return now.astimezone(ZoneInfo(seller.timezone or "UTC")).date()


def _working(seller: Seller | None, calendar: Calendar, now: datetime) -> bool:
    local = now.astimezone(ZoneInfo((seller.timezone if seller else None) or calendar.zone))
    return local.weekday() in calendar.days and calendar.open <= local.hour * 60 + local.minute < calendar.close
