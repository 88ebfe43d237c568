"""Proving that nobody touched the consent ledger: chains per lead, one anchor per day over all of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from sqlalchemy import Connection, Row, func, or_, select
from sqlalchemy.dialects import postgresql, sqlite

from nurture.model.consent import fold
from nurture.model.tokens import Keys, ledger_hash
from nurture.model.words import Channel, ConsentStatus, Purpose
from nurture.store.privacy.consent import CHUNK, entries, line_hash, proof_digest
from nurture.store.tables import ConsentAnchorRow, ConsentEntryRow, ConsentProofRow, ConsentStateRow
from nurture.store.tables.columns import core

_entry = core(ConsentEntryRow)
_proof = core(ConsentProofRow)
_anchor = core(ConsentAnchorRow)
_state = core(ConsentStateRow)

FOREVER = datetime.max.replace(tzinfo=UTC)
GRACE = timedelta(minutes=10)
"""A transaction that began before midnight may commit a little after; anchors wait for it."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it was written. `where` is `lead 7 line 3` or `anchor 2026-11-23`."""

    where: str
    code: str
    text: str


@dataclass(slots=True)
class Audit:
    """What `verify` saw. `erased` counts lines whose proof was destroyed by an erasure, as it should be."""

    lines: int = 0
    leads: int = 0
    erased: int = 0
    anchors: int = 0
    findings: list[Finding] = field(default_factory=list)


def verify(
    conn: Connection, keys: Keys, *, lead_id: int | None = None, kept: Mapping[str, str] | None = None
) -> Audit:
    """Walk every chain and every anchor. Finds rows altered, removed, inserted or reordered, and lost proofs.

    `kept` are anchors (day -> hash) that somebody wrote down elsewhere: who can rewrite the database and its anchors
    cannot rewrite those. Lines of today have no anchor yet; of them a removed last one shows by the state it left.
    """
    audit = Audit()
    erased = _erased(conn)
    lead, seq, before = -1, 0, ""
    for row in _lines(conn, lead_id):
        if row["lead_id"] != lead:
            lead, seq, before = row["lead_id"], 0, ""
            audit.leads += 1
        seq += 1
        audit.lines += 1
        where = f"lead {lead} line {row['seq']}"
        if row["seq"] != seq:
            audit.findings.append(Finding(where, "removed", f"line {seq} is missing or the order was changed"))
            seq = row["seq"]
        elif row["prev_hash"] != before:
            audit.findings.append(Finding(where, "unlinked", "does not continue the line before it"))
        if line_hash(keys, row) != row["hash"]:
            audit.findings.append(Finding(where, "altered", "is not what was written"))
        _check_proof(row, where, erased, audit)
        before = row["hash"]
    if lead_id is None:
        _check_states(conn, audit)
        _check_grants(conn, audit)
        _check_anchors(conn, keys, audit, kept or {})
    return audit


def _check_states(conn: Connection, audit: Audit) -> None:
    """What people stand on was made from a line; where that line is not, it was removed."""
    query = (
        select(_state.c.lead_id, _state.c.purpose, _state.c.channel)
        .join(_entry, _entry.c.id == _state.c.entry_id, isouter=True)
        .where(_state.c.entry_id.is_not(None), _entry.c.id.is_(None))
    )
    for row in conn.execute(query.order_by(_state.c.lead_id)):
        text = f"the line behind {row.purpose} by {row.channel} is not there"
        audit.findings.append(Finding(f"lead {row.lead_id}", "removed", text))


def _check_grants(conn: Connection, audit: Audit) -> None:
    """What lets mail go is a cache of the ledger: a yes that its lines do not say was written past them."""
    granted = select(_state.c.lead_id, _state.c.purpose, _state.c.channel, _state.c.entry_id, _state.c.until)
    granted = granted.join(_entry, _entry.c.id == _state.c.entry_id, isouter=True)
    # Where the line itself is gone, that is said already.
    there = or_(_entry.c.id.is_not(None), _state.c.entry_id.is_(None))
    granted = granted.where(_state.c.status == ConsentStatus.GRANTED, there).order_by(_state.c.lead_id)
    found = conn.execute(granted).all()
    for rows in (found[start : start + CHUNK] for start in range(0, len(found), CHUNK)):
        ledger = entries(conn, {row.lead_id for row in rows})
        folded = {lead: fold(lines, now=FOREVER) for lead, lines in ledger.items()}
        for row in rows:
            said = folded[row.lead_id].get((Purpose(row.purpose), Channel(row.channel)))
            # Whatever has an end has reached it by then.
            agreed = said is not None and said.status in (ConsentStatus.GRANTED, ConsentStatus.EXPIRED)
            if said is None or not agreed or (said.entry_id or None, said.until) != (row.entry_id, row.until):
                text = f"{row.purpose} by {row.channel} counts as agreed, and its lines do not say so"
                audit.findings.append(Finding(f"lead {row.lead_id}", "state_forged", text))


