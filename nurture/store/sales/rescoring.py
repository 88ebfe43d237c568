"""Reading and writing what a full rescore needs, as raw rows: a million leads and their events, in order of lead."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import groupby
from operator import itemgetter
from typing import Any, Final, NamedTuple

from sqlalchemy import (
    Connection,
    Select,
    Text,
    bindparam,
    cast,
    column,
    exists,
    func,
    or_,
    select,
    table,
    text,
    type_coerce,
    update,
)
from sqlalchemy.types import NullType

from nurture.model.words import Depth
from nurture.store.tables import ConsentStateRow, EventRow, LeadRow, NoteRow
from nurture.store.tables.columns import core

_lead = core(LeadRow)
_event = core(EventRow)
_note = core(NoteRow)
_consent = core(ConsentStateRow)
_TRACKING: Final = ("open_tracking", "click_tracking")
FETCH: Final = 5000
NOTHING: Final[dict[str, Any]] = {}
WRITTEN: Final = (
    "model", "engagement", "fit_low", "fit_high", "coverage", "fit_band", "engagement_band", "cell", "action",
)
_LEAD: Final = (
    "id", "fields", "email", "country", "stage", "track", "baseline_at", "carryover", "cycle", "source", "language",
    "timezone", *WRITTEN,
)
_EVENT: Final = (
    "lead_id", "id", "kind", "occurred_at", "content", "topic", "depth", "link", "path", "minutes", "message_id",
    "campaign", "step", "points", "data",
)


class RawEvent(NamedTuple):
    """An event as scoring reads it (`decide.match.Touch`), from a raw row. Machine and void ones are not read."""

    id: int
    kind: str
    at: datetime
    content: str | None
    topic: str | None
    depth: Depth | None
    link: str | None
    path: str | None
    minutes: int | None
    message_id: int | None
    campaign: str | None
    step: str | None
    points: int | None
    data: dict[str, Any]
    machine: bool = False
    void: bool = False


class RawLead(NamedTuple):
    """A lead with its events; `before` is what was cached, in the order of `WRITTEN`."""

    id: int
    fields: dict[str, Any]
    email: str | None
    country: str | None
    stage: str
    track: str | None
    baseline_at: datetime | None
    carryover: float
    cycle: int
    source: str | None
    language: str | None
    timezone: str | None
    before: tuple[Any, ...]
    events: list[RawEvent]


POSITION: Final = "rescore"


def position(conn: Connection) -> tuple[str, int]:
    """The rules by which everybody was scored last, and the first lead that was not yet (-1: all were)."""
    held = conn.execute(select(_note.c.value).where(_note.c.key == POSITION)).scalar()
    return (held["rules"], held["next"]) if held else ("", -1)


def advance(conn: Connection, *, before: tuple[str, int], rules: str, upto: int, now: datetime) -> bool:
    """Note how far a rescore has come; False where another worker was faster."""
    if position(conn) != before:
        return False
    value = {"rules": rules, "next": upto}
    if before[0] or conn.execute(select(_note.c.key).where(_note.c.key == POSITION)).first():
        conn.execute(update(_note).where(_note.c.key == POSITION).values(value=value, at=now))
    else:
        conn.execute(_note.insert().values(key=POSITION, value=value, at=now))
    return True


def span(conn: Connection) -> tuple[int, int]:
    """Smallest and largest lead id."""
    low, high = conn.execute(select(func.min(_lead.c.id), func.max(_lead.c.id))).one()
    return (low or 0, high or -1)


def ids(conn: Connection, first: int, last: int) -> list[int]:
    query = select(_lead.c.id).where(_lead.c.id.between(first, last), _lead.c.erased_at.is_(None))
    return list(conn.execute(query).scalars())


def leads(conn: Connection, first: int, last: int, *, kinds: Iterable[str], at: datetime) -> Iterator[RawLead]:
    """Leads `first` ... `last` with those of their events that scoring may use, in order of id.

    Two cursors side by side: nothing is held in memory but one batch.
    """
    sqlite = conn.dialect.name == "sqlite"
    lead_rows = _rows(conn, _lead_query(first, last, sqlite), "rescore_leads")
    event_rows = _rows(conn, _event_query(first, last, sorted(kinds), at, sqlite), "rescore_events")
    grouped = groupby(event_rows, itemgetter(0))
    pending = next(grouped, None)
    depths: dict[str | None, Depth | None] = {None: None, **{d.value: d for d in Depth}}
    for row in lead_rows:
        lead_id = row[0]
        while pending is not None and pending[0] < lead_id:
            pending = next(grouped, None)
        events: list[RawEvent] = []
        if pending is not None and pending[0] == lead_id:
            events = [_event_of(e, depths, sqlite) for e in pending[1]]
            pending = next(grouped, None)
        yield RawLead(
            lead_id, json.loads(row[1]), row[2], row[3], row[4], row[5], _moment(row[6], sqlite),
            row[7], row[8], row[9], row[10], row[11], tuple(row[12:]), events,
        )


def _event_of(e: Sequence[Any], depths: dict[str | None, Depth | None], sqlite: bool) -> RawEvent:
    data = NOTHING if e[14] in ("{}", None) else json.loads(e[14])
    # The text of a moment has no offset in SQLite; joined to one it is parsed once instead of parsed and replaced.
    at = datetime.fromisoformat(e[3] + "+00:00") if sqlite else e[3]
    return RawEvent(e[1], e[2], at, e[4], e[5], depths.get(e[6]), e[7], e[8], e[9], e[10], e[11], e[12], e[13], data)


def _lead_query(first: int, last: int, sqlite: bool) -> Select[Any]:
    refused = exists().where(
        _consent.c.lead_id.between(first, last), _consent.c.lead_id == _lead.c.id,
        _consent.c.status.in_(("withdrawn", "objected")),
        or_(_consent.c.purpose == "profiling", _consent.c.status == "objected"),
        _consent.c.purpose.not_in(_TRACKING),
    )
    alive = _lead.c.id.between(first, last) & _lead.c.erased_at.is_(None) & ~refused
    return select(*_raw(_lead, _LEAD, sqlite)).where(alive).order_by(_lead.c.id)


def _event_query(first: int, last: int, kinds: Sequence[str], at: datetime, sqlite: bool) -> Select[Any]:
    counts = _event.c.machine.is_(False) & _event.c.void.is_(False) & (_event.c.occurred_at <= at)
    mine = _event.c.lead_id.between(first, last) & _event.c.kind.in_(kinds)
    # By lead and time, as the index stands: no sorting of millions of rows.
    return select(*_raw(_event, _EVENT, sqlite)).where(mine, counts).order_by(_event.c.lead_id, _event.c.occurred_at)


def _raw(of: Any, names: Iterable[str], sqlite: bool) -> list[Any]:
    """Columns as the driver gives them, documents as text: what is done per value costs more than scoring."""
    texts = () if sqlite else ("fields", "data")
    return [cast(of.c[n], Text) if n in texts else type_coerce(of.c[n], NullType()) for n in names]


def _rows(conn: Connection, query: Select[Any], name: str) -> Iterator[Any]:
    """Tuples of the driver, streamed: making a row object of each costs more than scoring it."""
    cursor: Any
    if conn.dialect.name == "postgresql":
        raw: Any = conn.connection.dbapi_connection
        compiled = query.compile(dialect=conn.dialect, compile_kwargs={"render_postcompile": True})
        cursor = raw.cursor(name=name)
        cursor.execute(str(compiled), compiled.params)
    else:
        cursor = conn.execute(query).cursor
    while batch := cursor.fetchmany(FETCH):
        yield from batch
    cursor.close()


def _moment(value: Any, sqlite: bool) -> datetime | None:
    if value is None:
        return None
    at: datetime = datetime.fromisoformat(value) if sqlite else value
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def write(conn: Connection, rows: Sequence[dict[str, Any]], *, at: datetime, scored_with: str) -> None:
    """Write changed scores: rows of (id and the columns of `WRITTEN`)."""
    if not rows:
        return
    if conn.dialect.name == "postgresql":
        _copy(conn, rows, at, scored_with)
        return
    values: dict[str, Any] = {name: bindparam(f"v_{name}") for name in WRITTEN}
    mine = update(_lead).where(_lead.c.id == bindparam("b_id"))
    statement = mine.values(**values, scored_at=at, scored_with=scored_with)
    conn.execute(statement, [{"b_id": r["id"], **{f"v_{n}": r[n] for n in WRITTEN}} for r in rows])


def _copy(conn: Connection, rows: Sequence[dict[str, Any]], at: datetime, scored_with: str) -> None:
    """COPY into a temporary table and one UPDATE: forty times faster than a statement per lead."""
    columns = ", ".join(("id", *WRITTEN))
    conn.execute(text(
        "CREATE TEMP TABLE IF NOT EXISTS rescored (id bigint, model text, engagement int, fit_low int, fit_high int, "
        "coverage float8, fit_band text, engagement_band int, cell text, action text) ON COMMIT DELETE ROWS"
    ))
    raw: Any = conn.connection.dbapi_connection
    with raw.cursor() as cursor, cursor.copy(f"COPY rescored ({columns}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row([row["id"], *(row[name] for name in WRITTEN)])
    fresh = table("rescored", *(column(name) for name in ("id", *WRITTEN)))
    changes = {name: fresh.c[name] for name in WRITTEN}
    conn.execute(update(_lead).where(_lead.c.id == fresh.c.id).values(**changes, scored_at=at, scored_with=scored_with))


def mark(conn: Connection, first: int, last: int, *, at: datetime, scored_with: str) -> None:
    """Leads whose score came out as it was: only that it was looked at."""
    between = _lead.c.id.between(first, last) & _lead.c.scored_with.is_distinct_from(scored_with)
    conn.execute(update(_lead).where(between).values(scored_at=at, scored_with=scored_with))
