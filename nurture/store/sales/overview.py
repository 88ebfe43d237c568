"""The few numbers at the top of the staff pages, each from an index or a small table."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, case, func, select

from nurture.store.tables import HandoffRow, LeadRow, VolumeRow
from nurture.store.tables.columns import core

_lead = core(LeadRow)
_handoff = core(HandoffRow)
_volume = core(VolumeRow)
WEEK = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Overview:
    """`mails` went out on the last seven days; `late` of those that wait for sales are past their moment."""

    people: int
    mailable: int
    mails: int
    waiting: int
    late: int


def overview(conn: Connection, *, now: datetime) -> Overview:
    known = select(func.count(), func.count(_lead.c.email_key)).where(
        _lead.c.merged_into.is_(None), _lead.c.erased_at.is_(None)
    )
    people, mailable = conn.execute(known).one()
    mails = conn.execute(select(func.sum(_volume.c.sent)).where(_volume.c.day > (now - WEEK).date())).scalar()
    late = case(((_handoff.c.state == "open") & (_handoff.c.due_at < now), 1), else_=0)
    waits = select(func.count(), func.sum(late)).where(_handoff.c.closed_at.is_(None))
    waiting, over = conn.execute(waits).one()
    return Overview(int(people), int(mailable), int(mails or 0), int(waiting), int(over or 0))
