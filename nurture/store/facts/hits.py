"""Tracking hits: taken in batches as far as consent allows, held, judged, and folded back when a verdict changes."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, and_, bindparam, func, insert, or_, select, update

from nurture.model.hits import CLICK, HONEYPOT, OPEN, Hit, Judgement, Mailed
from nurture.model.words import Purpose, Verdict
from nurture.store.driver import Driver
from nurture.store.literal import word
from nurture.store.tables import (
    AlertRow,
    EventRow,
    HandoffRow,
    HitRow,
    LeadRow,
    LinkRow,
    MessageRow,
)
from nurture.store.tables.columns import core

_hit = core(HitRow)
_message = core(MessageRow)
_lead = core(LeadRow)
_link = core(LinkRow)
_event = core(EventRow)
_handoff = core(HandoffRow)
_alert = core(AlertRow)

NEEDED: Final = {OPEN: Purpose.OPEN_TRACKING, CLICK: Purpose.CLICK_TRACKING, HONEYPOT: Purpose.CLICK_TRACKING}
PER_MESSAGE: Final = 200
"""Hits looked at per message: a flood on one address must not become work for the judge."""


class Arrival(NamedTuple):
    """A verified request, before it is known whether it may be kept."""

    kind: str
    message_id: int
    lead_id: int
    at: datetime
    link: int | None = None
    method: str = "GET"
    agent: str = ""
    net: str = ""
    headers: tuple[tuple[str, str], ...] = ()


def take(
    conn: Connection,
    arrivals: Sequence[Arrival],
    *,
    hold: timedelta,
    keep: bool = True,
    hygiene: bool = False,
    mark: Callable[[Arrival, str], str] | None = None,
) -> list[str | None]:
    """Keep the hits that consent allows *now* (not when the mail was sent), and say where each click leads.

    None: there is no such link. A hit without consent is answered and not stored (C14). `keep=False` only looks up.
    `mark` changes where a click that was kept leads. With `hygiene` an open of somebody who was never asked, or never
    answered, leaves its day on the lead (C15).
    """
    fast = _Sqlite if conn.dialect.name == "sqlite" else _Postgres
    found = fast.look_up(conn, arrivals)
    rows, alive, urls = [], [], [url for _, url, _, _ in found]
    for n, (arrival, (known, url, status, until)) in enumerate(zip(arrivals, found, strict=True)):
        real = known and (url is not None or arrival.kind != CLICK)
        if real and status == _GRANTED and (until is None or arrival.at < until):
            rows.append(arrival)
            urls[n] = mark(arrival, url) if mark and url is not None and keep and arrival.kind == CLICK else url
        elif real and arrival.kind == OPEN and status not in _REFUSED:
            alive.append(arrival)
    if rows and keep:
        fast.insert(conn, rows, hold)
    if alive and keep and hygiene:
        days = {a.lead_id: a.at.astimezone(UTC).date() for a in sorted(alive, key=lambda a: a.at)}
        later = update(_lead).where(_lead.c.id == bindparam("b_id")).values(last_open_on=bindparam("b_day"))
        conn.execute(later, [{"b_id": lead, "b_day": day} for lead, day in days.items()])
    return urls


_GRANTED: Final = "granted"
_REFUSED: Final = frozenset({"withdrawn", "objected"})
Looked = tuple[bool, str | None, str | None, datetime | None]
"""Is there such a message to this lead, where its link leads, the consent's status, and until when it holds."""

_LOOK: Final = """
    SELECT m.id IS NOT NULL, l.url, c.status, c.until
    FROM {asked}
    LEFT JOIN message m ON m.id = a.message AND m.lead_id = a.lead
    LEFT JOIN link l ON l.template_digest = m.template_digest AND l.idx = a.link
    LEFT JOIN consent_state c ON c.lead_id = a.lead AND c.purpose = a.purpose AND c.channel = 'email'
    ORDER BY a.n
"""
_KEEP: Final = (
    "INSERT INTO hit (message_id, lead_id, kind, link_index, at, method, agent, ip_prefix, headers, verdict, evidence, "
    "decide_at) VALUES ({values})"
)


