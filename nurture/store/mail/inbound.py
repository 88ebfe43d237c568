"""Mail that came in: one row per mail, written in the transaction of everything it causes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, func, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from nurture.errors import Conflict, Refused
from nurture.model.tokens import normal_address
from nurture.model.words import EventKind, MessageState
from nurture.store.tables import EventRow, InboundRow, LeadRow, MessageRow, SuppressionRow
from nurture.store.tables.columns import core

_t = core(InboundRow)
_message = core(MessageRow)
_lead = core(LeadRow)
_event = core(EventRow)
_suppression = core(SuppressionRow)
REVIEW: Final = "review"
MERGES: Final = 5
NEWEST: Final = 5000
LEFT: Final = frozenset({MessageState.SENT, MessageState.UNKNOWN, MessageState.CLAIMED, MessageState.STARTED})
"""States of a message that may have reached somebody: a report can come before the server's answer is written down."""


@dataclass(frozen=True, slots=True)
class Mailed:
    """A message as reports and replies need it. `address` is None once the person was erased."""

    id: int
    lead_id: int
    campaign: str | None
    step: str | None
    content: str
    topic: str | None
    address: str | None
    domain_group: str | None


@dataclass(frozen=True, slots=True)
class Known:
    """The lead behind a message or an address, followed through merges."""

    id: int
    email: str | None
    name: str
    company: str
    language: str | None


def claim(conn: Connection, key: str, *, source: str, now: datetime) -> int | None:
    """The number of a new mail; None where it came before. Until this transaction ends nobody else gets past here."""
    insert = sqlite.insert if conn.dialect.name == "sqlite" else postgresql.insert
    statement = insert(_t).on_conflict_do_nothing(index_elements=["key"]).returning(_t.c.id)
    row = {"key": key, "source": source, "received_at": now, "kind": "new", "summary": {}}
    found = conn.execute(statement, [row]).scalar()
    return None if found is None else int(found)


def mark(
    conn: Connection,
    inbound_id: int,
    *,
    kind: str,
    summary: Mapping[str, Any],
    handled_at: datetime | None,
    lead_id: int | None = None,
    message_id: int | None = None,
    raw: bytes | None = None,
    by: str | None = None,
) -> None:
    """What became of it. `handled_at` None: a human is asked."""
    conn.execute(
        update(_t)
        .where(_t.c.id == inbound_id)
        .values(
            kind=kind,
            summary=dict(summary),
            lead_id=lead_id,
            message_id=message_id,
            raw=raw,
            handled_at=handled_at,
            handled_by=by,
        )
    )


def settle(
    conn: Connection, inbound_id: int, *, kind: str, by: str, effect: str, now: datetime, lead_id: int | None
) -> None:
    """A human's decision on a mail that waited for one. Raises Conflict where somebody has decided already."""
    row = get(conn, inbound_id)
    values: dict[str, Any] = {
        "kind": kind,
        "handled_at": now,
        "handled_by": by,
        "summary": {**row["summary"], "decided": effect},
    }
    if lead_id is not None:
        values["lead_id"] = lead_id
    waiting = (_t.c.id == inbound_id) & _t.c.handled_at.is_(None)
    if conn.execute(update(_t).where(waiting).values(**values)).rowcount != 1:
        raise Conflict(f"Somebody has decided on mail {inbound_id} already.", fix="see `nurture inbound show`")


_SHOWN = (
    "id",
    "source",
    "received_at",
    "kind",
    "lead_id",
    "message_id",
    "summary",
    "handled_at",
    "handled_by",
)


def get(conn: Connection, inbound_id: int) -> dict[str, Any]:
    """One row with its raw bytes. Raises Refused (`no_such_mail`)."""
    row = conn.execute(select(_t).where(_t.c.id == inbound_id)).mappings().first()
    if row is None:
        raise Refused(f"There is no mail {inbound_id}.", code="no_such_mail", fix="see `nurture inbound list`")
    return dict(row)


def listing(
    conn: Connection, *, kinds: Iterable[str] = (), open_only: bool = False, limit: int = 100
) -> list[dict[str, Any]]:
    """What came in, newest first, without raw bytes."""
    query = select(*(_t.c[name] for name in _SHOWN))
    chosen = list(kinds)
    if chosen:
        query = query.where(_t.c.kind.in_(chosen))
    if open_only:
        query = query.where(_t.c.handled_at.is_(None))
    return [dict(r._mapping) for r in conn.execute(query.order_by(_t.c.id.desc()).limit(limit))]


def counts(conn: Connection) -> dict[str, int]:
    """Kind -> how many; `waiting` are those a human is asked about."""
    found = {kind: n for kind, n in conn.execute(select(_t.c.kind, func.count()).group_by(_t.c.kind))}
    waiting = conn.execute(select(func.count()).select_from(_t).where(_t.c.handled_at.is_(None))).scalar_one()
    return {**found, "waiting": int(waiting)}


