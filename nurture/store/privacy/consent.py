"""The consent ledger: appended to, chained per lead, anchored per day, and folded into a cache that guards read."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, delete, insert, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from nurture.errors import Refused
from nurture.model.consent import REFUSED, Basis, ConsentEntry, fold, missing_proof, objects
from nurture.model.facts import ConsentState
from nurture.model.tokens import Keys, ledger_hash
from nurture.model.words import Channel, ConsentAction, Purpose
from nurture.store.audience import same_person, snapshots
from nurture.store.facts import wakeups
from nurture.store.tables import ConsentEntryRow, ConsentProofRow, ConsentStateRow, LeadRow, WordingRow
from nurture.store.tables.columns import core

_entry = core(ConsentEntryRow)
_proof = core(ConsentProofRow)
_state = core(ConsentStateRow)
_wording = core(WordingRow)
_lead = core(LeadRow)

CHUNK = 500


@dataclass(frozen=True, slots=True)
class Turned:
    """An entry that was not written, and why."""

    entry: ConsentEntry
    code: str
    text: str


@dataclass(frozen=True, slots=True)
class Appended:
    written: int
    repeated: int
    refused: tuple[Turned, ...] = ()


def append(
    conn: Connection, entries: Iterable[ConsentEntry], *, now: datetime, keys: Keys, wake: bool = True
) -> Appended:
    """Write entries to the ledger, refresh the cached states of their leads and wake them.

    A known key is a repeat and changes nothing. A grant without proof is refused with `proof_missing` (C5), one whose
    wording does not name its purpose with `wording_does_not_cover` (C4); the rest is written. A no is also written for
    every other record of the person (not counted in what is returned).
    """
    batch = list(entries)
    written = repeated = 0
    refused: list[Turned] = []
    for start in range(0, len(batch), CHUNK):
        fresh, again, turned = _sift(conn, batch[start : start + CHUNK])
        repeated += again
        refused += turned
        if fresh:
            told = [*fresh, *_for_others(conn, fresh)]
            _write(conn, told, now=now, keys=keys)
            leads = {e.lead_id for e in told}
            refold(conn, leads, now=now)
            if wake:
                wakeups.wake(conn, leads, now=now)
            written += len(fresh)
    return Appended(written, repeated, tuple(refused))


def _for_others(conn: Connection, fresh: Sequence[ConsentEntry]) -> list[ConsentEntry]:
    """A no said on one record of a person holds for their other records too, also after these were joined (C20)."""
    noes = [e for e in fresh if e.action in (ConsentAction.WITHDRAW, ConsentAction.OBJECT)]
    others = same_person.others(conn, {e.lead_id for e in noes}) if noes else {}
    there = same_person.hold(conn, {*others, *(i for ids in others.values() for i in ids)}) if others else set()
    return [
        replace(no, lead_id=i, key=f"{no.key}/{i}", actor=f"lead {no.lead_id}", proof={"source": "the same person"})
        for no in noes for i in others.get(no.lead_id, ()) if i in there
    ]


def would_append(conn: Connection, entries: Iterable[ConsentEntry]) -> Appended:
    """What `append` would do, without writing."""
    fresh, again, turned = _sift(conn, list(entries))
    return Appended(len(fresh), again, tuple(turned))


def identity(entry: ConsentEntry) -> str:
    """The key of an entry that came without one: the same act told twice is one entry."""
    if entry.key:
        return entry.key
    told = [
        str(entry.lead_id),
        entry.purpose,
        entry.channel,
        entry.action,
        entry.actor,
        entry.basis or "",
        entry.wording or "",
        entry.at.isoformat(),
    ]
    return hashlib.blake2b("\x1f".join(told).encode(), digest_size=16).hexdigest()


def _sift(conn: Connection, batch: Sequence[ConsentEntry]) -> tuple[list[ConsentEntry], int, list[Turned]]:
    """Entries to write (with key and wording hash), how many are repeats, and those refused."""
    keyed = {identity(e): e for e in reversed(batch)}
    known = set(conn.execute(select(_entry.c.key).where(_entry.c.key.in_(keyed))).scalars())
    names = {e.wording for e in batch if e.wording}
    query = select(_wording.c.id, _wording.c.sha256, _wording.c.purposes).where(_wording.c.id.in_(names))
    wordings = {row.id: (row.sha256, row.purposes) for row in conn.execute(query)} if names else {}
    fresh: list[ConsentEntry] = []
    refused: list[Turned] = []
    for key, entry in reversed(keyed.items()):
        if key in known:
            continue
        sha, covers = wordings.get(entry.wording or "", (None, None))
        entry = replace(entry, key=key, wording_sha=entry.wording_sha or sha)
        turned = _turned(entry, sha, covers)
        if turned:
            refused.append(turned)
        else:
            fresh.append(entry)
    return fresh, len(batch) - len(fresh) - len(refused), refused


def _turned(entry: ConsentEntry, sha: str | None, covers: Sequence[str] | None) -> Turned | None:
    lacking = missing_proof(entry)
    if lacking:
        return Turned(entry, "proof_missing", lacking)
    if sha and entry.wording_sha != sha:
        return Turned(entry, "wording_changed", f"wording {entry.wording} is known with another text")
    asks = entry.action in (ConsentAction.GRANT, ConsentAction.IMPORT, ConsentAction.REQUEST)
    if asks and covers and entry.purpose not in covers:
        return Turned(entry, "wording_does_not_cover", f"wording {entry.wording} does not name {entry.purpose}")
    return None


def _write(conn: Connection, fresh: Sequence[ConsentEntry], *, now: datetime, keys: Keys) -> None:
    heads = _heads(conn, {e.lead_id for e in fresh})
    rows: list[dict[str, Any]] = []
    proofs: list[dict[str, Any]] = []
    for entry in sorted(fresh, key=lambda e: e.lead_id):
        seq, before = heads.get(entry.lead_id, (0, ""))
        salt = secrets.token_hex(16)
        values = with_network_salt(json.loads(canonical(entry.proof)))
        row = _row(replace(entry, seq=seq + 1), now=now, digest=proof_digest(salt, values), before=before)
        row["hash"] = line_hash(keys, row)
        heads[entry.lead_id] = (seq + 1, row["hash"])
        rows.append(row)
        proofs.append({"lead_id": entry.lead_id, "salt": salt, "values": values})
    ids = conn.execute(insert(_entry).returning(_entry.c.id, sort_by_parameter_order=True), rows).scalars().all()
    conn.execute(insert(_proof), [{**p, "entry_id": i} for p, i in zip(proofs, ids, strict=True)])


def _row(entry: ConsentEntry, *, now: datetime, digest: str, before: str) -> dict[str, Any]:
    return {
        "key": entry.key,
        "lead_id": entry.lead_id,
        "seq": entry.seq,
        "purpose": entry.purpose.value,
        "channel": entry.channel.value,
        "action": entry.action.value,
        "basis": entry.basis.value if entry.basis else None,
        "jurisdiction": entry.jurisdiction,
        "at": entry.at,
        "recorded_at": now,
        "expires_at": entry.expires_at,
        "wording": entry.wording,
        "wording_sha": entry.wording_sha,
        "actor": entry.actor,
        "digest": digest,
        "prev_hash": before,
    }


def _heads(conn: Connection, lead_ids: Iterable[int]) -> dict[int, tuple[int, str]]:
    """The last line of each lead's chain: (seq, hash)."""
    query = select(_entry.c.lead_id, _entry.c.seq, _entry.c.hash).where(_entry.c.lead_id.in_(list(lead_ids)))
    heads: dict[int, tuple[int, str]] = {}
    for lead_id, seq, line in conn.execute(query.order_by(_entry.c.lead_id, _entry.c.seq)):
        heads[lead_id] = (seq, line)
    return heads


