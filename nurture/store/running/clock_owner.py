"""Who is the clock of this database: one row, one holder. A second clock is refused, a dead one is succeeded."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Connection, delete, select, update

from nurture.store.tables import ClockOwnerRow
from nurture.store.tables.columns import core

_t = core(ClockOwnerRow)
LEASE = timedelta(seconds=30)


class Holder(NamedTuple):
    """`last_now` is the latest moment at which work was done here; `lease_until` is wall time."""

    owner: str
    mode: str
    lease_until: datetime
    last_now: datetime
    detail: str


def holder(conn: Connection) -> Holder | None:
    row = conn.execute(
        select(_t.c.owner, _t.c.mode, _t.c.lease_until, _t.c.last_now, _t.c.detail).where(_t.c.id == 1)
    ).one_or_none()
    return None if row is None else Holder(row.owner, row.mode, row.lease_until, row.last_now, row.detail or "")


def take(
    conn: Connection,
    *,
    owner: str,
    mode: str,
    now: datetime,
    wall: datetime,
    detail: str,
    over: str | None = None,
    lease: timedelta = LEASE,
) -> bool:
    """Become the clock. False where somebody else is: their lease runs and they are not the `over` known to be dead."""
    present = holder(conn)
    latest = now if present is None else max(now, present.last_now)
    if present is not None and present.owner not in (owner, over) and present.lease_until > wall:
        return False
    conn.execute(delete(_t).where(_t.c.id == 1))
    conn.execute(
        _t.insert().values(
            id=1, owner=owner, mode=mode, since=wall, lease_until=wall + lease, last_now=latest, detail=detail
        )
    )
    return True


def renew(conn: Connection, *, owner: str, now: datetime, wall: datetime) -> bool:
    """Go on being the clock. False where it was taken over: stop at once."""
    mine = (_t.c.id == 1) & (_t.c.owner == owner)
    done = conn.execute(update(_t).where(mine).values(lease_until=wall + LEASE, last_now=now)).rowcount
    return bool(done == 1)


def release(conn: Connection, *, owner: str, wall: datetime) -> None:
    """Stop being the clock; what is remembered is the latest moment."""
    conn.execute(update(_t).where(_t.c.id == 1, _t.c.owner == owner).values(lease_until=wall))
