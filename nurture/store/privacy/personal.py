"""Everything we hold about one person (Art. 15, 20): complete, readable by people and by programs."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final

from sqlalchemy import Connection, or_, select

from nurture.store.audience import same_person
from nurture.store.tables import (
    ActivityRow,
    BantRow,
    ConsentEntryRow,
    ConsentProofRow,
    ConsentStateRow,
    ContactRow,
    EnrollmentRow,
    EventRow,
    GateEvaluationRow,
    HandoffRow,
    HitRow,
    InboundRow,
    JournalRow,
    LeadListRow,
    LeadRow,
    LeadTagRow,
    LeadValueRow,
    MembershipRow,
    MessageRow,
    OpportunityRow,
    OutboxRow,
    SalesDecisionRow,
    SamePersonRow,
    ShadowScoreRow,
    SlaTimerRow,
    SuppressionRow,
    TransitionRow,
    VisitorRow,
)
from nurture.store.tables.columns import core

SECTIONS: Final[Mapping[str, Any]] = {
    "values": LeadValueRow,
    "tags": LeadTagRow,
    "lists": LeadListRow,
    "consents": ConsentEntryRow,
    "consent_proofs": ConsentProofRow,
    "consent_states": ConsentStateRow,
    "events": EventRow,
    "tracking": HitRow,
    "mails": MessageRow,
    "replies": InboundRow,
    "campaigns": EnrollmentRow,
    "tracks": MembershipRow,
    "stages": TransitionRow,
    "story": JournalRow,
    "gate": GateEvaluationRow,
    "handed_over": HandoffRow,
    "sales_decisions": SalesDecisionRow,
    "sales_questions": BantRow,
    "sales_activities": ActivityRow,
    "deadlines": SlaTimerRow,
    "deals": OpportunityRow,
    "contacts": ContactRow,
    "also_known_as": SamePersonRow,
    "visits": VisitorRow,
    "notices": OutboxRow,
    "trial_scores": ShadowScoreRow,
}
"""Section -> table with a `lead_id`. A test holds this against the schema: a new table must be listed or excused."""
HIDDEN: Final = frozenset(
    {
        "hash",
        "prev_hash",
        "digest",
        "salt",
        "key",
        "key_hash",
        "address_hash",
        "email_hash",
        "token_hash",
        "owner",
        "lease_owner",
        "lease_until",
        "raw",
    }
)
"""Columns that are ours and say nothing about the person."""
DANGEROUS: Final = ("=", "+", "-", "@", "\t", "\r", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What a spreadsheet takes for the beginning of a formula, full-width forms included."""


def collect(conn: Connection, lead_id: int, *, joined: bool = True) -> dict[str, list[dict[str, Any]]]:
    """Section -> rows, `person` first, with those of records that were merged into this one.

    `joined` adds the records that sales found to be the same person. Moments are ISO text; documents stay documents.
    """
    lead = core(LeadRow)
    own = or_(lead.c.id == lead_id, lead.c.merged_into == lead_id)
    if joined:
        own = lead.c.id.in_({lead_id, *same_person.records(conn, lead_id)})
    order = (lead.c.id != lead_id, lead.c.merged_into.is_not(None), lead.c.id)
    people = conn.execute(select(lead).where(own).order_by(*order)).mappings().all()
    ids = [row["id"] for row in people]
    found: dict[str, list[dict[str, Any]]] = {"person": [_shown(row) for row in people]}
    for name, model in SECTIONS.items():
        table = model.__table__
        query = select(table).where(table.c.lead_id.in_(ids)).order_by(*table.primary_key.columns)
        found[name] = [_shown(r) for r in conn.execute(query).mappings()]
    suppression = core(SuppressionRow)
    hashes = [row["email_hash"] for row in people if row["email_hash"]]
    query = select(suppression).where(suppression.c.address_hash.in_(hashes)).order_by(suppression.c.id)
    found["suppressions"] = [_shown(r) for r in conn.execute(query).mappings()]
    return found


def _shown(row: Mapping[Any, Any]) -> dict[str, Any]:
    return {str(k): _plain(v) for k, v in row.items() if str(k) not in HIDDEN and v is not None}


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime | date) else value


def to_json(found: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    return json.dumps(found, ensure_ascii=False, indent=2, sort_keys=True)


def to_zip(found: Mapping[str, Sequence[Mapping[str, Any]]]) -> bytes:
    """One CSV per section, safe to open in a spreadsheet, and complete: `cell` says how a reader gets the rows back."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, rows in found.items():
            entry = zipfile.ZipInfo(f"{name}.csv", date_time=(1980, 1, 1, 0, 0, 0))
            archive.writestr(entry, _csv(rows))
    return packed.getvalue()


def _csv(rows: Sequence[Mapping[str, Any]]) -> str:
    columns = sorted({column for row in rows for column in row})
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow(["" if c not in row else cell(row[c]) for c in columns])
    return text.getvalue()


def cell(value: Any) -> str:
    """A value as text that no spreadsheet runs: JSON for what is not text, an apostrophe before a formula.

    Read back: an apostrophe in front is taken off, then JSON is JSON and everything else is text; empty is not there.
    """
    text = value if isinstance(value, str) and not _reads_as_json(value) else json.dumps(value, ensure_ascii=False)
    return f"'{text}" if text.startswith((*DANGEROUS, "'")) else text


def _reads_as_json(text: str) -> bool:
    """Text that would come back as something else has to be quoted (`"5"`, `"true"`, `""`)."""
    if not text:
        return True
    try:
        json.loads(text)
    except ValueError:
        return False
    return True
