"""Facts enter here, once each, and wake the lead they are about."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, select, update
from sqlalchemy.dialects import postgresql, sqlite

from nurture.model.facts import Event
from nurture.model.words import Depth
from nurture.store.facts import wakeups
from nurture.store.tables import EventRow, LeadRow
from nurture.store.tables.columns import core

_t = core(EventRow)
_lead = core(LeadRow)
FUTURE_SLACK = timedelta(minutes=10)
LATE_AFTER = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class NewEvent:
    """A fact on its way in. Without `key` it is identified by (kind, lead or visitor, subject, time)."""

    kind: str
    at: datetime
    lead_id: int | None = None
    visitor_id: int | None = None
    key: str | None = None
    channel: str | None = None
    touchpoint: str | None = None
    content: str | None = None
    topic: str | None = None
    depth: str | None = None
    link: str | None = None
    path: str | None = None
    minutes: int | None = None
    points: int | None = None
    campaign: str | None = None
    step: str | None = None
    message_id: int | None = None
    machine: bool = False
    cycle: int = 1
    data: Mapping[str, Any] = field(default_factory=dict)

    def identity(self) -> str:
        if self.key is not None:
            return self.key
        subject = self.content or self.link or self.path or self.step or str(self.message_id or "")
        told = "\x1f".join([self.kind, str(self.lead_id), str(self.visitor_id), subject, self.at.isoformat()])
        return hashlib.blake2b(told.encode(), digest_size=16).hexdigest()


def record(conn: Connection, events: Sequence[NewEvent], *, now: datetime, wake: bool = True) -> int:
    """Append events; one that is already known (same key) is left as it is. Returns how many were new.

    An event from the future is stored at its own time and flagged; it counts once that time has come.
    """
    if not events:
        return 0
    rows = [_row(event, now) for event in events]
    insert = sqlite.insert if conn.dialect.name == "sqlite" else postgresql.insert
    statement = insert(_t).on_conflict_do_nothing(index_elements=["key"]).returning(_t.c.lead_id, _t.c.occurred_at)
    new = conn.execute(statement, rows).all()
    if wake:
        wakeups.wake(conn, {lead for lead, at in new if lead is not None and at <= now + FUTURE_SLACK}, now=now)
        later: dict[int, datetime] = {}
        for lead, at in new:
            if lead is not None and at > now + FUTURE_SLACK:
                later[lead] = min(at, later.get(lead, at))
        for lead, at in later.items():
            _review_by(conn, lead, at)
    return len(new)


def _row(event: NewEvent, now: datetime) -> dict[str, Any]:
    flags = "future" if event.at > now + FUTURE_SLACK else "late" if event.at < now - LATE_AFTER else None
    return {
        "key": event.identity(),
        "lead_id": event.lead_id,
        "visitor_id": event.visitor_id,
        "cycle": event.cycle,
        "kind": event.kind,
        "occurred_at": event.at,
        "recorded_at": now,
        "channel": event.channel,
        "touchpoint": event.touchpoint,
        "content": event.content,
        "topic": event.topic,
        "depth": event.depth,
        "link": event.link,
        "path": event.path,
        "minutes": event.minutes,
        "points": event.points,
        "campaign": event.campaign,
        "step": event.step,
        "message_id": event.message_id,
        "machine": event.machine,
        "void": False,
        "flags": flags,
        "data": dict(event.data),
    }


def _review_by(conn: Connection, lead_id: int, at: datetime) -> None:
    sooner = (_lead.c.review_at.is_(None)) | (_lead.c.review_at > at)
    conn.execute(update(_lead).where(_lead.c.id == lead_id, sooner).values(review_at=at))


def of_leads(conn: Connection, lead_ids: Iterable[int], *, until: datetime) -> dict[int, list[Event]]:
    """Every event of these leads that happened by `until`, oldest first."""
    ids = list(lead_ids)
    found: dict[int, list[Event]] = {i: [] for i in ids}
    columns = (
        _t.c.lead_id,
        _t.c.id,
        _t.c.kind,
        _t.c.occurred_at,
        _t.c.recorded_at,
        _t.c.channel,
        _t.c.touchpoint,
        _t.c.content,
        _t.c.topic,
        _t.c.depth,
        _t.c.link,
        _t.c.path,
        _t.c.minutes,
        _t.c.campaign,
        _t.c.step,
        _t.c.message_id,
        _t.c.points,
        _t.c.machine,
        _t.c.void,
        _t.c.data,
    )
    query = (
        select(*columns)
        .where(_t.c.lead_id.in_(ids), _t.c.occurred_at <= until)
        .order_by(_t.c.lead_id, _t.c.occurred_at, _t.c.id)
    )
    for lead_id, *rest in conn.execute(query):
        rest[8] = _depth(rest[8])
        found[lead_id].append(Event(*rest))
    return found


_DEPTHS = {depth.value: depth for depth in Depth}


def _depth(word: str | None) -> Depth | None:
    """A depth we know; what a caller made up is no depth."""
    return _DEPTHS.get(word or "")


def stitch(conn: Connection, visitor_id: int, lead_id: int, *, now: datetime) -> int:
    """Give an identified visitor's earlier events to the lead. Returns how many."""
    moved = conn.execute(
        update(_t).where(_t.c.visitor_id == visitor_id, _t.c.lead_id.is_(None)).values(lead_id=lead_id)
    ).rowcount
    if moved:
        wakeups.wake(conn, [lead_id], now=now)
    return int(moved)
