"""Forgetting people: everything personal goes, a keyed hash stays so that nobody writes to them again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, String, and_, case, cast, delete, func, or_, select, text, update
from sqlalchemy.dialects import postgresql, sqlite

from nurture.store.engine import Store
from nurture.store.mail import inbound, outbox
from nurture.store.privacy.consent import forget_proofs, without_network
from nurture.store.tables import (
    ActivityRow,
    AlertRow,
    BantRow,
    ConsentEntryRow,
    ConsentProofRow,
    ConsentStateRow,
    ContactRow,
    EventRow,
    GateEvaluationRow,
    HandoffRow,
    HitRow,
    ImportRow,
    InboundRow,
    JournalRow,
    LeadListRow,
    LeadRow,
    LeadTagRow,
    LeadValueRow,
    MessageRow,
    OutboxRow,
    RunRow,
    SalesDecisionRow,
    SamePersonRow,
    StepDoneRow,
    SuppressionRow,
    TokenRow,
    TransitionRow,
    VisitorRow,
    WakeupRow,
)


def _table(model: Any) -> Any:
    return model.__table__


_lead = _table(LeadRow)
_message = _table(MessageRow)
_suppression = _table(SuppressionRow)
_hit = _table(HitRow)
_proof = _table(ConsentProofRow)
_entry = _table(ConsentEntryRow)
_same = _table(SamePersonRow)

GONE: Final = tuple(
    map(
        _table,
        (
            LeadValueRow,
            LeadTagRow,
            LeadListRow,
            HitRow,
            TokenRow,
            ContactRow,
            SamePersonRow,
            VisitorRow,
            WakeupRow,
        ),
    )
)
"""Tables whose rows about a person are deleted."""

EMPTIED: Final[tuple[tuple[Any, Mapping[str, Any]], ...]] = (
    (_table(EventRow), {"data": {}, "path": None, "touchpoint": None}),
    (_table(JournalRow), {"text": "", "data": {}}),
    (
        _table(TransitionRow),
        {
            "note": None,
            "actor_id": case(
                (_table(TransitionRow).c.actor_kind == "person", None), else_=_table(TransitionRow).c.actor_id
            ),
        },
    ),
    (_table(MessageRow), {"address": None, "domain_group": None, "data": {}, "reply": None, "reason_text": None}),
    (_table(InboundRow), {"raw": None, "summary": {}}),
    (_table(HandoffRow), {"packet": {}, "note": ""}),
    (_table(SalesDecisionRow), {"note": None, "data": {}}),
    (_table(BantRow), {"note": None}),
    (_table(ActivityRow), {"note": None, "outcome": None}),
    (_table(GateEvaluationRow), {"results": []}),
)
"""Tables whose rows stay as anonymous facts (that a mail was sent, that a click happened), without words."""

SCRUBBED: Final = (
    (_table(ImportRow), "report"),
    (_table(AlertRow), "text"),
    (_table(RunRow), "error"),
    (_table(OutboxRow), "reply"),
    (_table(StepDoneRow), "note"),
)
"""Free text that belongs to nobody in particular and may still name an address."""


def prepare(conn: Connection) -> None:
    """SQLite keeps deleted text in free pages unless told to overwrite it."""
    if conn.dialect.name == "sqlite":
        conn.execute(text("PRAGMA secure_delete=ON"))


def compact(store: Store) -> None:
    """Rewrite the file, so that no earlier version of a row remains in its free space (SQLite)."""
    if not store.is_sqlite:
        return
    raw = store.engine.raw_connection()
    try:
        for statement in ("VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)"):
            raw.cursor().execute(statement)
    finally:
        raw.close()


def suppress(conn: Connection, address_hash: str, *, reason: str, source: str, now: datetime) -> None:
    """The address gets nothing more, by hash alone."""
    make = sqlite.insert if conn.dialect.name == "sqlite" else postgresql.insert
    row = make(_suppression).values(address_hash=address_hash, reason=reason, scope="all", source=source, at=now)
    conn.execute(
        row.on_conflict_do_update(
            index_elements=["address_hash", "reason"], set_={"lifted_at": None, "lifted_by": None, "scope": "all"}
        )
    )


def forget(conn: Connection, lead_ids: Sequence[int], *, now: datetime) -> None:
    """Empty everything about these leads. Their ledger lines stay, without proofs and salts."""
    addresses = [a for a in conn.execute(select(_lead.c.email).where(_lead.c.id.in_(lead_ids))).scalars() if a]
    for table in GONE:
        conn.execute(delete(table).where(table.c.lead_id.in_(lead_ids)))
    for table, values in EMPTIED:
        conn.execute(update(table).where(table.c.lead_id.in_(lead_ids)).values(**values))
    stopped = _message.c.state.in_(("planned", "deferred", "claimed"))
    conn.execute(
        update(_message)
        .where(_message.c.lead_id.in_(lead_ids), stopped)
        .values(state="refused", reason="erased", ended_at=now, owner=None, lease_until=None)
    )
    conn.execute(delete(_same).where(_same.c.other_id.in_(lead_ids)))
    outbox.forget_lead(conn, lead_ids)
    forget_proofs(conn, lead_ids)
    inbound.forget_address(conn, addresses)
    _scrub(conn, addresses)
    conn.execute(update(_suppression).where(_suppression.c.lead_id.in_(lead_ids)).values(lead_id=None))
    conn.execute(
        update(_lead)
        .where(_lead.c.id.in_(lead_ids))
        .values(
            email=None,
            email_key=None,
            email_hash=None,
            domain_group=None,
            external_id=None,
            first_touch={},
            fields={},
            language=None,
            country=None,
            timezone=None,
            account_id=None,
            topics_off=[],
            source=None,
            recycle_reason=None,
            mail_paused_until=None,
            mails_per_month=None,
            last_open_on=None,
            inform_at=None,
            review_at=None,
            erased_at=now,
            updated_at=now,
        )
    )


def _scrub(conn: Connection, addresses: Sequence[str]) -> None:
    for table, column in SCRUBBED:
        words = cast(table.c[column], String)
        for address in addresses:
            for spelling in {address, address.lower()}:
                found = words.like(f"%{_literal(spelling)}%", escape="\\")
                cleaned = func.replace(words, spelling, "(erased)")
                conn.execute(
                    update(table)
                    .where(found)
                    .values(
                        {column: cast(cleaned, table.c[column].type)}
                        if conn.dialect.name == "postgresql"
                        else {column: cleaned}
                    )
                )


def _literal(words: str) -> str:
    return words.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def told_to(conn: Connection, lead_id: int) -> list[str]:
    """Whom we handed the person's data to: they have to be told of an erasure."""
    handoff, out = _table(HandoffRow), _table(OutboxRow)
    people = conn.execute(select(handoff.c.owner, handoff.c.queue).where(handoff.c.lead_id == lead_id)).all()
    sent = conn.execute(
        select(out.c.kind, out.c.target).where(
            out.c.lead_id == lead_id, out.c.state == "done", out.c.kind.in_(("staff_mail", "webhook", "csv", "crm"))
        )
    ).all()
    named = {f"sales: {row.owner or row.queue}" for row in people} | {f"{row.kind}: {row.target}" for row in sent}
    return sorted(named)


