"""What people can ask for about themselves, and what we owe them unasked: erase, correct, object, retain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import product
from typing import Any, Final

from nurture.decide import choices
from nurture.errors import UsageError
from nurture.mail.plainmail import name_of
from nurture.model.consent import ConsentEntry, aged
from nurture.model.tokens import address_hash
from nurture.model.words import ActorKind, Channel, ConsentAction, Purpose
from nurture.parts import Parts
from nurture.store import Connection
from nurture.store.audience import people, same_person, visitors
from nurture.store.mail import inbound, outbox
from nurture.store.privacy import consent, erasure, ledger, rights
from nurture.store.running import calls
from nurture.store.sales import lifecycle
from nurture.store.sales.lifecycle import Actor

KEEP_QUIET: Final = timedelta(days=730)
KEEP_NETWORKS: Final = timedelta(days=90)
KEEP_VISITORS: Final = timedelta(days=180)
BATCH: Final = 500


@dataclass(frozen=True, slots=True)
class Erased:
    """`told_to` names whom the data had been handed to; they have to be told. `records` are all that stood for the
    person; by `marks` (addresses, Message-IDs) copies are known that are no rows; keep them nowhere."""

    lead_id: int
    repeated: bool
    told_to: tuple[str, ...] = ()
    records: tuple[int, ...] = ()
    marks: tuple[str, ...] = field(default=(), repr=False)


@dataclass(slots=True)
class Retained:
    """What the retention job did, or with `dry_run` would do."""

    dry_run: bool
    leads: list[int] = field(default_factory=list)
    networks: Mapping[str, int] = field(default_factory=dict)
    visitors: int = 0
    anchors: int = 0
    marks: list[str] = field(default_factory=list, repr=False)
    """As in `Erased`."""


def erase(parts: Parts, lead_id: int, *, by: str, now: datetime, reason: str = "asked for it") -> Erased:
    """Forget a person for good, with every record that stands for them. Only a keyed hash of each address stays, in
    suppression, so that an import of the same address does not bring them back into the mails (C16). The ledger's
    chain still verifies."""
    with parts.store.begin() as conn:
        erasure.prepare(conn)
        person = rights.person(conn, lead_id)
        if person is None:
            return Erased(lead_id, repeated=True)
        records = same_person.records(conn, person.id)
        told = {name for record in records for name in erasure.told_to(conn, record)}
        marks = _marks(conn, records)
        _erase_in(conn, parts, records, by=by, now=now, reason=reason)
    return Erased(person.id, repeated=False, told_to=tuple(sorted(told)), records=tuple(records),
                  marks=tuple(marks))


def _marks(conn: Connection, records: Sequence[int]) -> list[str]:
    return [*rights.addresses(conn, records), *map(name_of, outbox.keys_of(conn, records))]


def _erase_in(
    conn: Connection, parts: Parts, records: Sequence[int], *, by: str, now: datetime, reason: str
) -> None:
    """Raises nothing for a record that was merged away: where it went stands in the list too."""
    same_person.hold(conn, records)
    consent.append(
        conn,
        [
            ConsentEntry(record, Purpose.PRIVACY_NOTICE, ConsentAction.ERASE, now, by, proof={"source": reason})
            for record in records
        ],
        now=now,
        keys=parts.keys,
        wake=False,
    )
    for record in rights.standing(conn, records):
        lifecycle.apply(
            conn,
            record,
            "erasure_request",
            actor=Actor(ActorKind.PERSON),
            key=f"erase:{record}",
            now=now,
            reason="erasure_request",
        )
    for address in rights.addresses(conn, records):
        erasure.suppress(conn, address_hash(parts.keys, address), reason="erased", source=by, now=now)
    erasure.forget(conn, records, now=now)


def compact(parts: Parts) -> None:
    """Rewrite the database file, so that nothing of what was erased can be read from it."""
    erasure.compact(parts.store)


def rectify(parts: Parts, lead_id: int, values: Mapping[str, Any], *, by: str, now: datetime) -> bool:
    """Correct what is known about a person, as they say it is. Returns whether anything changed.

    Raises:
        UsageError: a field the company does not keep.
    """
    company = parts.library.company
    unknown = sorted(set(values) - set(company.lead_fields) - set(rights.PLAIN_FIELDS))
    if unknown:
        known = ", ".join(sorted({*company.lead_fields, *rights.PLAIN_FIELDS}))
        raise UsageError(f"no field `{unknown[0]}`", fix=f"one of {known}")
    with parts.store.begin() as conn:
        return people.learn(conn, lead_id, values, origin="sales", source=f"rectified by {by}", now=now)


def object_to_marketing(parts: Parts, lead_id: int, *, by: str, source: str, now: datetime) -> int:
    """Art. 21: no marketing, no calls, no tracking, no scoring. Returns how many entries that took."""
    with parts.store.begin() as conn:
        states = consent.still_open(conn, lead_id)
        entries = choices.everything(lead_id, states, now=now, proof={"source": source, "collected_by": by})
        return consent.append(conn, entries, now=now, keys=parts.keys).written


def retain(
    parts: Parts, *, now: datetime, dry_run: bool, quiet: timedelta = KEEP_QUIET, networks: timedelta = KEEP_NETWORKS
) -> Retained:
    """Erase who has shown no interest and agreed to nothing for `quiet`; forget networks older than `networks`, and
    visitors who stayed away half a year without becoming anybody."""
    found = Retained(dry_run)
    if dry_run:
        with parts.store.read() as conn:
            found.leads = erasure.stale(conn, before=now - quiet, limit=1_000_000)
            found.networks = erasure.old_networks(conn, before=now - networks)
            found.visitors = visitors.stale(conn, before=now - KEEP_VISITORS)
        return found
    while True:
        with parts.store.begin() as conn:
            erasure.prepare(conn)
            stale = erasure.stale(conn, before=now - quiet, limit=BATCH)
            for lead_id in stale:
                records = same_person.records(conn, lead_id)
                if records:
                    found.marks += _marks(conn, records)
                    _erase_in(conn, parts, records, by="system", now=now, reason="retention")
        found.leads += stale
        if not stale:
            break
    with parts.store.begin() as conn:
        found.networks = erasure.drop_networks(conn, before=now - networks)
        found.visitors = visitors.drop_stale(conn, before=now - KEEP_VISITORS)
        inbound.forget_raw(conn, before=now - networks)
        calls.forget(conn, before=now - networks)
        found.anchors = ledger.anchor(conn, parts.keys, now=now)
    return found


def agreed(parts: Parts, lead_id: int, *, now: datetime) -> list[dict[str, Any]]:
    """Every purpose and channel with what the ledger says at `now`, for people to read."""
    with parts.store.read() as conn:
        states = consent.states(conn, [lead_id]).get(lead_id, {})
    return [
        {
            "purpose": key[0].value,
            "channel": key[1].value,
            "status": aged(states[key], now).status.value,
            "basis": states[key].basis,
            "since": states[key].since,
            "until": states[key].until,
            "wording": states[key].wording,
        }
        for key in product(Purpose, Channel)
        if key in states
    ]