class _Sqlite:
    """The two statements of the hot path as the driver takes them: the toolkit's own costs more than the work."""

    look = _LOOK.format(asked="""(
        SELECT key AS n, value ->> 0 AS message, value ->> 1 AS lead, value ->> 2 AS link, value ->> 3 AS purpose
        FROM json_each(?)) a""")
    keep = _KEEP.format(values="?, ?, ?, ?, ?, ?, ?, ?, ?, 'held', '[]', ?")

    @classmethod
    def look_up(cls, conn: Connection, arrivals: Sequence[Arrival]) -> list[Looked]:
        asked = json.dumps([[a.message_id, a.lead_id, a.link, NEEDED[a.kind].value] for a in arrivals])
        rows = Driver(conn).rows(cls.look, (asked,))
        return [(bool(r[0]), r[1], r[2], _read_utc(r[3])) for r in rows]

    @classmethod
    def insert(cls, conn: Connection, arrivals: Sequence[Arrival], hold: timedelta) -> None:
        Driver(conn).each(cls.keep, [
            (a.message_id, a.lead_id, a.kind, a.link, _utc(a.at), a.method, a.agent, a.net, _told(a.headers),
             _utc(a.at + hold)) for a in arrivals
        ])


class _Postgres:
    look = _LOOK.format(asked="""unnest(%s::bigint[], %s::bigint[], %s::int[], %s::text[])
        WITH ORDINALITY AS a(message, lead, link, purpose, n)""")
    keep = _KEEP.format(values="%s, %s, %s, %s, %s, %s, %s, %s, %s, 'held', '[]', %s")

    @classmethod
    def look_up(cls, conn: Connection, arrivals: Sequence[Arrival]) -> list[Looked]:
        asked = ([a.message_id for a in arrivals], [a.lead_id for a in arrivals], [a.link for a in arrivals],
                 [NEEDED[a.kind].value for a in arrivals])
        return [(bool(r[0]), r[1], r[2], r[3]) for r in conn.exec_driver_sql(cls.look, asked)]

    @classmethod
    def insert(cls, conn: Connection, arrivals: Sequence[Arrival], hold: timedelta) -> None:
        conn.exec_driver_sql(cls.keep, [
            (a.message_id, a.lead_id, a.kind, a.link, a.at, a.method, a.agent, a.net, _told(a.headers),
             a.at + hold) for a in arrivals
        ])


@lru_cache(maxsize=4096)
def _told(headers: tuple[tuple[str, str], ...]) -> str:
    """Browsers say the same few things again and again."""
    return json.dumps(dict(headers))


def _utc(moment: datetime) -> str:
    """As the column type writes it: UTC without an offset."""
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    return moment.isoformat(" ", "microseconds")[:-6]


def _read_utc(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text).replace(tzinfo=UTC) if text else None


def due_messages(conn: Connection, *, now: datetime, limit: int) -> list[int]:
    """Messages with a held hit whose hold is over, the longest held first."""
    query = (
        select(_hit.c.message_id, func.min(_hit.c.decide_at).label("first"))
        .where(_hit.c.verdict == word(Verdict.HELD), _hit.c.decide_at <= now)
        .group_by(_hit.c.message_id)
        .order_by("first", _hit.c.message_id)
        .limit(limit)
    )
    return [row.message_id for row in conn.execute(query)]


def next_due(conn: Connection) -> datetime | None:
    """When the next hold is over."""
    return conn.execute(select(func.min(_hit.c.decide_at)).where(_hit.c.verdict == word(Verdict.HELD))).scalar()


@dataclass(frozen=True, slots=True)
class Kept:
    """A stored hit with the verdict it has now."""

    hit: Hit
    verdict: Verdict
    decide_at: datetime


def around(conn: Connection, message_ids: Sequence[int], *, near: timedelta) -> list[Kept]:
    """All hits of these messages, and of other messages those by the same source within `near` of one of them."""
    mine = _load(conn, _hit.c.message_id.in_(message_ids))
    spans: dict[tuple[str, str], tuple[datetime, datetime]] = {}
    for kept in mine:
        if kept.hit.net:
            first, last = spans.get((kept.hit.net, kept.hit.agent), (kept.hit.at, kept.hit.at))
            spans[kept.hit.net, kept.hit.agent] = (min(first, kept.hit.at), max(last, kept.hit.at))
    if not spans:
        return mine
    sources = [
        and_(_hit.c.ip_prefix == net, _hit.c.agent == agent, _hit.c.at >= first - near, _hit.c.at <= last + near)
        for (net, agent), (first, last) in list(spans.items())[:PER_MESSAGE]
    ]
    seen = {kept.hit.id for kept in mine}
    others = _load(conn, and_(or_(*sources), _hit.c.message_id.not_in(message_ids)))
    return [*mine, *(kept for kept in others if kept.hit.id not in seen)]


