"""What a replay of the last days reads besides snapshots."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import Connection, func, select

from nurture.model.words import MessageState
from nurture.store.tables import HandoffRow, LeadRow, MessageRow
from nurture.store.tables.columns import core

_lead = core(LeadRow)
_handoff = core(HandoffRow)
_message = core(MessageRow)


def span(conn: Connection) -> tuple[int, int]:
    """Smallest and largest lead id."""
    low, high = conn.execute(select(func.min(_lead.c.id), func.max(_lead.c.id))).one()
    return (low or 0, high or -1)


def lead_ids(conn: Connection, first: int, last: int) -> list[int]:
    query = select(_lead.c.id).where(
        _lead.c.id.between(first, last), _lead.c.erased_at.is_(None), _lead.c.merged_into.is_(None)
    )
    return list(conn.execute(query).scalars())


def trips_before(
    conn: Connection, lead_ids: Iterable[int], start: datetime
) -> dict[int, list[tuple[datetime, datetime | None]]]:
    """Hand-offs that began before `start` and were still open then: lead -> (opened, closed)."""
    query = select(_handoff.c.lead_id, _handoff.c.opened_at, _handoff.c.closed_at).where(
        _handoff.c.lead_id.in_(list(lead_ids)), _handoff.c.opened_at < start,
        _handoff.c.closed_at.is_(None) | (_handoff.c.closed_at > start),
    )
    found: dict[int, list[tuple[datetime, datetime | None]]] = {}
    for lead_id, opened, closed in conn.execute(query):
        found.setdefault(lead_id, []).append((opened, closed))
    return found


def mails_per_lead_and_day(conn: Connection, start: datetime, end: datetime) -> float:
    """How many mails one nurtured lead got per day between the two moments."""
    between = (_message.c.state == MessageState.SENT) & (_message.c.sent_at > start) & (_message.c.sent_at <= end)
    sent, people = conn.execute(select(func.count(), func.count(_message.c.lead_id.distinct())).where(between)).one()
    days = max(1.0, (end - start).total_seconds() / 86400)
    return float(sent / people / days) if people else 0.0
