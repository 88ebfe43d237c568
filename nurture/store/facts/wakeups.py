"""The queue of leads that something happened to: a row goes score -> advance -> hand_off -> enroll, then it is gone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Connection, and_, bindparam, delete, func, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from nurture.store.tables import WakeupRow
from nurture.store.tables.columns import core

ORDER = ("score", "advance", "hand_off", "enroll")
_t = core(WakeupRow)
LEASE = timedelta(minutes=5)


class Wakeup(NamedTuple):
    lead_id: int
    seq: int


def wake(conn: Connection, lead_ids: Iterable[int], *, now: datetime, stage: str = "score") -> None:
    """Put leads (back) at the start of the queue. A renewal bumps `seq`, so older work cannot delete it."""
    rows = [{"lead_id": i, "stage": stage, "due_at": now, "seq": 1} for i in sorted(set(lead_ids))]
    if not rows:
        return
    insert = sqlite.insert if conn.dialect.name == "sqlite" else postgresql.insert
    statement = insert(_t)
    statement = statement.on_conflict_do_update(
        index_elements=["lead_id"],
        set_={
            "stage": statement.excluded.stage,
            "due_at": statement.excluded.due_at,
            "seq": _t.c.seq + 1,
            "lease_owner": None,
            "lease_until": None,
        },
    )
    conn.execute(statement, rows)


def claim(
    conn: Connection, stage: str, *, now: datetime, limit: int, owner: str, lease: timedelta = LEASE
) -> list[Wakeup]:
    """Take up to `limit` leads waiting at `stage`, oldest first, for `lease`."""
    free = or_(_t.c.lease_until.is_(None), _t.c.lease_until <= now)
    due = (
        select(_t.c.lead_id)
        .where(_t.c.stage == stage, _t.c.due_at <= now, free)
        .order_by(_t.c.due_at, _t.c.lead_id)
        .limit(limit)
    )
    if conn.dialect.name == "postgresql":
        due = due.with_for_update(skip_locked=True)
    taken = conn.execute(
        update(_t)
        .where(_t.c.lead_id.in_(due.scalar_subquery()))
        .values(lease_owner=owner, lease_until=now + lease)
        .returning(_t.c.lead_id, _t.c.seq)
    )
    return sorted(Wakeup(*row) for row in taken)


def hand_on(conn: Connection, done: Sequence[Wakeup], stage: str) -> None:
    """Pass finished wake-ups to their next stage (after `enroll`: delete), unless they were renewed meanwhile."""
    if not done:
        return
    rows = [{"b_lead": w.lead_id, "b_seq": w.seq} for w in done]
    mine = and_(_t.c.lead_id == bindparam("b_lead"), _t.c.seq == bindparam("b_seq"))
    position = ORDER.index(stage)
    if position + 1 == len(ORDER):
        conn.execute(delete(_t).where(mine), rows)
    else:
        conn.execute(update(_t).where(mine).values(stage=ORDER[position + 1], lease_owner=None, lease_until=None), rows)


def waiting(conn: Connection, *, now: datetime) -> dict[str, int]:
    """How many leads wait at each stage."""
    rows = conn.execute(select(_t.c.stage, func.count()).where(_t.c.due_at <= now).group_by(_t.c.stage))
    return {stage: n for stage, n in rows}


def next_due(conn: Connection) -> datetime | None:
    return conn.execute(select(func.min(_t.c.due_at))).scalar()
