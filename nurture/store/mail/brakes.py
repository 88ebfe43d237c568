"""What must not send for a while, and how fast the rest may: rows that survive a restart and hold for every worker."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

from sqlalchemy import Connection, or_, select, update
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


def sender_key(domain: str) -> str:
    return f"sender:{domain}"


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


def hold(conn: Connection, key: str, why: str, *, now: datetime) -> bool:
    """Brake a key until a human releases it. False: it is held already."""
    row = conn.execute(select(_brake.c.until).where(_brake.c.key == key)).first()
    if row is not None and row.until is None:
        return False
    insert = sqlite.insert if conn.dialect.name == "sqlite" else postgresql.insert
    values = {"until": None, "why": why[:400], "failures": 1, "at": now}
    statement = insert(_brake).values(key=key, **values)
    conn.execute(statement.on_conflict_do_update(index_elements=["key"], set_=values))
    return True


def release(conn: Connection, keys: Collection[str], *, now: datetime) -> list[str]:
    """A human's decision: what is braked may send again at once. Returns the keys that were. The row stays, so that
    nothing from before this moment brakes it again."""
    braked = or_(_brake.c.until.is_(None), _brake.c.until > now)
    statement = update(_brake).where(_brake.c.key.in_(sorted(keys)), braked).values(until=now, failures=0)
    return sorted(conn.execute(statement.returning(_brake.c.key)).scalars())


def released(conn: Connection, *, prefix: str) -> dict[str, datetime]:
    """Keys that begin so and are not braked -> until when they were."""
    query = select(_brake.c.key, _brake.c.until).where(_brake.c.key.startswith(prefix), _brake.c.until.is_not(None))
    return {row.key: row.until for row in conn.execute(query)}


def paused_campaigns(conn: Connection) -> frozenset[str]:
    """Campaigns that may not send now."""
    stopped = (CampaignStatus.PAUSED, CampaignStatus.DRAFT)
    return frozenset(conn.execute(select(_campaign.c.id).where(_campaign.c.state.in_(stopped))).scalars())
