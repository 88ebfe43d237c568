"""Where each lead stands in each campaign: what is due, what was done, and the writes that move it on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from nurture.model.intents import StepSend
from nurture.model.words import ENROLLMENT_OPEN, EnrollmentState, MessageState
from nurture.store.literal import word
from nurture.store.tables import (
    DrawRow,
    EnrollmentRow,
    JournalRow,
    LeadRow,
    MembershipRow,
    MessageRow,
    RedirectRow,
    StepDoneRow,
    TestWinnerRow,
)
from nurture.store.tables.columns import core

_t = core(EnrollmentRow)
_done = core(StepDoneRow)
_message = core(MessageRow)
_winner = core(TestWinnerRow)
_redirect = core(RedirectRow)
_draw = core(DrawRow)
_journal = core(JournalRow)
_lead = core(LeadRow)
_member = core(MembershipRow)

OPEN = sorted(ENROLLMENT_OPEN)
INSIDE = (EnrollmentState.ACTIVE, EnrollmentState.PAUSED)


@dataclass(frozen=True, slots=True)
class Enrolled:
    """One enrollment as the stages see it."""

    id: int
    lead_id: int
    campaign: str
    track: str
    run: int
    cycle: int
    version_entered: int
    version_now: int
    state: str
    step_id: str | None
    anchor_at: datetime
    waiting_since: datetime | None
    due_at: datetime | None
    entered_at: datetime
    ended_at: datetime | None
    end_reason: str | None
    goal_at: datetime | None


_COLUMNS = tuple(_t.c[name] for name in Enrolled.__dataclass_fields__)


def claim_due(
    conn: Connection, *, now: datetime, limit: int, stopped: Iterable[str] = (), only: Iterable[str] | None = None
) -> list[Enrolled]:
    """Enrollments whose time has come, oldest first, locked for this transaction.

    Planning touches nothing outside the database, so the lock of the transaction is the claim: a worker that dies
    leaves nothing behind, and another skips what is locked. Campaigns in `stopped` are left out, `only` keeps to some.
    """
    query = select(*_COLUMNS).where(
        _t.c.state == word(EnrollmentState.ACTIVE), _t.c.due_at.is_not(None), _t.c.due_at <= now
    )
    halted = list(stopped)
    if halted:
        query = query.where(_t.c.campaign.not_in(halted))
    if only is not None:
        query = query.where(_t.c.campaign.in_(list(only)))
    query = query.order_by(_t.c.due_at, _t.c.id).limit(limit)
    if conn.dialect.name == "postgresql":
        query = query.with_for_update(skip_locked=True)
    return [Enrolled(*row) for row in conn.execute(query)]


def by_ids(conn: Connection, ids: Iterable[int]) -> list[Enrolled]:
    return [Enrolled(*row) for row in conn.execute(select(*_COLUMNS).where(_t.c.id.in_(list(ids))).order_by(_t.c.id))]


def inside(conn: Connection, campaign: str, *, size: int) -> Iterator[dict[int, datetime]]:
    """Leads inside a campaign with the moment they entered, in batches."""
    last = 0
    while True:
        query = (
            select(_t.c.id, _t.c.lead_id, _t.c.entered_at)
            .where(_t.c.campaign == campaign, _t.c.state.in_(INSIDE), _t.c.id > last)
            .order_by(_t.c.id)
            .limit(size)
        )
        rows = conn.execute(query).all()
        if not rows:
            return
        last = rows[-1].id
        yield {row.lead_id: row.entered_at for row in rows}


def ids_inside(conn: Connection, campaign: str) -> list[int]:
    """Open enrollments of a campaign, control group included."""
    return list(conn.execute(select(_t.c.id).where(_t.c.campaign == campaign, _t.c.state.in_(OPEN))).scalars())


def open_of(conn: Connection, lead_ids: Iterable[int]) -> dict[int, list[Enrolled]]:
    """Open enrollments (active, paused, control) by lead."""
    found: dict[int, list[Enrolled]] = {}
    for row in conn.execute(
        select(*_COLUMNS).where(_t.c.lead_id.in_(list(lead_ids)), _t.c.state.in_(OPEN)).order_by(_t.c.id)
    ):
        enrolled = Enrolled(*row)
        found.setdefault(enrolled.lead_id, []).append(enrolled)
    return found


def all_of(conn: Connection, lead_ids: Iterable[int]) -> dict[int, list[Enrolled]]:
    """Every enrollment ever, by lead, oldest first."""
    found: dict[int, list[Enrolled]] = {}
    for row in conn.execute(select(*_COLUMNS).where(_t.c.lead_id.in_(list(lead_ids))).order_by(_t.c.id)):
        enrolled = Enrolled(*row)
        found.setdefault(enrolled.lead_id, []).append(enrolled)
    return found


def steps_done(conn: Connection, enrollment_ids: Iterable[int]) -> dict[int, frozenset[str]]:
    found: dict[int, set[str]] = {}
    for enrollment, step in conn.execute(
        select(_done.c.enrollment_id, _done.c.step_id).where(_done.c.enrollment_id.in_(list(enrollment_ids)))
    ):
        found.setdefault(enrollment, set()).add(step)
    for enrollment, old, new in _renames(conn, found):
        if old in found[enrollment]:
            found[enrollment].add(new)
    return {enrollment: frozenset(steps) for enrollment, steps in found.items()}


def _renames(conn: Connection, enrollment_ids: Iterable[int]) -> list[tuple[int, str, str]]:
    """(enrollment, old name, new name) of steps that an edit renamed: what was done stays done under its new name."""
    query = (
        select(_t.c.id, _redirect.c.step, _redirect.c.to_step)
        .join(_redirect, _redirect.c.campaign == _t.c.campaign)
        .where(_t.c.id.in_(list(enrollment_ids)), _redirect.c.renamed, _redirect.c.to_step.is_not(None))
    )
    return [(enrollment, old, new) for enrollment, old, new in conn.execute(query)]


def sends(conn: Connection, enrollment_ids: Iterable[int]) -> dict[int, dict[str, StepSend]]:
    """What became of the messages of these enrollments, by step."""
    query = select(
        _message.c.enrollment_id,
        _message.c.step_id,
        _message.c.state,
        _message.c.sent_at,
        _message.c.ended_at,
        _message.c.content,
        _message.c.reason_text,
    ).where(_message.c.enrollment_id.in_(list(enrollment_ids)))
    found: dict[int, dict[str, StepSend]] = {}
    for m in conn.execute(query):
        found.setdefault(m.enrollment_id, {})[m.step_id] = StepSend(
            MessageState(m.state), m.sent_at or m.ended_at, m.content, m.step_id, m.reason_text
        )
    for enrollment, old, new in _renames(conn, found):
        if old in found[enrollment]:
            found[enrollment].setdefault(new, found[enrollment][old])
    return found


def draws(conn: Connection, lead_ids: Iterable[int]) -> dict[int, dict[str, str]]:
    """Variants drawn: lead -> `test/epoch` -> variant."""
    found: dict[int, dict[str, str]] = {}
    for lead, test, epoch, variant in conn.execute(
        select(_draw)
        .with_only_columns(_draw.c.lead_id, _draw.c.test, _draw.c.epoch, _draw.c.variant)
        .where(_draw.c.lead_id.in_(list(lead_ids)))
    ):
        found.setdefault(lead, {})[f"{test}/{epoch}"] = variant
    return found


def winners(conn: Connection) -> dict[str, str]:
    """Decided tests: `test/epoch` -> the variant everybody gets who has not drawn yet."""
    rows = conn.execute(
        select(_winner.c.test, _winner.c.epoch, _winner.c.variant).where(_winner.c.variant.is_not(None))
    )
    return {f"{test}/{epoch}": variant for test, epoch, variant in rows}


def keep_draws(conn: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Rows of (lead_id, test, epoch, variant, at); one that was drawn before stays as drawn."""
    _insert_new(conn, _draw, rows)


