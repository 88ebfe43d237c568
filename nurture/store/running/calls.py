"""Signed calls that were already taken: a replay changes nothing."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from nurture.store.tables import WebhookSeenRow
from nurture.store.tables.columns import core

_t = core(WebhookSeenRow)


def first_time(conn: Connection, source: str, call_id: str, *, now: datetime) -> bool:
    """Note a call; False when it was noted before."""
    insert = sqlite.insert if conn.dialect.name == "sqlite" else postgresql.insert
    noted = insert(_t).values(source=source, call_id=call_id[:200], at=now).on_conflict_do_nothing()
    return conn.execute(noted.returning(_t.c.call_id)).first() is not None


def seen(conn: Connection, source: str, call_id: str) -> bool:
    """Whether a call was noted before."""
    mine = (_t.c.source == source) & (_t.c.call_id == call_id[:200])
    return conn.execute(select(_t.c.call_id).where(mine)).first() is not None


def forget(conn: Connection, *, before: datetime) -> int:
    """Drop notes of calls so old that their signature would be refused anyway."""
    return int(conn.execute(delete(_t).where(_t.c.at < before)).rowcount)
