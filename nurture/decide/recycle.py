"""What a "not yet" of sales means: how long to leave the lead alone, what it may get meanwhile, where it goes on.

Everything comes from the reason table of `agreement.yaml`; this module only does the arithmetic.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from nurture.decide.calendar import resolve
from nurture.errors import Refused
from nurture.model.agreement import RECYCLE_REASONS, Agreement, Calendar, RecycleReason, RejectReason
from nurture.model.company import Tracks
from nurture.model.facts import Snapshot

PASSIVE: Final = "sla_expired"
MISSING_DATA: Final = "missing_data"
FURTHEST_DAYS: Final = 3 * 366
"""A date further away is a slip of the pen, or a no; the lead would rest, unseen, for as long."""

SYSTEM: Final = {name: r for name, r in RECYCLE_REASONS.items() if r.kind != "active" or name == MISSING_DATA}
"""Reasons the engine itself gives, which stay possible whatever an agreement lists."""


@dataclass(frozen=True, slots=True)
class WayBack:
    """What a recycle does to the lead. `track` None: go on where it was."""

    reason: RecycleReason
    baseline_at: datetime
    cool_off_until: datetime | None
    mode: str
    track: str | None
    carryover: float
    passive: bool

    def as_columns(self) -> dict[str, Any]:
        return {
            "baseline_at": self.baseline_at, "carryover": self.carryover, "cool_off_until": self.cool_off_until,
            "cool_off_mode": self.mode if self.cool_off_until is not None else None,
            "recycle_reason": self.reason.id, "review_at": self.cool_off_until,
        }


def reason_of(agreement: Agreement, reason: str | None, *, by: str = "sales") -> RecycleReason:
    """The line of the closed list. `opp_lost:price` falls back to `opp_lost`.

    Raises:
        Refused: `needs_reason` without one, `unknown_reason` outside the list, `not_yours` for reasons that only the
            system or the CRM gives.
    """
    choices = ", ".join(sorted(r.id for r in recycle_reasons(agreement).values() if r.kind == "active"))
    if not reason:
        raise Refused("A recycle needs a reason.", code="needs_reason", fix=f"one of: {choices}")
    known = recycle_reasons(agreement)
    found = known.get(reason) or known.get(reason.partition(":")[0])
    if found is None:
        raise Refused(f"`{reason}` is not a recycle reason.", code="unknown_reason", fix=f"one of: {choices}")
    if by == "sales" and found.kind != "active":
        raise Refused(f"`{reason}` is not for people to give.", code="not_yours", fix=f"one of: {choices}")
    return found


def recycle_reasons(agreement: Agreement) -> Mapping[str, RecycleReason]:
    """The agreement's reasons; those of the system stay possible whatever the file lists."""
    return {**SYSTEM, **agreement.recycle_reasons}


def reject_reason_of(agreement: Agreement, reason: str | None) -> RejectReason:
    """The line of the closed list of refusals.

    Raises:
        Refused: `needs_reason` or `unknown_reason`.
    """
    known = agreement.reject_reasons
    choices = ", ".join(sorted(known))
    if not reason:
        raise Refused("A rejection needs a reason.", code="needs_reason", fix=f"one of: {choices}")
    if reason not in known:
        raise Refused(f"`{reason}` is not a reason to reject.", code="unknown_reason", fix=f"one of: {choices}")
    return known[reason]


def way_back(
    reason: RecycleReason, *, now: datetime, calendar: Calendar, revisit_on: date | None = None,
    tracks: Tracks | None = None,
) -> WayBack:
    """Cool-off, mode and track of one recycle decided at `now`.

    Raises:
        Refused: `revisit_past` for a date to come back on that is not in the future, `revisit_far` beyond three years.
    """
    until: datetime | None = None
    if revisit_on is not None:
        if revisit_on <= _local_day(now, calendar):
            raise Refused(f"{revisit_on} is not in the future.", code="revisit_past", fix="give a later date")
        if (revisit_on - _local_day(now, calendar)).days > FURTHEST_DAYS:
            raise Refused(f"{revisit_on} is more than three years away.", code="revisit_far",
                          fix="give a nearer date, or reject the lead")
        until = max(now, day_start(revisit_on - timedelta(days=reason.cool_off_before_revisit_days), calendar))
    elif reason.cool_off_days:
        until = now + timedelta(days=reason.cool_off_days)
    track = reason.track
    if track is not None and tracks is not None and tracks.tracks and track not in tracks.tracks:
        # A reason the file does not list falls back on the engine's own table, whose tracks need not exist here.
        track = None
    return WayBack(
        reason=reason, baseline_at=now, cool_off_until=until if until is not None and until > now else None,
        mode=reason.mode, track=track, carryover=reason.carryover, passive=reason.kind == "passive",
    )


def day_start(day: date, calendar: Calendar) -> datetime:
    """Midnight of `day` where the agreement's calendar is kept, as aware UTC."""
    return resolve(day, 0, ZoneInfo(calendar.zone))


def _local_day(now: datetime, calendar: Calendar) -> date:
    return now.astimezone(ZoneInfo(calendar.zone)).date()


def new_cycle(cycle: int) -> dict[str, Any]:
    """Columns of a lead that comes back after a deal: a new cycle, its counters at the start."""
    return {"cycle": cycle + 1, "recycles": 0, "passive_recycles": 0, "contact_blocked": False}


def changed_since(snapshot: Snapshot, since: datetime, now: datetime, *, most: int = 10) -> list[dict[str, Any]]:
    """What happened since a refusal, newest first: what the next seller wants to know before calling again."""
    told = [
        {"at": e.at.isoformat(), "what": e.kind, "about": e.content or e.topic or e.path or "", "depth": e.depth}
        for e in snapshot.events
        if since < e.at <= now and not e.machine and not e.void and e.kind not in ("email_open", "points", "recycled")
    ]
    values = [
        {"at": v.at.isoformat(), "what": "learnt", "about": f"{name}: {v.value}", "depth": None}
        for name, v in snapshot.lead.fields.items() if v.at is not None and since < v.at <= now
    ]
    return sorted(told + values, key=lambda row: str(row["at"]), reverse=True)[:most]