def _load(conn: Connection, where: Any) -> list[Kept]:
    rank = func.row_number().over(partition_by=_hit.c.message_id, order_by=(_hit.c.at, _hit.c.id)).label("rank")
    inner = select(_hit, rank).where(where).subquery()
    rows = conn.execute(select(inner).where(inner.c.rank <= PER_MESSAGE))
    return [
        Kept(
            Hit(
                row.id,
                row.message_id,
                row.lead_id,
                row.kind,
                row.at,
                row.method,
                row.link_index,
                row.agent or "",
                row.ip_prefix or "",
                row.headers,
            ),
            Verdict(row.verdict),
            row.decide_at,
        )
        for row in rows
    ]


@dataclass(frozen=True, slots=True)
class About:
    """What the story needs to say about a message that was hit."""

    mailed: Mailed
    campaign: str | None
    step: str | None
    content: str
    template: str
    topic: str | None
    links: Mapping[int, tuple[str | None, str, str | None]]
    """Index -> (name, address, topic)."""


def about(conn: Connection, message_ids: Iterable[int]) -> dict[int, About]:
    rows = conn.execute(select(_message).where(_message.c.id.in_(list(message_ids)))).all()
    digests = {row.template_digest for row in rows}
    links: dict[str, dict[int, tuple[str | None, str, str | None]]] = {digest: {} for digest in digests}
    for row in conn.execute(select(_link).where(_link.c.template_digest.in_(digests))):
        links[row.template_digest][row.idx] = (row.name, row.url, row.topic)
    return {
        row.id: About(
            Mailed(row.id, row.sent_at, len(links[row.template_digest])),
            row.campaign,
            row.step_id,
            row.content,
            row.template,
            row.topic,
            links[row.template_digest],
        )
        for row in rows
    }


def presences(conn: Connection, lead_ids: Iterable[int], kinds: Collection[str]) -> dict[int, list[datetime]]:
    """When these leads did something no mail machine does."""
    found: dict[int, list[datetime]] = {}
    query = select(_event.c.lead_id, _event.c.occurred_at).where(
        _event.c.lead_id.in_(list(lead_ids)), _event.c.kind.in_(kinds)
    )
    for lead_id, at in conn.execute(query):
        found.setdefault(lead_id, []).append(at)
    return found


def set_verdicts(conn: Connection, judged: Mapping[int, Judgement], *, now: datetime) -> None:
    if not judged:
        return
    statement = (
        update(_hit)
        .where(_hit.c.id == bindparam("b_id"))
        .values(
            verdict=bindparam("b_verdict"), evidence=bindparam("b_evidence", type_=_hit.c.evidence.type), decided_at=now
        )
    )
    conn.execute(
        statement,
        [{"b_id": i, "b_verdict": j.verdict.value, "b_evidence": list(j.evidence)} for i, j in judged.items()],
    )


def close_flood(conn: Connection, message_ids: Sequence[int], *, now: datetime) -> int:
    """What lies beyond `PER_MESSAGE` and is due is a machine's, without another look. Returns how many."""
    over = and_(_hit.c.message_id.in_(message_ids), _hit.c.verdict == word(Verdict.HELD), _hit.c.decide_at <= now)
    done = (
        update(_hit)
        .where(over)
        .values(verdict=Verdict.MACHINE.value, evidence=["more requests than a person makes"], decided_at=now)
    )
    return int(conn.execute(done).rowcount)


def event_key(hit_id: int) -> str:
    return f"hit:{hit_id}"


def fold_back(conn: Connection, machine: Mapping[int, bool]) -> None:
    """Let the events made from these hits follow their new verdicts."""
    if machine:
        statement = update(_event).where(_event.c.key == bindparam("b_key")).values(machine=bindparam("b_machine"))
        conn.execute(statement, [{"b_key": event_key(i), "b_machine": is_machine} for i, is_machine in machine.items()])


_MACHINE_CLICK: Final = (
    "A click that counted for this hand-off was a machine's. The score was corrected; the hand-off stays."
)


def tell_owners(conn: Connection, leads: Mapping[int, str], *, now: datetime) -> int:
    """An alert for the owner of each open hand-off whose evidence turned out to be a machine. Returns how many."""
    query = select(_handoff.c.id, _handoff.c.lead_id, _handoff.c.owner, _handoff.c.queue).where(
        _handoff.c.lead_id.in_(list(leads)), _handoff.c.closed_at.is_(None)
    )
    told = 0
    for row in conn.execute(query).all():
        key = f"foldback:{row.id}:{leads[row.lead_id]}"
        if conn.execute(select(_alert.c.id).where(_alert.c.key == key)).first() is None:
            conn.execute(
                insert(_alert).values(
                    key=key, code="click_was_machine", text=_MACHINE_CLICK, for_whom=row.owner or row.queue, at=now
                )
            )
            told += 1
    return told
