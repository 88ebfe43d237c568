"""The hot path of sending as plain SQL: claim, fresh rows for the guard, start marks, endings.

Every message passes here three times, so these few statements are written by hand, once per database, and give plain
tuples. What the partial indexes of `message` promise (`state IN ('planned','deferred')`) has to stand here literally:
with a bound parameter SQLite cannot prove that an index applies, and scans.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Connection

from nurture.model.facts import ConsentState, Lead, Sent, Snapshot
from nurture.model.words import MESSAGE_WAITING, Channel, ConsentStatus, MessageState, Purpose, Stage

LEASE = timedelta(minutes=15)
"""How long claimed rows stay with a worker that says nothing more."""
STARTED_LEASE = timedelta(minutes=60)
"""Longer than the longest wait for a server's answer, so that nobody calls unknown what is still on the wire."""
LOOKS_BACK = timedelta(days=31)
"""How far caps look back: a month is thirty days."""


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


@dataclass(frozen=True, slots=True)
class Fresh:
    """One lead as the guard and the copy need it, read in the transaction that marks the start.

    `snapshot` holds no events and no profile; `words` are the profile values by name.
    """

    snapshot: Snapshot
    words: dict[str, Any]


class Start(NamedTuple):
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


_CLAIM = """
UPDATE message SET state = 'claimed', owner = ?, claimed_at = ?, lease_until = ? WHERE id IN (
  SELECT id FROM message WHERE state IN ('planned','deferred') AND due_at <= ? {but} ORDER BY due_at, id LIMIT ? {lock})
RETURNING id, lead_id, enrollment_id, campaign, track, run, step_id, version, template, template_digest, content,
  edition, kind, purpose, topic, variant, priority, rehearsal, attempt, message_id, due_at, planned_at, first_tried_at
"""


def claim(
    conn: Connection, *, now: datetime, limit: int, owner: str, lease: timedelta = LEASE,
    stopped: Collection[str] = (), only: Collection[str] | None = None,
) -> list[Claimed]:
    """Take up to `limit` due messages, oldest first; given in order of priority.

    `stopped` campaigns stay as they are; `only` takes those of these campaigns and no others.
    """
    lite = _is_sqlite(conn)
    among, lists = _among(lite), []
    but = ""
    if stopped:
        but += f"AND (campaign IS NULL OR NOT (campaign {among})) "
        lists.append(_list(lite, sorted(stopped)))
    if only is not None:
        but += f"AND campaign {among} "
        lists.append(_list(lite, sorted(only)))
    sql = _CLAIM.format(but=but, lock="" if lite else "FOR UPDATE SKIP LOCKED")
    at = _bind(lite, now)
    rows = [
        Claimed(*row[:20], _moment(row[20]) or now, _moment(row[21]) or now, _moment(row[22]))
        for row in _all(conn, lite, sql, [owner, at, _bind(lite, now + lease), at, *lists, limit])
    ]
    return sorted(rows, key=lambda m: (m.priority, m.due_at, m.id))


_LEADS = """
SELECT l.id, l.email, l.stage, l.fields, l.language, l.country, l.timezone, l.cool_off_until, l.cool_off_mode,
  l.contact_blocked, l.mail_paused_until, l.mails_per_month, l.topics_off, l.objected,
  (SELECT {join} FROM suppression s WHERE s.address_hash = l.email_hash AND s.lifted_at IS NULL)
FROM lead l WHERE l.id {among}
"""
_CONSENTS = """
SELECT lead_id, purpose, status, since, until FROM consent_state WHERE channel = 'email' AND lead_id {among}
"""
_LEDGER = """
SELECT lead_id, id, content, edition, coalesce(sent_at, started_at, planned_at), campaign, track, run, step_id, kind,
  state
FROM message WHERE lead_id {among} AND state IN ('planned','claimed','started','sent','deferred','unknown')
  AND (sent_at IS NULL OR sent_at > ? OR content {contents})
"""
_PURPOSES = {p.value: p for p in Purpose}
_STATUSES = {s.value: s for s in ConsentStatus}
_STAGES = {s.value: s for s in Stage}


