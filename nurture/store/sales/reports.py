"""What reports are made of: first entries per stage, stays, deadlines, hand-offs with their outcome."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, func, select

from nurture.model.report import Journey, Level, Past, Stay, Timer, Trip
from nurture.store.audience.leads import CHUNK, chunks
from nurture.store.sales.handoffs import LEVEL
from nurture.store.tables import (
    ActivityRow,
    EventRow,
    HandoffRow,
    LeadRow,
    OpportunityRow,
    SalesDecisionRow,
    SlaTimerRow,
    TransitionRow,
)
from nurture.store.tables.columns import core

_lead = core(LeadRow)
_move = core(TransitionRow)
_event = core(EventRow)
_deal = core(OpportunityRow)
_handoff = core(HandoffRow)
_timer = core(SlaTimerRow)
_decision = core(SalesDecisionRow)
_activity = core(ActivityRow)

_STEP_OF: Final = {
    "early": "early", "nurturing": "fit", "mql": "mql", "sal": "sal", "sql": "sql", "converted": "opportunity",
    "customer": "won",
}
_REPORTED: Final = {"crm_mql": "mql", "crm_sql": "sql", "crm_won": "won"}
"""What a CRM says about leads that our own desk did not work."""
_DETOURS: Final = frozenset({"recycled", "disqualified", "dormant"})


def journeys(
    conn: Connection, *, since: datetime | None = None, until: datetime | None = None
) -> list[Journey]:
    """Every person once per cycle, acquired in [since, until)."""
    first: dict[tuple[int, int], dict[str, datetime]] = defaultdict(dict)
    detours: dict[tuple[int, int], set[str]] = defaultdict(set)
    began: dict[tuple[int, int], datetime] = {}
    query = select(_move.c.lead_id, _move.c.cycle, _move.c.to_stage, func.min(_move.c.occurred_at))
    for lead, cycle, stage, at in conn.execute(query.group_by(_move.c.lead_id, _move.c.cycle, _move.c.to_stage)):
        key = (lead, cycle)
        began[key] = min(at, began.get(key, at))
        if stage in _STEP_OF:
            _earliest(first[key], _STEP_OF[stage], at)
        elif stage in _DETOURS:
            detours[key].add(stage)
    told = select(_event.c.lead_id, _event.c.cycle, _event.c.kind, func.min(_event.c.occurred_at)).where(
        _event.c.kind.in_(list(_REPORTED)), _event.c.lead_id.is_not(None), _event.c.void.is_(False)
    )
    for lead, cycle, kind, at in conn.execute(told.group_by(_event.c.lead_id, _event.c.cycle, _event.c.kind)):
        _earliest(first[lead, cycle], _REPORTED[kind], at)
    deals = select(_deal.c.lead_id, _deal.c.cycle, _deal.c.state, _deal.c.opened_at, _deal.c.closed_at)
    for lead, cycle, state, opened, closed in conn.execute(deals.where(_deal.c.lead_id.is_not(None))):
        _earliest(first[lead, cycle], "opportunity", opened)
        if state == "won":
            _earliest(first[lead, cycle], "won", closed or opened)
    found: list[Journey] = []
    people = select(_lead.c.id, _lead.c.cycle, _lead.c.created_at, _lead.c.source).where(_lead.c.merged_into.is_(None))
    for lead, cycles, created, source in conn.execute(people.order_by(_lead.c.id)):
        for cycle in range(1, cycles + 1):
            key = (lead, cycle)
            acquired = created if cycle == 1 else began.get(key)
            if acquired is None or (since and acquired < since) or (until and acquired >= until):
                continue
            found.append(Journey(lead, cycle, acquired, first.get(key, {}), frozenset(detours.get(key, ())), source))
    return found


def _earliest(reached: dict[str, datetime], step: str, at: datetime) -> None:
    reached[step] = min(at, reached.get(step, at))


def stays(conn: Connection, *, since: datetime | None = None) -> Iterator[Stay]:
    """Every stay in a stage, in order per lead; the first one begins when the lead was created.

    A move made late (`recorded_at` after `occurred_at`) counts from when it happened.
    """
    created = {row.id: (row.created_at, row.stage, row.cycle) for row in conn.execute(
        select(_lead.c.id, _lead.c.created_at, _lead.c.stage, _lead.c.cycle).where(_lead.c.merged_into.is_(None)))}
    query = select(_move.c.lead_id, _move.c.cycle, _move.c.from_stage, _move.c.to_stage, _move.c.occurred_at)
    inside: dict[int, tuple[str, int, datetime]] = {}
    for lead, cycle, before, after, at in conn.execute(query.order_by(_move.c.lead_id, _move.c.id)):
        if lead not in created:
            continue
        stage, own, entered = inside.get(lead, (before, cycle, created[lead][0]))
        if since is None or at >= since:
            yield Stay(lead, own, stage, min(entered, at), at)
        inside[lead] = (after, cycle, at)
    for lead, (began, stage, cycle) in created.items():
        last = inside.get(lead, (stage, cycle, began))
        yield Stay(lead, last[1], last[0], last[2], None)


def levels(conn: Connection) -> list[Level]:
    """Every time a seller said that a lead reached a level of the company's own."""
    query = select(_activity.c.lead_id, _handoff.c.cycle, _activity.c.content, _activity.c.at).join(
        _handoff, _handoff.c.id == _activity.c.handoff_id
    ).where(_activity.c.kind == LEVEL)
    return [Level(*row) for row in conn.execute(query.order_by(_activity.c.id))]


