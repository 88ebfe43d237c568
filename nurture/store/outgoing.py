"""The hot path of sending as plain SQL: claim, fresh rows for the guard, start marks, endings.

Every message passes here three times, so these few statements are written by hand, once per database, and give plain
tuples. What the partial indexes of `message` promise (`state IN ('planned','deferred')`) has to stand here literally:
with a bound parameter SQLite cannot prove that an index applies, and scans.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import Connection

from nurture.model.facts import ConsentState, Lead, Sent, Snapshot
from nurture.model.words import MESSAGE_WAITING, Channel, ConsentStatus, MessageState, Purpose, Stage
from nurture.store.messages import RESENDS

LEASE = timedelta(minutes=20)
"""How long claimed rows stay with a worker that says nothing more."""
STARTED_LEASE = timedelta(minutes=20)
"""Longer than the ten minutes a server may take to answer, so that nobody calls unknown what is still on the wire."""
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


class Fresh(NamedTuple):
    """One lead as the guard and the copy need it, read in the transaction that marks the start.

    `snapshot` holds no events and no profile, and its lead stands for all who differ in nothing the guard asks;
    `words` are the profile values by name.
    """

    snapshot: Snapshot
    words: dict[str, Any]
    email: str


class Group(NamedTuple):
    """What one transaction sees: leads by id (absent: erased or merged away) and the messages still claimed by us."""

    leads: dict[int, Fresh]
    ours: set[int]


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
        Claimed._make((*row[:20], _moment(row[20]) or now, _moment(row[21]) or now, _moment(row[22])))
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
  state, owner
FROM message WHERE lead_id {among} AND state IN ('planned','claimed','started','sent','deferred','unknown')
  AND (sent_at IS NULL OR sent_at > ? OR content {contents})
"""
_NOTHING: frozenset[str] = frozenset()
_PURPOSES = {p.value: p for p in Purpose}
_STATUSES = {s.value: s for s in ConsentStatus}
_STAGES = {s.value: s for s in Stage}


def fresh(
    conn: Connection, batch: Sequence[Claimed], *, now: datetime, owner: str, flying: Collection[int] = ()
) -> Group:
    """The leads of these messages, and which messages are still ours, as this transaction sees them.

    `flying` are this worker's own messages on the wire: they count as started, like whatever others have claimed.
    """
    lite = _is_sqlite(conn)
    among, ids = _among(lite), _list(lite, [m.lead_id for m in batch])
    join = "group_concat(s.reason || ':' || s.scope)" if lite else "string_agg(s.reason || ':' || s.scope, ',')"
    consents: dict[int, dict[tuple[Purpose, Channel], ConsentState]] = {}
    for lead_id, purpose, *state in _all(conn, lite, _CONSENTS.format(among=among), [ids]):
        consents.setdefault(lead_id, {})[_PURPOSES[purpose], Channel.EMAIL] = _consent(*state)
    ledger: dict[int, list[Sent]] = {}
    ours: set[int] = set()
    contents = _list(lite, sorted({m.content for m in batch}))
    given = [ids, _bind(lite, now - LOOKS_BACK), contents]
    history = _all(conn, lite, _LEDGER.format(among=among, contents=among), given)
    for lead_id, id_, content, edition, at, *rest in history:
        campaign, track, run, step, kind, state, holder = rest
        if state == "claimed":
            if holder != owner or id_ in flying:
                state = "started"
            else:
                ours.add(id_)
        sent = Sent(id_, content, edition, _moment(at) or now, campaign, track, step, run, kind, state)
        ledger.setdefault(lead_id, []).append(sent)
    if not lite:
        # Elsewhere nobody else can write now; here the rows are held until the start mark is committed.
        mine = [_list(lite, [m.id for m in batch]), owner]
        ours = {row[0] for row in _all(conn, lite, _HOLD_PG, mine)}
    rows = _all(conn, lite, _LEADS.format(among=among, join=join), [ids])
    return Group({row[0]: _fresh(row, consents.get(row[0], {}), ledger.get(row[0], [])) for row in rows}, ours)


@lru_cache(maxsize=4096)
def _consent(status: str, since: Any, until: Any) -> ConsentState:
    return ConsentState(_STATUSES[status], None, _moment(since), _moment(until))


@lru_cache(maxsize=4096)
def _kind_of_lead(domain: str, stage: str, *rest: Any) -> Lead:
    """Leads that differ only in who they are share one noun: the guard asks nothing that tells them apart."""
    language, country, zone, cool, mode, blocked, paused, limit, topics, objected = rest
    return Lead(
        id=0, stage=_STAGES[stage], email=f"somebody@{domain}" if domain else None, language=language, country=country,
        timezone=zone, cool_off_until=_moment(cool), cool_off_mode=mode, mail_paused_until=_moment(paused),
        mails_per_month=limit, topics_off=frozenset(json.loads(topics)), objected=bool(objected),
        contact_blocked=bool(blocked),
    )


