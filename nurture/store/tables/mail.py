"""Mails: a row per message, links, brakes and rates that survive a restart, and what came back."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import Index, LargeBinary, text
from sqlmodel import Field, SQLModel

from nurture.store.tables.columns import document, ref, serial

_USES_CONTENT = "state IN ('planned','claimed','started','sent','deferred','unknown') AND kind <> 'operational'"


class MessageRow(SQLModel, table=True):
    """One mail to one lead, from `planned` to a final state; the books are counted from these rows."""

    __tablename__ = "message"
    __table_args__ = (
        Index(
            "uq_message_step",
            "enrollment_id",
            "step_id",
            unique=True,
            sqlite_where=text("enrollment_id IS NOT NULL"),
            postgresql_where=text("enrollment_id IS NOT NULL"),
        ),
        Index(
            "uq_message_content",
            "lead_id",
            "content",
            "edition",
            unique=True,
            sqlite_where=text(_USES_CONTENT),
            postgresql_where=text(_USES_CONTENT),
        ),
        Index(
            "ix_message_due",
            "due_at",
            sqlite_where=text("state IN ('planned','deferred')"),
            postgresql_where=text("state IN ('planned','deferred')"),
        ),
        Index(
            "ix_message_lease",
            "lease_until",
            sqlite_where=text("state IN ('claimed','started')"),
            postgresql_where=text("state IN ('claimed','started')"),
        ),
        Index(
            "ix_message_unknown",
            "due_at",
            sqlite_where=text("state = 'unknown' AND reason = 'resends'"),
            postgresql_where=text("state = 'unknown' AND reason = 'resends'"),
        ),
        Index("ix_message_campaign", "campaign", "step_id"),
        # Without the moment of sending, which would have it written anew for each mail that leaves.
        Index("ix_message_lead", "lead_id"),
    )

    id: int | None = serial()
    message_id: str | None = Field(default=None, unique=True)
    """The Message-ID header, derived from (lead, campaign, run, step)."""
    lead_id: int = ref()
    enrollment_id: int | None = ref(nullable=True)
    campaign: str | None = None
    track: str | None = None
    run: int = 1
    step_id: str | None = None
    version: int | None = None
    template: str
    template_digest: str
    content: str
    edition: int = 1
    kind: str
    purpose: str | None = None
    topic: str | None = None
    variant: str | None = None
    epoch: str | None = None
    priority: int = 100
    rehearsal: bool = False
    state: str = "planned"
    due_at: datetime
    planned_at: datetime
    claimed_at: datetime | None = None
    owner: str | None = None
    lease_until: datetime | None = None
    started_at: datetime | None = None
    first_tried_at: datetime | None = None
    """Retries give up some days after this."""
    sent_at: datetime | None = None
    ended_at: datetime | None = None
    attempt: int = 0
    reply: str | None = None
    """The server's last words, sanitised: `250 2.0.0 Ok: queued as ...`."""
    reason: str | None = None
    reason_text: str | None = None
    route: str | None = None
    address: str | None = None
    """The address as mailed, for bounces after a change of address. Emptied by erasure."""
    domain_group: str | None = None
    size: int | None = None
    opens_visible: bool = False
    clicks_visible: bool = False
    data: dict[str, Any] = document()
    """What an operational mail needs (a confirmation's token id); never personal text."""


class LinkRow(SQLModel, table=True):
    """The links of one compiled template; a click's address carries only its index."""

    __tablename__ = "link"

    template_digest: str = Field(primary_key=True)
    idx: int = Field(primary_key=True)
    name: str | None = None
    url: str
    topic: str | None = None


class FlightRow(SQLModel, table=True):
    """What one worker has on the wire: the durable start mark of every message in `ids`, in one row.

    Written before the first byte leaves and rewritten with each group, so it never names more than may be in flight.
    Until their answer is recorded these messages stay `claimed`; a row whose lease ran out makes them `unknown`.
    """

    __tablename__ = "flight"

    key: str = Field(primary_key=True)
    owner: str
    ids: str
    """JSON list of message ids."""
    started_at: datetime
    lease_until: datetime


class RateRow(SQLModel, table=True):
    """A token bucket per sending identity or receiving domain group, shared by workers."""

    __tablename__ = "rate"

    key: str = Field(primary_key=True)
    tokens: float
    at: datetime
    per_hour: float | None = None


class VolumeRow(SQLModel, table=True):
    """How many mails one sending domain got accepted on one day, by provider: bulk limits and complaint rates."""

    __tablename__ = "mail_volume"

    day: date = Field(primary_key=True)
    """The UTC day."""
    sender: str = Field(primary_key=True)
    """The From domain."""
    provider: str = Field(primary_key=True)
    """A large provider's personal mailboxes (`gmail`, ...), else `other`."""
    sent: int = 0


class MailDomainRow(SQLModel, table=True):
    """A receiving domain and whose servers take its mail, looked up aside and kept; sending only reads it."""

    __tablename__ = "mail_domain"

    domain: str = Field(primary_key=True)
    provider: str | None = None
    """The domain group; None: not known, or the domain is its own."""
    looked_at: datetime | None = None
    next_look_at: datetime = Field(index=True)


class BrakeRow(SQLModel, table=True):
    """Something that must not send for a while: a receiving domain group, a route (circuit breaker), everything."""

    __tablename__ = "brake"

    key: str = Field(primary_key=True)
    """`domain:gmail`, `route:main`, `sender:example.com` (complaints), `all`."""
    until: datetime | None = None
    why: str
    failures: int = 0
    at: datetime


class InboundRow(SQLModel, table=True):
    """A mail or a provider's report that came in. Without `handled_at` a human is asked, and the raw mail is kept."""

    __tablename__ = "inbound"

    id: int | None = serial()
    key: str = Field(unique=True)
    source: str
    received_at: datetime
    kind: str = "new"
    """`bounce`, `complaint`, `receipt`, `auto_reply`, `unsubscribe`, `reply`, `stranger`, `review`; `new` within the
    transaction that takes it in."""
    message_id: int | None = ref(nullable=True)
    lead_id: int | None = ref(nullable=True, index=True)
    summary: dict[str, Any] = document()
    raw: bytes | None = Field(default=None, sa_type=LargeBinary)
    handled_at: datetime | None = None
    handled_by: str | None = None


class WebhookSeenRow(SQLModel, table=True):
    """Ids of signed calls already taken: a replay changes nothing."""

    __tablename__ = "webhook_seen"

    source: str = Field(primary_key=True)
    call_id: str = Field(primary_key=True)
    at: datetime
