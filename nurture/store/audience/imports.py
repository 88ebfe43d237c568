"""Import runs, and what an import asks about people who are already known."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from nurture.model.words import MAIL_PURPOSES, Channel
from nurture.store.audience.leads import CHUNK, chunks
from nurture.store.tables import ConsentStateRow, ImportRow, SuppressionRow, WordingRow
from nurture.store.tables.columns import core

_run = core(ImportRow)
_state = core(ConsentStateRow)
_wording = core(WordingRow)
_suppression = core(SuppressionRow)


class MailConsent(NamedTuple):
    """One purpose's cached state, as far as an import needs it."""

    purpose: str
    status: str
    until: datetime | None


def begin(
    conn: Connection, *, file_name: str, file_sha256: str, map_sha256: str | None, kind: str, by: str, now: datetime
) -> int:
    """Open an import run and return its id, which provenance and consent entries name."""
    values: dict[str, Any] = {
        "file_name": file_name, "file_sha256": file_sha256, "map_sha256": map_sha256, "kind": kind, "by": by,
        "at": now, "report": {},
    }
    return int(conn.execute(insert(_run).values(**values).returning(_run.c.id)).scalar_one())


def finish(conn: Connection, import_id: int, report: Mapping[str, Any]) -> None:
    conn.execute(update(_run).where(_run.c.id == import_id).values(report=dict(report)))


def drop(conn: Connection, import_id: int) -> None:
    """Forget a run that changed nothing."""
    conn.execute(delete(_run).where(_run.c.id == import_id))


def earlier(conn: Connection, file_sha256: str) -> datetime | None:
    """When these very bytes were imported last, if ever."""
    query = select(_run.c.at).where(_run.c.file_sha256 == file_sha256).order_by(_run.c.id.desc()).limit(1)
    return conn.execute(query).scalar()


def mail_consents(conn: Connection, lead_ids: Iterable[int]) -> dict[int, list[MailConsent]]:
    """The e-mail states of these leads for the purposes that campaigns mail under."""
    found: dict[int, list[MailConsent]] = {}
    for part in chunks(lead_ids, CHUNK):
        query = select(_state.c.lead_id, _state.c.purpose, _state.c.status, _state.c.until).where(
            _state.c.lead_id.in_(part), _state.c.channel == Channel.EMAIL.value,
            _state.c.purpose.in_([p.value for p in MAIL_PURPOSES]),
        )
        for lead_id, *state in conn.execute(query):
            found.setdefault(lead_id, []).append(MailConsent(*state))
    return found


def wordings(conn: Connection) -> dict[str, frozenset[str]]:
    """Every archived consent wording with the purposes it names."""
    rows = conn.execute(select(_wording.c.id, _wording.c.purposes))
    return {wording: frozenset(purposes) for wording, purposes in rows}


def suppressed(conn: Connection, hashes: Iterable[str]) -> dict[str, set[str]]:
    """Which of these address hashes are suppressed now, and why."""
    found: dict[str, set[str]] = {}
    for part in chunks(hashes, CHUNK):
        query = select(_suppression.c.address_hash, _suppression.c.reason).where(
            _suppression.c.address_hash.in_(part), _suppression.c.lifted_at.is_(None)
        )
        for hashed, reason in conn.execute(query):
            found.setdefault(hashed, set()).add(reason)
    return found


def suppress(
    conn: Connection, blocked: Sequence[tuple[str, str, int | None]], *, source: str, now: datetime
) -> int:
    """Suppress (address hash, reason, lead id). Returns how many are new.

    One that was lifted stays lifted: an old file must not undo what a named person decided later.
    """
    make = sqlite.insert if conn.dialect.name == "sqlite" else postgresql.insert
    statement = make(_suppression).on_conflict_do_nothing().returning(_suppression.c.id)
    rows = [
        {"address_hash": hashed, "reason": reason, "scope": "marketing", "source": source, "lead_id": lead, "at": now}
        for hashed, reason, lead in blocked
    ]
    return sum(len(conn.execute(statement, part).all()) for part in chunks(rows, CHUNK))
