"""How long sales has, and what happens when the time is over. Pure; times are aware UTC."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Literal
from zoneinfo import ZoneInfo

from nurture.decide.calendar import add, add_business_minutes, is_business_day, resolve
from nurture.model.agreement import Agreement
from nurture.model.campaign import Duration

SMALL_TEAM: Final = 3
"""Below this many sellers nothing is taken away from anybody by a clock, unless the agreement says so."""
DECISION_STEPS: Final = (100, 150, 200, 300)
"""Percent of the time allowed: remind the owner, tell the manager, give it to somebody else, take it back."""
UNTAKEN_STEPS: Final = (100, 150, 300, 600, 1200, 2400, 4800)
"""Where no clock takes the lead away it is not forgotten either: the manager hears of it again, ever less often."""
OTHER_STEPS: Final = (100, 150)

DEADLINES: Final = {
    "decision": "decision", "first_touch": "first contact", "qualification": "sales qualification",
    "conversion": "lead conversion",
}
"""What each deadline is for, in words that cannot be taken for something else."""

Timed = Literal["decision", "first_touch", "qualification", "conversion"]
Action = Literal["remind", "tell_manager", "reassign", "expire", "breach"]


@dataclass(frozen=True, slots=True)
class Started:
    """A timer as it begins. `minutes` is the allowance in business minutes where it runs in business time."""

    kind: Timed
    started_at: datetime
    due_at: datetime
    minutes: int | None


@dataclass(frozen=True, slots=True)
class Step:
    """One escalation: what to do at `level` (percent of the allowance), and when the next one is (None: no more)."""

    level: int
    action: Action
    next_at: datetime | None


def on_days_of(agreement: Agreement, country: str | None) -> Agreement:
    """The agreement as its clocks run for a seller of `country`: nobody is late for a holiday of theirs.

    Days and hours stay what was signed, and so do the closed days that the agreement names itself.
    """
    if country is None:
        return agreement
    return replace(agreement, calendar=replace(agreement.calendar, country=country))


def decision_minutes(agreement: Agreement, *, cell: str | None, fast: bool) -> int:
    allowed = agreement.sla.decision_minutes
    default = int(allowed.get("default", 480))
    if fast:
        return int(allowed.get("fast", min(60, default)))
    return int(allowed.get(cell or "default", default))


def start(kind: Timed, agreement: Agreement, *, now: datetime, cell: str | None = None, fast: bool = False) -> Started:
    """Begin a timer with the calendar now in force; a later calendar moves new timers only."""
    calendar, sla = agreement.calendar, agreement.sla
    if kind == "qualification":
        days = Duration(sla.qualification_days, "days")
        return Started(kind, now, add(now, days, ZoneInfo(calendar.zone)), None)
    minutes = {
        "decision": decision_minutes(agreement, cell=cell, fast=fast),
        "first_touch": sla.first_touch_minutes,
        "conversion": sla.conversion_days * (calendar.close - calendar.open),
    }[kind]
    return Started(kind, now, add_business_minutes(now, minutes, calendar), minutes)


def step_at(
    started: datetime, due: datetime, minutes: int | None, percent: int, agreement: Agreement
) -> datetime:
    """When `percent` of the allowance is used up."""
    if percent == 100:
        return due
    if minutes is None:
        return started + (due - started) * percent / 100
    return add_business_minutes(started, minutes * percent // 100, agreement.calendar)


def next_step(
    kind: Timed, *, started: datetime, due: datetime, minutes: int | None, level: int,
    agreement: Agreement, now: datetime, expires: bool, passes: bool = False,
) -> Step | None:
    """The next escalation that is due at `now`, or None.

    `level` is the last one done. `expires` False (small team, or a request for contact) never gives the lead back to
    marketing: it reminds, and tells the manager until somebody decides. `passes`: it may go to another seller.
    """
    steps = _steps(kind, expires, passes)
    left = [percent for percent in steps if percent > level]
    if not left:
        return None
    if now < step_at(started, due, minutes, left[0], agreement):
        return None
    after = step_at(started, due, minutes, left[1], agreement) if len(left) > 1 else None
    return Step(left[0], _action(kind, left[0], expires), after)


def _steps(kind: Timed, expires: bool, passes: bool) -> Sequence[int]:
    if kind == "decision":
        kept = sorted({*UNTAKEN_STEPS, 200}) if passes else UNTAKEN_STEPS
        return DECISION_STEPS if expires else kept
    if kind == "qualification":
        return OTHER_STEPS[:1]
    return OTHER_STEPS


def _action(kind: Timed, percent: int, expires: bool) -> Action:
    if kind == "decision":
        actions: dict[int, Action] = {100: "remind", 200: "reassign"}
        return "expire" if expires and percent == DECISION_STEPS[-1] else actions.get(percent, "tell_manager")
    if kind == "qualification":
        return "expire" if expires else "remind"
    return "remind" if percent == 100 else "tell_manager"


def may_expire(agreement: Agreement, *, sellers: int, fast: bool, via: str) -> bool:
    """Whether a clock may take a lead away from sales: not in small teams, and never one who asked for contact."""
    if fast or via in ("hand_raise", "manual_pull"):
        return False
    return agreement.sla.expire if agreement.sla.expire is not None else sellers >= SMALL_TEAM


def may_pass(*, sellers: int, via: str) -> bool:
    """Whether an undecided lead may go to another seller: where there are enough, unless a seller asked for it."""
    return sellers >= SMALL_TEAM and via != "manual_pull"


def end_of_next_working_day(now: datetime, agreement: Agreement) -> datetime:
    """Until when a decision may be taken back: closing time of the next working day, as aware UTC."""
    zone = ZoneInfo(agreement.calendar.zone)
    day = now.astimezone(zone).date() + timedelta(days=1)
    for _ in range(366):
        if is_business_day(day, agreement.calendar):
            break
        day += timedelta(days=1)
    return resolve(day, agreement.calendar.close, zone)
