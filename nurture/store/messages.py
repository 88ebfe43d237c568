"""A message's life in the database: planned, claimed, started, and one of the ends. Writes are fenced by the owner."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, and_, bindparam, func, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from nurture.model.words import (
    ENROLLMENT_OPEN,
    MESSAGE_IN_FLIGHT,
    MESSAGE_WAITING,
    EnrollmentState,
    MessageState,
    RefusalCode,
)
from nurture.store.tables import EnrollmentRow, EventRow, LeadRow, LinkRow, MessageRow

_t = MessageRow.__table__  # type: ignore[attr-defined]  # SQLModel sets __table__
_enrollment = EnrollmentRow.__table__  # type: ignore[attr-defined]
_event = EventRow.__table__  # type: ignore[attr-defined]
_lead = LeadRow.__table__  # type: ignore[attr-defined]
_link = LinkRow.__table__  # type: ignore[attr-defined]

LEASE = timedelta(minutes=15)
"""How long claimed rows stay with a worker that says nothing more."""
STARTED_LEASE = timedelta(minutes=60)
"""Longer than the longest wait for a server's answer, so that nobody calls unknown what is still on the wire."""

RESENDS = "resends"
_WAITING = sorted(MESSAGE_WAITING)


@dataclass(frozen=True, slots=True)
class Claimed:
    """A message this worker may send now, if the guard lets it."""

    id: int
    lead_id: int
    enrollment_id: int | None
    campaign: str | None
    track: str | None
    run: int
    step_id: str | None
    version: int | None
    template: str
    template_digest: str
    content: str
    edition: int
    kind: str
    purpose: str | None
    topic: str | None
    variant: str | None
    priority: int
    rehearsal: bool
    due_at: datetime
    planned_at: datetime
    attempt: int
    message_id: str | None
    first_tried_at: datetime | None
    data: Mapping[str, Any]


_CLAIMED = tuple(_t.c[name] for name in Claimed.__dataclass_fields__)


@dataclass(frozen=True, slots=True)
class Start:
    """What is written down before a message's first byte leaves."""

    id: int
    message_id: str
    address: str
    domain_group: str
    opens_visible: bool
    clicks_visible: bool
    size: int
    template_digest: str
    """The copy that really goes out: an edit between plan and send is sent as edited."""


@dataclass(frozen=True, slots=True)
class Ending:
    """What became of a message in this run. `due_at` is for states that wait (`planned`, `deferred`)."""

    id: int
    state: MessageState
    at: datetime
    enrollment_id: int | None = None
    reply: str | None = None
    reason: str | None = None
    text: str | None = None
    due_at: datetime | None = None
    route: str | None = None
    undo: bool = False
    """It was marked as started and not a byte of it left (route down, shutdown): that was no attempt."""


def plan(conn: Connection, rows: Sequence[Mapping[str, Any]]) -> set[tuple[int, str]]:
    """Insert planned (or at once refused) messages. A step that has its message, or a content in use, is left alone.

    Rows hold the columns of `message`. Returns (enrollment id, step id) of those that are new.
    """
    if not rows:
        return set()
    insert = sqlite.insert if conn.dialect.name == "sqlite" else postgresql.insert
    statement = insert(_t).on_conflict_do_nothing().returning(_t.c.enrollment_id, _t.c.step_id)
    new: set[tuple[int, str]] = set()
    for keys, group in _by_keys(rows).items():
        whole = [{**dict.fromkeys(keys), **row} for row in group]
        new.update((row.enrollment_id, row.step_id) for row in conn.execute(statement, whole))
    return new


def _by_keys(rows: Sequence[Mapping[str, Any]]) -> dict[tuple[str, ...], list[Mapping[str, Any]]]:
    """Rows of one statement must name the same columns; callers leave out what they do not know."""
    found: dict[tuple[str, ...], list[Mapping[str, Any]]] = {}
    for row in rows:
        found.setdefault(tuple(sorted(row)), []).append(row)
    return found


def claim(
    conn: Connection, *, now: datetime, limit: int, owner: str, lease: timedelta = LEASE,
    stopped: Collection[str] = (), groups: Collection[str] = (), only: Collection[str] | None = None,
) -> list[Claimed]:
    """Take up to `limit` due messages, oldest first. `stopped` campaigns are left where they are.

    A claim whose lease ran out is anybody's: not a byte of it had left.
    """
    ready = and_(_t.c.state.in_(_WAITING), _t.c.due_at <= now)
    picked = select(_t.c.id).where(ready)
    if stopped:
        picked = picked.where(or_(_t.c.campaign.is_(None), _t.c.campaign.not_in(list(stopped))))
    if only is not None:
        picked = picked.where(_t.c.campaign.in_(list(only)))
    picked = picked.order_by(_t.c.due_at, _t.c.id).limit(limit)
    if conn.dialect.name == "postgresql":
        picked = picked.with_for_update(skip_locked=True)
    statement = (
        update(_t).where(_t.c.id.in_(picked.scalar_subquery()))
        .values(state=MessageState.CLAIMED, owner=owner, claimed_at=now, lease_until=now + lease)
        .returning(*_CLAIMED)
    )
    rows = [Claimed(*row) for row in conn.execute(statement)]
    return sorted(rows, key=lambda m: (m.priority, m.due_at, m.id))


