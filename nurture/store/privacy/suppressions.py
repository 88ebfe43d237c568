"""Suppressions that a named seller writes and takes back, and those that the person themselves undoes."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, select, update
from sqlalchemy.dialects import postgresql, sqlite

from nurture.store.tables import LeadRow, SuppressionRow
from nurture.store.tables.columns import core

_t = core(SuppressionRow)
_lead = core(LeadRow)
OWN = ("erased", "unsubscribed")
"""Reasons that stand for a wish of the person."""


def by_sales(conn: Connection, lead_id: int, *, reason: str, by: str, now: datetime) -> bool:
    """The address of this lead gets nothing more. False where it has none, or is suppressed for this reason already."""
    address = conn.execute(select(_lead.c.email_hash).where(_lead.c.id == lead_id)).scalar()
    if address is None:
        return False
    word = "competitor" if reason == "competitor" else "manual"
    insert = sqlite.insert if conn.dialect.name == "sqlite" else postgresql.insert
    statement = insert(_t).values(
        address_hash=address, reason=word, scope="all", source=f"sales {by}", lead_id=lead_id, at=now
    )
    again = {"lifted_at": None, "lifted_by": None, "source": f"sales {by}", "at": now, "scope": "all"}
    statement = statement.on_conflict_do_update(
        index_elements=["address_hash", "reason"], set_=again, where=_t.c.lifted_at.is_not(None)
    )
    return conn.execute(statement.returning(_t.c.id)).first() is not None


def lift_sales(conn: Connection, lead_id: int, *, by: str, now: datetime) -> int:
    """Take back what this seller suppressed for this lead."""
    mine = (_t.c.lead_id == lead_id) & (_t.c.source == f"sales {by}") & _t.c.lifted_at.is_(None)
    return int(conn.execute(update(_t).where(mine).values(lifted_at=now, lifted_by=by)).rowcount)


def lift_by_person(conn: Connection, lead_id: int, *, now: datetime) -> int:
    """The person agreed anew, by a link in a mail to this very address: what they had ended themselves holds no longer
    (C8). What mail servers, sellers or lawyers ended stays."""
    address = select(_lead.c.email_hash).where(_lead.c.id == lead_id).scalar_subquery()
    own = (_t.c.address_hash == address) & _t.c.reason.in_(OWN) & _t.c.lifted_at.is_(None)
    return int(conn.execute(update(_t).where(own).values(lifted_at=now, lifted_by="person")).rowcount)
