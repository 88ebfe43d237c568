"""Hand-offs, what the gate saw, what sales decided, timers, and what is delivered to people and systems."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Index, text
from sqlmodel import Field, SQLModel

from nurture.store.tables.columns import BIG, document, ref, serial


class GateEvaluationRow(SQLModel, table=True):
    """The fifteen predicates as they stood; stored when the vector changes."""

    __tablename__ = "gate_evaluation"
    __table_args__ = (Index("ix_gate_evaluation_lead", "lead_id", "id"),)

    id: int | None = serial()
    lead_id: int = ref()
    cycle: int = 1
    at: datetime
    outcome: str
    """`pass`, `waiting` or `fail`."""
    vector: str
    """`G01+ G02- G03? ...` in order: pass, fail, unknown."""
    results: list[dict[str, Any]] = Field(default_factory=list, sa_type=document().sa_type)
    via: str = "score"
    """`score`, `hand_raise`, `manual_pull`, `campaign`, `exploration`."""
    agreement_version: int | None = None
    agreement_sha: str | None = None
    config_sha: str | None = None


class HandoffRow(SQLModel, table=True):
    """One trip to sales. The partial unique index is what makes a double hand-over impossible."""

    __tablename__ = "handoff"
    __table_args__ = (
        Index(
            "uq_handoff_open",
            "lead_id",
            unique=True,
            sqlite_where=text("closed_at IS NULL"),
            postgresql_where=text("closed_at IS NULL"),
        ),
        Index("ix_handoff_queue", "queue", "closed_at"),
    )

    id: int | None = serial()
    lead_id: int = ref(index=True)
    cycle: int = 1
    state: str = "open"
    """`open` (undecided), `accepted`, `rejected`, `recycled`, `expired`, `revoked`, `converted`."""
    via: str = "score"
    queue: str
    owner: str | None = None
    previous_owner: str | None = None
    cell: str | None = None
    priority: int = 0
    fast: bool = False
    note: str = ""
    gate_evaluation_id: int | None = ref(nullable=True)
    agreement_version: int | None = None
    agreement_sha: str | None = None
    packet: dict[str, Any] = document()
    opened_at: datetime
    due_at: datetime | None = None
    decided_at: datetime | None = None
    closed_at: datetime | None = None
    reason: str | None = None
    marked: str | None = None
    """`exploration` where a random sample put it here, `override` where a named person did."""
    campaign: str | None = None
    step_id: str | None = None
    version: int = 0


class SalesDecisionRow(SQLModel, table=True):
    __tablename__ = "sales_decision"

    id: int | None = serial()
    key: str = Field(unique=True)
    handoff_id: int = ref(index=True)
    lead_id: int = ref(index=True)
    decision: str
    reason: str | None = None
    note: str | None = None
    revisit_on: str | None = None
    actor_id: str
    at: datetime
    correction_of: int | None = ref(nullable=True)
    data: dict[str, Any] = document()


class BantRow(SQLModel, table=True):
    """Budget, authority, need, timeline as sales learnt them; newest per (lead, cycle) counts, all are kept."""

    __tablename__ = "bant"

    id: int | None = serial()
    lead_id: int = ref(index=True)
    cycle: int = 1
    letter: str
    """`budget`, `authority`, `need`, `timeline`."""
    answer: str
    """`unknown`, `no`, `partly`, `yes`."""
    note: str | None = None
    actor_id: str
    declared: bool = False
    at: datetime


class SlaTimerRow(SQLModel, table=True):
    __tablename__ = "sla_timer"
    __table_args__ = (
        Index(
            "ix_sla_timer_due",
            "next_at",
            sqlite_where=text("met_at IS NULL AND closed_at IS NULL"),
            postgresql_where=text("met_at IS NULL AND closed_at IS NULL"),
        ),
    )

    id: int | None = serial()
    kind: str
    """`decision`, `first_touch`, `qualification`, `conversion`, `cool_off`, `review`."""
    lead_id: int | None = ref(nullable=True, index=True)
    handoff_id: int | None = ref(nullable=True, index=True)
    owner: str | None = None
    started_at: datetime
    due_at: datetime
    next_at: datetime
    """The next moment the sweep has something to do (the next escalation)."""
    met_at: datetime | None = None
    breached_at: datetime | None = None
    """Set once, and kept when it is met later: ever missed and past due are two questions."""
    closed_at: datetime | None = None
    level: int = 0
    minutes: int | None = None
    agreement_version: int | None = None


class ActivityRow(SQLModel, table=True):
    """What a seller did: a call, a mail, a meeting, a sales-assist mail with what it contained."""

    __tablename__ = "activity"

    id: int | None = serial()
    key: str = Field(unique=True)
    lead_id: int = ref(index=True)
    handoff_id: int | None = ref(nullable=True, index=True)
    kind: str
    outcome: str | None = None
    note: str | None = None
    content: str | None = None
    actor_id: str
    at: datetime


class OutboxRow(SQLModel, table=True):
    """Something to deliver outside campaigns: a packet, a reminder, a webhook, a confirmation mail."""

    __tablename__ = "outbox"
    __table_args__ = (
        Index(
            "ix_outbox_due",
            "due_at",
            sqlite_where=text("state IN ('planned','deferred')"),
            postgresql_where=text("state IN ('planned','deferred')"),
        ),
    )

    id: int | None = serial()
    key: str = Field(unique=True)
    kind: str
    """`staff_mail`, `lead_mail` (operational), `webhook`, `csv`, `crm`."""
    target: str
    subject: str | None = None
    lead_id: int | None = ref(nullable=True, index=True)
    handoff_id: int | None = ref(nullable=True)
    payload: dict[str, Any] = document()
    state: str = "planned"
    due_at: datetime
    attempt: int = 0
    owner: str | None = None
    lease_until: datetime | None = None
    started_at: datetime | None = None
    done_at: datetime | None = None
    reply: str | None = None
    created_at: datetime


class TakenRow(SQLModel, table=True):
    """How many hand-offs a queue or an owner took on a day, so that capacity holds across workers."""

    __tablename__ = "taken"

    day: str = Field(primary_key=True)
    who: str = Field(primary_key=True)
    n: int = 0
    last_handoff_id: int | None = Field(default=None, sa_type=BIG)