def canonical(values: Mapping[str, Any]) -> str:
    return json.dumps(dict(values), sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=str)


def proof_digest(salt: str, values: Mapping[str, Any]) -> str:
    """Salted, so that after erasure nobody can test a guess about what the proof said."""
    sealed = canonical(without_network(values)).encode()
    return hashlib.blake2b(sealed, salt=bytes.fromhex(salt)[:16], digest_size=32).hexdigest()


def with_network_salt(values: Mapping[str, Any]) -> dict[str, Any]:
    """A salt of its own for the network address, which is forgotten before the rest of the proof is."""
    return {**values, "ip_salt": secrets.token_hex(16)} if values.get("ip") else dict(values)


def without_network(values: Mapping[str, Any]) -> dict[str, Any]:
    """The proof with a salted leaf in the place of the network address. Its digest is made over this form."""
    if "ip_salt" not in values:
        return dict(values)
    leaf = hashlib.blake2b(str(values["ip"]).encode(), salt=bytes.fromhex(values["ip_salt"])[:16], digest_size=20)
    return {**{k: v for k, v in values.items() if k != "ip_salt"}, "ip": f"#{leaf.hexdigest()}"}


_CHAINED = (
    "key",
    "lead_id",
    "seq",
    "purpose",
    "channel",
    "action",
    "basis",
    "jurisdiction",
    "at",
    "recorded_at",
    "expires_at",
    "wording",
    "wording_sha",
    "actor",
    "digest",
    "prev_hash",
)


