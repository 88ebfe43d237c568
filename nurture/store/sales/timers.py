"""SLA timers: started with what they rest on, met, breached once, swept."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, ScalarSelect, func, select, update

from nurture.store.tables import SlaTimerRow
from nurture.store.tables.columns import core

_t = core(SlaTimerRow)
NEVER = datetime(9999, 1, 1, tzinfo=UTC)
_RUNS = _t.c.met_at.is_(None) & _t.c.closed_at.is_(None)


def start(
    conn: Connection, kind: str, *, lead_id: int, handoff_id: int | None, owner: str | None, started_at: datetime,
    due_at: datetime, minutes: int | None, agreement_version: int | None,
) -> int:
    values = {
        "kind": kind, "lead_id": lead_id, "handoff_id": handoff_id, "owner": owner, "started_at": started_at,
        "due_at": due_at, "next_at": due_at, "minutes": minutes, "agreement_version": agreement_version, "level": 0,
    }
    return int(conn.execute(_t.insert().values(**values).returning(_t.c.id)).scalar_one())


def meet(conn: Connection, handoff_id: int, kinds: Iterable[str], *, now: datetime) -> int:
    """The thing was done: timers of these kinds end. One that is met too late keeps its breach."""
    of_these = (_t.c.handoff_id == handoff_id) & _t.c.kind.in_(list(kinds)) & _RUNS
    late = of_these & (_t.c.due_at < now) & _t.c.breached_at.is_(None)
    conn.execute(update(_t).where(late).values(breached_at=_t.c.due_at))
    return int(conn.execute(update(_t).where(of_these).values(met_at=now)).rowcount)


def close(conn: Connection, handoff_id: int, *, now: datetime) -> None:
    """The hand-off is over: whatever still runs is neither met nor pursued."""
    conn.execute(update(_t).where(_t.c.handoff_id == handoff_id, _RUNS).values(closed_at=now))


def restore(conn: Connection, handoff_id: int, *, ended_at: datetime) -> None:
    """A decision was taken back: the timers it ended run on, with their first due time."""
    ended = (_t.c.handoff_id == handoff_id) & ((_t.c.met_at == ended_at) | (_t.c.closed_at == ended_at))
    conn.execute(update(_t).where(ended).values(met_at=None, closed_at=None))


def due(conn: Connection, *, now: datetime, limit: int) -> list[Row[Any]]:
    """Timers with an escalation due, oldest first. `escalate` decides who carries it out."""
    query = select(_t).where(_RUNS, _t.c.next_at <= now).order_by(_t.c.next_at, _t.c.id).limit(limit)
    return list(conn.execute(query))


def escalate(
    conn: Connection, timer_id: int, *, level: int, before: int, next_at: datetime | None, now: datetime
) -> bool:
    """Note one escalation as done; False where another sweep did it. Without `next_at` nothing more will come."""
    mine = (_t.c.id == timer_id) & (_t.c.level == before) & _RUNS
    values: dict[str, Any] = {"level": level, "next_at": next_at or NEVER}
    done = conn.execute(update(_t).where(mine).values(**values)).rowcount == 1
    if done:
        missed = (_t.c.id == timer_id) & _t.c.breached_at.is_(None) & (_t.c.due_at < now)
        conn.execute(update(_t).where(missed).values(breached_at=_t.c.due_at))
    return done


def postpone(conn: Connection, timer_id: int, *, next_at: datetime) -> None:
    conn.execute(update(_t).where(_t.c.id == timer_id).values(next_at=next_at))


def hand_over(conn: Connection, handoff_id: int, owner: str) -> None:
    conn.execute(update(_t).where(_t.c.handoff_id == handoff_id, _RUNS).values(owner=owner))


def of_handoff(conn: Connection, handoff_id: int) -> list[dict[str, Any]]:
    rows = conn.execute(select(_t).where(_t.c.handoff_id == handoff_id).order_by(_t.c.id))
    return [dict(row._mapping) for row in rows]


def next_of(handoff_id: ColumnElement[Any]) -> ScalarSelect[Any]:
    """The deadline of a hand-off that comes (or came) next, for another query's columns."""
    return select(func.min(_t.c.due_at)).where(_t.c.handoff_id == handoff_id, _RUNS).scalar_subquery()


def standing(conn: Connection, *, now: datetime) -> list[dict[str, Any]]:
    """Two questions apart, per kind and owner: how many ever missed, and how many are past due now."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for row in conn.execute(select(_t.c.kind, _t.c.owner, _t.c.due_at, _t.c.met_at, _t.c.breached_at, _t.c.closed_at)):
        key = (row.kind, row.owner or "")
        empty = {"kind": row.kind, "owner": row.owner, "timers": 0, "ever_missed": 0, "past_due": 0}
        one = found.setdefault(key, empty)
        runs = row.met_at is None and row.closed_at is None
        one["timers"] += 1
        one["ever_missed"] += row.breached_at is not None or (runs and row.due_at < now)
        one["past_due"] += runs and row.due_at < now
    return [found[key] for key in sorted(found)]