def release_expired(conn: Connection, *, now: datetime) -> int:
    """Give back claims of workers that died before sending. Returns how many."""
    statement = (
        update(_t).where(_t.c.state == MessageState.CLAIMED, _t.c.lease_until < now)
        .values(state=MessageState.PLANNED, owner=None, lease_until=None)
    )
    return int(conn.execute(statement).rowcount)


def lost(conn: Connection, *, now: datetime) -> list[tuple[int, int | None, str | None]]:
    """(id, enrollment id, campaign) of messages whose worker died between start mark and answer; they become
    unknown, and nobody else's."""
    statement = (
        update(_t).where(_t.c.state == MessageState.STARTED, _t.c.lease_until < now)
        .values(state=MessageState.UNKNOWN, owner=None, lease_until=None, ended_at=_t.c.started_at,
                reason="worker_lost", reason_text="the worker ended before the server's answer was written down")
        .returning(_t.c.id, _t.c.enrollment_id, _t.c.campaign)
    )
    return [(row.id, row.enrollment_id, row.campaign) for row in conn.execute(statement)]


def resend_later(conn: Connection, ids: Sequence[int], *, at: datetime) -> None:
    """Unknown messages whose campaign says `resend_same_id`: look at them again at `at`."""
    if ids:
        ours = update(_t).where(_t.c.id.in_(ids), _t.c.state == MessageState.UNKNOWN)
        conn.execute(ours.values(due_at=at, reason=RESENDS))


def resend_silent(conn: Connection, *, signs: Collection[str], now: datetime) -> int:
    """Unknown messages whose time is up without any of `signs` (event kinds) go out again, under the same id."""
    seen = select(_event.c.id).where(_event.c.message_id == _t.c.id, _event.c.kind.in_(list(signs))).exists()
    statement = (
        update(_t).where(_t.c.state == MessageState.UNKNOWN, _t.c.reason == RESENDS, _t.c.due_at <= now, ~seen)
        .values(state=MessageState.DEFERRED, due_at=now, reason_text="no sign of it: sent again with the same id")
    )
    return int(conn.execute(statement).rowcount)


def mark_started(conn: Connection, starts: Sequence[Start], *, now: datetime, owner: str) -> set[int]:
    """Write down that these are about to leave. Returns the ids that are still ours; only those may be sent."""
    if not starts:
        return set()
    statement = (
        update(_t)
        .where(_t.c.id == bindparam("b_id"), _t.c.owner == owner, _t.c.state == MessageState.CLAIMED)
        .values(
            state=MessageState.STARTED, started_at=now, lease_until=now + STARTED_LEASE, attempt=_t.c.attempt + 1,
            first_tried_at=func.coalesce(_t.c.first_tried_at, now),
            message_id=func.coalesce(_t.c.message_id, bindparam("b_message_id")), address=bindparam("b_address"),
            domain_group=bindparam("b_group"), opens_visible=bindparam("b_opens"), clicks_visible=bindparam("b_clicks"),
            size=bindparam("b_size"), template_digest=bindparam("b_digest"),
        )
    )
    conn.execute(statement, [
        {"b_id": s.id, "b_message_id": s.message_id, "b_address": s.address, "b_group": s.domain_group,
         "b_opens": s.opens_visible, "b_clicks": s.clicks_visible, "b_size": s.size,
         "b_digest": s.template_digest} for s in starts
    ])
    ids = [s.id for s in starts]
    ours = select(_t.c.id).where(_t.c.id.in_(ids), _t.c.owner == owner, _t.c.state == MessageState.STARTED)
    return set(conn.execute(ours).scalars())


def record(conn: Connection, endings: Sequence[Ending], *, now: datetime, owner: str) -> int:
    """Write how messages of this worker ended, and wake their enrollments. Returns how many were not ours any more."""
    if not endings:
        return 0
    result = conn.execute(_ending(owner), [_bound(e) for e in endings])
    missed = len(endings) - max(int(result.rowcount), 0)
    final = [e for e in endings if e.enrollment_id is not None and e.state not in MESSAGE_WAITING]
    wake(conn, {e.enrollment_id: int(e.state is MessageState.SENT) for e in final if e.enrollment_id}, now=now)
    return missed


