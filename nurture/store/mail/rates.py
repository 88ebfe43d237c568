"""Token buckets in the database: hourly limits that survive a restart and hold for all workers together.

A bucket holds five minutes' worth and fills at what is left of the limit, so that no hour, wherever it begins, sees
more than the limit. A receiving group that complained gets half its rate, which then grows again by a tenth per hour.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from nurture.store.tables import RateRow
from nurture.store.tables.columns import core

_t = core(RateRow)

UNLIMITED: Final = 36_000.0
"""Where a slowed-down group without a limit of its own counts as recovered: ten a second."""
SLOWEST: Final = 60.0
GROWTH: Final = 0.1


def sender_key(domain: str) -> str:
    return f"sender:{domain}"


def group_key(group: str) -> str:
    return f"group:{group}"


def take(
    conn: Connection, wanted: Mapping[int, tuple[str, ...]], limits: Mapping[str, float | None], *, now: datetime
) -> dict[int, datetime]:
    """Take one token per key for each message, in order. Returns those that have to wait, with until when.

    `limits` are what was configured per hour (None: nothing, only what complaints have set).
    """
    rows = _locked(conn, limits)
    buckets = {key: _Bucket(rows.get(key), limit, now) for key, limit in limits.items() if limit or key in rows}
    waits: dict[int, datetime] = {}
    for message, keys in wanted.items():
        mine = [buckets[key] for key in keys if key in buckets]
        empty = [bucket for bucket in mine if bucket.tokens < 1]
        if empty:
            waits[message] = max(bucket.next_at(now) for bucket in empty)
            continue
        for bucket in mine:
            bucket.tokens -= 1
    _write(conn, {key: bucket for key, bucket in buckets.items() if not bucket.recovered}, now)
    gone = [key for key, bucket in buckets.items() if bucket.recovered]
    if gone:
        conn.execute(delete(_t).where(_t.c.key.in_(gone)))
    return waits


def slow_down(conn: Connection, keys: Sequence[str], *, now: datetime) -> None:
    """A group complained: half of what it got until now, at least one a minute."""
    if not keys:
        return
    rows = _locked(conn, dict.fromkeys(keys))
    for key in keys:
        bucket = _Bucket(rows.get(key), None if key in rows else UNLIMITED / 10, now)
        bucket.per_hour, bucket.tokens = max(bucket.per_hour / 2, SLOWEST), 0.0
        _write(conn, {key: bucket}, now)


class _Bucket:
    def __init__(self, row: Any, limit: float | None, now: datetime) -> None:
        ceiling = limit or UNLIMITED
        self.per_hour = ceiling
        self.tokens = self.size
        if row is not None:
            hours = max((now - row.at).total_seconds(), 0.0) / 3600
            self.per_hour = min((row.per_hour or ceiling) * (1 + GROWTH * hours), ceiling)
            self.tokens = min(row.tokens + hours * self.refill, self.size)
        self.recovered = limit is None and self.per_hour >= UNLIMITED

    @property
    def size(self) -> float:
        return max(self.per_hour // 12, 1.0)

    @property
    def refill(self) -> float:
        """Per hour. With a full bucket on top this is the limit and not more."""
        return max(self.per_hour - self.size, 1.0)

    def next_at(self, now: datetime) -> datetime:
        return now + timedelta(hours=(1 - self.tokens) / self.refill) + timedelta(milliseconds=1)


def _locked(conn: Connection, keys: Mapping[str, Any]) -> dict[str, Any]:
    query = select(_t).where(_t.c.key.in_(sorted(keys))).order_by(_t.c.key)
    if conn.dialect.name == "postgresql":
        query = query.with_for_update()
    return {row.key: row for row in conn.execute(query)}


def _write(conn: Connection, buckets: Mapping[str, _Bucket], now: datetime) -> None:
    if not buckets:
        return
    insert = sqlite.insert if conn.dialect.name == "sqlite" else postgresql.insert
    statement = insert(_t)
    statement = statement.on_conflict_do_update(
        index_elements=["key"], set_={name: statement.excluded[name] for name in ("tokens", "at", "per_hour")}
    )
    rows = [
        {"key": key, "tokens": b.tokens, "at": now, "per_hour": b.per_hour} for key, b in sorted(buckets.items())
    ]
    conn.execute(statement, rows)
