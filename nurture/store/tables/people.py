"""Who: leads, where each value came from, accounts, and the queue of leads that something happened to."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import Index, text
from sqlmodel import Field, SQLModel

from nurture.store.tables.columns import BIG, document, ref, serial


class LeadRow(SQLModel, table=True):
    """A person. Profile, scores and track are caches over `lead_value`, `event` and `transition`."""

    __tablename__ = "lead"
    __table_args__ = (
        Index(
            "ix_lead_review",
            "review_at",
            sqlite_where=text("review_at IS NOT NULL"),
            postgresql_where=text("review_at IS NOT NULL"),
        ),
        Index(
            "ix_lead_inform",
            "inform_at",
            sqlite_where=text("inform_at IS NOT NULL"),
            postgresql_where=text("inform_at IS NOT NULL"),
        ),
        Index("ix_lead_stage", "stage", "stage_since"),
        Index(
            "ix_lead_queue",
            "queue_priority",
            sqlite_where=text("queue_priority IS NOT NULL"),
            postgresql_where=text("queue_priority IS NOT NULL"),
        ),
    )

    id: int | None = serial()
    external_id: str | None = Field(default=None, unique=True)
    email: str | None = None
    email_key: str | None = Field(default=None, unique=True)
    """Normal form: what makes two spellings one person."""
    email_hash: str | None = Field(default=None, index=True)
    """Keyed hash of the normal form; joins `suppression`."""
    domain_group: str | None = None
    """Receiving domain group (`gmail.com`, `outlook` ...), for rates and pauses."""
    source: str | None = None
    first_touch: dict[str, Any] = document()
    fields: dict[str, Any] = document()
    """Current values: name -> {"v": value, "o": origin, "c": confidence, "at": ISO time}."""
    language: str | None = None
    country: str | None = None
    timezone: str | None = None
    account_id: int | None = ref(nullable=True, index=True)

    stage: str = "identified"
    stage_since: datetime | None = None
    cycle: int = 1
    version: int = 0
    """Goes up with every transition; a decision on an older version is a conflict."""
    level: int = 0
    track: str | None = None
    track_since: datetime | None = None
    previous_track: str | None = None

    model: str | None = None
    engagement: int = 0
    fit_low: int = 0
    fit_high: int = 0
    coverage: float = 0.0
    fit_band: str | None = None
    engagement_band: int | None = None
    cell: str | None = None
    action: str | None = None
    scored_at: datetime | None = None
    scored_with: str | None = None
    """Digest of the scoring model in force then."""
    engaged_at: datetime | None = None

    baseline_at: datetime | None = None
    carryover: float = 0.0
    cool_off_until: datetime | None = None
    cool_off_mode: str | None = None
    recycle_reason: str | None = None
    recycles: int = 0
    passive_recycles: int = 0
    contact_blocked: bool = False
    rest_until: datetime | None = None
    mail_paused_until: datetime | None = None
    mails_per_month: int | None = None
    topics_off: list[str] = Field(default_factory=list, sa_type=document().sa_type)
    objected: bool = False
    """Art. 21: no marketing, and no scoring either."""

    seen_event: int = Field(default=0, sa_type=BIG)
    """The newest event that `enroll` has looked at: only newer ones can start a campaign."""
    queue_priority: int | None = None
    """Set while the gate lets this lead through and sales has no room: how soon it is next."""
    review_at: datetime | None = None
    """When time alone may change something; the sweep wakes the lead then."""
    inform_at: datetime | None = None
    """Their data came from elsewhere: when they are told, unless they hear of us before (Art. 14)."""
    created_at: datetime
    updated_at: datetime
    last_open_on: date | None = None
    """Hygiene exemption only: the day of the last open, overwritten, without hour, network or program."""
    merged_into: int | None = ref(nullable=True)
    erased_at: datetime | None = None


class LeadValueRow(SQLModel, table=True):
    """One value learnt about a lead, with where it came from. Append-only; `lead.fields` is the fold."""

    __tablename__ = "lead_value"

    id: int | None = serial()
    lead_id: int = ref(index=True)
    field: str
    value: dict[str, Any] = document()
    """{"v": value}."""
    origin: str = "declared"
    confidence: float = 1.0
    source: str | None = None
    """`import 12 line 40`, `form buyers-guide`, `sales`."""
    at: datetime


class LeadTagRow(SQLModel, table=True):
    __tablename__ = "lead_tag"

    lead_id: int = Field(primary_key=True, sa_type=BIG)
    tag: str = Field(primary_key=True)
    at: datetime


class LeadListRow(SQLModel, table=True):
    __tablename__ = "lead_list"

    list_name: str = Field(primary_key=True)
    lead_id: int = Field(primary_key=True, sa_type=BIG, index=True)
    at: datetime


class VisitorRow(SQLModel, table=True):
    """An anonymous visitor who agreed to tracking; joins a lead on identification, never deleted by it."""

    __tablename__ = "visitor"

    id: int | None = serial()
    key_hash: str = Field(unique=True)
    lead_id: int | None = ref(nullable=True, index=True)
    first_seen: datetime
    last_seen: datetime
    stitched_at: datetime | None = None
    consent_wording: str | None = None


class WakeupRow(SQLModel, table=True):
    """A lead that something happened to and that `stage` has yet to look at."""

    __tablename__ = "wakeup"
    __table_args__ = (Index("ix_wakeup_due", "stage", "due_at"),)

    lead_id: int = Field(primary_key=True, sa_type=BIG)
    stage: str
    """`score`, `advance`, `hand_off` or `enroll`."""
    due_at: datetime
    seq: int = 1
    lease_owner: str | None = None
    lease_until: datetime | None = None


class AccountRow(SQLModel, table=True):
    __tablename__ = "account"

    id: int | None = serial()
    external_id: str | None = Field(default=None, unique=True)
    name: str
    name_key: str = Field(index=True)
    country: str | None = None
    owner: str | None = None
    customer_since: datetime | None = None
    created_at: datetime


class AccountDomainRow(SQLModel, table=True):
    __tablename__ = "account_domain"

    domain: str = Field(primary_key=True)
    account_id: int = ref(index=True)


class ContactRow(SQLModel, table=True):
    """A vetted person at an account; the person stays the lead."""

    __tablename__ = "contact"
    __table_args__ = (Index("uq_contact_lead_account", "lead_id", "account_id", unique=True),)

    id: int | None = serial()
    lead_id: int = ref(index=True)
    account_id: int = ref(index=True)
    email_key: str | None = Field(default=None, index=True)
    fields: dict[str, Any] = document()
    role: str | None = None
    created_at: datetime
    created_by: str


class SamePersonRow(SQLModel, table=True):
    """Two leads that turned out to be one person: sales converted one into the contact of the other. In both ways."""

    __tablename__ = "same_person"

    __table_args__ = (Index("uq_same_person", "lead_id", "other_id", unique=True),)

    id: int | None = serial()
    lead_id: int = ref()
    other_id: int = ref()
    at: datetime
    said_by: str


class OpportunityRow(SQLModel, table=True):
    __tablename__ = "opportunity"

    id: int | None = serial()
    external_id: str | None = Field(default=None, unique=True)
    account_id: int = ref(index=True)
    lead_id: int | None = ref(nullable=True, index=True)
    cycle: int = 1
    name: str
    state: str = "open"
    """`open`, `won` or `lost`."""
    amount: int | None = None
    currency: str | None = None
    close_on: date | None = None
    loss_reason: str | None = None
    opened_at: datetime
    closed_at: datetime | None = None
    owner: str | None = None
