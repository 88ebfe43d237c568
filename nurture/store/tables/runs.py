"""The machine room: who holds the clock, what each run did, imports, alerts, people who sign in."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Index
from sqlmodel import Field, SQLModel

from nurture.store.tables.columns import document, ref, serial


class ClockOwnerRow(SQLModel, table=True):
    """One row: whoever holds it is the clock of this database; a second clock is refused."""

    __tablename__ = "clock_owner"

    id: int = Field(default=1, primary_key=True)
    owner: str
    mode: str
    """`embedded` or `prefect`."""
    since: datetime
    lease_until: datetime
    last_now: datetime
    """The latest moment this database has seen; a clock that jumps back is noticed."""
    detail: str | None = None


class RunRow(SQLModel, table=True):
    """One run of the pipeline or of one of its stages, with its books."""

    __tablename__ = "run"
    __table_args__ = (Index("ix_run_started", "started_at"),)

    id: int | None = serial()
    key: str | None = Field(default=None, unique=True)
    name: str
    funnel_stage: str | None = None
    owner: str
    now: datetime
    started_at: datetime
    ended_at: datetime | None = None
    tally: dict[str, Any] = document()
    balanced: bool | None = None
    error: str | None = None


class AlertRow(SQLModel, table=True):
    """Something a human should see; told once, kept until resolved."""

    __tablename__ = "alert"

    id: int | None = serial()
    key: str = Field(unique=True)
    code: str
    text: str
    for_whom: str | None = None
    at: datetime
    resolved_at: datetime | None = None


class ImportRow(SQLModel, table=True):
    __tablename__ = "import_run"

    id: int | None = serial()
    file_name: str
    file_sha256: str = Field(index=True)
    map_sha256: str | None = None
    kind: str = "leads"
    by: str
    at: datetime
    report: dict[str, Any] = document()


class NoteRow(SQLModel, table=True):
    """Small named facts of the installation (`demo_seed`, `last_sweep`)."""

    __tablename__ = "note"

    key: str = Field(primary_key=True)
    value: dict[str, Any] = document()
    at: datetime


class UserRow(SQLModel, table=True):
    """Somebody who signs in. `roles`: marketing, sales, manager, privacy, admin."""

    __tablename__ = "user"

    id: str = Field(primary_key=True)
    email_key: str = Field(unique=True)
    name: str
    roles: list[str] = Field(default_factory=list, sa_type=document().sa_type)
    password_hash: str | None = None
    disabled: bool = False
    created_at: datetime
    password_at: datetime | None = None


class SessionRow(SQLModel, table=True):
    __tablename__ = "session"

    token_hash: str = Field(primary_key=True)
    user_id: str = Field(index=True)
    kind: str = "cookie"
    """`cookie` or `api`."""
    created_at: datetime
    seen_at: datetime
    expires_at: datetime
    ended_at: datetime | None = None


class TokenRow(SQLModel, table=True):
    """A single-use token (double opt-in, magic link); only its hash is kept."""

    __tablename__ = "token"

    token_hash: str = Field(primary_key=True)
    purpose: str
    lead_id: int | None = ref(nullable=True, index=True)
    user_id: str | None = None
    data: dict[str, Any] = document()
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None = None
