"""Reading one lead's whole story back from the logs."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from nurture.store.tables import (
    ActivityRow,
    ConsentEntryRow,
    EnrollmentRow,
    EventRow,
    GateEvaluationRow,
    HandoffRow,
    JournalRow,
    LeadRow,
    LeadValueRow,
    MessageRow,
    OpportunityRow,
    SalesDecisionRow,
    SlaTimerRow,
    TransitionRow,
)
from nurture.store.tables.columns import core

_LOGS: dict[str, tuple[Any, str]] = {
    "event": (EventRow, "occurred_at"),
    "consent": (ConsentEntryRow, "at"),
    "transition": (TransitionRow, "occurred_at"),
    "journal": (JournalRow, "at"),
    "message": (MessageRow, "planned_at"),
    "gate": (GateEvaluationRow, "at"),
    "handoff": (HandoffRow, "opened_at"),
    "decision": (SalesDecisionRow, "at"),
    "activity": (ActivityRow, "at"),
    "timer": (SlaTimerRow, "started_at"),
    "enrollment": (EnrollmentRow, "entered_at"),
    "value": (LeadValueRow, "at"),
}


def read(conn: Connection, lead_id: int, *, until: datetime) -> dict[str, list[dict[str, Any]]]:
    """Every row of every log about this lead up to `until`, by kind, oldest first."""
    found: dict[str, list[dict[str, Any]]] = {}
    for kind, (model, when) in _LOGS.items():
        t = model.__table__
        query = select(t).where(t.c.lead_id == lead_id, t.c[when] <= until).order_by(t.c[when], t.c.id)
        found[kind] = [dict(row._mapping) for row in conn.execute(query)]
    return found


def stage_at(transitions: list[dict[str, Any]], first: str) -> str:
    """The stage after the last of these transitions; `first` where there is none yet."""
    return str(transitions[-1]["to_stage"]) if transitions else first


def first_stage(conn: Connection, lead_id: int) -> str:
    """The stage a lead came in with: what its first move left, or where it still is."""
    m, lead = core(TransitionRow), core(LeadRow)
    left = conn.execute(select(m.c.from_stage).where(m.c.lead_id == lead_id).order_by(m.c.id).limit(1)).scalar()
    return str(left or conn.execute(select(lead.c.stage).where(lead.c.id == lead_id)).scalar_one())


def with_sales_at(conn: Connection, lead_id: int, account_id: int | None, *, at: datetime) -> tuple[int | None, bool]:
    """The hand-off that was open at a moment, and whether the lead's organisation had an open deal then."""
    h, d = core(HandoffRow), core(OpportunityRow)
    there = (h.c.opened_at <= at) & (h.c.closed_at.is_(None) | (h.c.closed_at > at))
    query = select(h.c.id).where(h.c.lead_id == lead_id, there)
    handoff = conn.execute(query.order_by(h.c.id.desc()).limit(1)).scalar()
    if account_id is None:
        return handoff, False
    then = (d.c.opened_at <= at) & (d.c.closed_at.is_(None) | (d.c.closed_at > at))
    return handoff, conn.execute(select(d.c.id).where(d.c.account_id == account_id, then).limit(1)).first() is not None


def header(conn: Connection, lead_id: int) -> dict[str, Any] | None:
    t = core(LeadRow)
    row = conn.execute(select(t).where(t.c.id == lead_id)).first()
    return None if row is None else dict(row._mapping)