def _fresh(row: Sequence[Any], consents: dict[tuple[Purpose, Channel], ConsentState], ledger: list[Sent]) -> Fresh:
    _, email, stage, fields, language, country, zone, cool, mode, blocked, paused, limit, *rest = row
    topics, objected, blocks = rest
    domain = email.rpartition("@")[2] if email else ""
    off = topics if isinstance(topics, str) else json.dumps(topics or [])
    lead = _kind_of_lead(domain, stage, language, country, zone, cool, mode, blocked, paused, limit, off, objected)
    suppressed = frozenset(blocks.split(",")) if blocks else _NOTHING
    said = {name: value["v"] for name, value in _json(fields).items()} if fields else {}
    said["email"] = email
    if language is not None:
        said["language"] = language
    if country is not None:
        said["country"] = country
    return Fresh(Snapshot(lead, (), consents, ledger, None, suppressed), said, email or "")


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
    lite = _is_sqlite(conn)
    rows = _all(conn, lite, _HALTS, [_bind(lite, now)])
    kinds: tuple[set[str], ...] = (set(), set(), set())
    for key, _, kind in rows:
        kinds[kind].add(key)
    return Halts({row[0]: _moment(row[1]) for row in rows if row[2] == 1}, frozenset(kinds[0]), frozenset(kinds[2]))


_STATES = "SELECT id, state FROM enrollment WHERE id {among}"


def enrollment_states(conn: Connection, ids: Iterable[int | None]) -> dict[int, str]:
    lite = _is_sqlite(conn)
    wanted = [i for i in ids if i is not None]
    return dict(_all(conn, lite, _STATES.format(among=_among(lite)), [_list(lite, wanted)])) if wanted else {}


_FLY = """
INSERT INTO flight (key, owner, ids, started_at, lease_until) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (key) DO UPDATE SET ids = excluded.ids, lease_until = excluded.lease_until
"""
_HOLD_PG = "SELECT id FROM message WHERE id = ANY(?) AND owner = ? AND state = 'claimed' FOR UPDATE"


def fly(conn: Connection, key: str, ids: Collection[int], *, now: datetime, owner: str) -> None:
    """The start mark: exactly these messages of this worker are, or are about to be, on the wire. None: it is home."""
    lite = _is_sqlite(conn)
    if not ids:
        _do(conn, lite, "DELETE FROM flight WHERE key = ?", [key])
        return
    given = [key, owner, json.dumps(sorted(ids)), _bind(lite, now), _bind(lite, now + STARTED_LEASE)]
    _do(conn, lite, _FLY, given)


_END = """
UPDATE message AS m SET state = {1}, reply = {2}, reason = {3}, reason_text = {4}, route = {5}, sent_at = {6},
  ended_at = {7}, due_at = coalesce({8}, m.due_at), owner = NULL, lease_until = NULL{started}
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
    lite, missed = _is_sqlite(conn), 0
    for width in (_LONG, _SHORT):
        rows = [_row(e, lite, now) for e in endings if (e.start is not None) == (width == _LONG)]
        if not rows:
            continue
        sql = _ending_sql(lite, width)
        if lite:
            done = conn.exec_driver_sql(sql, [(owner, *row) for row in rows])
        else:
            done = conn.exec_driver_sql(sql, (*(list(c) for c in zip(*rows, strict=True)), owner))
        missed += len(rows) - max(int(done.rowcount), 0)
    over = {
        e.enrollment_id: int(e.state is MessageState.SENT)
        for e in endings if e.state not in MESSAGE_WAITING and e.reason != RESENDS
    }
    wake(conn, {i: sent for i, sent in over.items() if i is not None}, now=now)
    return missed


def _row(e: Ending, lite: bool, now: datetime) -> tuple[Any, ...]:
    at = _bind(lite, e.at)
    short = (
        e.id, e.state.value, e.reply, e.reason, e.text, e.route, at if e.state in _LEFT else None,
        None if e.state in MESSAGE_WAITING else at, _bind(lite, e.due_at),
    )
    return short if e.start is None else (*short, _bind(lite, now), *e.start[1:])


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


def _do(conn: Connection, lite: bool, sql: str, given: Sequence[Any]) -> None:
    conn.exec_driver_sql(sql if lite else sql.replace("?", "%s"), tuple(given))


def _all(conn: Connection, lite: bool, sql: str, given: Sequence[Any]) -> Sequence[Any]:
    return conn.exec_driver_sql(sql if lite else sql.replace("?", "%s"), tuple(given)).fetchall()


@lru_cache(maxsize=64)
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
