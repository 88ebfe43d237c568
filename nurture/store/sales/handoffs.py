"""Hand-offs, what the gate saw, what sales decided and did, and how many a queue took today."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from nurture.errors import Conflict, Refused
from nurture.store.sales import timers
from nurture.store.tables import (
    ActivityRow,
    AlertRow,
    BantRow,
    GateEvaluationRow,
    HandoffRow,
    LeadRow,
    SalesDecisionRow,
    TakenRow,
)
from nurture.store.tables.columns import core

_t = core(HandoffRow)
_gate = core(GateEvaluationRow)
_decision = core(SalesDecisionRow)
_bant = core(BantRow)
_activity = core(ActivityRow)
_taken = core(TakenRow)
_lead = core(LeadRow)
_alert = core(AlertRow)

LEVEL = "level"
"""The kind of activity that says which of the company's own levels a lead has reached."""
LETTERS = ("budget", "authority", "need", "timeline")


@dataclass(frozen=True, slots=True)
class Handoff:
    """One trip of a lead to sales, as stored."""

    id: int
    lead_id: int
    cycle: int
    state: str
    via: str
    queue: str
    owner: str | None
    previous_owner: str | None
    cell: str | None
    priority: int
    fast: bool
    note: str
    gate_evaluation_id: int | None
    agreement_version: int | None
    agreement_sha: str | None
    packet: Mapping[str, Any]
    opened_at: datetime
    due_at: datetime | None
    decided_at: datetime | None
    closed_at: datetime | None
    reason: str | None
    marked: str | None
    campaign: str | None
    step_id: str | None
    version: int


_COLUMNS = tuple(_t.c[name] for name in Handoff.__dataclass_fields__)


def insert_of(conn: Connection, table: Any) -> Any:
    return (sqlite.insert if conn.dialect.name == "sqlite" else postgresql.insert)(table)


def get(conn: Connection, handoff_id: int, *, hold: bool = False) -> Handoff:
    """One hand-off; `hold` locks its row until this transaction ends.

    Raises:
        Refused: `no_such_handoff`.
    """
    query = select(*_COLUMNS).where(_t.c.id == handoff_id)
    row = conn.execute(query.with_for_update() if hold else query).first()
    if row is None:
        raise Refused(f"There is no hand-off {handoff_id}.", code="no_such_handoff", fix="see `nurture sales list`")
    return Handoff(*row)


def open_of(conn: Connection, lead_id: int, *, hold: bool = False) -> Handoff | None:
    """The lead's open hand-off, or None."""
    query = select(*_COLUMNS).where(_t.c.lead_id == lead_id, _t.c.closed_at.is_(None))
    row = conn.execute(query.with_for_update() if hold else query).first()
    return None if row is None else Handoff(*row)


def open_new(conn: Connection, row: Mapping[str, Any]) -> int | None:
    """Open a hand-off; None where the lead has one already, whatever else runs at the same moment."""
    statement = insert_of(conn, _t).on_conflict_do_nothing().returning(_t.c.id)
    return conn.execute(statement, dict(row)).scalar()


def change(conn: Connection, handoff: Handoff, **values: Any) -> Handoff:
    """Write to a hand-off that nobody changed since it was read.

    Raises:
        Conflict: somebody did.
    """
    mine = (_t.c.id == handoff.id) & (_t.c.version == handoff.version)
    done = conn.execute(update(_t).where(mine).values(version=handoff.version + 1, **values))
    if done.rowcount != 1:
        raise Conflict("Somebody else decided on this hand-off a moment ago.", fix="look at it again")
    return get(conn, handoff.id)


def listing(
    conn: Connection, *, queue: str | None = None, owner: str | None = None,
    states: Sequence[str] = ("open", "accepted"), limit: int = 200,
) -> list[dict[str, Any]]:
    """Hand-offs in the order sales should take them: fast track and priority first, then the oldest."""
    more = (_lead.c.stage, _lead.c.email, _lead.c.fields, _lead.c.version.label("lead_version"))
    query = select(*_COLUMNS, *more, timers.next_of(_t.c.id).label("deadline")).join(
        _lead, _lead.c.id == _t.c.lead_id
    ).where(_t.c.state.in_(list(states)))
    if queue is not None:
        query = query.where(_t.c.queue == queue)
    if owner is not None:
        query = query.where(_t.c.owner == owner)
    query = query.order_by(_t.c.priority.desc(), _t.c.opened_at, _t.c.id).limit(limit)
    return [dict(row._mapping) for row in conn.execute(query)]


