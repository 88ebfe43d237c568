"""The one function that changes the stage of a lead, and the reads about where leads have been."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Row, bindparam, select, update

from nurture.errors import Conflict, Refused
from nurture.model.lifecycle import PREVIOUS, Move, next_state
from nurture.model.words import WITH_SALES, ActorKind, EnrollmentState, Stage
from nurture.store.facts import wakeups
from nurture.store.programs import enrollments
from nurture.store.tables import LeadRow, MembershipRow, TransitionRow
from nurture.store.tables.columns import core

_t = core(TransitionRow)
_lead = core(LeadRow)
_member = core(MembershipRow)

ENDS_MARKETING: Final = frozenset({Stage.CONVERTED, Stage.CUSTOMER, Stage.DISQUALIFIED, Stage.ERASED, Stage.DORMANT})
NO_LEAD: Final = "no_such_lead"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does it. `id` names a person; without one the actor is a machine of that kind."""

    kind: ActorKind
    id: str | None = None


SYSTEM: Final = Actor(ActorKind.SYSTEM)


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of a trigger. `repeated`: the key was known and this is the first result."""

    lead_id: int
    rule: str
    before: Stage
    after: Stage
    version: int
    repeated: bool = False


def apply(
    conn: Connection, lead_id: int, trigger: str, *, actor: Actor, key: str, now: datetime,
    reason: str | None = None, note: str | None = None, expected_version: int | None = None,
    columns: Mapping[str, Any] | None = None, track: str | None = None, previous: Stage | None = None,
    gate_evaluation_id: int | None = None, agreement_version: int | None = None, config_sha: str | None = None,
    occurred_at: datetime | None = None, silent: bool = False, beside: Collection[str] = (),
) -> Applied:
    """Move one lead, in the caller's transaction: lock, guards, transition row, effects, version.

    `columns` are further values of the lead that belong to this move (cool-off, baseline, cycle ...); `track` the
    track it goes on; `beside` the tracks whose campaigns go on when it changes (`Tracks.beside`); `silent` keeps its
    campaigns paused (a silent cool-off); `previous` the stage a correction restores. A key that is known does nothing
    and returns what it did first.

    Raises:
        Conflict: the lead changed since `expected_version`.
        Refused: not from this stage, not by this actor, or without the reason it needs.
    """
    row = lock(conn, lead_id)
    first = conn.execute(select(_t).where(_t.c.key == key)).first()
    if first is not None:
        return _first_result(first, lead_id, row.version)
    if expected_version is not None and row.version != expected_version:
        raise Conflict(
            f"The lead was changed by somebody else (version {row.version}, not {expected_version}).",
            fix="look at it again and decide then",
        )
    before = Stage(row.stage)
    move = next_state(before, trigger, actor.kind, named=actor.id is not None)
    if move.reason and not reason:
        raise Refused(f"{trigger.replace('_', ' ')} needs a reason.", code="needs_reason", fix="say why")
    after = _target(move, previous)
    cycle = (columns or {}).get("cycle", row.cycle)
    conn.execute(
        _t.insert().values(
            key=key, lead_id=lead_id, cycle=cycle, rule=move.id, from_stage=before, to_stage=after, trigger=trigger,
            actor_kind=actor.kind, actor_id=actor.id, reason=reason, note=note, occurred_at=occurred_at or now,
            recorded_at=now, gate_evaluation_id=gate_evaluation_id, agreement_version=agreement_version,
            config_sha=config_sha,
        )
    )
    values = {"stage": after, "stage_since": now, "version": row.version + 1, "updated_at": now, **(columns or {})}
    conn.execute(update(_lead).where(_lead.c.id == lead_id).values(**values))
    _effects(conn, row, after, trigger, track=track, silent=silent, beside=beside, now=now)
    wakeups.wake(conn, [lead_id], now=now)
    return Applied(lead_id, move.id, before, after, row.version + 1)


def lock(conn: Connection, lead_id: int) -> Row[Any]:
    """The lead's row, held until this transaction ends.

    Raises:
        Refused: `no_such_lead`.
    """
    row = conn.execute(select(_lead).where(_lead.c.id == lead_id).with_for_update()).first()
    if row is None:
        raise Refused(f"There is no lead {lead_id}.", code=NO_LEAD)
    return row


def hold(conn: Connection, lead_ids: Iterable[int]) -> None:
    """Lock the rows of many leads, in the order of their ids, until this transaction ends."""
    ids = sorted(set(lead_ids))
    conn.execute(select(_lead.c.id).where(_lead.c.id.in_(ids)).order_by(_lead.c.id).with_for_update()).all()


def _first_result(first: Row[Any], lead_id: int, version: int) -> Applied:
    if first.lead_id != lead_id:
        raise Conflict("This key was used for another lead.", fix="use a key of its own per command")
    stages = Stage(first.from_stage), Stage(first.to_stage)
    return Applied(lead_id, first.rule, *stages, version, repeated=True)


def _target(move: Move, previous: Stage | None) -> Stage:
    if move.to == PREVIOUS:
        if previous is None or previous not in WITH_SALES:
            raise Refused("There is no decision to take back.", code="nothing_to_undo")
        return previous
    return Stage(move.to)


def _effects(
    conn: Connection, row: Row[Any], after: Stage, trigger: str, *, track: str | None, silent: bool,
    beside: Collection[str], now: datetime,
) -> None:
    """What entering a stage does to the lead's campaigns and its stay on a track."""
    lead_id = row.id
    if after in WITH_SALES and after is not Stage.CONVERTED:
        enrollments.pause(conn, [lead_id], reason="with sales")
        _mark(conn, lead_id, status="paused", reason="with_sales")
        return
    if after in ENDS_MARKETING:
        _end_all(conn, lead_id, reason=after.value, now=now)
        if row.track is not None or track is not None:
            enrollments.change_track(conn, lead_id, track, now=now, reason=after.value)
        return
    if track is not None and track != row.track:
        _end_all(conn, lead_id, reason=f"{trigger}: on to {track}", now=now, but=beside)
        if not silent:
            # Paused while it was with sales: what surrounds a webinar goes on where it stood.
            enrollments.resume(conn, [lead_id], now=now)
        status = "cooling" if after is Stage.RECYCLED else "active"
        enrollments.change_track(conn, lead_id, track, now=now, reason=trigger, status=status)
        return
    if silent:
        enrollments.pause(conn, [lead_id], reason="cool-off")
        _mark(conn, lead_id, status="cooling", reason="cool_off")
    elif Stage(row.stage) in WITH_SALES or row.stage == Stage.RECYCLED:
        enrollments.resume(conn, [lead_id], now=now)
        _mark(conn, lead_id, status="active", reason=trigger)


