"""When a step is due, and why just then: its wait, the calendar, the window, the quiet hours, the lead's own zone."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from nurture.decide.calendar import Closed, add, closed_days, resolve
from nurture.decide.window import slot, zone_for, zone_of
from nurture.model.campaign import Campaign, Duration, Send, Step, Until, Window
from nurture.model.company import Company
from nurture.model.facts import Lead

_WEEKEND: Final = 5
_LATE: Final = timedelta(minutes=15)
"""What a mail may leave after its moment without anybody asking why."""


def due_at(campaign: Campaign, step: Step, anchor_at: datetime, lead: Lead, company: Company) -> datetime:
    """When `step` is due for a lead whose step before was done at `anchor_at`: `slot(anchor + wait)`.

    A date that lies in the past is due at once. A mail waits for the sending window and the company's quiet hours.
    """
    zone = zone_of(lead, campaign, company)
    at = _waited(step, anchor_at, lead, company, zone)
    if isinstance(step.action, Send):
        at = slot(at, campaign.sending.window, company.quiet, zone)
    return at


def later(at: datetime, duration: Duration, lead: Lead, company: Company, zone: ZoneInfo) -> datetime:
    """`duration` later, by the calendar of the lead's country."""
    if duration.unit != "business_days":
        return add(at, duration, zone)
    return add(at, duration, zone, closed=_closed(lead, company))


def why_due(
    campaign: Campaign, step: Step, anchor_at: datetime, lead: Lead, company: Company, *, before: str
) -> str:
    """Why `due_at` is what it is: 4 days after `hello`, moved from Sat 06 Jun 10:00 to Mon 08 Jun 09:00 by the
    campaign's window. `before` names what happened at `anchor_at`."""
    zone = zone_of(lead, campaign, company)
    waited = _waited(step, anchor_at, lead, company, zone)
    said = _wait(step, anchor_at, waited, lead, company, zone, before)
    if not isinstance(step.action, Send):
        return said
    due = slot(waited, campaign.sending.window, company.quiet, zone)
    if due == waited:
        return said
    by = _movers(waited, due, campaign.sending.window, company.quiet, zone)
    where = _whose(due, lead, campaign, company, zone)
    return f"{said}, moved from {_day_time(waited, zone)} to {_day_time(due, zone)} by {by}{where}"


def why_late(due: datetime, left: datetime, held: str | None) -> str:
    """Why a mail that was due at `due` left at `left` only: `; 2 days later: at most 3 mails in 7 days`. Empty where
    it left in time. `held`: what held it back last, where that was written down."""
    behind = left - due
    if behind <= _LATE:
        return ""
    return f"; {length(behind)} later: {held or 'sending had to wait'}"


def length(span: timedelta) -> str:
    """About how long: `2 days`, `1 hour`, `a moment`."""
    for name, unit in (("day", timedelta(days=1)), ("hour", timedelta(hours=1)), ("minute", timedelta(minutes=1))):
        count = round(span / unit)
        if count >= 1 and span >= unit:
            return f"{count} {name}{'' if count == 1 else 's'}"
    return "a moment"


def _waited(step: Step, anchor_at: datetime, lead: Lead, company: Company, zone: ZoneInfo) -> datetime:
    at = anchor_at.astimezone(UTC)
    if step.after is not None:
        at = later(anchor_at, step.after, lead, company, zone)
    if step.until is not None:
        at = max(at, _until(step.until, anchor_at, lead, company, zone))
    if step.send_on is not None:
        at = max(at, _fixed(step.send_on, zone))
    return at


def _until(until: Until, anchor_at: datetime, lead: Lead, company: Company, zone: ZoneInfo) -> datetime:
    latest = later(anchor_at, until.or_after, lead, company, zone)
    day = _day(lead.get(until.field))
    return latest if day is None else min(latest, resolve(day, 0, zone))


def _fixed(send_on: str, zone: ZoneInfo) -> datetime:
    wall = datetime.fromisoformat(send_on)
    return resolve(wall.date(), wall.hour * 60 + wall.minute, zone)


def _day(value: object) -> date | None:
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    try:
        return date.fromisoformat(str(value)[:10])
    except ValueError:
        return None


def _closed(lead: Lead, company: Company) -> Closed:
    country = lead.country or company.country
    return closed_days(country, company.holidays.get(country, ()))


# -- in words -----------------------------------------------------------------------------------------------------


def _wait(
    step: Step, anchor_at: datetime, at: datetime, lead: Lead, company: Company, zone: ZoneInfo, before: str
) -> str:
    """Which of the step's waits decided, where it has several."""
    if step.send_on is not None and _fixed(step.send_on, zone) == at:
        return f"on {_on_day(at, zone)}, as the file says"
    if step.until is not None and _until(step.until, anchor_at, lead, company, zone) == at:
        return _said_until(step.until, at, lead, zone, before)
    if step.after is not None:
        return f"{step.after} after {before}{_holidays(step.after, anchor_at, at, lead, company, zone)}"
    if step.send_on is not None or step.until is not None:
        passed = step.send_on.replace("T", " ") if step.send_on is not None else f"`{step.until and step.until.field}`"
        return f"{passed} had passed: right after {before}"
    return f"right after {before}"


def _said_until(until: Until, at: datetime, lead: Lead, zone: ZoneInfo, before: str) -> str:
    day = _day(lead.get(until.field))
    if day is None:
        return f"`{until.field}` is not known: {until.or_after} after {before}"
    if resolve(day, 0, zone) > at:
        return f"`{until.field}` ({day}) is further away: at the latest {until.or_after} after {before}"
    return f"on the day of `{until.field}`, {day:%a %d %b %Y}"


def _holidays(
    wait: Duration, anchor_at: datetime, at: datetime, lead: Lead, company: Company, zone: ZoneInfo
) -> str:
    """The weekdays between that business days passed over."""
    if wait.unit != "business_days":
        return ""
    closed, found = _closed(lead, company), []
    day, last = anchor_at.astimezone(zone).date(), at.astimezone(zone).date()
    while day < last:
        day += timedelta(days=1)
        if day.weekday() < _WEEKEND and closed(day):
            found.append(f"{day:%a %d %b}")
    if not found:
        return ""
    # A long list is a calendar, and nobody reads one here.
    named = ", ".join(found[:3]) + (f" and {len(found) - 3} more" if len(found) > 3 else "")
    return f" (without the holidays of {lead.country or company.country}: {named})"


def _movers(waited: datetime, due: datetime, window: Window | None, quiet: Window | None, zone: ZoneInfo) -> str:
    inside = slot(waited, window, None, zone)
    by = ["the campaign's window"] if inside > waited else []
    by += ["the company's quiet hours"] if due > inside else []
    return " and ".join(by)


def _whose(at: datetime, lead: Lead, campaign: Campaign, company: Company, zone: ZoneInfo) -> str:
    """Whose clock it was, where that shows another time than the company's."""
    window = campaign.sending.window
    if window is not None and zone_for(window, zone) != zone:
        return f" (which counts in {window.zone})"
    if at.astimezone(zone).utcoffset() == at.astimezone(ZoneInfo(company.timezone)).utcoffset():
        return ""
    whose = "the lead's" if zone.key == lead.timezone else "the campaign's"
    return f" (in {whose} time zone, {zone.key})"


def _day_time(at: datetime, zone: ZoneInfo) -> str:
    return f"{at.astimezone(zone):%a %d %b %H:%M}"


def _on_day(at: datetime, zone: ZoneInfo) -> str:
    return f"{at.astimezone(zone):%a %d %b %Y %H:%M}"