def made_since(conn: Connection, kind: str, since: datetime) -> int:
    """How many of the newest mails are of this kind and no older: a look at the end of the table, not at all of it."""
    newest = select(_t.c.kind, _t.c.received_at).order_by(_t.c.id.desc()).limit(NEWEST).subquery()
    query = select(func.count()).select_from(newest).where(newest.c.kind == kind, newest.c.received_at >= since)
    return int(conn.execute(query).scalar_one())


_MAILED = (
    _message.c.id,
    _message.c.lead_id,
    _message.c.campaign,
    _message.c.step_id,
    _message.c.content,
    _message.c.topic,
    _message.c.address,
    _message.c.domain_group,
)


def by_number(conn: Connection, numbers: Sequence[int]) -> list[Mailed]:
    """Messages by the numbers that signed tokens gave, in that order."""
    if not numbers:
        return []
    rows = conn.execute(select(*_MAILED).where(_message.c.id.in_(list(numbers)), _message.c.state.in_(LEFT)))
    found = {row.id: Mailed(*row) for row in rows}
    return [found[n] for n in dict.fromkeys(numbers) if n in found]


def by_message_id(conn: Connection, message_ids: Sequence[str]) -> list[Mailed]:
    """Messages by their Message-ID, in the order asked."""
    if not message_ids:
        return []
    query = select(_message.c.message_id, *_MAILED).where(
        _message.c.message_id.in_(list(message_ids)), _message.c.state.in_(LEFT)
    )
    found = {row[0]: Mailed(*row[1:]) for row in conn.execute(query)}
    return [found[m] for m in dict.fromkeys(message_ids) if m in found]


def newest_to(conn: Connection, lead_id: int, address: str) -> Mailed | None:
    """The newest message this lead got under this address (normal form)."""
    query = (
        select(*_MAILED)
        .where(_message.c.lead_id == lead_id, func.lower(_message.c.address) == address, _message.c.state.in_(LEFT))
        .order_by(_message.c.sent_at.desc(), _message.c.id.desc())
        .limit(1)
    )
    row = conn.execute(query).first()
    return None if row is None else Mailed(*row)


def known(conn: Connection, *, lead_id: int | None = None, email_key: str | None = None) -> Known | None:
    """A lead by number or address; None for somebody unknown or erased."""
    asked = _lead.c.id == lead_id if lead_id is not None else _lead.c.email_key == email_key
    for _ in range(MERGES):
        row = conn.execute(select(_lead).where(asked)).first()
        if row is None or row.erased_at is not None:
            return None
        if row.merged_into is None:
            said = {name: str(cell.get("v") or "") for name, cell in row.fields.items()}
            name = " ".join(p for p in (said.get("first_name"), said.get("last_name")) if p)
            return Known(row.id, row.email, name, said.get("company", ""), row.language)
        asked = _lead.c.id == row.merged_into
    return None


def suppress(
    conn: Connection, address_hash: str, *, reason: str, source: str, lead_id: int | None, now: datetime
) -> bool:
    """Block an address. One that somebody lifted is blocked again: this is newer. Returns whether it is new."""
    insert = sqlite.insert if conn.dialect.name == "sqlite" else postgresql.insert
    row = insert(_suppression).values(
        address_hash=address_hash, reason=reason, scope="marketing", source=source, lead_id=lead_id, at=now
    )
    again = {"lifted_at": None, "lifted_by": None, "source": source, "at": now}
    statement = row.on_conflict_do_update(
        index_elements=["address_hash", "reason"], set_=again, where=_suppression.c.lifted_at.is_not(None)
    )
    return conn.execute(statement.returning(_suppression.c.id)).first() is not None


def soft_bounces(conn: Connection, lead_id: int, *, since: datetime) -> list[tuple[int | None, str]]:
    """(message, reason) of this lead's bounces that were nobody's death."""
    query = select(_event.c.message_id, _event.c.data).where(
        _event.c.lead_id == lead_id, _event.c.kind == EventKind.BOUNCE, _event.c.occurred_at >= since
    )
    return [(message, str(data.get("reason"))) for message, data in conn.execute(query) if data.get("kind") == "soft"]


def pause_mail(conn: Connection, lead_id: int, *, until: datetime) -> bool:
    """No mail to this lead before `until`. A longer break stands. Returns whether this one is longer."""
    shorter = or_(_lead.c.mail_paused_until.is_(None), _lead.c.mail_paused_until < until)
    done = conn.execute(update(_lead).where(_lead.c.id == lead_id, shorter).values(mail_paused_until=until))
    return bool(done.rowcount)


def forget_address(conn: Connection, addresses: Iterable[str]) -> None:
    """Erasure: mails from these addresses that were matched with nobody keep no words."""
    known = [normal_address(a) for a in addresses]
    if known:
        sender = _t.c.summary["from"].as_string()
        conn.execute(update(_t).where(sender.in_(known)).values(raw=None, summary={}))


def forget_raw(conn: Connection, *, before: datetime) -> int:
    """Drop the bytes of mails that were dealt with before then; what they meant stays. Returns how many."""
    old = _t.c.handled_at.is_not(None) & (_t.c.handled_at < before) & _t.c.raw.is_not(None)
    return int(conn.execute(update(_t).where(old).values(raw=None)).rowcount)