def _mark(conn: Connection, lead_id: int, *, status: str, reason: str) -> None:
    open_stay = (_member.c.lead_id == lead_id) & _member.c.ended_at.is_(None)
    conn.execute(update(_member).where(open_stay).values(status=status, reason=reason))


def _end_all(conn: Connection, lead_id: int, *, reason: str, now: datetime, but: Collection[str] = ()) -> None:
    inside = [e.id for e in enrollments.open_of(conn, [lead_id]).get(lead_id, []) if e.track not in but]
    enrollments.end(conn, inside, state=EnrollmentState.LEFT, reason=reason, now=now)


def first_tracks(conn: Connection, chosen: Mapping[int, tuple[str, str]], *, now: datetime) -> None:
    """Put leads that are on no track on their first one: lead -> (track, rule)."""
    if not chosen:
        return
    stays = [
        {"lead_id": i, "track": track, "status": "active", "since": now, "reason": rule, "rule": rule}
        for i, (track, rule) in chosen.items()
    ]
    conn.execute(_member.insert(), stays)
    rows = [{"b_id": i, "b_track": track, "b_now": now} for i, (track, _) in chosen.items()]
    moment = _lead.c.track_since.type
    conn.execute(
        update(_lead).where(_lead.c.id == bindparam("b_id"), _lead.c.track.is_(None)).values(
            track=bindparam("b_track"), track_since=bindparam("b_now", type_=moment),
            updated_at=bindparam("b_now", type_=moment),
        ),
        rows,
    )
    told = [
        {"lead_id": i, "at": now, "kind": "moved", "code": rule, "text": f"moved to track {track}"}
        for i, (track, rule) in chosen.items()
    ]
    enrollments.journal(conn, told)


def history(conn: Connection, lead_id: int) -> list[dict[str, Any]]:
    """Every move of one lead, oldest first."""
    rows = conn.execute(select(_t).where(_t.c.lead_id == lead_id).order_by(_t.c.id))
    return [dict(row._mapping) for row in rows]


def last_move(conn: Connection, lead_id: int) -> dict[str, Any] | None:
    row = conn.execute(select(_t).where(_t.c.lead_id == lead_id).order_by(_t.c.id.desc()).limit(1)).first()
    return None if row is None else dict(row._mapping)


def recycles_since(conn: Connection, lead_id: int, since: datetime, *, cycle: int) -> tuple[int, int]:
    """How often this lead was recycled in the cycle since `since`: by people, and by clocks."""
    query = select(_t.c.trigger).where(
        _t.c.lead_id == lead_id, _t.c.cycle == cycle, _t.c.to_stage == Stage.RECYCLED, _t.c.occurred_at >= since
    )
    triggers = list(conn.execute(query).scalars())
    undone = select(_t.c.id).where(
        _t.c.lead_id == lead_id, _t.c.cycle == cycle, _t.c.trigger == "undo", _t.c.from_stage == Stage.RECYCLED,
        _t.c.occurred_at >= since,
    )
    taken_back = len(conn.execute(undone).all())
    active = sum(t == "recycle" for t in triggers)
    return max(0, active - taken_back), sum(t == "sla_expired" for t in triggers)
