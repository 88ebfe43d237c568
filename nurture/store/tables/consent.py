"""What a person agreed to: the ledger, its proofs, its cache, wordings and suppressions."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Index
from sqlmodel import Field, SQLModel

from nurture.store.tables.columns import BIG, document, ref, serial


class ConsentEntryRow(SQLModel, table=True):
    """One line of the ledger. Append-only, chained per lead by `prev_hash` and `hash`.

    The chain holds `digest`, a salted digest of what the proof row says: erasure deletes proof and salt, and the chain
    still verifies (`erased`).
    """

    __tablename__ = "consent_entry"
    __table_args__ = (Index("uq_consent_entry_lead_seq", "lead_id", "seq", unique=True),)

    id: int | None = serial()
    key: str = Field(unique=True)
    lead_id: int = ref()
    seq: int
    purpose: str
    channel: str = "email"
    action: str
    basis: str | None = None
    jurisdiction: str | None = None
    at: datetime
    recorded_at: datetime
    expires_at: datetime | None = None
    wording: str | None = None
    """`newsletter.v2.en`: an immutable wording, by id."""
    wording_sha: str | None = None
    actor: str
    """`person`, `import 12`, `sales jana`, `marketing ines`, `system`."""
    digest: str
    prev_hash: str
    hash: str


class ConsentProofRow(SQLModel, table=True):
    """What was actually seen, with the salt of its digest. Deleted on erasure."""

    __tablename__ = "consent_proof"

    entry_id: int = Field(primary_key=True, sa_type=BIG)
    lead_id: int = ref(index=True)
    salt: str
    values: dict[str, Any] = document()
    """Address at the time, form, IP (truncated later), agent, language, box state, token id, evidence reference."""


class ConsentStateRow(SQLModel, table=True):
    """The fold of the ledger, so that guards read one row."""

    __tablename__ = "consent_state"

    lead_id: int = Field(primary_key=True, sa_type=BIG)
    purpose: str = Field(primary_key=True)
    channel: str = Field(primary_key=True)
    status: str
    basis: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    entry_id: int | None = ref(nullable=True)
    wording: str | None = None


class ConsentAnchorRow(SQLModel, table=True):
    """One hash over all chain heads per day: a removed chain cannot hide."""

    __tablename__ = "consent_anchor"

    day: str = Field(primary_key=True)
    heads: int
    last_entry_id: int = Field(sa_type=BIG)
    hash: str
    at: datetime


class WordingRow(SQLModel, table=True):
    """A consent text as it was shown. Immutable; a new text is a new version."""

    __tablename__ = "wording"

    id: str = Field(primary_key=True)
    version: int
    language: str
    sha256: str = Field(index=True)
    text: str
    purposes: list[str] = Field(default_factory=list, sa_type=document().sa_type)
    first_used_at: datetime


class SuppressionRow(SQLModel, table=True):
    """An address that gets nothing. By keyed hash, so that it outlives erasure."""

    __tablename__ = "suppression"
    __table_args__ = (Index("uq_suppression_hash_reason", "address_hash", "reason", unique=True),)

    id: int | None = serial()
    address_hash: str = Field(index=True)
    reason: str
    """`unsubscribed`, `complained`, `hard_bounce`, `manual`, `legal`, `competitor`, `erased`."""
    scope: str = "marketing"
    """`marketing` or `all`."""
    source: str | None = None
    lead_id: int | None = ref(nullable=True)
    at: datetime
    lifted_at: datetime | None = None
    lifted_by: str | None = None
