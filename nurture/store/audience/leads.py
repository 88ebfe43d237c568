"""Writing people: who is already known, what is new about them, and where each value came from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, Final, NamedTuple, TypeVar

from sqlalchemy import Connection, String, bindparam, cast, insert, literal, select, text, update
from sqlalchemy.dialects import postgresql, sqlite

from nurture.model.consent import add_months
from nurture.model.tokens import Keys, address_hash, normal_address
from nurture.store import bulk
from nurture.store.facts import events, wakeups
from nurture.store.tables import EventRow, LeadListRow, LeadRow, LeadTagRow, LeadValueRow
from nurture.store.tables.columns import core

_t = core(LeadRow)
_values = core(LeadValueRow)
_event = core(EventRow)
_tags = core(LeadTagRow)
_lists = core(LeadListRow)

ORIGINS: Final = {"inferred": 1, "enriched": 2, "declared": 3, "sales": 4}
"""What a seller learnt beats what the person declared, and so on down; within one origin the newer value wins."""
FROM_ELSEWHERE: Final = ("enriched", "inferred")
"""Origins that are not the person: who is first heard of by one of these is told so."""
TELL_BEFORE: Final = timedelta(days=7)
CHUNK: Final = 5_000
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Person:
    """What one source says about one person. `email_key` and `email_hash` belong to `email`."""

    email: str | None = None
    email_key: str | None = None
    email_hash: str | None = None
    external_id: str | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)
    language: str | None = None
    country: str | None = None
    timezone: str | None = None
    source: str | None = None
    """Where they came from, kept from the first time (`lead.source`)."""
    acquired_at: datetime | None = None
    tags: Sequence[str] = ()
    lists: Sequence[str] = ()
    origin: str = "declared"
    confidence: float = 1.0
    learnt_from: str | None = None
    """Provenance of each value: `import 12 line 40`, `form buyers-guide`."""


class Stored(NamedTuple):
    """What became of one person. `lead_id` None: `refused` says why nothing was written."""

    lead_id: int | None
    created: bool = False
    changed: bool = False
    refused: str | None = None


class Known(NamedTuple):
    """The columns of a lead that decide whether an import changes anything."""

    id: int
    email_key: str | None
    external_id: str | None
    fields: Mapping[str, Any]
    language: str | None
    country: str | None
    timezone: str | None
    erased_at: datetime | None
    merged_into: int | None
    """None but for a lead that was found by way of one merged into it: then the number of that one."""


_known = tuple(_t.c[name] for name in Known._fields)


def find_or_create(
    conn: Connection,
    *,
    email: str | None,
    external_id: str | None = None,
    fields: Mapping[str, Any],
    origin: str,
    source: str,
    now: datetime,
    keys: Keys,
    language: str | None = None,
    country: str | None = None,
    timezone: str | None = None,
) -> Stored:
    """One person by address or external id: found and brought up to date, or made.

    `email` has been read by `model.address.read_address` (its `mailbox`); `source` is the provenance of the values
    and, for a new lead, where the lead came from.
    """
    person = Person(
        email=email, email_key=normal_address(email) if email else None,
        email_hash=address_hash(keys, email) if email else None,
        external_id=external_id, fields=fields, origin=origin, source=source, learnt_from=source,
        language=language, country=country, timezone=timezone,
    )
    return upsert(conn, [person], now=now)[0]


def upsert(conn: Connection, people: Sequence[Person], *, now: datetime) -> list[Stored]:
    """Store people, each at most once in `people`; the answers stand in the same order.

    The address is looked up first, then the external id. An address that belongs to one lead beside an external id
    that belongs to another is refused and not guessed at. Doing the same again changes nothing.
    """
    by_email, by_external = known(conn, people)
    found = [match(person, by_email, by_external) for person in people]
    stored: list[Stored] = []
    fresh = [person for person, was in zip(people, found, strict=True) if was is None]
    ids = _create(conn, fresh, now=now)
    changes = _Changes(now)
    position = 0
    for person, was in zip(people, found, strict=True):
        if was is None:
            lead_id = ids[position]
            position += 1
            if lead_id is None:
                stored.append(Stored(None, refused="somebody else stored this person at the same moment; import again"))
                continue
            stored.append(Stored(lead_id, created=True, changed=True))
        elif isinstance(was, str):
            stored.append(Stored(None, refused=was))
        else:
            stored.append(Stored(was.id, changed=changes.update(was, person)))
    changes.write(conn)
    _label(conn, people, stored, now=now)
    return stored


def known(conn: Connection, people: Iterable[Person]) -> tuple[dict[str, Known], dict[str, Known]]:
    """Leads that are already stored, by email key and by external id."""
    people = list(people)
    by_email = _load(conn, "email_key", {p.email_key for p in people if p.email_key})
    by_external = _load(conn, "external_id", {p.external_id for p in people if p.external_id})
    return by_email, by_external


def _load(conn: Connection, column: str, keys: set[str]) -> dict[str, Known]:
    found: dict[str, Known] = {}
    for part in chunks(sorted(keys), CHUNK):
        for row in conn.execute(select(*_known).where(_t.c[column].in_(part))):
            one = Known(*row)
            found[getattr(one, column)] = one
    return _followed(conn, found)


def _followed(conn: Connection, found: dict[str, Known]) -> dict[str, Known]:
    """Rows that were merged away give way to the lead they went to; their `merged_into` keeps saying so."""
    away = {key: one.merged_into for key, one in found.items() if one.merged_into is not None}
    targets: dict[int, Known] = {}
    for part in chunks(sorted(set(away.values())), CHUNK):
        targets |= {row.id: Known(*row) for row in conn.execute(select(*_known).where(_t.c.id.in_(part)))}
    redirected = {key: targets[to]._replace(merged_into=found[key].id) for key, to in away.items() if to in targets}
    return {**found, **redirected}


def match(person: Person, by_email: Mapping[str, Known], by_external: Mapping[str, Known]) -> Known | str | None:
    """The lead this person is already, None for somebody new, or why neither can be said."""
    mine = by_email.get(person.email_key) if person.email_key else None
    theirs = by_external.get(person.external_id) if person.external_id else None
    if mine and theirs and mine.id != theirs.id:
        return f"the address belongs to lead {mine.id} and the external id to lead {theirs.id}"
    found = mine or theirs
    if found is None:
        return None
    if found.erased_at is not None:
        return "this person asked to be erased"
    if found.merged_into is not None:
        return found
    if theirs and not mine and person.email_key and theirs.email_key and theirs.email_key != person.email_key:
        return f"the external id belongs to lead {theirs.id}, which has another address"
    if mine and not theirs and person.external_id and mine.external_id and mine.external_id != person.external_id:
        return f"the address belongs to lead {mine.id}, which has another external id"
    return found


_NEW: Final = (
    "external_id", "email", "email_key", "email_hash", "source", "first_touch", "fields", "language", "country",
    "timezone", "stage_since", "created_at", "updated_at", "inform_at",
)


def _create(conn: Connection, people: Sequence[Person], *, now: datetime) -> list[int | None]:
    """Ids of the new leads, in order; None where another transaction was first. Their values go on record too."""
    rows = [_new_row(person, now) for person in people]
    made = bulk.insert_new(conn, _t, _NEW, rows, ("id", "email_key", "external_id"))
    by_key = {(email_key, external_id): lead_id for lead_id, email_key, external_id in made}
    _record_first_values(conn, list(by_key.values()), now=now)
    return [by_key.get((person.email_key, person.external_id)) for person in people]


def _new_row(person: Person, now: datetime) -> tuple[Any, ...]:
    created = min(person.acquired_at or now, now)
    touch = {"source": person.source, "learnt_from": person.learnt_from, "at": created.isoformat()}
    at = now.isoformat()
    common = {"o": person.origin, "c": person.confidence, "at": at}
    fields = {name: {"v": value, **common} for name, value in person.fields.items()}
    return (
        person.external_id, person.email, person.email_key, person.email_hash, person.source, touch, fields,
        person.language, person.country, person.timezone, created, created, now, _inform_at(person, created),
    )


def _inform_at(person: Person, since: datetime) -> datetime | None:
    """A month is the most that Art. 14 gives; the week is for mail servers that are away."""
    elsewhere = person.origin in FROM_ELSEWHERE and person.email
    return add_months(since, 1) - TELL_BEFORE if elsewhere else None


def _record_first_values(conn: Connection, ids: Sequence[int], *, now: datetime) -> None:
    """One `lead_value` row per field of these new leads, made by the database out of what was just stored."""
    for part in chunks(ids, CHUNK):
        conn.execute(_FIRST_VALUES[conn.dialect.name], {"ids": part, "now": now})


_FIRST_VALUES: Final = {
    "sqlite": text("""
        INSERT INTO lead_value (lead_id, field, value, origin, confidence, source, at)
        SELECT l.id, f.key, '{"v": ' || (f.value -> '$.v') || '}', f.value ->> '$.o', f.value ->> '$.c',
               l.first_touch ->> '$.learnt_from', :now
        FROM lead AS l, json_each(l.fields) AS f WHERE l.id IN :ids
    """).bindparams(bindparam("ids", expanding=True), bindparam("now", type_=_values.c.at.type)),
    "postgresql": text("""
        INSERT INTO lead_value (lead_id, field, value, origin, confidence, source, at)
        SELECT l.id, f.key, jsonb_build_object('v', f.value -> 'v'), f.value ->> 'o', (f.value ->> 'c')::float,
               l.first_touch ->> 'learnt_from', :now
        FROM lead AS l, jsonb_each(l.fields) AS f WHERE l.id IN :ids
    """).bindparams(bindparam("ids", expanding=True), bindparam("now", type_=_values.c.at.type)),
}


def _cell(person: Person, value: Any, now: datetime) -> dict[str, Any]:
    return {"v": value, "o": person.origin, "c": person.confidence, "at": now.isoformat()}


class _Changes:
    """Gathers a batch's writes, so that each table is written once."""

    def __init__(self, now: datetime) -> None:
        self.now = now
        self.values: list[dict[str, Any]] = []
        self.leads: list[dict[str, Any]] = []
        self.plain: list[tuple[int, dict[str, Any]]] = []

    def update(self, was: Known, person: Person) -> bool:
        rank = ORIGINS.get(person.origin, 0)
        fields = dict(was.fields)
        for name, value in person.fields.items():
            old = fields.get(name)
            if old is not None and (old["v"] == value or ORIGINS.get(old.get("o", ""), 0) > rank):
                continue
            fields[name] = _cell(person, value, self.now)
            self._learn(was.id, name, value, person)
        plain = {}
        for name in ("language", "country", "timezone"):
            new = getattr(person, name)
            if new and new != getattr(was, name):
                plain[name] = new
        if person.email_key and not was.email_key:
            plain |= {"email": person.email, "email_key": person.email_key, "email_hash": person.email_hash}
        if person.external_id and not was.external_id:
            plain["external_id"] = person.external_id
        if fields == dict(was.fields) and not plain:
            return False
        self.leads.append({"b_id": was.id, "b_fields": fields, "b_now": self.now})
        if plain:
            self.plain.append((was.id, plain))
        return True

    def _learn(self, lead_id: int, name: str, value: Any, person: Person) -> None:
        self.values.append({
            "lead_id": lead_id, "field": name, "value": {"v": value}, "origin": person.origin,
            "confidence": person.confidence, "source": person.learnt_from, "at": self.now,
        })

    def write(self, conn: Connection) -> None:
        for part in chunks(self.values, CHUNK):
            conn.execute(insert(_values), part)
        if self.leads:
            fields, at = bindparam("b_fields", type_=_t.c.fields.type), bindparam("b_now", type_=_t.c.updated_at.type)
            statement = update(_t).where(_t.c.id == bindparam("b_id")).values(fields=fields, updated_at=at)
            conn.execute(statement, self.leads)
        for lead_id, plain in self.plain:
            conn.execute(update(_t).where(_t.c.id == lead_id).values(**plain))


