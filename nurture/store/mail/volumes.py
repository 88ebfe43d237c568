"""How much each sending domain got accepted a day and by whom, and who complained: what reputation is judged by."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime

from sqlalchemy import Connection, func, select
from sqlalchemy.dialects import postgresql, sqlite

from nurture.store.literal import word
from nurture.store.tables import EventRow, MessageRow, VolumeRow
from nurture.store.tables.columns import core

_t = core(VolumeRow)
_event = core(EventRow)
_message = core(MessageRow)
_COMPLAINT = _event.c.kind == word("email_complaint")


def add(conn: Connection, counts: Mapping[tuple[str, str], int], *, now: datetime) -> None:
    """Add accepted mails: (sender domain, provider) -> how many, on today's UTC day."""
    if not counts:
        return
    make = sqlite.insert if conn.dialect.name == "sqlite" else postgresql.insert
    statement = make(_t)
    statement = statement.on_conflict_do_update(
        index_elements=["day", "sender", "provider"], set_={"sent": _t.c.sent + statement.excluded.sent}
    )
    rows = [
        {"day": now.date(), "sender": sender, "provider": provider, "sent": n}
        for (sender, provider), n in sorted(counts.items())
    ]
    conn.execute(statement, rows)


def sent_since(conn: Connection, day: date) -> dict[tuple[str, str], int]:
    """(sender domain, provider) -> mails accepted since the beginning of that day."""
    query = select(_t.c.sender, _t.c.provider, func.sum(_t.c.sent)).where(_t.c.day >= day)
    return {(row[0], row[1]): int(row[2]) for row in conn.execute(query.group_by(_t.c.sender, _t.c.provider))}


def complained(conn: Connection, *, since: datetime) -> int:
    """How many complaints came in since then, about whatever."""
    query = select(func.count()).select_from(_event).where(_COMPLAINT, _event.c.recorded_at > since)
    return int(conn.execute(query).scalar_one())


def complaints(conn: Connection, *, since: datetime) -> list[tuple[str | None, datetime]]:
    """(campaign, when) of each complaint recorded since then."""
    campaign = func.coalesce(_event.c.campaign, _message.c.campaign)
    query = (
        select(campaign, _event.c.recorded_at)
        .join_from(_event, _message, _message.c.id == _event.c.message_id, isouter=True)
        .where(_COMPLAINT, _event.c.recorded_at > since)
    )
    return [(row[0], row[1]) for row in conn.execute(query)]