def fresh(conn: Connection, batch: Sequence[Claimed], *, now: datetime) -> dict[int, Fresh]:
    """The leads of these messages as they are in this transaction, by lead id. Absent: erased or merged away."""
    lite = _is_sqlite(conn)
    among, ids = _among(lite), _list(lite, [m.lead_id for m in batch])
    join = "group_concat(s.reason || ':' || s.scope)" if lite else "string_agg(s.reason || ':' || s.scope, ',')"
    consents: dict[int, dict[tuple[Purpose, Channel], ConsentState]] = {}
    for lead_id, purpose, status, since, until in _all(conn, lite, _CONSENTS.format(among=among), [ids]):
        state = ConsentState(_STATUSES[status], None, _moment(since), _moment(until))
        consents.setdefault(lead_id, {})[_PURPOSES[purpose], Channel.EMAIL] = state
    ledger: dict[int, list[Sent]] = {}
    contents = _list(lite, sorted({m.content for m in batch}))
    given = [ids, _bind(lite, now - LOOKS_BACK), contents]
    history = _all(conn, lite, _LEDGER.format(among=among, contents=among), given)
    for lead_id, id_, content, edition, at, *rest in history:
        campaign, track, run, step, kind, state = rest
        sent = Sent(id_, content, edition, _moment(at) or now, campaign, track, step, run, kind, state)
        ledger.setdefault(lead_id, []).append(sent)
    rows = _all(conn, lite, _LEADS.format(among=among, join=join), [ids])
    return {row[0]: _fresh(row, consents.get(row[0], {}), ledger.get(row[0], [])) for row in rows}


def _fresh(
    row: Sequence[Any], consents: dict[tuple[Purpose, Channel], ConsentState], ledger: list[Sent]
) -> Fresh:
    id_, email, stage, fields, language, country, zone, cool, mode, blocked, paused, limit, *rest = row
    topics, objected, blocks = rest
    lead = Lead(
        id=id_, stage=_STAGES[stage], email=email, language=language, country=country, timezone=zone,
        cool_off_until=_moment(cool), cool_off_mode=mode, mail_paused_until=_moment(paused), mails_per_month=limit,
        topics_off=frozenset(_json(topics) or ()), objected=bool(objected), contact_blocked=bool(blocked),
    )
    suppressed = frozenset(blocks.split(",")) if blocks else frozenset()
    said = {name: value["v"] for name, value in (_json(fields) or {}).items()}
    for name, value in (("email", email), ("language", language), ("country", country)):
        if value is not None:
            said[name] = value
    return Fresh(Snapshot(lead, (), consents, ledger, None, suppressed), said)


_STATES = "SELECT id, state FROM enrollment WHERE id {among}"


def enrollment_states(conn: Connection, ids: Iterable[int | None]) -> dict[int, str]:
    lite = _is_sqlite(conn)
    wanted = [i for i in ids if i is not None]
    return dict(_all(conn, lite, _STATES.format(among=_among(lite)), [_list(lite, wanted)])) if wanted else {}


_MARK_LITE = """
UPDATE message SET state = 'started', started_at = ?1, lease_until = ?2, attempt = attempt + 1,
  first_tried_at = coalesce(first_tried_at, ?1), message_id = coalesce(message_id, ?5), address = ?6, domain_group = ?7,
  opens_visible = ?8, clicks_visible = ?9, size = ?10, template_digest = ?11
WHERE id = ?4 AND owner = ?3 AND state = 'claimed'
"""
_OURS_LITE = """
SELECT id FROM message WHERE id IN (SELECT value FROM json_each(?)) AND owner = ? AND state = 'started'
"""
_MARK_PG = """
UPDATE message m SET state = 'started', started_at = %s, lease_until = %s, attempt = attempt + 1,
  first_tried_at = coalesce(first_tried_at, %s), message_id = coalesce(message_id, d.c1), address = d.c2,
  domain_group = d.c3, opens_visible = d.c4, clicks_visible = d.c5, size = d.c6, template_digest = d.c7
FROM (SELECT unnest(%s::bigint[]) c0, unnest(%s::text[]) c1, unnest(%s::text[]) c2, unnest(%s::text[]) c3,
  unnest(%s::boolean[]) c4, unnest(%s::boolean[]) c5, unnest(%s::integer[]) c6, unnest(%s::text[]) c7) d
WHERE m.id = d.c0 AND m.owner = %s AND m.state = 'claimed' RETURNING m.id
"""


