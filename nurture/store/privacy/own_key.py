"""Which key this database was begun with: hashes of addresses and the consent ledger mean nothing under another one."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, delete, exists, select

from nurture.store.tables import ConsentEntryRow, LeadRow, NoteRow, SuppressionRow
from nurture.store.tables.columns import core

_note = core(NoteRow)
KEY = "own_key"


def remembered(conn: Connection) -> str | None:
    """The mark of the key (a keyed hash, never the key). None: not noted yet."""
    held = conn.execute(select(_note.c.value).where(_note.c.key == KEY)).scalar()
    return None if held is None else str(held["mark"])


def matters(conn: Connection) -> bool:
    """Whether anything here was hashed: a person, a consent, or an address that is to get nothing."""
    tables = (core(LeadRow), core(ConsentEntryRow), core(SuppressionRow))
    return any(conn.execute(select(exists(select(t.c.id)))).scalar() for t in tables)


def remember(conn: Connection, mark: str, *, now: datetime) -> None:
    """From now on this is the key."""
    conn.execute(delete(_note).where(_note.c.key == KEY))
    conn.execute(_note.insert().values(key=KEY, value={"mark": mark}, at=now))
