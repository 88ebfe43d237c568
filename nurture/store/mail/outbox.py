"""Things to deliver outside campaigns: packets and reminders to staff, confirmation mails, webhooks, CSV, CRM.

Written in the transaction of what caused them, delivered later by `stages/deliver.py`, at most once per `key`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Connection, func, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from nurture.store.literal import is_one_of
from nurture.store.tables import OutboxRow
from nurture.store.tables.columns import core

_t = core(OutboxRow)
WAITING = ("planned", "deferred")


def row(
    kind: str,
    target: str,
    *,
    key: str,
    now: datetime,
    subject: str | None = None,
    payload: Mapping[str, Any] | None = None,
    lead_id: int | None = None,
    handoff_id: int | None = None,
    due_at: datetime | None = None,
) -> dict[str, Any]:
    """One delivery. `kind`: `staff_mail`, `lead_mail`, `webhook`, `csv` or `crm`; `key` makes it happen once."""
    return {
        "key": key,
        "kind": kind,
        "target": target,
        "subject": subject,
        "lead_id": lead_id,
        "handoff_id": handoff_id,
        "payload": dict(payload or {}),
        "state": "planned",
        "due_at": due_at or now,
        "attempt": 0,
        "created_at": now,
    }


def put(conn: Connection, rows: Sequence[Mapping[str, Any]]) -> int:
    """Queue deliveries; one with a known key is left as it is. Returns how many are new."""
    if not rows:
        return 0
    insert = sqlite.insert if conn.dialect.name == "sqlite" else postgresql.insert
    return len(
        conn.execute(insert(_t).on_conflict_do_nothing(index_elements=["key"]).returning(_t.c.id), list(rows)).all()
    )


def claim(
    conn: Connection, *, now: datetime, limit: int, owner: str, lease: timedelta = timedelta(minutes=5)
) -> list[dict[str, Any]]:
    """Take due deliveries for `lease`. One that was started by a dead worker is not taken again: see `stranded`."""
    due = (
        select(_t.c.id)
        .where(
            is_one_of(_t.c.state, WAITING), _t.c.due_at <= now, or_(_t.c.lease_until.is_(None), _t.c.lease_until <= now)
        )
        .order_by(_t.c.due_at, _t.c.id)
        .limit(limit)
    )
    if conn.dialect.name == "postgresql":
        due = due.with_for_update(skip_locked=True)
    taken = (
        update(_t)
        .where(_t.c.id.in_(due.scalar_subquery()))
        .values(owner=owner, lease_until=now + lease, attempt=_t.c.attempt + 1)
    )
    return sorted(
        (dict(r._mapping) for r in conn.execute(taken.returning(*_t.c))), key=lambda r: (r["due_at"], r["id"])
    )


def start(conn: Connection, delivery_id: int, *, owner: str, now: datetime) -> bool:
    """Durable mark before the world is touched. False: somebody else has it."""
    mine = (_t.c.id == delivery_id) & (_t.c.owner == owner) & is_one_of(_t.c.state, WAITING)
    return conn.execute(update(_t).where(mine).values(state="started", started_at=now)).rowcount == 1


def finish(
    conn: Connection, delivery_id: int, *, state: str, reply: str, now: datetime, due_at: datetime | None = None
) -> None:
    """`state`: `done`, `deferred` (then `due_at` says until when), `failed` or `unknown`."""
    values: dict[str, Any] = {"state": state, "reply": reply[:500], "lease_until": None}
    values |= {"due_at": due_at} if state == "deferred" else {"done_at": now}
    conn.execute(update(_t).where(_t.c.id == delivery_id).values(**values))


class Delivered(NamedTuple):
    """A mail outside campaigns that left. `target` is the address it went to."""

    id: int
    kind: str
    target: str
    lead_id: int | None


def left(conn: Connection, ids: Iterable[int]) -> list[Delivered]:
    """Those of these mails that left, or may have."""
    gone = (_t.c.id.in_(list(ids))) & _t.c.state.in_(("done", "unknown"))
    query = select(_t.c.id, _t.c.kind, _t.c.target, _t.c.lead_id).where(gone).order_by(_t.c.id)
    return [Delivered._make(row) for row in conn.execute(query)]


def stranded(conn: Connection, *, now: datetime) -> int:
    """Deliveries whose worker died between start and end become `unknown`: a human is told, nothing goes out twice."""
    lost = (_t.c.state == "started") & (_t.c.lease_until <= now)
    return int(
        conn.execute(
            update(_t).where(lost).values(state="unknown", done_at=now, reply="the worker died while delivering")
        ).rowcount
    )


def keys_of(conn: Connection, lead_ids: Iterable[int]) -> list[str]:
    """The keys of all deliveries about these leads."""
    return list(conn.execute(select(_t.c.key).where(_t.c.lead_id.in_(list(lead_ids))).order_by(_t.c.id)).scalars())


def forget_lead(conn: Connection, lead_ids: Iterable[int]) -> None:
    """Erasure: nothing personal stays in what was delivered, and nothing more goes out."""
    ids = list(lead_ids)
    conn.execute(
        update(_t)
        .where(_t.c.lead_id.in_(ids), is_one_of(_t.c.state, WAITING))
        .values(state="failed", reply="the lead was erased")
    )
    conn.execute(update(_t).where(_t.c.lead_id.in_(ids)).values(payload={}, subject=None, target="erased"))


def due_count(conn: Connection, *, now: datetime) -> int:
    return int(
        conn.execute(
            select(func.count()).select_from(_t).where(is_one_of(_t.c.state, WAITING), _t.c.due_at <= now)
        ).scalar_one()
    )


def next_due(conn: Connection) -> datetime | None:
    return conn.execute(select(func.min(_t.c.due_at)).where(is_one_of(_t.c.state, WAITING))).scalar()
