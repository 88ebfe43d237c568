"""What must not send for a while, and how fast the rest may: rows that survive a restart and hold for every worker."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, or_, select
from sqlalchemy.dialects import postgresql, sqlite

from nurture.model.words import CampaignStatus
from nurture.store.tables import BrakeRow, CampaignRow
from nurture.store.tables.columns import core

_brake = core(BrakeRow)
_campaign = core(CampaignRow)

ALL = "all"
LONGEST = timedelta(hours=6)
FORGIVEN_AFTER = timedelta(hours=1)
"""Quiet for so long after its last brake, a key starts anew."""


def group_key(group: str) -> str:
    return f"domain:{group}"


def route_key(route: str) -> str:
    return f"route:{route}"


def active(conn: Connection, *, now: datetime) -> dict[str, datetime | None]:
    """Brakes in force: key -> until (None: until somebody releases it)."""
    query = select(_brake.c.key, _brake.c.until).where(or_(_brake.c.until.is_(None), _brake.c.until > now))
    return {row.key: row.until for row in conn.execute(query)}


def put(conn: Connection, wanted: Mapping[str, tuple[timedelta, str]], *, now: datetime) -> None:
    """Brake each key for a span, with why. A key that keeps failing rests longer each time, at most six hours."""
    if not wanted:
        return
    before = {row.key: row for row in conn.execute(select(_brake).where(_brake.c.key.in_(sorted(wanted))))}
    insert = sqlite.insert if conn.dialect.name == "sqlite" else postgresql.insert
    statement = insert(_brake)
    statement = statement.on_conflict_do_update(
        index_elements=["key"],
        set_={name: statement.excluded[name] for name in ("until", "why", "failures", "at")},
    )
    rows = []
    for key in sorted(wanted):
        span, why = wanted[key]
        last = before.get(key)
        again = last is not None and (last.until is None or now - last.until < FORGIVEN_AFTER)
        failures = last.failures + 1 if last is not None and again else 1
        until = now + min(span * 2 ** min(failures - 1, 8), max(LONGEST, span))
        rows.append({"key": key, "until": until, "why": why[:400], "failures": failures, "at": now})
    conn.execute(statement, rows)


def release(conn: Connection, keys: list[str]) -> None:
    """Take brakes off: a success over the route, a human's decision."""
    if keys:
        conn.execute(delete(_brake).where(_brake.c.key.in_(keys)))


def paused_campaigns(conn: Connection) -> frozenset[str]:
    """Campaigns that may not send now."""
    stopped = (CampaignStatus.PAUSED, CampaignStatus.DRAFT)
    return frozenset(conn.execute(select(_campaign.c.id).where(_campaign.c.state.in_(stopped))).scalars())
