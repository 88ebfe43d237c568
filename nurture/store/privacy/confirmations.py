"""Single-use tokens (double opt-in, magic links): only their hash is kept, and using one is one conditional update."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from nurture.store.tables import OutboxRow, TokenRow
from nurture.store.tables.columns import core

_token = core(TokenRow)
_outbox = core(OutboxRow)


@dataclass(frozen=True, slots=True)
class Single:
    """What a single-use token stands for."""

    purpose: str
    lead_id: int | None
    user_id: str | None
    data: Mapping[str, Any]


def token_hash(token: str) -> str:
    return hashlib.blake2b(token.encode(), digest_size=32).hexdigest()


def issue(
    conn: Connection,
    token: str,
    *,
    purpose: str,
    now: datetime,
    expires_at: datetime,
    lead_id: int | None = None,
    user_id: str | None = None,
    data: Mapping[str, Any] | None = None,
) -> None:
    conn.execute(
        insert(_token).values(
            token_hash=token_hash(token), purpose=purpose, lead_id=lead_id, user_id=user_id, data=dict(data or {}),
            created_at=now, expires_at=expires_at,
        )
    )


def offer(
    conn: Connection, token: str, *, purpose: str, now: datetime, expires_at: datetime, data: Mapping[str, Any]
) -> None:
    """As `issue`, for a token that somebody else thought of: one that is there already stays what it is."""
    lite = conn.dialect.name == "sqlite"
    statement = (sqlite.insert if lite else postgresql.insert)(_token).values(
        token_hash=token_hash(token), purpose=purpose, data=dict(data), created_at=now, expires_at=expires_at
    )
    conn.execute(statement.on_conflict_do_nothing())


def look(conn: Connection, token: str, *, purpose: str, now: datetime) -> Single | None:
    """The token, if it was issued for `purpose`, has not been used and has not run out."""
    row = conn.execute(select(_token).where(_open(token, purpose, now))).one_or_none()
    return None if row is None else Single(row.purpose, row.lead_id, row.user_id, row.data)


def use(conn: Connection, token: str, *, purpose: str, now: datetime) -> Single | None:
    """Use the token up. None for a second use, whoever comes second."""
    used = update(_token).where(_open(token, purpose, now)).values(used_at=now)
    row = conn.execute(
        used.returning(_token.c.purpose, _token.c.lead_id, _token.c.user_id, _token.c.data)
    ).one_or_none()
    return None if row is None else Single(*row)


def _open(token: str, purpose: str, now: datetime) -> Any:
    return (
        (_token.c.token_hash == token_hash(token))
        & (_token.c.purpose == purpose)
        & _token.c.used_at.is_(None)
        & (_token.c.expires_at > now)
    )


def open_requests(conn: Connection, lead_id: int, *, purpose: str, since: datetime) -> list[Mapping[str, Any]]:
    """What was asked of this lead since then, used or not: nobody is asked again and again."""
    query = select(_token.c.data).where(
        _token.c.lead_id == lead_id, _token.c.purpose == purpose, _token.c.created_at >= since
    )
    return list(conn.execute(query).scalars())


def cancel_mail(conn: Connection, key: str, *, now: datetime, why: str) -> None:
    """A queued mail that has become pointless does not go out."""
    waiting = (_outbox.c.key == key) & _outbox.c.state.in_(("planned", "deferred"))
    conn.execute(update(_outbox).where(waiting).values(state="failed", reply=why, done_at=now))