def mark_started(conn: Connection, starts: Sequence[Start], *, now: datetime, owner: str) -> set[int]:
    """Write down that these are about to leave. Returns the ids that are still ours; only those may be sent."""
    if not starts:
        return set()
    if not _is_sqlite(conn):
        given = (now, now + STARTED_LEASE, now, *(list(column) for column in zip(*starts, strict=True)), owner)
        return {row[0] for row in conn.exec_driver_sql(_MARK_PG, given)}
    at, until = _bind(True, now), _bind(True, now + STARTED_LEASE)
    done = conn.exec_driver_sql(_MARK_LITE, [(at, until, owner, *start) for start in starts])
    ids = [s.id for s in starts]
    if done.rowcount == len(ids):
        return set(ids)
    return {row[0] for row in _all(conn, True, _OURS_LITE, [_list(True, ids), owner])}


_RECORD_LITE = """
UPDATE message SET state = ?3, reply = ?4, reason = ?5, reason_text = ?6, route = ?7, sent_at = ?8, ended_at = ?9,
  due_at = coalesce(?10, due_at), attempt = attempt - ?11, owner = NULL, lease_until = NULL
WHERE id = ?2 AND owner = ?1 AND state IN ('claimed','started')
"""
_RECORD_PG = """
UPDATE message m SET state = d.c1, reply = d.c2, reason = d.c3, reason_text = d.c4, route = d.c5, sent_at = d.c6,
  ended_at = d.c7, due_at = coalesce(d.c8, m.due_at), attempt = attempt - d.c9, owner = NULL, lease_until = NULL
FROM (SELECT unnest(%s::bigint[]) c0, unnest(%s::text[]) c1, unnest(%s::text[]) c2, unnest(%s::text[]) c3,
  unnest(%s::text[]) c4, unnest(%s::text[]) c5, unnest(%s::timestamptz[]) c6, unnest(%s::timestamptz[]) c7,
  unnest(%s::timestamptz[]) c8, unnest(%s::integer[]) c9) d
WHERE m.id = d.c0 AND m.owner = %s AND m.state IN ('claimed','started')
"""
_LEFT = (MessageState.SENT, MessageState.REHEARSED)


def record(conn: Connection, endings: Sequence[Ending], *, now: datetime, owner: str) -> int:
    """Write how messages of this worker ended, and wake their enrollments. Returns how many were not ours any more."""
    if not endings:
        return 0
    lite = _is_sqlite(conn)
    rows = [
        (
            e.id, str(e.state), e.reply, e.reason, e.text, e.route, _bind(lite, e.at) if e.state in _LEFT else None,
            None if e.state in MESSAGE_WAITING else _bind(lite, e.at), _bind(lite, e.due_at), int(e.undo),
        )
        for e in endings
    ]
    if lite:
        done = conn.exec_driver_sql(_RECORD_LITE, [(owner, *row) for row in rows])
    else:
        done = conn.exec_driver_sql(_RECORD_PG, (*(list(c) for c in zip(*rows, strict=True)), owner))
    over = {e.enrollment_id: int(e.state is MessageState.SENT) for e in endings if e.state not in MESSAGE_WAITING}
    wake(conn, {i: sent for i, sent in over.items() if i is not None}, now=now)
    return len(rows) - max(int(done.rowcount), 0)


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
    if _is_sqlite(conn):
        at = _bind(True, now)
        conn.exec_driver_sql(_WAKE_LITE, [(at, sent, id_) for id_, sent in enrollments.items()])
    else:
        conn.exec_driver_sql(_WAKE_PG, (now, list(enrollments), list(enrollments.values())))


def _is_sqlite(conn: Connection) -> bool:
    return conn.dialect.name == "sqlite"


def _among(lite: bool) -> str:
    """`IN` a list that is one parameter, so that the statement stays the same whatever its length."""
    return "IN (SELECT value FROM json_each(?))" if lite else "= ANY(?)"


def _list(lite: bool, values: Sequence[Any]) -> Any:
    return json.dumps(values) if lite else list(values)


def _all(conn: Connection, lite: bool, sql: str, given: Sequence[Any]) -> Sequence[Any]:
    return conn.exec_driver_sql(sql if lite else sql.replace("?", "%s"), tuple(given)).fetchall()


def _bind(lite: bool, moment: datetime | None) -> Any:
    """A moment as the columns' own type stores it: SQLite keeps naive UTC text."""
    if moment is None or not lite:
        return moment
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")


def _moment(value: Any) -> datetime | None:
    if value is None or isinstance(value, datetime):
        return value
    return datetime.fromisoformat(value).replace(tzinfo=UTC)


def _json(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else value
