"""What was applied, and who stands where in it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Index, text
from sqlmodel import Field, SQLModel

from nurture.store.tables.columns import BIG, document, ref, serial


class CampaignRow(SQLModel, table=True):
    """The campaign as it runs now."""

    __tablename__ = "campaign"

    id: str = Field(primary_key=True)
    version: int
    state: str = "live"
    """CampaignStatus; `paused` here acts before the next message leaves."""
    track: str
    funnel_stage: str
    priority: int = 100
    paused_at: datetime | None = None
    paused_by: str | None = None
    resumed_at: datetime | None = None
    file_problem: str | None = None
    """Why the file on disk is not what runs (broken, deleted); the last good version goes on."""


class CampaignVersionRow(SQLModel, table=True):
    """One applied content of a campaign file. Immutable, content-addressed."""

    __tablename__ = "campaign_version"

    campaign: str = Field(primary_key=True)
    n: int = Field(primary_key=True)
    digest: str = Field(index=True)
    source: str
    templates: dict[str, Any] = document()
    """Template name -> template digest."""
    git_commit: str | None = None
    applied_by: str
    applied_at: datetime
    plan_id: str | None = None
    in_flight: str = "follow"
    sweep: list[str] = Field(default_factory=list, sa_type=document().sa_type)
    """Steps whose people have to be looked at because this version may have moved their due time."""
    swept_at: datetime | None = None
    """When everybody on those steps had been looked at."""


class TemplateVersionRow(SQLModel, table=True):
    """Every copy ever applied, for deleted files, leads on old versions and remote workers."""

    __tablename__ = "template_version"

    digest: str = Field(primary_key=True)
    name: str = Field(index=True)
    sources: dict[str, Any] = document()
    """Path -> text of every file that makes it (language variants, layout)."""
    applied_at: datetime
    live: bool = True
    """Whether this is the copy that runs now under its name."""


class ConfigVersionRow(SQLModel, table=True):
    """company, tracks, scoring, agreement, sales, forms, wordings, layouts: each file's applied contents."""

    __tablename__ = "config_version"
    __table_args__ = (Index("ix_config_version_path", "path", "n"),)

    id: int | None = serial()
    path: str
    n: int
    digest: str
    source: str
    live: bool = True
    applied_by: str
    applied_at: datetime


class PlanRow(SQLModel, table=True):
    __tablename__ = "plan"

    id: str = Field(primary_key=True)
    made_at: datetime
    made_by: str
    base: dict[str, Any] = document()
    """Campaign -> version the plan was made against."""
    counts: dict[str, Any] = document()
    sources_digest: str
    applied_at: datetime | None = None
    accepted: str | None = None


class RedirectRow(SQLModel, table=True):
    """Where people who stand on a removed or renamed step go; kept normalised, so one look-up is enough."""

    __tablename__ = "redirect"

    campaign: str = Field(primary_key=True)
    from_version: int = Field(primary_key=True)
    step: str = Field(primary_key=True)
    to_step: str | None = None
    """None: leaves the campaign."""
    renamed: bool = False


class EnrollmentRow(SQLModel, table=True):
    """One run of one lead through one campaign: a step id and an anchor; the due time follows from them."""

    __tablename__ = "enrollment"
    __table_args__ = (
        Index("uq_enrollment_run", "lead_id", "campaign", "run", unique=True),
        Index(
            "uq_enrollment_open",
            "lead_id",
            "campaign",
            unique=True,
            sqlite_where=text("state IN ('active','paused','control')"),
            postgresql_where=text("state IN ('active','paused','control')"),
        ),
        Index(
            "ix_enrollment_due",
            "due_at",
            sqlite_where=text("state = 'active' AND due_at IS NOT NULL"),
            postgresql_where=text("state = 'active' AND due_at IS NOT NULL"),
        ),
        Index("ix_enrollment_step", "campaign", "state", "version_now", "step_id"),
    )

    id: int | None = serial()
    lead_id: int = ref()
    campaign: str
    track: str
    run: int = 1
    cycle: int = 1
    version_entered: int
    version_now: int
    state: str = "active"
    step_id: str | None = None
    anchor_at: datetime
    waiting_since: datetime | None = None
    due_at: datetime | None = None
    """When to look again; None: a message or an event will wake it."""
    why: str = ""
    entered_at: datetime
    entered_by: str = ""
    ended_at: datetime | None = None
    end_reason: str | None = None
    goal_at: datetime | None = None
    sent_count: int = 0


class StepDoneRow(SQLModel, table=True):
    """A step that this enrollment has passed, and can never do again."""

    __tablename__ = "step_done"

    enrollment_id: int = Field(primary_key=True, sa_type=BIG)
    step_id: str = Field(primary_key=True)
    at: datetime
    version: int
    outcome: str
    note: str = ""


class DrawRow(SQLModel, table=True):
    """Which variant a lead drew; drawn once, before any limit, never drawn again within an epoch."""

    __tablename__ = "draw"

    lead_id: int = Field(primary_key=True, sa_type=BIG)
    test: str = Field(primary_key=True)
    epoch: str = Field(primary_key=True)
    """Digest of the test's variants."""
    variant: str
    at: datetime


class TestWinnerRow(SQLModel, table=True):
    __tablename__ = "test_winner"

    test: str = Field(primary_key=True)
    epoch: str = Field(primary_key=True)
    variant: str | None = None
    """None: no clear difference, both kept."""
    decided_at: datetime
    evidence: dict[str, Any] = document()


class MembershipRow(SQLModel, table=True):
    """A lead's stay on a track. At most one active or paused marketing track per lead."""

    __tablename__ = "membership"
    __table_args__ = (
        Index("ix_membership_lead", "lead_id", "id"),
        Index(
            "uq_membership_open",
            "lead_id",
            unique=True,
            sqlite_where=text("ended_at IS NULL"),
            postgresql_where=text("ended_at IS NULL"),
        ),
    )

    id: int | None = serial()
    lead_id: int = ref()
    track: str
    status: str = "active"
    since: datetime
    reason: str | None = None
    rule: str | None = None
    ended_at: datetime | None = None
