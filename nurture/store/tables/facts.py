"""What happened: append-only logs. Nothing here is ever updated, but for a hit's verdict and an event's marks."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Index, text
from sqlmodel import Field, SQLModel

from nurture.store.tables.columns import document, ref, serial


class EventRow(SQLModel, table=True):
    """A touchpoint of a lead or an anonymous visitor."""

    __tablename__ = "event"
    __table_args__ = (
        Index("ix_event_lead", "lead_id", "occurred_at"),
        Index(
            "ix_event_visitor",
            "visitor_id",
            sqlite_where=text("visitor_id IS NOT NULL"),
            postgresql_where=text("visitor_id IS NOT NULL"),
        ),
        Index(
            "ix_event_complaint",
            "recorded_at",
            sqlite_where=text("kind = 'email_complaint'"),
            postgresql_where=text("kind = 'email_complaint'"),
        ),
    )

    id: int | None = serial()
    key: str = Field(unique=True)
    """Idempotency key: the provider's id, or a hash of kind, lead, subject and time."""
    lead_id: int | None = ref(nullable=True)
    visitor_id: int | None = ref(nullable=True)
    cycle: int = 1
    kind: str
    occurred_at: datetime
    recorded_at: datetime
    channel: str | None = None
    touchpoint: str | None = None
    content: str | None = None
    topic: str | None = None
    depth: str | None = None
    link: str | None = None
    path: str | None = None
    minutes: int | None = None
    points: int | None = None
    campaign: str | None = None
    step: str | None = None
    message_id: int | None = ref(nullable=True)
    machine: bool = False
    """The verdict on the hit behind it; follows the hit when the verdict is folded back."""
    void: bool = False
    flags: str | None = None
    """`late`, `future`, `unknown_kind`: stored and said, never a crash."""
    data: dict[str, Any] = document()


class HitRow(SQLModel, table=True):
    """One raw request to a tracking address, kept only as far as consent allows."""

    __tablename__ = "hit"
    __table_args__ = (
        Index("ix_hit_message", "message_id", "at"),
        Index(
            "ix_hit_held", "decide_at", sqlite_where=text("verdict = 'held'"), postgresql_where=text("verdict = 'held'")
        ),
    )

    id: int | None = serial()
    message_id: int = ref()
    lead_id: int = ref(index=True)
    kind: str
    """`open`, `click`, `honeypot`."""
    link_index: int | None = None
    at: datetime
    method: str
    agent: str | None = None
    ip_prefix: str | None = None
    headers: dict[str, Any] = document()
    verdict: str = "held"
    evidence: list[str] = Field(default_factory=list, sa_type=document().sa_type)
    decide_at: datetime
    """When the hold ends and a verdict is due."""
    decided_at: datetime | None = None


class TransitionRow(SQLModel, table=True):
    """One move of a lead between lifecycle stages."""

    __tablename__ = "transition"
    __table_args__ = (Index("ix_transition_lead", "lead_id", "id"),)

    id: int | None = serial()
    key: str = Field(unique=True)
    lead_id: int = ref()
    cycle: int
    rule: str
    """`T04`: the line of the table in `model.lifecycle`."""
    from_stage: str
    to_stage: str
    trigger: str
    actor_kind: str
    actor_id: str | None = None
    reason: str | None = None
    note: str | None = None
    occurred_at: datetime
    recorded_at: datetime
    gate_evaluation_id: int | None = ref(nullable=True)
    agreement_version: int | None = None
    config_sha: str | None = None


class JournalRow(SQLModel, table=True):
    """Everything else worth telling in a lead's story: entered, refused entry, waits, choices, moves, left."""

    __tablename__ = "journal"
    __table_args__ = (Index("ix_journal_lead", "lead_id", "id"),)

    id: int | None = serial()
    lead_id: int = ref()
    at: datetime
    kind: str
    """`entered`, `not_entered`, `step`, `waits`, `moved`, `left`, `finished`, `track`, `model`, `told`."""
    campaign: str | None = None
    step: str | None = None
    enrollment_id: int | None = ref(nullable=True)
    code: str | None = None
    text: str = ""
    data: dict[str, Any] = document()
