"""How often somebody tried to sign in, counted in the database: guessing gains nothing from a second process."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from nurture.store.tables import NoteRow
from nurture.store.tables.columns import core

_note = core(NoteRow)
PREFIX = "attempt:"


def take(conn: Connection, name: str, *, most: int, per: timedelta, now: datetime) -> bool:
    """Count an attempt under `name` (kept as a hash); whether it is within `most` per fixed window of `per`."""
    window = int(now.timestamp() // per.total_seconds())
    key = f"{PREFIX}{hashlib.blake2b(name.encode(), digest_size=16).hexdigest()}"
    query = select(_note.c.value).where(_note.c.key == key)
    if conn.dialect.name == "postgresql":
        query = query.with_for_update()
    held = conn.execute(query).scalar() or {}
    count = int(held.get("n", 0)) + 1 if held.get("window") == window else 1
    if count <= most:
        made = (sqlite.insert if conn.dialect.name == "sqlite" else postgresql.insert)(_note).values(
            key=key, value={"window": window, "n": count}, at=now
        )
        conn.execute(
            made.on_conflict_do_update(
                index_elements=["key"], set_={"value": made.excluded.value, "at": made.excluded.at}
            )
        )
    if count == 1:
        conn.execute(delete(_note).where(_note.c.key.like(f"{PREFIX}%"), _note.c.at < now - 2 * per))
    return count <= most
