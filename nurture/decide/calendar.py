"""Calendar arithmetic in a named zone: waits of campaigns and business minutes of the agreement.

Hours and minutes are exact. Days, weeks, months and years are steps on the local calendar: the clock on the wall
reads the same afterwards. One rule for clock changes: a local time that is skipped means the first moment after
the gap; a local time that comes twice means the first of the two.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import holidays

from nurture.model.agreement import Calendar
from nurture.model.campaign import Duration

Closed = Callable[[date], bool]
"""Says whether a day is closed for business besides Saturday and Sunday."""

_WEEKEND = 5
_LONGEST_SEARCH = 3660


def add(at: datetime, duration: Duration, zone: ZoneInfo, *, closed: Closed | None = None) -> datetime:
    """The moment `duration` after `at`, as aware UTC. `closed` matters for business days only."""
    amount = duration.amount
    match duration.unit:
        case "minutes":
            return at.astimezone(UTC) + timedelta(minutes=amount)
        case "hours":
            return at.astimezone(UTC) + timedelta(hours=amount)
        case "days" | "weeks":
            return _on_day(at, zone, lambda day: day + timedelta(days=amount * (7 if duration.unit == "weeks" else 1)))
        case "months" | "years":
            return _on_day(at, zone, lambda day: _months_on(day, amount * (12 if duration.unit == "years" else 1)))
        case "business_days":
            return _on_day(at, zone, lambda day: business_days_on(day, amount, closed))


def business_days_on(day: date, amount: int, closed: Closed | None = None) -> date:
    """The `amount`-th business day after `day`. Zero gives the day itself."""
    found = 0
    for _ in range(_LONGEST_SEARCH + 7 * amount):
        if found == amount:
            return day
        day += timedelta(days=1)
        if day.weekday() < _WEEKEND and not (closed and closed(day)):
            found += 1
    raise ValueError("this calendar has no business days")


def resolve(day: date, minute: int, zone: ZoneInfo) -> datetime:
    """The moment when the wall clock of `zone` first reads `minute` of `day` or later, as aware UTC."""
    naive = datetime.combine(day, time()) + timedelta(minutes=minute)
    moment = naive.replace(tzinfo=zone).astimezone(UTC)
    if moment.astimezone(zone).replace(tzinfo=None) == naive:
        return moment
    before = naive.replace(tzinfo=zone, fold=1).astimezone(UTC)
    return turn_between(before, moment, zone)


def turn_between(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """The first second after a clock change that lies in `(before, after]`."""
    old = before.astimezone(zone).utcoffset()
    low, high = 0, int((after - before).total_seconds())
    while high - low > 1:
        middle = (low + high) // 2
        if (before + timedelta(seconds=middle)).astimezone(zone).utcoffset() == old:
            low = middle
        else:
            high = middle
    return before + timedelta(seconds=high)


def closed_days(country: str | None, extra: Iterable[str] = ()) -> Closed:
    """Public holidays of a country (ISO code; none known: no holidays) and further ISO dates."""
    more = frozenset(date.fromisoformat(day) for day in extra)
    return lambda day: day in more or (country is not None and day in public_holidays(country.upper(), day.year))


@lru_cache(maxsize=1024)
def public_holidays(country: str, year: int) -> frozenset[date]:
    """Nationwide public holidays; an unknown country has none."""
    try:
        return frozenset(holidays.country_holidays(country, years=year))
    except NotImplementedError:
        return frozenset()


def add_business_minutes(start: datetime, minutes: int, calendar: Calendar) -> datetime:
    """When `minutes` of opening time have gone by since `start`, as aware UTC.

    A sum that is used up exactly at closing time ends there, not at the next opening.
    """
    zone = ZoneInfo(calendar.zone)
    left = timedelta(minutes=minutes)
    now = start.astimezone(UTC)
    if minutes <= 0:
        return now
    day = start.astimezone(zone).date()
    for _ in range(_LONGEST_SEARCH):
        if is_business_day(day, calendar):
            opens = max(now, resolve(day, calendar.open, zone))
            closes = resolve(day, calendar.close, zone)
            if closes > opens:
                if opens + left <= closes:
                    return opens + left
                left -= closes - opens
        day += timedelta(days=1)
    raise ValueError("this calendar never opens")


def is_business_day(day: date, calendar: Calendar) -> bool:
    if day.weekday() not in calendar.days or day in calendar.holidays:
        return False
    return not (calendar.country and day in public_holidays(calendar.country.upper(), day.year))


def _on_day(at: datetime, zone: ZoneInfo, move: Callable[[date], date]) -> datetime:
    local = at.astimezone(zone)
    wall = local.replace(tzinfo=None, fold=0)
    there = datetime.combine(move(wall.date()), wall.time(), zone)
    if there.utcoffset() == there.replace(fold=1).utcoffset():
        return there.astimezone(UTC)
    moment = resolve(there.date(), wall.hour * 60 + wall.minute, zone)
    return moment + timedelta(seconds=wall.second, microseconds=wall.microsecond)


def _months_on(day: date, months: int) -> date:
    count = day.year * 12 + day.month - 1 + months
    year, month = divmod(count, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))
