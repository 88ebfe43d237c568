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


def stage_at(transitions: list[dict[str, Any]], first: str = "identified") -> str:
    """The stage after the last of these transitions."""
    return str(transitions[-1]["to_stage"]) if transitions else first


def header(conn: Connection, lead_id: int) -> dict[str, Any] | None:
    t = core(LeadRow)
    row = conn.execute(select(t).where(t.c.id == lead_id)).first()
    return None if row is None else dict(row._mapping)
