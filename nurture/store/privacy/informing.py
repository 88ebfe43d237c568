"""People whose data is not from them, until they have been told (Art. 14; C18)."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, func, or_, select, update

from nurture.store.literal import is_one_of, word
from nurture.store.tables import ConsentStateRow, LeadRow, MessageRow, SuppressionRow
from nurture.store.tables.columns import core

_lead, _message = core(LeadRow), core(MessageRow)
_state, _suppression = core(ConsentStateRow), core(SuppressionRow)


class Untold(NamedTuple):
    """Somebody whose time has come. `heard`: a mail of ours told them, or they took note of the privacy notice.
    `blocked`: nothing goes to the address any more."""

    lead_id: int
    email: str
    language: str | None
    country: str | None
    source: str | None
    since: datetime
    heard: bool
    blocked: bool


def due(conn: Connection, *, now: datetime, limit: int) -> list[Untold]:
    """Those to be told by now, the longest known first."""
    mailed = select(_message.c.id).where(_message.c.lead_id == _lead.c.id, is_one_of(_message.c.state, ("sent",)))
    noted = select(_state.c.lead_id).where(
        _state.c.lead_id == _lead.c.id, _state.c.purpose == word("privacy_notice"), _state.c.status == word("granted")
    )
    blocked = select(_suppression.c.id).where(
        _suppression.c.address_hash == _lead.c.email_hash, _suppression.c.lifted_at.is_(None)
    )
    query = select(
        _lead.c.id, func.coalesce(_lead.c.email, ""), _lead.c.language, _lead.c.country, _lead.c.source,
        _lead.c.created_at, or_(mailed.exists(), noted.exists()), blocked.exists(),
    ).where(_lead.c.inform_at.is_not(None), _lead.c.inform_at <= now)
    return [Untold(*row) for row in conn.execute(query.order_by(_lead.c.inform_at, _lead.c.id).limit(limit))]


def told(conn: Connection, lead_ids: Collection[int]) -> None:
    """They know, or cannot be told."""
    conn.execute(update(_lead).where(_lead.c.id.in_(list(lead_ids))).values(inform_at=None))
