"""A/B tests: what each variant's mails came to, and what was decided."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql import Select

from nurture.model.words import EventKind, MessageState
from nurture.store.tables import EnrollmentRow, EventRow, MessageRow, TestWinnerRow
from nurture.store.tables.columns import core

_message = core(MessageRow)
_event = core(EventRow)
_enrollment = core(EnrollmentRow)
_winner = core(TestWinnerRow)


def decided(conn: Connection) -> set[tuple[str, str]]:
    """(test, epoch) of every test that is over."""
    return {(test, epoch) for test, epoch in conn.execute(select(_winner.c.test, _winner.c.epoch))}


def enough_at(conn: Connection, campaign: str, step: str, epoch: str, count: int) -> datetime | None:
    """When the `count`-th mail of a test left; None: fewer have."""
    query = select(_message.c.sent_at).where(*_of(campaign, step, epoch)).order_by(_message.c.sent_at)
    return conn.execute(query.offset(max(count - 1, 0)).limit(1)).scalar()


def results(conn: Connection, campaign: str, step: str, epoch: str, by: str) -> dict[str, tuple[int, int]]:
    """Variant -> (mails whose result can be seen, how many of them won). `by`: clicks, replies or goal.

    A mail whose clicks may not be tracked says nothing about clicks and is left out of both numbers.
    """
    which = list(_of(campaign, step, epoch))
    if by == "clicks":
        which.append(_message.c.clicks_visible)
    sends = _counts(conn, select(_message.c.variant, func.count()).where(*which))
    wins = _counts(conn, _won(by).where(*which))
    return {variant: (n, wins.get(variant, 0)) for variant, n in sends.items()}


def _of(campaign: str, step: str, epoch: str) -> tuple[Any, ...]:
    return (
        _message.c.campaign == campaign, _message.c.step_id == step, _message.c.state == MessageState.SENT,
        _message.c.epoch == epoch, _message.c.variant.is_not(None),
    )


def _won(by: str) -> Select[Any]:
    query = select(_message.c.variant, func.count(_message.c.id.distinct()))
    if by == "goal":
        reached = (_enrollment.c.id == _message.c.enrollment_id) & _enrollment.c.goal_at.is_not(None)
        return query.join(_enrollment, reached)
    kind = EventKind.CLICK if by == "clicks" else EventKind.REPLY
    # By lead as well as by message: events are found by their lead.
    happened = (
        (_event.c.lead_id == _message.c.lead_id) & (_event.c.message_id == _message.c.id) & (_event.c.kind == kind)
        & _event.c.machine.is_(False) & _event.c.void.is_(False)
    )
    return query.join(_event, happened)


def _counts(conn: Connection, query: Select[Any]) -> dict[str, int]:
    return {variant: n for variant, n in conn.execute(query.group_by(_message.c.variant))}


def decide(
    conn: Connection, test: str, epoch: str, *, variant: str | None, evidence: Mapping[str, Any], now: datetime
) -> None:
    """Write down how a test ended; the first word stands."""
    insert = sqlite.insert if conn.dialect.name == "sqlite" else postgresql.insert
    row = {"test": test, "epoch": epoch, "variant": variant, "decided_at": now, "evidence": dict(evidence)}
    conn.execute(insert(_winner).values(**row).on_conflict_do_nothing())
