"""What waits: how much is due at a moment, stage by stage, and when the next thing comes due. Counts and minima, no scans."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, and_, func, or_, select

from nurture.model.words import EnrollmentState, Verdict
from nurture.store import brakes, campaigns
from nurture.store.literal import is_one_of, word
from nurture.store.tables import EnrollmentRow, HitRow, LeadRow, MessageRow, OutboxRow, SlaTimerRow, WakeupRow

_enrollment = EnrollmentRow.__table__  # type: ignore[attr-defined]  # SQLModel sets __table__
_message = MessageRow.__table__  # type: ignore[attr-defined]  # as above
_hit = HitRow.__table__  # type: ignore[attr-defined]  # as above
_lead = LeadRow.__table__  # type: ignore[attr-defined]  # as above
_outbox = OutboxRow.__table__  # type: ignore[attr-defined]  # as above
_timer = SlaTimerRow.__table__  # type: ignore[attr-defined]  # as above
_wakeup = WakeupRow.__table__  # type: ignore[attr-defined]  # as above


def due(conn: Connection, *, now: datetime, only: Collection[str] | None = None) -> dict[str, int]:
    """Stage -> how many rows wait for it at `now`. `only` keeps plan and send to these campaigns."""
    stopped = brakes.paused_campaigns(conn)
    found = {
        "rebase": len(campaigns.unswept(conn)),
        "sweep": _count(conn, _lead.c.review_at.is_not(None), _lead.c.review_at <= now),
        "plan": _count(conn, *_enrolled(stopped, only), _enrollment.c.due_at <= now),
        "send": _count(conn, *_sendable(stopped, only), _message.c.due_at <= now) + _count(conn, *_stranded(now, only)),
        "record": _count(conn, _hit.c.verdict == word(Verdict.HELD), _hit.c.decide_at <= now),
        "recycle": _count(conn, _timer.c.met_at.is_(None), _timer.c.closed_at.is_(None), _timer.c.next_at <= now),
        "deliver": _count(conn, is_one_of(_outbox.c.state, ("planned", "deferred")), _outbox.c.due_at <= now),
    }
    free = or_(_wakeup.c.lease_until.is_(None), _wakeup.c.lease_until <= now)
    woken = conn.execute(select(_wakeup.c.stage, func.count()).where(_wakeup.c.due_at <= now, free).group_by(_wakeup.c.stage))
    return {**found, **{str(stage): int(n) for stage, n in woken}}


def next_due(conn: Connection) -> datetime | None:
    """The earliest moment at which anything waits, past or to come; None where nothing ever will."""
    stopped = brakes.paused_campaigns(conn)
    moments = [
        conn.execute(select(func.min(column)).where(*which)).scalar()
        for column, which in (
            (_lead.c.review_at, (_lead.c.review_at.is_not(None),)),
            (_enrollment.c.due_at, _enrolled(stopped, None)),
            (_message.c.due_at, _sendable(stopped, None)),
            (_message.c.lease_until, (is_one_of(_message.c.state, ("claimed", "started")),)),
            (_hit.c.decide_at, (_hit.c.verdict == word(Verdict.HELD),)),
            (_timer.c.next_at, (_timer.c.met_at.is_(None), _timer.c.closed_at.is_(None))),
            (_outbox.c.due_at, (is_one_of(_outbox.c.state, ("planned", "deferred")),)),
            (_wakeup.c.due_at, (_wakeup.c.lead_id.is_not(None),)),
        )
    ]
    return min((moment for moment in moments if moment is not None), default=None)


def _enrolled(stopped: Collection[str], only: Collection[str] | None) -> tuple[ColumnElement[bool], ...]:
    which = [_enrollment.c.state == word(EnrollmentState.ACTIVE), _enrollment.c.due_at.is_not(None)]
    return (*which, *_of(_enrollment.c.campaign, stopped, only))


def _sendable(stopped: Collection[str], only: Collection[str] | None) -> tuple[ColumnElement[bool], ...]:
    return (is_one_of(_message.c.state, ("planned", "deferred")), *_of(_message.c.campaign, stopped, only))


def _stranded(now: datetime, only: Collection[str] | None) -> tuple[ColumnElement[bool], ...]:
    """Messages whose worker ended in the middle: the next run of `send` takes them up."""
    return (and_(is_one_of(_message.c.state, ("claimed", "started")), _message.c.lease_until <= now), *_of(_message.c.campaign, (), only))


def _of(campaign: ColumnElement[str], stopped: Collection[str], only: Collection[str] | None) -> list[ColumnElement[bool]]:
    which: list[ColumnElement[bool]] = []
    if stopped:
        which.append(or_(campaign.is_(None), campaign.not_in(sorted(stopped))))
    if only is not None:
        which.append(campaign.in_(sorted(only)))
    return which


def _count(conn: Connection, *which: ColumnElement[bool]) -> int:
    return int(conn.execute(select(func.count()).where(*which)).scalar_one())