def _label(conn: Connection, people: Sequence[Person], stored: Sequence[Stored], *, now: datetime) -> None:
    tags: list[dict[str, Any]] = []
    lists: list[dict[str, Any]] = []
    for person, (lead_id, *_) in zip(people, stored, strict=True):
        if lead_id is not None:
            tags += [{"lead_id": lead_id, "tag": tag, "at": now} for tag in person.tags]
            lists += [{"list_name": name, "lead_id": lead_id, "at": now} for name in person.lists]
    make = sqlite.insert if conn.dialect.name == "sqlite" else postgresql.insert
    for table, rows, kind, name in ((_tags, tags, "tag_added", "tag"), (_lists, lists, "list_added", "list_name")):
        statement = make(table).on_conflict_do_nothing().returning(table.c.lead_id, table.c[name])
        for part in chunks(rows, CHUNK):
            fresh = conn.execute(statement, part).all()
            told = [
                events.NewEvent(kind, now, lead_id, key=f"{kind}:{label}:{lead_id}", touchpoint=label)
                for lead_id, label in fresh
            ]
            events.record(conn, told, now=now)


def add_to_list(conn: Connection, name: str, lead_ids: Iterable[int], *, now: datetime) -> list[int]:
    """Put leads on a list. Returns those who were not on it yet."""
    make = sqlite.insert if conn.dialect.name == "sqlite" else postgresql.insert
    statement = make(_lists).on_conflict_do_nothing().returning(_lists.c.lead_id)
    new: list[int] = []
    for part in chunks(sorted(set(lead_ids)), CHUNK):
        new += conn.execute(statement, [{"list_name": name, "lead_id": i, "at": now} for i in part]).scalars()
    return new