def of_lead(conn: Connection, lead_id: int) -> list[Handoff]:
    """Every trip of this lead to sales, newest first."""
    rows = conn.execute(select(*_COLUMNS).where(_t.c.lead_id == lead_id).order_by(_t.c.id.desc()))
    return [Handoff(*row) for row in rows]


def open_at_account(conn: Connection, account_id: int, *, but: int) -> list[Row[Any]]:
    """Open hand-offs of colleagues: (id, lead_id, owner, opened_at)."""
    query = select(_t.c.id, _t.c.lead_id, _t.c.owner, _t.c.opened_at).join(_lead, _lead.c.id == _t.c.lead_id).where(
        _lead.c.account_id == account_id, _t.c.lead_id != but, _t.c.closed_at.is_(None)
    )
    return list(conn.execute(query.order_by(_t.c.id)))


def open_counts(conn: Connection) -> dict[str, int]:
    """Owner -> open hand-offs."""
    mine = _t.c.closed_at.is_(None) & _t.c.owner.is_not(None)
    query = select(_t.c.owner, func.count()).where(mine).group_by(_t.c.owner)
    return {row[0]: row[1] for row in conn.execute(query)}


# -- the gate -------------------------------------------------------------------------------------------------------


def last_vectors(conn: Connection, lead_ids: Iterable[int]) -> dict[int, tuple[int, str, str]]:
    """Lead -> (evaluation id, outcome, vector) of the newest evaluation."""
    newest = select(func.max(_gate.c.id)).where(_gate.c.lead_id.in_(list(lead_ids))).group_by(_gate.c.lead_id)
    columns = (_gate.c.lead_id, _gate.c.id, _gate.c.outcome, _gate.c.vector)
    rows = conn.execute(select(*columns).where(_gate.c.id.in_(newest)))
    return {row.lead_id: (row.id, row.outcome, row.vector) for row in rows}


def keep_evaluation(conn: Connection, row: Mapping[str, Any]) -> int:
    """Store a gate evaluation (the caller compares it with the last one first). Returns its id."""
    return int(conn.execute(_gate.insert().values(**row).returning(_gate.c.id)).scalar_one())