def line_hash(keys: Keys, row: Mapping[str, Any]) -> str:
    """What a line must hash to: every column of it, and the line before."""
    return ledger_hash(keys, *(_told(row[name]) for name in _CHAINED))


def _told(value: Any) -> str:
    if value is None:
        return "-"
    return value.astimezone(UTC).isoformat(timespec="microseconds") if isinstance(value, datetime) else f"={value}"


def entries(conn: Connection, lead_ids: Iterable[int], *, with_proof: bool = False) -> dict[int, list[ConsentEntry]]:
    """The ledger of these leads, in the order it was written."""
    ids = list(lead_ids)
    query = select(_entry, _proof.c["values"]).join(_proof, _proof.c.entry_id == _entry.c.id, isouter=True)
    found: dict[int, list[ConsentEntry]] = {i: [] for i in ids}
    for row in conn.execute(query.where(_entry.c.lead_id.in_(ids)).order_by(_entry.c.lead_id, _entry.c.seq)).mappings():
        # What was refused for lack of proof never came in; of an erased proof only the fact remains.
        proof = (
            row["values"]
            if row["values"] is not None
            else {"source": "erased", "sale_ref": "erased", "similar_product": True, "objection_offered": True}
        )
        found[row["lead_id"]].append(
            ConsentEntry(
                lead_id=row["lead_id"],
                purpose=Purpose(row["purpose"]),
                action=ConsentAction(row["action"]),
                at=row["at"],
                actor=row["actor"],
                channel=Channel(row["channel"]),
                basis=Basis(row["basis"]) if row["basis"] else None,
                jurisdiction=row["jurisdiction"],
                wording=row["wording"],
                wording_sha=row["wording_sha"],
                expires_at=row["expires_at"],
                proof=proof,
                key=row["key"],
                id=row["id"],
                seq=row["seq"],
            )
        )
    return found


def dump(conn: Connection, lead_id: int | None = None) -> Iterator[str]:
    """Every line as JSON, proof and hashes included, in the order of the chains."""
    query = select(_entry, _proof.c["values"].label("proof")).join(
        _proof, _proof.c.entry_id == _entry.c.id, isouter=True
    )
    if lead_id is not None:
        query = query.where(_entry.c.lead_id == lead_id)
    for row in conn.execute(query.order_by(_entry.c.lead_id, _entry.c.seq)).mappings():
        yield json.dumps(
            {k: v.isoformat() if isinstance(v, datetime) else v for k, v in row.items()}, ensure_ascii=False
        )


