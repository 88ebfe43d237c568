"""The hot path of sending as plain SQL: claim, start marks, endings (what the guard sees stands in `guard`).

Every message passes here three times, so these few statements are written by hand, once per database, and give plain
tuples. What the partial indexes of `message` promise (`state IN ('planned','deferred')`) has to stand here literally:
with a bound parameter SQLite cannot prove that an index applies, and scans.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import Connection

from nurture.model.words import MESSAGE_WAITING, MessageState
from nurture.store.driver import Driver, moment
from nurture.store.mail.messages import RESENDS

LEASE = timedelta(minutes=20)
"""How long claimed rows stay with a worker that says nothing more."""
STARTED_LEASE = timedelta(minutes=20)
"""Longer than the ten minutes a server may take to answer, so that nobody calls unknown what is still on the wire."""


class Claimed(NamedTuple):
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
    attempt: int
    message_id: str | None
    due_at: datetime
    planned_at: datetime
    first_tried_at: datetime | None


class Start(NamedTuple):
    """What went onto the envelope, kept with the answer."""

    id: int
    message_id: str
    address: str
    domain_group: str
    opens_visible: bool
    clicks_visible: bool
    size: int
    template_digest: str
    """The copy that really goes out: an edit between plan and send is sent as edited."""


class Ending(NamedTuple):
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
    start: Start | None = None
    """What was on the envelope, where it was really tried: that counts as an attempt."""


_COLUMNS = ", ".join(Claimed._fields)
_DUE = """
SELECT {columns} FROM message WHERE state IN ('planned','deferred') AND due_at <= ? {but} ORDER BY due_at, id LIMIT ?
"""
_CLAIM = "UPDATE message SET state = 'claimed', owner = ?, claimed_at = ?, lease_until = ? WHERE id IN ({ids})"


def claim(
    conn: Connection, *, now: datetime, limit: int, owner: str, lease: timedelta = LEASE,
    stopped: Collection[str] = (), only: Collection[str] | None = None,
) -> list[Claimed]:
    """Take up to `limit` due messages, oldest first; given in order of priority.

    `stopped` campaigns stay as they are; `only` takes those of these campaigns and no others.
    """
    to, lists, but = Driver(conn), [], ""
    if stopped:
        but += f"AND (campaign IS NULL OR NOT (campaign {to.among()})) "
        lists.append(to.list(sorted(stopped)))
    if only is not None:
        but += f"AND campaign {to.among()} "
        lists.append(to.list(sorted(only)))
    at = to.moment(now)
    ours, due = [owner, at, to.moment(now + lease)], [at, *lists, limit]
    if to.lite:
        # Nobody else writes now, and rows that an UPDATE gives back are kept twice on the way.
        found = to.rows(_DUE.format(columns=_COLUMNS, but=but), due)
        to.do(_CLAIM.format(ids="SELECT value FROM json_each(?)"), [*ours, to.list([row[0] for row in found])])
    else:
        ids = f"{_DUE.format(columns='id', but=but)} FOR UPDATE SKIP LOCKED"
        found = to.rows(f"{_CLAIM.format(ids=ids)} RETURNING {_COLUMNS}", [*ours, *due])
    rows = [
        Claimed._make((*row[:20], moment(row[20]) or now, moment(row[21]) or now, moment(row[22]))) for row in found
    ]
    return sorted(rows, key=lambda m: (m.priority, m.due_at, m.id))


_HALTS = """
SELECT key, until, 1 FROM brake WHERE until IS NULL OR until > ?
UNION ALL SELECT id, NULL, 0 FROM campaign WHERE state IN ('paused','draft')
UNION ALL SELECT key, NULL, 2 FROM rate
"""


class Halts(NamedTuple):
    """Brakes in force (key -> until, None: until released), campaigns that may not send, and keys that are rationed."""

    brakes: dict[str, datetime | None]
    paused: frozenset[str]
    rationed: frozenset[str]


def halts(conn: Connection, *, now: datetime) -> Halts:
    """Everything that holds sending back now."""
    to = Driver(conn)
    rows = to.rows(_HALTS, [to.moment(now)])
    kinds: tuple[set[str], ...] = (set(), set(), set())
    for key, _, kind in rows:
        kinds[kind].add(key)
    return Halts({row[0]: moment(row[1]) for row in rows if row[2] == 1}, frozenset(kinds[0]), frozenset(kinds[2]))


_FLY = """
INSERT INTO flight (key, owner, ids, started_at, lease_until) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (key) DO UPDATE SET ids = excluded.ids, lease_until = excluded.lease_until
"""


def fly(conn: Connection, key: str, ids: Collection[int], *, now: datetime, owner: str) -> None:
    """The start mark: exactly these messages of this worker are, or are about to be, on the wire. None: it is home."""
    to = Driver(conn)
    if ids:
        to.do(_FLY, [key, owner, json.dumps(sorted(ids)), to.moment(now), to.moment(now + STARTED_LEASE)])
    else:
        to.do("DELETE FROM flight WHERE key = ?", [key])


_END = """
UPDATE message AS m SET state = {1}, reply = {2}, reason = {3}, reason_text = coalesce({4}, m.reason_text), route = {5},
  sent_at = {6}, ended_at = {7}, due_at = coalesce({8}, m.due_at), owner = NULL, lease_until = NULL{started}
{source} WHERE m.id = {0} AND m.owner = {owner} AND m.state = 'claimed'
"""
_STARTED = """, started_at = {9}, first_tried_at = coalesce(m.first_tried_at, {9}), attempt = m.attempt + 1,
  message_id = coalesce(m.message_id, {10}), address = {11}, domain_group = {12}, opens_visible = {13},
  clicks_visible = {14}, size = {15}, template_digest = {16}"""
_KINDS = ("bigint", *("text",) * 5, *("timestamptz",) * 4, *("text",) * 3, "boolean", "boolean", "integer", "text")
_SHORT, _LONG = 9, 17
"""Values of a row whose message never left, and of one that did."""


@lru_cache(maxsize=4)
def _ending_sql(lite: bool, width: int) -> str:
    names = [f"?{i + 2}" if lite else f"d.c{i}" for i in range(_LONG)]
    columns = ", ".join(f"unnest(%s::{kind}[]) c{i}" for i, kind in enumerate(_KINDS[:width]))
    return _END.format(
        *names, started=_STARTED.format(*names) if width == _LONG else "", owner="?1" if lite else "%s",
        source="" if lite else f"FROM (SELECT {columns}) d",
    )


_LEFT = (MessageState.SENT, MessageState.REHEARSED)


def record(conn: Connection, endings: Sequence[Ending], *, now: datetime, owner: str) -> int:
    """Write how messages of this worker ended, and wake their enrollments. Returns how many were not ours any more."""
    to, missed = Driver(conn), 0
    at = to.moment(now)
    for width in (_LONG, _SHORT):
        rows = [_row(e, to, now, at) for e in endings if (e.start is not None) == (width == _LONG)]
        if not rows:
            continue
        sql = _ending_sql(to.lite, width)
        if to.lite:
            done = to.each(sql, [(owner, *row) for row in rows])
        else:
            done = to.do(sql, (*(list(c) for c in zip(*rows, strict=True)), owner))
        missed += len(rows) - done
    over = {
        e.enrollment_id: int(e.state is MessageState.SENT)
        for e in endings if e.state not in MESSAGE_WAITING and e.reason != RESENDS
    }
    wake(conn, {i: sent for i, sent in over.items() if i is not None}, now=now)
    return missed


def _row(e: Ending, to: Driver, now: datetime, then: Any) -> tuple[Any, ...]:
    """`then` is `now` as the driver takes it."""
    id_, state, at, _, reply, reason, text, due_at, route, start = e
    ended = then if at is now else to.moment(at)
    short = (
        id_, state.value, reply, reason, text, route, ended if state in _LEFT else None,
        None if state in MESSAGE_WAITING else ended, due_at and to.moment(due_at),
    )
    return short if start is None else (*short, then, *start[1:])


_WAKE_LITE = """
UPDATE enrollment SET due_at = ?, sent_count = sent_count + ? WHERE id = ? AND state IN ('active','paused','control')
"""
_WAKE_PG = """
UPDATE enrollment e SET due_at = %s, sent_count = sent_count + d.c1
FROM (SELECT unnest(%s::bigint[]) c0, unnest(%s::integer[]) c1) d
WHERE e.id = d.c0 AND e.state IN ('active','paused','control')
"""


def wake(conn: Connection, enrollments: Mapping[int, int], *, now: datetime) -> None:
    """Let the planner look at these enrollments: id -> how many mails it got now (0 or 1)."""
    if not enrollments:
        return
    to = Driver(conn)
    if to.lite:
        at = to.moment(now)
        to.each(_WAKE_LITE, [(at, sent, id_) for id_, sent in enrollments.items()])
    else:
        to.do(_WAKE_PG, (now, list(enrollments), list(enrollments.values())))