def _ending(owner: str) -> Any:
    return (
        update(_t)
        .where(_t.c.id == bindparam("b_id"), _t.c.owner == owner, _one_of(_t.c.state, MESSAGE_IN_FLIGHT))
        .values(
            state=bindparam("b_state"), reply=bindparam("b_reply"), reason=bindparam("b_reason"),
            reason_text=bindparam("b_text"), route=bindparam("b_route"), sent_at=bindparam("b_sent_at"),
            ended_at=bindparam("b_ended_at"), due_at=func.coalesce(bindparam("b_due_at"), _t.c.due_at),
            attempt=_t.c.attempt - bindparam("b_undo"), owner=None, lease_until=None,
        )
    )


def _one_of(column: Any, words: Iterable[str]) -> Any:
    """`column IN words` for a statement that runs once per row: an expanding IN cannot."""
    return or_(*(column == word for word in sorted(words)))


def _bound(ending: Ending) -> dict[str, Any]:
    waits = ending.state in MESSAGE_WAITING
    return {
        "b_id": ending.id, "b_state": ending.state, "b_reply": ending.reply, "b_reason": ending.reason,
        "b_text": ending.text, "b_route": ending.route, "b_due_at": ending.due_at,
        "b_sent_at": ending.at if ending.state in (MessageState.SENT, MessageState.REHEARSED) else None,
        "b_ended_at": None if waits else ending.at, "b_undo": int(ending.undo),
    }


def wake(conn: Connection, enrollments: Mapping[int, int], *, now: datetime) -> None:
    """Let the planner look at these enrollments: id -> how many mails it got now (0 or 1)."""
    if enrollments:
        statement = (
            update(_enrollment)
            .where(_enrollment.c.id == bindparam("b_id"), _one_of(_enrollment.c.state, ENROLLMENT_OPEN))
            .values(due_at=now, sent_count=_enrollment.c.sent_count + bindparam("b_sent"))
        )
        conn.execute(statement, [{"b_id": id_, "b_sent": sent} for id_, sent in enrollments.items()])


def address_hashes(conn: Connection, lead_ids: Iterable[int]) -> dict[int, str]:
    """Lead -> the keyed hash under which its address can be suppressed."""
    query = select(_lead.c.id, _lead.c.email_hash).where(_lead.c.id.in_(list(lead_ids)))
    return {row.id: row.email_hash for row in conn.execute(query) if row.email_hash is not None}


def enrollment_states(conn: Connection, ids: Iterable[int]) -> dict[int, EnrollmentState]:
    wanted = sorted(set(ids))
    query = select(_enrollment.c.id, _enrollment.c.state).where(_enrollment.c.id.in_(wanted))
    return {row.id: EnrollmentState(row.state) for row in conn.execute(query)} if wanted else {}


def keep_links(conn: Connection, digest: str, links: Sequence[tuple[int, str | None, str]]) -> None:
    """(index, name, url) of a compiled template's links, for the click addresses. Kept once per digest."""
    if links:
        insert = sqlite.insert if conn.dialect.name == "sqlite" else postgresql.insert
        rows = [{"template_digest": digest, "idx": i, "name": name, "url": url} for i, name, url in links]
        conn.execute(insert(_link).on_conflict_do_nothing(), rows)


def counts(conn: Connection, *, campaign: str | None = None) -> dict[str, dict[str, int]]:
    """The books: campaign -> state -> how many messages. They add up to every row there is."""
    query = select(_t.c.campaign, _t.c.state, func.count()).group_by(_t.c.campaign, _t.c.state)
    if campaign is not None:
        query = query.where(_t.c.campaign == campaign)
    found: dict[str, dict[str, int]] = {}
    for name, state, n in conn.execute(query):
        found.setdefault(name or "", {})[state] = n
    return found


def due_count(conn: Connection, *, now: datetime) -> int:
    query = select(func.count()).select_from(_t).where(_t.c.state.in_(_WAITING), _t.c.due_at <= now)
    return int(conn.execute(query).scalar_one())


def next_due(conn: Connection) -> datetime | None:
    """When the next message wants to go, or None."""
    return conn.execute(select(func.min(_t.c.due_at)).where(_t.c.state.in_(_WAITING))).scalar()


def withdraw(conn: Connection, enrollment_ids: Iterable[int], *, text: str, now: datetime) -> int:
    """Messages of these enrollments that have not begun to leave never will. Returns how many."""
    statement = (
        update(_t).where(_t.c.enrollment_id.in_(list(enrollment_ids)), _t.c.state.in_(_WAITING))
        .values(state=MessageState.REFUSED, reason=RefusalCode.LEFT_CAMPAIGN, reason_text=text, ended_at=now)
    )
    return int(conn.execute(statement).rowcount)