def timers(conn: Connection, *, since: datetime | None = None) -> list[Timer]:
    """Deadlines of sales, those started from `since` on."""
    query = select(_timer.c.kind, _timer.c.owner, _timer.c.started_at, _timer.c.due_at, _timer.c.met_at,
                   _timer.c.breached_at, _timer.c.closed_at).where(_timer.c.kind.not_in(("cool_off", "review")))
    if since is not None:
        query = query.where(_timer.c.started_at >= since)
    return [Timer(*row) for row in conn.execute(query)]


def trips(conn: Connection, *, since: datetime | None = None) -> list[Trip]:
    """Every hand-off with its outcome; `segment` is the scoring model that led to it."""
    accepted = set(conn.execute(
        select(_decision.c.handoff_id).where(_decision.c.decision == "accept")).scalars())
    query = select(
        _handoff.c.id, _handoff.c.lead_id, _handoff.c.state, _handoff.c.owner, _handoff.c.cell, _lead.c.source,
        _lead.c.model, _handoff.c.reason, _handoff.c.opened_at,
    ).join(_lead, _lead.c.id == _handoff.c.lead_id)
    before: set[int] = set()
    found: list[Trip] = []
    for row in conn.execute(query.order_by(_handoff.c.id)):
        if since is None or row.opened_at >= since:
            found.append(Trip(
                row.lead_id, row.state, row.owner, row.cell, row.source, row.model, row.reason,
                accepted=row.id in accepted or row.state in ("accepted", "converted"), rework=row.lead_id in before,
            ))
        if row.state == "recycled":
            before.add(row.lead_id)
    return found


def handed_over(conn: Connection, *, since: datetime | None = None) -> list[Past]:
    """Handed-over leads as they were then (from the packet and the events before it), and how they ended."""
    query = select(
        _handoff.c.id, _handoff.c.lead_id, _handoff.c.cycle, _handoff.c.state, _handoff.c.cell, _handoff.c.packet,
        _handoff.c.opened_at, _lead.c.source,
    ).join(_lead, _lead.c.id == _handoff.c.lead_id)
    if since is not None:
        query = query.where(_handoff.c.opened_at >= since)
    rows = conn.execute(query.order_by(_handoff.c.id)).all()
    ends = dict(_ends(conn))
    found: list[Past] = []
    for part in chunks(rows, CHUNK):
        history = _history(conn, [row.lead_id for row in part])
        for row in part:
            events = [e for e in history.get(row.lead_id, ()) if e[1] <= row.opened_at]
            score = (row.packet or {}).get("score") or {}
            first = events[0][1] if events else row.opened_at
            found.append(Past(
                row.lead_id, ends.get((row.lead_id, row.cycle), _end_of(row.state)), row.cell or score.get("cell"),
                _points(score.get("engagement")), (row.packet or {}).get("level"), row.source,
                tuple(kind for kind, _, _ in events), tuple(content for _, _, content in events if content),
                (row.opened_at - first).total_seconds() / 86_400,
            ))
    return found


def _points(milli: Any) -> float | None:
    return milli / 1000 if isinstance(milli, int | float) else None


def _end_of(state: str) -> str:
    return state if state in ("rejected", "recycled") else "open"


def _ends(conn: Connection) -> Iterator[tuple[tuple[int, int], str]]:
    """(lead, cycle) -> won or lost, from deals and from what became of the lead."""
    for lead, cycle, state in conn.execute(select(_deal.c.lead_id, _deal.c.cycle, _deal.c.state).where(
            _deal.c.state.in_(("won", "lost")), _deal.c.lead_id.is_not(None)).order_by(_deal.c.id)):
        yield (lead, cycle), state
    # A lost deal opens a new cycle: the move carries the old cycle or the new one, and the deal above decides.
    moves = select(_move.c.lead_id, _move.c.cycle).where(_move.c.to_stage == "customer")
    for lead, cycle in conn.execute(moves):
        yield (lead, cycle), "won"


def _history(conn: Connection, lead_ids: Iterable[int]) -> dict[int, list[tuple[str, datetime, str | None]]]:
    query = select(_event.c.lead_id, _event.c.kind, _event.c.occurred_at, _event.c.content).where(
        _event.c.lead_id.in_(list(lead_ids)), _event.c.machine.is_(False), _event.c.void.is_(False),
        _event.c.kind.not_in(("imported", "list_added", "points")),
    )
    found: dict[int, list[tuple[str, datetime, str | None]]] = defaultdict(list)
    for lead, kind, at, content in conn.execute(query.order_by(_event.c.occurred_at, _event.c.id)):
        found[lead].append((kind, at, content))
    return found