def anchors(conn: Connection) -> list[dict[str, Any]]:
    """Every daily anchor, to be kept where nobody who can change the database can change it."""
    rows = conn.execute(select(_anchor.c.day, _anchor.c.hash, _anchor.c.heads, _anchor.c.last_entry_id))
    return sorted((dict(row._mapping) for row in rows), key=lambda a: str(a["day"]))


def _lines(conn: Connection, lead_id: int | None) -> Iterator[Mapping[str, Any]]:
    query = select(_entry, _proof.c.salt, _proof.c["values"].label("seen")).join(
        _proof, _proof.c.entry_id == _entry.c.id, isouter=True
    )
    if lead_id is not None:
        query = query.where(_entry.c.lead_id == lead_id)
    result = conn.execution_options(yield_per=1000).execute(query.order_by(_entry.c.lead_id, _entry.c.seq))
    for row in result.mappings():
        yield dict(row)


def _erased(conn: Connection) -> frozenset[int]:
    return frozenset(conn.execute(select(_entry.c.lead_id).where(_entry.c.action == "erase")).scalars())


def _check_proof(row: Mapping[str, Any], where: str, erased: frozenset[int], audit: Audit) -> None:
    if row["salt"] is None:
        if row["lead_id"] in erased:
            audit.erased += 1
        else:
            audit.findings.append(Finding(where, "proof_lost", "its proof is gone, and nobody was erased"))
    elif proof_digest(row["salt"], row["seen"]) != row["digest"]:
        audit.findings.append(Finding(where, "proof_altered", "its proof is not what was seen"))


def anchor(conn: Connection, keys: Keys, *, now: datetime) -> int:
    """Write the anchors of all finished days that have none. Returns how many."""
    last, day = _next_day(conn)
    if day is None:
        return 0
    before = last.hash if last is not None else ""
    insert = (sqlite if conn.dialect.name == "sqlite" else postgresql).insert
    written = 0
    while _day_end(day) + GRACE <= now:
        made = _sum_up(conn, keys, day, before)
        if made["last_entry_id"]:
            row = insert(_anchor).values(day=day.isoformat(), at=now, **made)
            conn.execute(row.on_conflict_do_nothing(index_elements=["day"]))
            before = made["hash"]
            written += 1
        day += timedelta(days=1)
    return written


def anchor_due(conn: Connection, *, now: datetime) -> bool:
    """Whether a finished day has no anchor yet. Looks only at lines younger than the last anchor."""
    _, day = _next_day(conn)
    return day is not None and _day_end(day) + GRACE <= now


def _next_day(conn: Connection) -> tuple[Row[Any] | None, date | None]:
    """The last anchor, and the first day after it on which a line was recorded."""
    last = conn.execute(select(_anchor).order_by(_anchor.c.day.desc()).limit(1)).first()
    query = select(func.min(_entry.c.recorded_at))
    if last is not None:
        done = _day_end(date.fromisoformat(last.day))
        query = query.where(_entry.c.id > last.last_entry_id, _entry.c.recorded_at >= done)
    first = conn.execute(query).scalar()
    return last, None if first is None else first.astimezone(UTC).date()


def _sum_up(conn: Connection, keys: Keys, day: date, before: str) -> dict[str, Any]:
    """One hash over the lines recorded on a day, in the order of their ids, and over the anchor before."""
    query = select(_entry.c.id, _entry.c.lead_id, _entry.c.hash).where(
        _entry.c.recorded_at >= _day_end(day - timedelta(days=1)), _entry.c.recorded_at < _day_end(day)
    )
    rows = conn.execute(query.order_by(_entry.c.id)).all()
    return {
        "heads": len({row.lead_id for row in rows}),
        "last_entry_id": rows[-1].id if rows else 0,
        "hash": ledger_hash(keys, "anchor", day.isoformat(), before, *(row.hash for row in rows)),
    }


def _day_end(day: date) -> datetime:
    return datetime.combine(day + timedelta(days=1), time(), UTC)


def _check_anchors(conn: Connection, keys: Keys, audit: Audit, kept: Mapping[str, str]) -> None:
    before = ""
    missing = dict(kept)
    for row in conn.execute(select(_anchor).order_by(_anchor.c.day)).all():
        audit.anchors += 1
        made = _sum_up(conn, keys, date.fromisoformat(row.day), before)
        if (made["hash"], made["heads"], made["last_entry_id"]) != (row.hash, row.heads, row.last_entry_id):
            text = "the lines of this day are not those it was made from: something was removed, altered or put in"
            audit.findings.append(Finding(f"anchor {row.day}", "anchor", text))
        if missing.pop(row.day, row.hash) != row.hash:
            audit.findings.append(Finding(f"anchor {row.day}", "anchor", "is not the one that was kept elsewhere"))
        before = row.hash
    for day in sorted(missing):
        audit.findings.append(Finding(f"anchor {day}", "anchor", "was kept elsewhere and is not here any more"))
