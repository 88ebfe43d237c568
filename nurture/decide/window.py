"""Sending windows. A window is open whenever the clock on the lead's wall shows a time inside it.

That one sentence also settles the clock changes: an hour that is skipped has no part in any window, an hour that
comes twice is inside twice. A window across midnight belongs, as a whole, to the day on which it begins.
`from` equal to `until` means twenty-four hours. Ends are exclusive.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from nurture.decide.calendar import resolve, turn_between
from nurture.model.campaign import Campaign, Window
from nurture.model.company import Company
from nurture.model.facts import Lead

_DAY = 24 * 60
_HORIZON_DAYS = 16


def zone_of(lead: Lead, campaign: Campaign | None, company: Company) -> ZoneInfo:
    """The lead's zone, else the campaign's, else the company's: the first that names a real one.

    Raises ValueError where not even the company names one; UTC is never taken by accident.
    """
    for name in (lead.timezone, campaign.timezone if campaign else None, company.timezone):
        zone = named_zone(name) if name else None
        if zone is not None:
            return zone
    raise ValueError(f"company.yaml: `{company.timezone}` is not a time zone, for example `Europe/Warsaw`")


@lru_cache(maxsize=1024)
def named_zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        return None


def zone_for(window: Window, zone: ZoneInfo) -> ZoneInfo:
    """The window's own zone, where it names one; else the lead's, as `zone_of` found it."""
    return zone if window.zone == "lead" else named_zone(window.zone) or zone


def is_open(at: datetime, window: Window, zone: ZoneInfo) -> bool:
    local = at.astimezone(zone)
    minute, weekday = local.hour * 60 + local.minute, local.weekday()
    if window.start < window.end:
        return window.start <= minute < window.end and weekday in window.days
    if minute >= window.start and weekday in window.days:
        return True
    return minute < window.end and (weekday - 1) % 7 in window.days


def next_open(at: datetime, window: Window, zone: ZoneInfo) -> datetime:
    """The first moment from `at` on when the window is open, as aware UTC. ValueError: it never opens."""
    return _first(at, window, zone, opens=True)


def next_close(at: datetime, window: Window, zone: ZoneInfo) -> datetime:
    """The first moment from `at` on when the window is shut, as aware UTC. ValueError: it never shuts."""
    return _first(at, window, zone, opens=False)


@lru_cache(maxsize=4096)
def slot(at: datetime, window: Window | None, quiet: Window | None, zone: ZoneInfo) -> datetime:
    """The first moment from `at` on inside `window` and outside the company's `quiet` hours.

    `zone` is the lead's. ValueError: the two never leave a moment.
    """
    moment = at.astimezone(UTC)
    for _ in range(2 * _HORIZON_DAYS):
        if window is not None:
            moment = next_open(moment, window, zone_for(window, zone))
        if quiet is None or not is_open(moment, quiet, zone_for(quiet, zone)):
            return moment
        moment = next_close(moment, quiet, zone_for(quiet, zone))
    raise ValueError("the quiet hours leave no moment of this sending window")


def _first(at: datetime, window: Window, zone: ZoneInfo, *, opens: bool) -> datetime:
    if is_open(at, window, zone) == opens:
        return at.astimezone(UTC)
    edge = window.start if opens else window.end
    first = at.astimezone(zone).date()
    for ahead in range(_HORIZON_DAYS):
        moments = sorted(m for m in _edges(first + timedelta(days=ahead), edge, zone) if m > at)
        for moment in moments:
            if is_open(moment, window, zone) == opens:
                return moment
    raise ValueError("this window never opens" if opens else "this window never shuts")


def _edges(day: date, minute: int, zone: ZoneInfo) -> Iterator[datetime]:
    """Where the state of a window can change on `day`: its edge (twice if that time comes twice) and a clock change."""
    if minute < _DAY:
        yield resolve(day, minute, zone)
    midnight = datetime.combine(day, time(), zone)
    tomorrow = datetime.combine(day + timedelta(days=1), time(), zone)
    yield tomorrow.astimezone(UTC)
    if midnight.utcoffset() == tomorrow.utcoffset():
        return
    yield turn_between(midnight.astimezone(UTC), tomorrow.astimezone(UTC), zone)
    again = (datetime.combine(day, time()) + timedelta(minutes=minute)).replace(tzinfo=zone, fold=1)
    yield again.astimezone(UTC)
