"""Who is inside which campaign, on which step, in which version: counts and streams without names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, func, select, update
from sqlalchemy.sql import Select

from nurture.model.change import Standing
from nurture.model.words import Channel, ConsentStatus, EnrollmentState, Purpose
from nurture.store.tables import ConsentStateRow, EnrollmentRow, LeadListRow, LeadRow, MessageRow
from nurture.store.tables.columns import core

_enrollment = core(EnrollmentRow)
_consent = core(ConsentStateRow)
_lead = core(LeadRow)
_list = core(LeadListRow)
_message = core(MessageRow)
INSIDE = (EnrollmentState.ACTIVE, EnrollmentState.PAUSED)


def _pairs(conn: Connection, query: Select[Any]) -> dict[Any, Any]:
    return {key: value for key, value in conn.execute(query)}  # rows are not tuples to the type checker


def followed(conn: Connection, only: Iterable[str] | None = None) -> dict[tuple[str, int], int]:
    """(campaign, version) -> people inside who follow it. Counts an index, so this is for plans, status and loading."""
    query = (
        select(_enrollment.c.campaign, _enrollment.c.version_now, func.count())
        .where(_enrollment.c.state.in_(INSIDE)).group_by(_enrollment.c.campaign, _enrollment.c.version_now)
    )
    if only is not None:
        query = query.where(_enrollment.c.campaign.in_(list(only)))
    return {(campaign, n): count for campaign, n, count in conn.execute(query)}


def visible(conn: Connection, campaign: str) -> tuple[int, int]:
    """(people inside whose clicks may be seen, people inside)."""
    seen = (
        select(_consent.c.lead_id)
        .where(_consent.c.lead_id == _enrollment.c.lead_id, _consent.c.purpose == Purpose.CLICK_TRACKING,
               _consent.c.channel == Channel.EMAIL, _consent.c.status == ConsentStatus.GRANTED)
        .exists()
    )
    here = (_enrollment.c.campaign == campaign, _enrollment.c.state.in_(INSIDE))
    row = conn.execute(select(func.count().filter(seen), func.count()).select_from(_enrollment).where(*here)).one()
    return int(row[0]), int(row[1])


def stands(conn: Connection, campaign: str, n: int) -> dict[str | None, int]:
    """Step -> people inside who stand on it, among those who follow version `n`."""
    query = (
        select(_enrollment.c.step_id, func.count())
        .where(_enrollment.c.campaign == campaign, _enrollment.c.state.in_(INSIDE), _enrollment.c.version_now == n)
        .group_by(_enrollment.c.step_id)
    )
    return _pairs(conn, query)


def standings(
    conn: Connection, campaign: str, n: int, steps: Iterable[str], *, fields: Iterable[str] = ()
) -> Iterator[Standing]:
    """The people on these steps one by one, without their names. `fields` are date fields that `until` asks for."""
    wanted = tuple(fields)
    columns = [
        _enrollment.c.step_id,
        _enrollment.c.anchor_at,
        _enrollment.c.waiting_since,
        _lead.c.timezone,
        _lead.c.country,
    ]
    query = (
        select(*columns, *([_lead.c.fields] if wanted else []))
        .join(_lead, _lead.c.id == _enrollment.c.lead_id)
        .where(_enrollment.c.campaign == campaign, _enrollment.c.state.in_(INSIDE), _enrollment.c.version_now == n,
               _enrollment.c.step_id.in_(list(steps)))
    )
    for row in conn.execution_options(yield_per=5000).execute(query):
        step, anchor, waiting, zone, country = row[:5]
        known = {f: str(row[5][f]["v"]) for f in wanted if f in row[5]} if wanted else {}
        yield Standing(step, 1, anchor, waiting, zone, country, known)


def on_list(conn: Connection, list_name: str) -> list[int]:
    """Leads on a list, by id."""
    query = select(_list.c.lead_id).where(_list.c.list_name == list_name).order_by(_list.c.lead_id)
    return list(conn.execute(query).scalars())


def sent_by_step(conn: Connection, campaign: str) -> dict[str, int]:
    """Step -> mails that left."""
    query = (
        select(_message.c.step_id, func.count()).where(_message.c.campaign == campaign, _message.c.state == "sent")
        .group_by(_message.c.step_id)
    )
    return _pairs(conn, query)


def due(conn: Connection, *, now: datetime) -> dict[str, tuple[int, datetime | None]]:
    """Campaign -> (people due now, the next moment something is due)."""
    query = (
        select(_enrollment.c.campaign, func.count().filter(_enrollment.c.due_at <= now), func.min(_enrollment.c.due_at))
        .where(_enrollment.c.state == EnrollmentState.ACTIVE, _enrollment.c.due_at.is_not(None))
        .group_by(_enrollment.c.campaign)
    )
    return {campaign: (count, first) for campaign, count, first in conn.execute(query)}


def overdue(conn: Connection, campaign: str, *, now: datetime) -> tuple[list[int], list[int]]:
    """(enrollments, messages) of a campaign that came due and wait."""
    people = select(_enrollment.c.id).where(
        _enrollment.c.campaign == campaign, _enrollment.c.state == EnrollmentState.ACTIVE, _enrollment.c.due_at <= now
    )
    mails = select(_message.c.id).where(
        _message.c.campaign == campaign, _message.c.state.in_(("planned", "deferred")), _message.c.due_at <= now
    )
    return list(conn.execute(people).scalars()), list(conn.execute(mails).scalars())


def postpone(conn: Connection, enrollments: Mapping[int, datetime], mails: Mapping[int, datetime]) -> None:
    """Give overdue enrollments and messages a later moment each."""
    for table, moments in ((_enrollment, enrollments), (_message, mails)):
        rows = [{"b_id": i, "b_due": at} for i, at in moments.items()]
        if rows:
            statement = update(table).where(table.c.id == bindparam("b_id"))
            conn.execute(statement.values(due_at=bindparam("b_due", type_=table.c.due_at.type)), rows)


def behind(
    conn: Connection, campaign: str, n: int, steps: Sequence[str], *, limit: int, lock: bool = True
) -> list[int]:
    """Enrollments on these steps that still follow a version older than `n`, locked unless another worker has them."""
    query = (
        select(_enrollment.c.id)
        .where(_enrollment.c.campaign == campaign, _enrollment.c.state.in_(INSIDE), _enrollment.c.version_now < n,
               _enrollment.c.step_id.in_(list(steps)))
        .order_by(_enrollment.c.id).limit(limit)
    )
    if lock and conn.dialect.name == "postgresql":
        query = query.with_for_update(skip_locked=True)
    return list(conn.execute(query).scalars())
