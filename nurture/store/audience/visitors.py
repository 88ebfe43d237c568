"""Anonymous visitors who agreed to be counted: a random key's hash, their page views, and the lead they turn out to be.

A visitor is joined to a lead only while the lead agrees to click tracking. Who asked for it and has yet to confirm is
remembered (`lead_id` without `stitched_at`) and joined when the confirmation comes.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from nurture.store.facts import events
from nurture.store.tables import EventRow, VisitorRow
from nurture.store.tables.columns import core

_t = core(VisitorRow)
_event = core(EventRow)


class Visitor(NamedTuple):
    id: int
    lead_id: int | None
    joined: bool


def seen(conn: Connection, key_hash: str, *, wording: str | None, now: datetime) -> Visitor:
    """The visitor behind this key, from now on known to have been here now and to have agreed to `wording`."""
    insert: Any = sqlite.insert if conn.dialect.name == "sqlite" else postgresql.insert
    statement = insert(_t).values(key_hash=key_hash, first_seen=now, last_seen=now, consent_wording=wording)
    again = statement.on_conflict_do_update(
        index_elements=["key_hash"], set_={"last_seen": now, "consent_wording": wording}
    ).returning(_t.c.id, _t.c.lead_id, _t.c.stitched_at)
    row = conn.execute(again).one()
    return Visitor(row.id, row.lead_id, row.stitched_at is not None)


def known(conn: Connection, key_hash: str) -> Visitor | None:
    row = conn.execute(select(_t.c.id, _t.c.lead_id, _t.c.stitched_at).where(_t.c.key_hash == key_hash)).first()
    return Visitor(row.id, row.lead_id, row.stitched_at is not None) if row else None


def join(conn: Connection, visitor_id: int, lead_id: int, *, now: datetime) -> int:
    """This visitor is this lead: the earlier page views become the lead's. Returns how many."""
    conn.execute(update(_t).where(_t.c.id == visitor_id).values(lead_id=lead_id, stitched_at=now))
    return events.stitch(conn, visitor_id, lead_id, now=now)


def expect(conn: Connection, visitor_id: int, lead_id: int) -> None:
    """Remember who this is for when the lead confirms; until then nothing is joined."""
    conn.execute(update(_t).where(_t.c.id == visitor_id).values(lead_id=lead_id, stitched_at=None))


def expected(conn: Connection, lead_id: int) -> list[int]:
    """Visitors that wait for this lead's confirmation."""
    query = select(_t.c.id).where(_t.c.lead_id == lead_id, _t.c.stitched_at.is_(None))
    return list(conn.execute(query).scalars())


def forget(conn: Connection, key_hash: str) -> bool:
    """The visitor took the choice back: the key goes, and every page view that no lead has."""
    visitor = known(conn, key_hash)
    if visitor is None:
        return False
    conn.execute(delete(_event).where(_event.c.visitor_id == visitor.id, _event.c.lead_id.is_(None)))
    conn.execute(delete(_t).where(_t.c.id == visitor.id))
    return True


def stale(conn: Connection, *, before: datetime) -> int:
    """How many visitors were last here before then and are nobody we know."""
    query = select(func.count()).where(_t.c.last_seen < before, _t.c.lead_id.is_(None))
    return int(conn.execute(query).scalar_one())


def drop_stale(conn: Connection, *, before: datetime) -> int:
    """Delete them with their page views. Returns how many visitors."""
    old = select(_t.c.id).where(_t.c.last_seen < before, _t.c.lead_id.is_(None))
    conn.execute(delete(_event).where(_event.c.visitor_id.in_(old), _event.c.lead_id.is_(None)))
    return int(conn.execute(delete(_t).where(_t.c.last_seen < before, _t.c.lead_id.is_(None))).rowcount)
