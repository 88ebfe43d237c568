"""A message's life in the database: planned, claimed, started, and one of the ends. Writes are fenced by the owner."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, bindparam, delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from nurture.model.words import (
    MessageState,
    RefusalCode,
)
from nurture.store.literal import is_one_of, word
from nurture.store.tables import EventRow, FlightRow, LeadRow, LinkRow, MessageRow
from nurture.store.tables.columns import core

_t = core(MessageRow)
_event = core(EventRow)
_flight = core(FlightRow)
_lead = core(LeadRow)
_link = core(LinkRow)

RESENDS = "resends"
_WAITING = ("planned", "deferred")
SILENT = (_t.c.state == word(MessageState.UNKNOWN), _t.c.reason == word(RESENDS))
"""Unknown messages that wait for a sign, as their index was declared."""
_ON_THE_WAY = is_one_of(_t.c.state, ("claimed", "started"))
"""As the index on leases was declared, so that it serves."""


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


class Lost(NamedTuple):
    """A message whose worker died between start mark and answer. `message_id` is None if it was never tried before."""

    id: int
    lead_id: int
    enrollment_id: int | None
    campaign: str | None
    run: int
    step_id: str | None
    message_id: str | None


def lost(conn: Connection, *, now: datetime) -> list[Lost]:
    """Messages whose worker died on the way; they are unknown from now on. Exactly those its `flight` row names, and
    nobody else's."""
    found: list[Lost] = []
    for flight in conn.execute(select(_flight).where(_flight.c.lease_until <= now)).all():
        statement = (
            update(_t)
            .where(_t.c.id.in_(json.loads(flight.ids)), _t.c.owner == flight.owner, _t.c.state == word("claimed"))
            .values(
                state=MessageState.UNKNOWN, owner=None, lease_until=None, started_at=flight.started_at,
                first_tried_at=func.coalesce(_t.c.first_tried_at, flight.started_at), ended_at=flight.started_at,
                attempt=_t.c.attempt + 1, reason="worker_lost",
                reason_text="the worker ended before the server's answer was written down",
            )
            .returning(*(_t.c[name] for name in Lost._fields))
        )
        found += [Lost._make(row) for row in conn.execute(statement)]
        conn.execute(delete(_flight).where(_flight.c.key == flight.key))
    return found


def name(conn: Connection, names: Mapping[int, str]) -> None:
    """Under which Message-ID they went, as far as they did: id -> Message-ID. What names it later is then believed."""
    if names:
        ours = update(_t).where(_t.c.id == bindparam("row"), _t.c.message_id.is_(None))
        conn.execute(ours.values(message_id=bindparam("name")), [{"row": i, "name": n} for i, n in names.items()])


def flying(conn: Connection) -> set[int]:
    """Messages that some worker has on the wire."""
    return {id_ for ids in conn.execute(select(_flight.c.ids)).scalars() for id_ in json.loads(ids)}


def release_expired(conn: Connection, *, now: datetime) -> int:
    """Give back claims of workers that died before sending. Returns how many. Ask `lost` first."""
    statement = update(_t).where(_ON_THE_WAY, _t.c.state == MessageState.CLAIMED, _t.c.lease_until <= now)
    flown = flying(conn)
    if flown:
        statement = statement.where(_t.c.id.not_in(sorted(flown)))
    return int(conn.execute(statement.values(state=MessageState.PLANNED, owner=None, lease_until=None)).rowcount)


def resend_later(conn: Connection, ids: Sequence[int], *, at: datetime) -> None:
    """Unknown messages whose campaign says `resend_same_id`: look at them again at `at`."""
    if ids:
        ours = update(_t).where(_t.c.id.in_(ids), _t.c.state == MessageState.UNKNOWN)
        conn.execute(ours.values(due_at=at, reason=RESENDS))


def resend_silent(conn: Connection, *, signs: Collection[str], now: datetime) -> list[int]:
    """Unknown messages whose time is up without any of `signs` (event kinds) go out again, under the same id.

    Those that gave a sign have arrived and stay as they are: returns their enrollments, which may go on.
    """
    kinds = [word(sign) for sign in sorted(signs)]
    of_it = (_event.c.lead_id == _t.c.lead_id, _event.c.message_id == _t.c.id)
    seen = select(_event.c.id).where(*of_it, _event.c.kind.in_(kinds)).exists()
    due = (*SILENT, _t.c.due_at <= now)
    arrived = update(_t).where(*due, seen).values(reason="seen", reason_text="a sign of it came: it arrived")
    going_on = list(conn.execute(arrived.returning(_t.c.enrollment_id)).scalars())
    text = "no sign of it: sent again with the same id"
    conn.execute(update(_t).where(*due).values(state=MessageState.DEFERRED, due_at=now, reason_text=text))
    return [enrollment for enrollment in going_on if enrollment is not None]


def address_hashes(conn: Connection, lead_ids: Iterable[int]) -> dict[int, str]:
    """Lead -> the keyed hash under which its address can be suppressed."""
    query = select(_lead.c.id, _lead.c.email_hash).where(_lead.c.id.in_(list(lead_ids)))
    return {row.id: row.email_hash for row in conn.execute(query) if row.email_hash is not None}


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
    query = select(func.count()).select_from(_t).where(is_one_of(_t.c.state, _WAITING), _t.c.due_at <= now)
    return int(conn.execute(query).scalar_one())


def next_due(conn: Connection) -> datetime | None:
    """When the next message wants to go, or None."""
    return conn.execute(select(func.min(_t.c.due_at)).where(is_one_of(_t.c.state, _WAITING))).scalar()


def withdraw(conn: Connection, enrollment_ids: Iterable[int], *, text: str, now: datetime) -> int:
    """Messages of these enrollments that have not begun to leave never will. Returns how many."""
    statement = (
        update(_t).where(_t.c.enrollment_id.in_(list(enrollment_ids)), is_one_of(_t.c.state, _WAITING))
        .values(state=MessageState.REFUSED, reason=RefusalCode.LEFT_CAMPAIGN, reason_text=text, ended_at=now)
    )
    return int(conn.execute(statement).rowcount)