def ids_by_email_key(conn: Connection, keys: Iterable[str]) -> dict[str, int]:
    """Lead ids by the normal form of the address; erased leads have none."""
    return {key: one.id for key, one in _load(conn, "email_key", set(keys)).items()}


def ids_by_external(conn: Connection, ids: Iterable[str]) -> dict[str, int]:
    """Lead ids by external id, without those who asked to be erased."""
    found = _load(conn, "external_id", set(ids))
    return {key: one.id for key, one in found.items() if one.erased_at is None}


def stages(conn: Connection, lead_ids: Iterable[int]) -> dict[int, str]:
    """The lifecycle stage of each of these leads."""
    found: dict[int, str] = {}
    for part in chunks(lead_ids, CHUNK):
        found.update((row.id, row.stage) for row in conn.execute(select(_t.c.id, _t.c.stage).where(_t.c.id.in_(part))))
    return found


def announce(
    conn: Connection, lead_ids: Sequence[int], *, kind: str, data: Mapping[str, Any], now: datetime
) -> None:
    """An event of `kind` for each of these new leads, and a place in the queue of leads that are to be looked at."""
    for part in chunks(lead_ids, CHUNK):
        told = select(
            literal(f"{kind}:").concat(cast(_t.c.id, String)), _t.c.id, literal(1), literal(kind),
            literal(now, _event.c.occurred_at.type), literal(now, _event.c.recorded_at.type), literal(False),
            literal(False), literal(dict(data), _event.c.data.type),
        ).where(_t.c.id.in_(part))
        names = ["key", "lead_id", "cycle", "kind", "occurred_at", "recorded_at", "machine", "void", "data"]
        conn.execute(insert(_event).from_select(names, told, include_defaults=False))
        wakeups.wake(conn, part, now=now)


def chunks(items: Iterable[T], size: int) -> Iterable[list[T]]:
    """Lists of at most `size` items."""
    rest = iter(items)
    while part := list(islice(rest, size)):
        yield part
