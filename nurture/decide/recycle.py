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
from nurture.model.agreement import Agreement, Calendar, RecycleReason, RejectReason
from nurture.model.company import Tracks
from nurture.model.facts import Snapshot

PASSIVE: Final = "sla_expired"
MISSING_DATA: Final = "missing_data"
ANYTHING_ELSE: Final = "other"
DEFAULT_REVISIT_DAYS: Final = {"bad_timing": 30, "chose_competitor": 90}

DEFAULTS: Final[Mapping[str, RecycleReason]] = {
    r.id: r
    for r in (
        RecycleReason("bad_timing", "not now", cool_off_days=90, cool_off_before_revisit_days=30, mode="low_touch",
                      track="long_cycle"),
        RecycleReason("no_budget", "no budget", cool_off_days=180, mode="low_touch", track="business_case"),
        RecycleReason("not_decision_maker", "does not decide", cool_off_days=14, track="champion",
                      training="fit_negative"),
        RecycleReason("still_researching", "still looking around", cool_off_days=7, track="education",
                      training="engagement_negative"),
        RecycleReason("score_too_early", "was not ready", cool_off_days=14, training="negative"),
        RecycleReason("unresponsive", "does not answer", cool_off_days=30, mode="silent", track="reengage",
                      training="negative"),
        RecycleReason("missing_data", "something is missing", track="profiling", carryover=1.0),
        RecycleReason("chose_competitor", "went elsewhere", cool_off_days=270, cool_off_before_revisit_days=90,
                      mode="silent", track="switch", training="negative"),
        RecycleReason("wrong_product", "wants something else"),
        RecycleReason("sla_expired", "nobody decided in time", kind="passive", carryover=1.0, training="excluded",
                      other_owner_next=True),
        RecycleReason("opp_lost", "the deal was lost", kind="crm", cool_off_days=120, mode="low_touch",
                      training="lost"),
        RecycleReason("churned", "was a customer", kind="crm", cool_off_days=180, mode="silent", track="win_back",
                      training="excluded"),
        RecycleReason("other", "something else", cool_off_days=30, track="education", note_required=True),
    )
}
"""Reasons the engine itself needs, where the agreement does not name them."""

REJECTS: Final[Mapping[str, RejectReason]] = {
    r.id: r
    for r in (
        RejectReason("not_icp", "not the customer we look for"),
        RejectReason("competitor", "is a competitor", terminal=True, suppress=True),
        RejectReason("student_or_jobseeker", "studies or looks for a job", terminal=True),
        RejectReason("fake_data", "the data is made up", terminal=True),
        RejectReason("duplicate", "we have this person already", terminal=True),
        RejectReason("existing_customer", "is a customer"),
        RejectReason("opted_out", "does not want to hear from us", terminal=True, suppress=True),
        RejectReason("no_longer_there", "has left the company"),
        RejectReason("other", "something else", note_required=True),
    )
}


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

    @property
    def starts_at(self) -> datetime:
        """When a campaign that takes recycled leads may begin: after a silent cool-off, else at once."""
        if self.mode == "silent" and self.cool_off_until is not None:
            return self.cool_off_until
        return self.baseline_at

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
    if not agreement.recycle_reasons:
        return DEFAULTS
    system = {name: r for name, r in DEFAULTS.items() if r.kind != "active" or name == MISSING_DATA}
    return {**system, **agreement.recycle_reasons}


def reject_reason_of(agreement: Agreement, reason: str | None) -> RejectReason:
    """The line of the closed list of refusals.

    Raises:
        Refused: `needs_reason` or `unknown_reason`.
    """
    known = agreement.reject_reasons or REJECTS
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
        Refused: `revisit_past` for a date to come back on that is not in the future.
    """
    until: datetime | None = None
    if revisit_on is not None:
        if revisit_on <= _local_day(now, calendar):
            raise Refused(f"{revisit_on} is not in the future.", code="revisit_past", fix="give a later date")
        before = reason.cool_off_before_revisit_days
        before = DEFAULT_REVISIT_DAYS.get(reason.id, 0) if before is None else before
        until = max(now, day_start(revisit_on - timedelta(days=before), calendar))
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
