"""Hand-offs as lessons: every lead as it was when it was handed over, and what became of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from nurture.model.report import Lesson
from nurture.store.audience.leads import CHUNK, ORIGINS, chunks
from nurture.store.tables import EventRow, HandoffRow, LeadValueRow, OpportunityRow, TransitionRow
from nurture.store.tables.columns import core

_handoff = core(HandoffRow)
_value = core(LeadValueRow)
_event = core(EventRow)
_deal = core(OpportunityRow)
_move = core(TransitionRow)

Key = tuple[int, int]


def lessons(conn: Connection) -> list[Lesson]:
    """Every hand-off in the order in which they were made. What was learnt about a lead later is not in it."""
    ends = _ends(conn)
    query = select(
        _handoff.c.lead_id, _handoff.c.cycle, _handoff.c.opened_at, _handoff.c.state, _handoff.c.reason,
        _handoff.c.cell, _handoff.c.packet, _handoff.c.marked,
    ).order_by(_handoff.c.id)
    found: list[Lesson] = []
    for part in chunks(conn.execute(query), CHUNK):
        ids = {row.lead_id for row in part}
        values, events = _values(conn, ids), _events(conn, ids)
        for row in part:
            score = (row.packet or {}).get("score") or {}
            end = row.state if row.state in ("rejected", "recycled") else ends.get((row.lead_id, row.cycle), row.state)
            found.append(Lesson(
                row.lead_id, row.opened_at, end, row.reason, row.cell or score.get("cell"), score.get("model"),
                int(score.get("engagement") or 0), int(score.get("fit_low") or 0),
                _known_at(values[row.lead_id], row.opened_at),
                [kind for kind, at in events[row.lead_id] if at <= row.opened_at], row.marked,
            ))
    return found


def _ends(conn: Connection) -> dict[Key, str]:
    """(lead, cycle) -> sql, lost or won, the later one counts."""
    found: dict[Key, str] = {}
    moved = select(_move.c.lead_id, _move.c.cycle, _move.c.to_stage).where(
        _move.c.to_stage.in_(("sql", "converted", "customer"))).order_by(_move.c.id)
    for lead, cycle, stage in conn.execute(moved):
        found[lead, cycle] = "won" if stage == "customer" else "sql"
    deals = select(_deal.c.lead_id, _deal.c.cycle, _deal.c.state).where(
        _deal.c.lead_id.is_not(None), _deal.c.state.in_(("won", "lost"))).order_by(_deal.c.id)
    for lead, cycle, state in conn.execute(deals):
        found[lead, cycle] = state
    return found


def _values(conn: Connection, ids: Iterable[int]) -> dict[int, list[tuple[str, Any, str, datetime]]]:
    query = select(_value.c.lead_id, _value.c.field, _value.c.value, _value.c.origin, _value.c.at).where(
        _value.c.lead_id.in_(list(ids))).order_by(_value.c.at, _value.c.id)
    found: dict[int, list[tuple[str, Any, str, datetime]]] = defaultdict(list)
    for lead, *rest in conn.execute(query):
        found[lead].append((rest[0], rest[1].get("v"), rest[2], rest[3]))
    return found


def _known_at(values: Iterable[tuple[str, Any, str, datetime]], at: datetime) -> dict[str, Any]:
    known: dict[str, tuple[int, Any]] = {}
    for name, value, origin, learnt in values:
        rank = ORIGINS.get(origin, 0)
        if learnt <= at and (name not in known or known[name][0] <= rank):
            known[name] = (rank, value)
    return {name: value for name, (_, value) in known.items()}


def _events(conn: Connection, ids: Iterable[int]) -> dict[int, list[tuple[str, datetime]]]:
    query = select(_event.c.lead_id, _event.c.kind, _event.c.occurred_at).where(
        _event.c.lead_id.in_(list(ids)), _event.c.machine.is_(False), _event.c.void.is_(False)
    ).order_by(_event.c.occurred_at, _event.c.id)
    found: dict[int, list[tuple[str, datetime]]] = defaultdict(list)
    for lead, kind, at in conn.execute(query):
        found[lead].append((kind, at))
    return found
