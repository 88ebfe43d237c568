"""Queries that rehearsals ask of their own store: where a lead stands, what it passed, whether anything more can come."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, exists, select, update

from nurture.model.words import ENROLLMENT_OPEN
from nurture.store import enrollments, wakeups
from nurture.store.tables import EnrollmentRow, HandoffRow, JournalRow, LeadRow

_lead = LeadRow.__table__  # type: ignore[attr-defined]  # SQLModel sets __table__
_enrollment = EnrollmentRow.__table__  # type: ignore[attr-defined]
_journal = JournalRow.__table__  # type: ignore[attr-defined]
_handoff = HandoffRow.__table__  # type: ignore[attr-defined]


class Wait(NamedTuple):
    step_id: str | None
    due_at: datetime | None
    why: str


def place(conn: Connection, lead_id: int, *, stage: str | None, track: str | None, recycle_reason: str | None, now: datetime) -> None:
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


def waits(conn: Connection, lead_id: int) -> list[Wait]:
    query = select(_enrollment.c.step_id, _enrollment.c.due_at, _enrollment.c.why).where(
        _enrollment.c.lead_id == lead_id, _enrollment.c.state.in_(sorted(ENROLLMENT_OPEN))
    )
    return [Wait(*row) for row in conn.execute(query)]


def engagement(conn: Connection, lead_id: int) -> int:
    return int(conn.execute(select(_lead.c.engagement).where(_lead.c.id == lead_id)).scalar_one())


def steps_passed(conn: Connection, lead_id: int, campaign: str) -> list[tuple[str, datetime, str]]:
    """(step, when, how) in the order they were passed."""
    query = (
        select(_journal.c.step, _journal.c.at, _journal.c.text)
        .where(_journal.c.lead_id == lead_id, _journal.c.campaign == campaign, _journal.c.kind == "step").order_by(_journal.c.id)
    )
    return [(row.step, row.at, row.text) for row in conn.execute(query)]


def is_over(conn: Connection, lead_id: int) -> bool:
    """Whether nothing more will come of this lead's campaigns by itself: ended, or paused because sales has the lead."""
    inside = select(exists().where(_enrollment.c.lead_id == lead_id, _enrollment.c.state == "active"))
    waiting = select(exists().where(_handoff.c.lead_id == lead_id, _handoff.c.closed_at.is_(None)))
    return not conn.execute(inside).scalar() or bool(conn.execute(waiting).scalar())