def keep_evaluations(conn: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Store many gate evaluations in one statement."""
    if rows:
        conn.execute(_gate.insert(), list(rows))


def evaluation(conn: Connection, evaluation_id: int) -> dict[str, Any] | None:
    row = conn.execute(select(_gate).where(_gate.c.id == evaluation_id)).first()
    return None if row is None else dict(row._mapping)


# -- capacity -------------------------------------------------------------------------------------------------------


def take(conn: Connection, day: str, who: str, *, most: int | None) -> bool:
    """Count one hand-off for `who` on `day`, unless `most` are counted already. Holds across workers."""
    conn.execute(insert_of(conn, _taken).on_conflict_do_nothing(), {"day": day, "who": who, "n": 0})
    mine = (_taken.c.day == day) & (_taken.c.who == who)
    if most is not None:
        mine &= _taken.c.n < most
    return conn.execute(update(_taken).where(mine).values(n=_taken.c.n + 1)).rowcount == 1


def taken(conn: Connection, day: str) -> dict[str, int]:
    rows = conn.execute(select(_taken.c.who, _taken.c.n).where(_taken.c.day == day))
    return {row[0]: row[1] for row in rows}


def turns(conn: Connection, queue: str) -> dict[str, datetime]:
    """Owner -> when he last got a hand-off of this queue, for round robin."""
    mine = (_t.c.queue == queue) & _t.c.owner.is_not(None)
    query = select(_t.c.owner, func.max(_t.c.opened_at)).where(mine).group_by(_t.c.owner)
    return {row[0]: row[1] for row in conn.execute(query)}


# -- decisions, BANT, activities ------------------------------------------------------------------------------------


def decision_by_key(conn: Connection, key: str) -> dict[str, Any] | None:
    row = conn.execute(select(_decision).where(_decision.c.key == key)).first()
    return None if row is None else dict(row._mapping)


def keep_decision(conn: Connection, row: Mapping[str, Any]) -> int:
    return int(conn.execute(_decision.insert().values(**row).returning(_decision.c.id)).scalar_one())


def decisions_of(conn: Connection, handoff_id: int) -> list[dict[str, Any]]:
    """Every decision on one hand-off, oldest first."""
    rows = conn.execute(select(_decision).where(_decision.c.handoff_id == handoff_id).order_by(_decision.c.id))
    return [dict(row._mapping) for row in rows]


def rejections_by(conn: Connection, lead_id: int) -> dict[str, int]:
    """Seller -> how often he turned this lead away."""
    query = select(_decision.c.actor_id, func.count()).where(
        _decision.c.lead_id == lead_id, _decision.c.decision.in_(["reject", "recycle"])
    ).group_by(_decision.c.actor_id)
    return {row[0]: row[1] for row in conn.execute(query)}


def answer_bant(conn: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    if rows:
        conn.execute(_bant.insert(), list(rows))


def bant(conn: Connection, lead_id: int, cycle: int) -> dict[str, dict[str, Any]]:
    """Letter -> the newest answer of this cycle."""
    rows = conn.execute(select(_bant).where(_bant.c.lead_id == lead_id, _bant.c.cycle == cycle).order_by(_bant.c.id))
    return {row.letter: dict(row._mapping) for row in rows}


def log_activity(conn: Connection, row: Mapping[str, Any]) -> bool:
    """Keep one thing a seller did; False where its key is known."""
    statement = insert_of(conn, _activity).on_conflict_do_nothing(index_elements=["key"]).returning(_activity.c.id)
    whole = {"outcome": None, "note": None, "content": None, "handoff_id": None, **row}
    return conn.execute(statement, whole).first() is not None


def activities(conn: Connection, lead_id: int, *, since: datetime | None = None) -> list[dict[str, Any]]:
    query = select(_activity).where(_activity.c.lead_id == lead_id)
    if since is not None:
        query = query.where(_activity.c.at >= since)
    return [dict(row._mapping) for row in conn.execute(query.order_by(_activity.c.at, _activity.c.id))]


def level_of(conn: Connection, handoff_id: int) -> str | None:
    """The level of the company's own that a hand-off has reached last."""
    mine = (_activity.c.handoff_id == handoff_id) & (_activity.c.kind == LEVEL)
    return conn.execute(select(_activity.c.content).where(mine).order_by(_activity.c.id.desc()).limit(1)).scalar()


def wrote_anything(conn: Connection, seller: str, *, since: datetime) -> bool:
    """Whether this seller logged any call, mail or meeting since then, about whomever."""
    query = select(_activity.c.id).where(_activity.c.actor_id == seller, _activity.c.at >= since).limit(1)
    return conn.execute(query).first() is not None


def alert(conn: Connection, key: str, code: str, text: str, *, for_whom: str | None, now: datetime) -> bool:
    """Tell a human once."""
    statement = insert_of(conn, _alert).on_conflict_do_nothing(index_elements=["key"]).returning(_alert.c.id)
    row = {"key": key, "code": code, "text": text, "for_whom": for_whom, "at": now}
    return conn.execute(statement, row).first() is not None


def alerted(conn: Connection, key: str) -> bool:
    """Whether a human was told this already."""
    return conn.execute(select(_alert.c.id).where(_alert.c.key == key)).first() is not None


RECENT = timedelta(hours=24)
"""How long a colleague's fresh hand-off keeps another of the same organisation from the same seller."""


def queue_for_sales(conn: Connection, lead_id: int, priority: int | None) -> None:
    """Note that only room is missing for this lead (None: no longer so)."""
    other = (
        _lead.c.queue_priority.is_not(None) if priority is None else _lead.c.queue_priority.is_distinct_from(priority)
    )
    conn.execute(update(_lead).where(_lead.c.id == lead_id, other).values(queue_priority=priority))


def queued(conn: Connection, lead_ids: Iterable[int]) -> set[int]:
    """Which of these leads wait for room."""
    query = select(_lead.c.id).where(_lead.c.id.in_(list(lead_ids)), _lead.c.queue_priority.is_not(None))
    return set(conn.execute(query).scalars())


def next_in_queue(conn: Connection, *, limit: int) -> list[int]:
    """Leads that wait for room, best first."""
    query = select(_lead.c.id).where(_lead.c.queue_priority.is_not(None))
    return list(conn.execute(query.order_by(_lead.c.queue_priority.desc(), _lead.c.id).limit(limit)).scalars())


def block_contact(conn: Connection, lead_id: int, *, blocked: bool, now: datetime) -> None:
    conn.execute(update(_lead).where(_lead.c.id == lead_id).values(contact_blocked=blocked, updated_at=now))
