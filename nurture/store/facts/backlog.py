"""What waits: how much is due at a moment, stage by stage, and when the next thing comes due. One query each."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from functools import lru_cache

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    ScalarSelect,
    Select,
    and_,
    bindparam,
    func,
    or_,
    select,
)

from nurture.model.words import EnrollmentState, Verdict
from nurture.store.facts import wakeups
from nurture.store.literal import is_one_of, word
from nurture.store.mail import brakes, messages
from nurture.store.programs import campaigns
from nurture.store.tables import (
    EnrollmentRow,
    HitRow,
    LeadRow,
    MailDomainRow,
    MessageRow,
    OutboxRow,
    SlaTimerRow,
    WakeupRow,
)
from nurture.store.tables.columns import core

_enrollment = core(EnrollmentRow)
_message = core(MessageRow)
_domain = core(MailDomainRow)
_hit = core(HitRow)
_lead = core(LeadRow)
_outbox = core(OutboxRow)
_timer = core(SlaTimerRow)
_wakeup = core(WakeupRow)


def due(conn: Connection, *, now: datetime, only: Collection[str] | None = None) -> dict[str, int]:
    """Stage -> how many rows wait for it at `now`. `only` keeps plan and send to these campaigns."""
    stopped = frozenset(brakes.paused_campaigns(conn))
    statement = _waiting(stopped, None if only is None else frozenset(only))
    row = conn.execute(statement, {"now": now}).one()._asdict()
    row["send"] += row.pop("stranded") + row.pop("silent")
    row["sweep"] += row.pop("untold")
    return {"rebase": len(campaigns.unswept(conn)), **{stage: int(n) for stage, n in row.items()}}


@lru_cache(maxsize=64)
def _waiting(stopped: frozenset[str], only: frozenset[str] | None) -> Select[tuple[int, ...]]:
    """The question of `due`, with `:now` left open: putting it together takes longer than answering it."""
    now = bindparam("now", type_=_message.c.due_at.type)
    free = or_(_wakeup.c.lease_until.is_(None), _wakeup.c.lease_until <= now)
    counts = {
        "sweep": _count(_lead.c.review_at.is_not(None), _lead.c.review_at <= now),
        "untold": _count(_lead.c.inform_at.is_not(None), _lead.c.inform_at <= now),
        "plan": _count(*_enrolled(stopped, only), _enrollment.c.due_at <= now),
        "send": _count(*_sendable(stopped, only), _message.c.due_at <= now),
        "stranded": _count(*_stranded(now, only)),
        "silent": _count(*messages.SILENT, _message.c.due_at <= now, *_of(_message.c.campaign, (), only)),
        "record": _count(_hit.c.verdict == word(Verdict.HELD), _hit.c.decide_at <= now),
        "recycle": _count(_timer.c.met_at.is_(None), _timer.c.closed_at.is_(None), _timer.c.next_at <= now),
        "deliver": _count(is_one_of(_outbox.c.state, ("planned", "deferred")), _outbox.c.due_at <= now),
        "domains": _count(_domain.c.next_look_at <= now),
        **{stage: _count(_wakeup.c.stage == stage, _wakeup.c.due_at <= now, free) for stage in wakeups.ORDER},
    }
    return select(*(count.label(stage) for stage, count in counts.items()))


def next_due(conn: Connection) -> datetime | None:
    """The earliest moment at which anything waits, past or to come; None where nothing ever will."""
    stopped = brakes.paused_campaigns(conn)
    moments = (
        _first(_lead.c.review_at, _lead.c.review_at.is_not(None)),
        _first(_lead.c.inform_at, _lead.c.inform_at.is_not(None)),
        _first(_enrollment.c.due_at, *_enrolled(stopped, None)),
        _first(_message.c.due_at, *_sendable(stopped, None)),
        _first(_message.c.due_at, *messages.SILENT),
        _first(_message.c.lease_until, is_one_of(_message.c.state, ("claimed", "started"))),
        _first(_hit.c.decide_at, _hit.c.verdict == word(Verdict.HELD)),
        _first(_timer.c.next_at, _timer.c.met_at.is_(None), _timer.c.closed_at.is_(None)),
        _first(_outbox.c.due_at, is_one_of(_outbox.c.state, ("planned", "deferred"))),
        _first(_wakeup.c.due_at),
    )
    found = conn.execute(select(*(moment.label(f"m{n}") for n, moment in enumerate(moments)))).one()
    return min((moment for moment in found if moment is not None), default=None)


def _enrolled(stopped: Collection[str], only: Collection[str] | None) -> tuple[ColumnElement[bool], ...]:
    which = [_enrollment.c.state == word(EnrollmentState.ACTIVE), _enrollment.c.due_at.is_not(None)]
    return (*which, *_of(_enrollment.c.campaign, stopped, only))


def _sendable(stopped: Collection[str], only: Collection[str] | None) -> tuple[ColumnElement[bool], ...]:
    return (is_one_of(_message.c.state, ("planned", "deferred")), *_of(_message.c.campaign, stopped, only))


def _stranded(now: BindParameter[datetime], only: Collection[str] | None) -> tuple[ColumnElement[bool], ...]:
    """Messages whose worker ended in the middle: the next run of `send` takes them up."""
    lost = and_(is_one_of(_message.c.state, ("claimed", "started")), _message.c.lease_until <= now)
    return (lost, *_of(_message.c.campaign, (), only))


def _of(
    campaign: ColumnElement[str], stopped: Collection[str], only: Collection[str] | None
) -> list[ColumnElement[bool]]:
    which: list[ColumnElement[bool]] = []
    if stopped:
        which.append(or_(campaign.is_(None), campaign.not_in(sorted(stopped))))
    if only is not None:
        which.append(campaign.in_(sorted(only)))
    return which


def _count(*which: ColumnElement[bool]) -> ScalarSelect[int]:
    return select(func.count()).where(*which).scalar_subquery()


def _first(moment: ColumnElement[datetime], *which: ColumnElement[bool]) -> ScalarSelect[datetime]:
    return select(func.min(moment)).where(*which).scalar_subquery()