def stale(conn: Connection, *, before: datetime, limit: int) -> list[int]:
    """Leads without any sign of interest and without a ground to write to them since `before` (C19).

    Whoever is known by a second record counts as silent when that one is silent too.
    """
    other = _lead.alias("other")
    alive = select(_same.c.id).join(other, other.c.id == _same.c.other_id)
    alive = alive.where(_same.c.lead_id == _lead.c.id, other.c.erased_at.is_(None), ~_silent(other, before))
    query = select(_lead.c.id).where(
        _lead.c.erased_at.is_(None), _lead.c.merged_into.is_(None), _silent(_lead, before), ~alive.exists()
    )
    return list(conn.execute(query.order_by(_lead.c.id).limit(limit)).scalars())


def _silent(lead: Any, before: datetime) -> ColumnElement[bool]:
    state = _table(ConsentStateRow)
    has_ground = (
        select(state.c.lead_id)
        .where(
            state.c.lead_id == lead.c.id,
            state.c.status == "granted",
            state.c.purpose.in_(("newsletter", "nurture_email", "commercial_offers")),
            or_(state.c.until.is_(None), state.c.until > before),
        )
        .exists()
    )
    quiet = or_(lead.c.engaged_at.is_(None), lead.c.engaged_at < before)
    return and_(
        lead.c.created_at < before,
        quiet,
        ~has_ground,
        lead.c.stage.not_in(("mql", "sal", "sql", "converted", "customer")),
    )


def old_networks(conn: Connection, *, before: datetime) -> dict[str, int]:
    """How many hits and proofs still say where somebody was, from before this moment."""
    hits = select(func.count()).where(_hit.c.ip_prefix != "", _hit.c.at < before)
    return {
        "hits": int(conn.execute(hits).scalar_one()),
        "proofs": sum(1 for _ in _with_networks(conn, before)),
    }


def drop_networks(conn: Connection, *, before: datetime) -> dict[str, int]:
    """Forget networks older than that. The chain of proofs still verifies: the digest was made over a salted leaf."""
    old = (_hit.c.ip_prefix != "") & (_hit.c.at < before)
    hits = int(conn.execute(update(_hit).where(old).values(ip_prefix="", headers={})).rowcount)
    proofs = list(_with_networks(conn, before))
    for entry_id, values in proofs:
        kept = without_network(values)
        conn.execute(update(_proof).where(_proof.c.entry_id == entry_id).values(values=kept))
    return {"hits": hits, "proofs": len(proofs)}


def _with_networks(conn: Connection, before: datetime) -> Iterator[tuple[int, Mapping[str, Any]]]:
    query = select(_proof.c.entry_id, _proof.c["values"]).join(_entry, _entry.c.id == _proof.c.entry_id)
    for entry_id, values in conn.execute(query.where(_entry.c.recorded_at < before)).all():
        if "ip_salt" in values:
            yield entry_id, values