def states(conn: Connection, lead_ids: Iterable[int]) -> dict[int, dict[tuple[Purpose, Channel], ConsentState]]:
    """The cached fold, by lead, then (purpose, channel)."""
    return snapshots.consents(conn, lead_ids)


def still_open(conn: Connection, lead_id: int) -> dict[tuple[Purpose, Channel], ConsentState]:
    """The states of a lead as a new no has to see them: without a refusal that another record of the person undid."""
    others = states(conn, same_person.others(conn, [lead_id]).get(lead_id, ())).values()
    undone = {key for held in others for key, state in held.items() if state.status not in REFUSED}
    own = states(conn, [lead_id]).get(lead_id, {})
    return {key: state for key, state in own.items() if state.status not in REFUSED or key not in undone}


def refold(conn: Connection, lead_ids: Iterable[int], *, now: datetime) -> None:
    """Fold the ledger of these leads again into `consent_state`; also what rebuilds the cache from nothing."""
    ids = sorted(set(lead_ids))
    rows: list[dict[str, Any]] = []
    soonest: dict[int, datetime] = {}
    objecting: dict[int, bool] = {}
    for lead_id, ledger in entries(conn, ids).items():
        folded = fold(ledger, now=now)
        objecting[lead_id] = objects(folded, now)
        for (purpose, channel), state in folded.items():
            rows.append(
                {
                    "lead_id": lead_id,
                    "purpose": purpose.value,
                    "channel": channel.value,
                    "status": state.status.value,
                    "basis": state.basis,
                    "since": state.since,
                    "until": state.until,
                    "entry_id": state.entry_id or None,
                    "wording": state.wording,
                }
            )
            if state.until and state.until > now:
                soonest[lead_id] = min(state.until, soonest.get(lead_id, state.until))
    if rows:
        upsert = (sqlite.insert if conn.dialect.name == "sqlite" else postgresql.insert)(_state)
        fields = ("status", "basis", "since", "until", "entry_id", "wording")
        conn.execute(
            upsert.on_conflict_do_update(
                index_elements=["lead_id", "purpose", "channel"], set_={f: upsert.excluded[f] for f in fields}
            ),
            rows,
        )
    for said in (True, False):
        who = [lead_id for lead_id, objected in objecting.items() if objected is said]
        other = _lead.c.id.in_(who) & _lead.c.objected.is_not(said)
        conn.execute(update(_lead).where(other).values(objected=said))
    for lead_id, at in soonest.items():
        sooner = or_(_lead.c.review_at.is_(None), _lead.c.review_at > at)
        conn.execute(update(_lead).where(_lead.c.id == lead_id, sooner).values(review_at=at))


def forget_proofs(conn: Connection, lead_ids: Iterable[int]) -> None:
    """Delete what was seen, and the salts: the chain of these leads still verifies, as `erased`."""
    conn.execute(delete(_proof).where(_proof.c.lead_id.in_(list(lead_ids))))


def put_wording(
    conn: Connection,
    wording_id: str,
    text: str,
    *,
    purposes: Sequence[Purpose],
    language: str,
    now: datetime,
    version: int = 1,
) -> str:
    """Keep a consent text for good and return its hash. Raises Refused when the id stands for another text (C21)."""
    sha = hashlib.sha256(text.encode()).hexdigest()
    query = select(_wording.c.sha256, _wording.c.purposes).where(_wording.c.id == wording_id)
    known = conn.execute(query).one_or_none()
    covers = sorted(p.value for p in purposes)
    if known is None:
        conn.execute(
            insert(_wording).values(
                id=wording_id,
                version=version,
                language=language,
                sha256=sha,
                text=text,
                purposes=covers,
                first_used_at=now,
            )
        )
    elif known.sha256 != sha or sorted(known.purposes) != covers:
        raise Refused(
            f"the wording {wording_id} is in use and cannot change",
            code="wording_in_use",
            fix="give the new text a new id; people agreed to the old one",
        )
    return sha