def add_done(conn: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Rows of (enrollment_id, step_id, at, version, outcome, note)."""
    _insert_new(conn, _done, rows)


def _insert_new(conn: Connection, table: Any, rows: Sequence[Mapping[str, Any]]) -> None:
    if rows:
        insert = sqlite.insert if conn.dialect.name == "sqlite" else postgresql.insert
        conn.execute(insert(table).on_conflict_do_nothing(), list(rows))


def start(conn: Connection, rows: Sequence[Mapping[str, Any]]) -> list[tuple[int, int]]:
    """Enroll leads. A lead that is already inside, or had this run, is left alone.

    Rows hold lead_id, campaign, track, run, cycle, version_entered, version_now, state, step_id, anchor_at, due_at,
    entered_at, entered_by. Returns (enrollment id, lead id) of those that are new.
    """
    if not rows:
        return []
    insert = sqlite.insert if conn.dialect.name == "sqlite" else postgresql.insert
    statement = insert(_t).on_conflict_do_nothing().returning(_t.c.id, _t.c.lead_id)
    return [(row.id, row.lead_id) for row in conn.execute(statement, list(rows))]


def move(conn: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write positions: rows of (b_id, step_id, anchor_at, waiting_since, due_at, why, version_now)."""
    if rows:
        statement = (
            update(_t)
            .where(_t.c.id == bindparam("b_id"))
            .values(
                step_id=bindparam("step_id"),
                anchor_at=bindparam("anchor_at"),
                waiting_since=bindparam("waiting_since"),
                due_at=bindparam("due_at"),
                why=bindparam("why"),
                version_now=bindparam("version_now"),
            )
        )
        conn.execute(statement, list(rows))


def end(conn: Connection, ids: Iterable[int], *, state: EnrollmentState, reason: str, now: datetime) -> int:
    """Close open enrollments. Returns how many were open."""
    statement = (
        update(_t)
        .where(_t.c.id.in_(list(ids)), _t.c.state.in_(OPEN))
        .values(state=state, end_reason=reason, ended_at=now, due_at=None)
    )
    return int(conn.execute(statement).rowcount)


def take_back(conn: Connection, lead_id: int, *, since: datetime, now: datetime) -> None:
    """A decision made at `since` was taken back: runs begun since then end, runs that it ended stand where they stood.

    They stand paused, because the lead is with sales again.
    """
    mine = _t.c.lead_id == lead_id
    begun = conn.execute(select(_t.c.id).where(mine, _t.c.entered_at >= since, _t.c.state.in_(OPEN))).scalars()
    end(conn, begun, state=EnrollmentState.LEFT, reason="the decision was taken back", now=now)
    ended = mine & (_t.c.ended_at == since) & (_t.c.entered_at < since) & (_t.c.state == EnrollmentState.LEFT)
    values = {"state": EnrollmentState.PAUSED, "ended_at": None, "end_reason": None, "why": "with sales"}
    conn.execute(update(_t).where(ended).values(**values))


def pause(conn: Connection, lead_ids: Iterable[int], *, reason: str) -> None:
    """Nothing more happens in these leads' campaigns until `resume`; each keeps its place and its anchor."""
    ids = list(lead_ids)
    conn.execute(
        update(_t)
        .where(_t.c.lead_id.in_(ids), _t.c.state == EnrollmentState.ACTIVE)
        .values(state=EnrollmentState.PAUSED, why=reason)
    )


def resume(conn: Connection, lead_ids: Iterable[int], *, now: datetime) -> None:
    """Go on where they stood; what came due meanwhile is due now."""
    ids = list(lead_ids)
    conn.execute(
        update(_t)
        .where(_t.c.lead_id.in_(ids), _t.c.state == EnrollmentState.PAUSED)
        .values(state=EnrollmentState.ACTIVE, due_at=now, why="")
    )


def wake(conn: Connection, ids: Iterable[int], *, now: datetime) -> None:
    """Have the planner look at these enrollments again now."""
    wanted = list(ids)
    if wanted:
        conn.execute(update(_t).where(_t.c.id.in_(wanted), _t.c.state == EnrollmentState.ACTIVE).values(due_at=now))


def reach_goal(conn: Connection, ids: Iterable[int], *, now: datetime) -> None:
    conn.execute(update(_t).where(_t.c.id.in_(list(ids)), _t.c.goal_at.is_(None)).values(goal_at=now))


def journal(conn: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Tell the lead's story: rows of (lead_id, at, kind, text) and campaign, step, enrollment_id, code, data if any."""
    whole = [{"campaign": None, "step": None, "enrollment_id": None, "code": None, "data": {}, **row} for row in rows]
    if whole:
        conn.execute(_journal.insert(), whole)


def change_track(
    conn: Connection,
    lead_id: int,
    track: str | None,
    *,
    now: datetime,
    reason: str,
    rule: str = "",
    status: str = "active",
) -> None:
    """End the lead's stay on its track and begin one on `track` (None: on none)."""
    before = conn.execute(select(_lead.c.track).where(_lead.c.id == lead_id)).scalar()
    conn.execute(
        update(_member)
        .where(_member.c.lead_id == lead_id, _member.c.ended_at.is_(None))
        .values(ended_at=now, status="exited")
    )
    if track is not None:
        conn.execute(
            _member.insert().values(
                lead_id=lead_id, track=track, status=status, since=now, reason=reason, rule=rule or None
            )
        )
    conn.execute(
        update(_lead)
        .where(_lead.c.id == lead_id)
        .values(track=track, track_since=now if track else None, previous_track=before, updated_at=now)
    )


def due_count(conn: Connection, *, now: datetime, stopped: Iterable[str] = ()) -> int:
    query = (
        select(func.count())
        .select_from(_t)
        .where(_t.c.state == word(EnrollmentState.ACTIVE), _t.c.due_at.is_not(None), _t.c.due_at <= now)
    )
    return int(conn.execute(query.where(_t.c.campaign.not_in(list(stopped)))).scalar_one())


def next_due(conn: Connection, *, stopped: Iterable[str] = ()) -> datetime | None:
    query = select(func.min(_t.c.due_at)).where(_t.c.state == word(EnrollmentState.ACTIVE), _t.c.due_at.is_not(None))
    return conn.execute(query.where(_t.c.campaign.not_in(list(stopped)))).scalar()


def mark_membership(conn: Connection, lead_id: int, *, status: str, reason: str) -> None:
    """Say how the lead's present stay on its track stands (`paused`, `exhausted`, `cooling` ...)."""
    conn.execute(
        update(_member)
        .where(_member.c.lead_id == lead_id, _member.c.ended_at.is_(None))
        .values(status=status, reason=reason)
    )


def see(conn: Connection, seen: Mapping[int, int]) -> None:
    """Note the newest event each lead was looked at with: lead -> event id."""
    rows = [{"b_lead": lead, "b_seen": event} for lead, event in seen.items()]
    if rows:
        conn.execute(
            update(_lead)
            .where(_lead.c.id == bindparam("b_lead"))
            .values(seen_event=bindparam("b_seen", type_=_lead.c.seen_event.type)),
            rows,
        )


def seen(conn: Connection, lead_ids: Iterable[int]) -> dict[int, int]:
    return {
        lead: event
        for lead, event in conn.execute(select(_lead.c.id, _lead.c.seen_event).where(_lead.c.id.in_(list(lead_ids))))
    }


def told(conn: Connection, lead_ids: Iterable[int], kind: str) -> set[tuple[int, str | None, str]]:
    """What the journal already says of this kind: (lead, campaign, text)."""
    query = select(_journal.c.lead_id, _journal.c.campaign, _journal.c.text).where(
        _journal.c.lead_id.in_(list(lead_ids)), _journal.c.kind == kind
    )
    return {(lead, campaign, text) for lead, campaign, text in conn.execute(query)}
