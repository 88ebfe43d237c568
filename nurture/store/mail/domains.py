"""Receiving domains and the group whose servers take their mail: noted by sending, looked up aside, read by sending."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

from sqlalchemy import Connection, select, update
from sqlalchemy.dialects import postgresql, sqlite

from nurture.store.tables import MailDomainRow
from nurture.store.tables.columns import core

_t = core(MailDomainRow)


def known(conn: Connection, domains: Collection[str]) -> dict[str, str | None]:
    """Which of these were noted, and the group of each (None: its own, or not known yet)."""
    query = select(_t.c.domain, _t.c.provider).where(_t.c.domain.in_(sorted(domains)))
    return {row.domain: row.provider for row in conn.execute(query)}


def note(conn: Connection, domains: Collection[str], *, now: datetime) -> None:
    """Have these looked up."""
    if domains:
        make = sqlite.insert if conn.dialect.name == "sqlite" else postgresql.insert
        rows = [{"domain": domain, "next_look_at": now} for domain in sorted(domains)]
        conn.execute(make(_t).on_conflict_do_nothing(), rows)


def due(conn: Connection, *, now: datetime, limit: int) -> list[str]:
    """Domains whose look is due, longest waiting first."""
    query = select(_t.c.domain).where(_t.c.next_look_at <= now).order_by(_t.c.next_look_at, _t.c.domain).limit(limit)
    return list(conn.execute(query).scalars())


def learned(conn: Connection, found: Mapping[str, str | None], *, now: datetime, next_look_at: datetime) -> None:
    for domain, provider in sorted(found.items()):
        values = {"provider": provider, "looked_at": now, "next_look_at": next_look_at}
        conn.execute(update(_t).where(_t.c.domain == domain).values(**values))


def later(conn: Connection, domains: Collection[str], *, at: datetime) -> None:
    """Nobody answered: what was known stays, and is asked again at `at`."""
    if domains:
        conn.execute(update(_t).where(_t.c.domain.in_(sorted(domains))).values(next_look_at=at))
