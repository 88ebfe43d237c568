"""What rehearsals ask of their own store: where a lead stands, what it passed, whether anything more can come."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, Table, exists, func, insert, select, update

from nurture.model.tokens import Keys, address_hash
from nurture.store.facts import wakeups
from nurture.store.programs import enrollments
from nurture.store.tables import (
    EnrollmentRow,
    HandoffRow,
    JournalRow,
    LeadRow,
    LinkRow,
    MessageRow,
    StepDoneRow,
    SuppressionRow,
    metadata,
)
from nurture.store.tables.columns import core

_lead = core(LeadRow)
_enrollment = core(EnrollmentRow)
_journal = core(JournalRow)
_done = core(StepDoneRow)
_message = core(MessageRow)
_link = core(LinkRow)
_handoff = core(HandoffRow)
_suppressed = core(SuppressionRow)


def place(
    conn: Connection, lead_id: int, *, stage: str | None, track: str | None, recycle_reason: str | None, now: datetime
) -> None:
    """Put a lead where a story says it stands; only ever in a rehearsal's store."""
    values: dict[str, object] = {}
    if stage is not None:
        values |= {"stage": stage, "stage_since": now}
    if recycle_reason is not None:
        values |= {"recycle_reason": recycle_reason, "baseline_at": None}
    if values:
        conn.execute(update(_lead).where(_lead.c.id == lead_id).values(**values))
    if track is not None:
        enrollments.change_track(conn, lead_id, track, now=now, reason="as the story says")
    wakeups.wake(conn, [lead_id], now=now)


def engagement(conn: Connection, lead_id: int) -> int:
    return int(conn.execute(select(_lead.c.engagement).where(_lead.c.id == lead_id)).scalar_one())


def steps_passed(conn: Connection, lead_id: int, campaign: str) -> list[tuple[str, datetime, str]]:
    """(step, when, how) in the order they were passed."""
    query = (
        select(_journal.c.step, _journal.c.at, _journal.c.text)
        .where(_journal.c.lead_id == lead_id, _journal.c.campaign == campaign, _journal.c.kind == "step")
        .order_by(_journal.c.id)
    )
    return [(row.step, row.at, row.text) for row in conn.execute(query)]


def is_over(conn: Connection, lead_id: int) -> bool:
    """Whether nothing more will come by itself: the campaigns have ended, or sales has the lead."""
    inside = select(exists().where(_enrollment.c.lead_id == lead_id, _enrollment.c.state == "active"))
    waiting = select(exists().where(_handoff.c.lead_id == lead_id, _handoff.c.closed_at.is_(None)))
    return not conn.execute(inside).scalar() or bool(conn.execute(waiting).scalar())


class Mail(NamedTuple):
    step: str
    state: str
    reason: str | None
    at: datetime
    said: str | None
    """Why it was put off or refused, in words."""


def sent_after(conn: Connection, since: datetime, *, campaign: str) -> list[tuple[int, int, str, tuple[str, ...]]]:
    """(message, lead, step, names of its links) of mails that left after `since`."""
    query = (
        select(_message.c.id, _message.c.lead_id, _message.c.step_id, _message.c.template_digest)
        .where(_message.c.campaign == campaign, _message.c.state == "sent", _message.c.sent_at > since)
        .order_by(_message.c.id)
    )
    rows = conn.execute(query).all()
    names: dict[str, tuple[str, ...]] = {}
    for digest in {row.template_digest for row in rows}:
        found = conn.execute(
            select(_link.c.name)
            .where(_link.c.template_digest == digest, _link.c.name.is_not(None))
            .order_by(_link.c.idx)
        ).scalars()
        names[digest] = tuple(dict.fromkeys(found))
    return [(row.id, row.lead_id, row.step_id, names[row.template_digest]) for row in rows]


def messages_of(conn: Connection, campaign: str) -> list[Mail]:
    query = select(
        _message.c.step_id, _message.c.state, _message.c.reason, _message.c.sent_at, _message.c.planned_at,
        _message.c.reason_text,
    ).where(_message.c.campaign == campaign)
    return [
        Mail(row.step_id, row.state, row.reason, row.sent_at or row.planned_at, row.reason_text)
        for row in conn.execute(query.order_by(_message.c.id))
    ]


def handoffs(conn: Connection) -> list[datetime]:
    """When leads were first handed over."""
    query = select(func.min(_handoff.c.opened_at)).group_by(_handoff.c.lead_id)
    return sorted(conn.execute(query).scalars())


def ends_of(conn: Connection, campaign: str) -> dict[str, int]:
    """How runs stand or ended, with how many people."""
    query = (
        select(_enrollment.c.state, _enrollment.c.end_reason, func.count())
        .where(_enrollment.c.campaign == campaign)
        .group_by(_enrollment.c.state, _enrollment.c.end_reason)
    )
    return {f"{state}: {reason}" if reason else state: n for state, reason, n in conn.execute(query)}


def steps_ever(conn: Connection, campaign: str) -> set[str]:
    """Steps that somebody passed or got a mail of."""
    query = (
        select(_done.c.step_id)
        .join(_enrollment, _enrollment.c.id == _done.c.enrollment_id)
        .where(_enrollment.c.campaign == campaign)
    )
    sent = select(_message.c.step_id).where(_message.c.campaign == campaign)
    return set(conn.execute(query.distinct()).scalars()) | set(conn.execute(sent.distinct()).scalars())


def standing(conn: Connection, campaign: str) -> dict[str, int]:
    """Step -> how many people stand on it now."""
    query = (
        select(_enrollment.c.step_id, func.count())
        .where(_enrollment.c.campaign == campaign, _enrollment.c.state.in_(("active", "paused")))
        .group_by(_enrollment.c.step_id)
    )
    return {step: n for step, n in conn.execute(query) if step is not None}


_SHARED = ("campaign", "campaign_version", "redirect", "test_winner")
"""What everybody's way depends on; the rest of a copy is one lead's own."""
_LEFT = frozenset({"outbox", "hit"})
"""Rows about a lead that a copy leaves behind: letters to sales, and requests that have been judged."""


def copy_of(source: Connection, copy: Connection, lead_id: int, *, keys: Keys) -> None:
    """Everything that decides what happens to one lead, copied into an empty store."""
    person = source.execute(select(_lead).where(_lead.c.id == lead_id)).mappings().one()
    wanted: list[tuple[Table, ColumnElement[bool] | None]] = [(metadata.tables[name], None) for name in _SHARED]
    runs = select(_enrollment.c.id).where(_enrollment.c.lead_id == lead_id)
    wanted += [(_lead, _lead.c.id == lead_id), (_done, _done.c.enrollment_id.in_(runs))]
    for table in metadata.sorted_tables:
        if "lead_id" in table.c and table.name not in _LEFT:
            wanted.append((table, table.c.lead_id == lead_id))
    if person["email"]:
        hashed = address_hash(keys, person["email"])
        wanted = [(t, _suppressed.c.address_hash == hashed if t is _suppressed else where) for t, where in wanted]
    for table, where in wanted:
        query = select(table) if where is None else select(table).where(where)
        rows = [dict(row) for row in source.execute(query).mappings()]
        if rows:
            copy.execute(insert(table), rows)
