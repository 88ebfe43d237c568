"""Who signs in, and what they are signed in with. Of passwords and session tokens only hashes are kept."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection, insert, select, update

from nurture.model.tokens import normal_address
from nurture.store.tables import SessionRow, UserRow
from nurture.store.tables.columns import core

_user = core(UserRow)
_session = core(SessionRow)

ROLES: Final = ("marketing", "sales", "manager", "privacy", "admin")
IDLE: Final = timedelta(hours=12)
LONGEST: Final = timedelta(days=7)
API_LONGEST: Final = timedelta(days=365)
SEEN_EVERY: Final = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class User:
    """`id` is also how decisions name a person (`jana`)."""

    id: str
    email_key: str
    name: str
    roles: frozenset[str]
    password_hash: str | None
    disabled: bool

    def may(self, *roles: str) -> bool:
        return "admin" in self.roles or bool(self.roles & set(roles))


def _noun(row: object) -> User | None:
    if row is None:
        return None
    r: UserRow = row  # type: ignore[assignment]  # a Row with the table's columns
    return User(r.id, r.email_key, r.name, frozenset(r.roles), r.password_hash, r.disabled)


def user(conn: Connection, user_id: str) -> User | None:
    return _noun(conn.execute(select(_user).where(_user.c.id == user_id)).one_or_none())


def user_by_address(conn: Connection, address: str) -> User | None:
    return _noun(conn.execute(select(_user).where(_user.c.email_key == normal_address(address))).one_or_none())


def users(conn: Connection) -> list[User]:
    rows = conn.execute(select(_user).order_by(_user.c.id))
    return [found for row in rows if (found := _noun(row)) is not None]


def put_user(conn: Connection, user_id: str, *, address: str, name: str, roles: Sequence[str], now: datetime) -> User:
    """Make somebody who may sign in, or change their name, address and roles."""
    values = {"email_key": normal_address(address), "name": name, "roles": sorted(set(roles)), "disabled": False}
    if conn.execute(update(_user).where(_user.c.id == user_id).values(**values)).rowcount == 0:
        conn.execute(insert(_user).values(id=user_id, created_at=now, **values))
    found = user(conn, user_id)
    assert found is not None
    return found


def set_password(conn: Connection, user_id: str, password_hash: str, *, now: datetime) -> None:
    """Change the password and end every session opened with the old one, API tokens included."""
    conn.execute(update(_user).where(_user.c.id == user_id).values(password_hash=password_hash, password_at=now))
    end_all(conn, user_id, now=now)


def disable(conn: Connection, user_id: str, *, now: datetime) -> None:
    conn.execute(update(_user).where(_user.c.id == user_id).values(disabled=True))
    end_all(conn, user_id, now=now)


def end_all(conn: Connection, user_id: str, *, now: datetime) -> None:
    open_ones = (_session.c.user_id == user_id) & _session.c.ended_at.is_(None)
    conn.execute(update(_session).where(open_ones).values(ended_at=now))


def hash_of(token: str) -> str:
    return hashlib.blake2b(token.encode(), digest_size=32).hexdigest()


def open_session(conn: Connection, user_id: str, token: str, *, now: datetime, kind: str = "cookie") -> None:
    conn.execute(
        insert(_session).values(
            token_hash=hash_of(token),
            user_id=user_id,
            kind=kind,
            created_at=now,
            seen_at=now,
            expires_at=now + (LONGEST if kind == "cookie" else API_LONGEST),
        )
    )


def who(conn: Connection, token: str, *, now: datetime, kind: str = "cookie") -> tuple[User, bool] | None:
    """(user, whether the session should be marked as seen), or None for a session that is over or never was."""
    row = conn.execute(select(_session).where(_session.c.token_hash == hash_of(token), _session.c.kind == kind)).first()
    if row is None or row.ended_at is not None or row.expires_at <= now:
        return None
    if kind == "cookie" and now - row.seen_at > IDLE:
        return None
    found = user(conn, row.user_id)
    if found is None or found.disabled:
        return None
    return found, now - row.seen_at > SEEN_EVERY


def seen(conn: Connection, token: str, *, now: datetime) -> None:
    conn.execute(update(_session).where(_session.c.token_hash == hash_of(token)).values(seen_at=now))


def close_session(conn: Connection, token: str, *, now: datetime) -> None:
    conn.execute(update(_session).where(_session.c.token_hash == hash_of(token)).values(ended_at=now))
