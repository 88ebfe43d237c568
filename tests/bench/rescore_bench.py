"""How long a full rescore takes, with ten events per lead, on both databases.

`python -m tests.bench.rescore_bench 1000000`
"""

from __future__ import annotations

import json
import os
import random
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import text

from nurture.model.scoring import Scoring
from nurture.stages.rescore import rescore
from nurture.store import Store, open_store
from nurture.store.tables import EventRow, LeadRow
from tests.postgres import NoPostgres, cluster, make_database
from tests.sales.world import library

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
KINDS = ("page_view", "page_view", "page_view", "download", "email_click", "email_open", "webinar_attended")
PER_LEAD = 10


def rows(leads: int) -> Iterator[tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]]:
    """Leads and their events, ten thousand leads at a time."""
    draw = random.Random(1)
    for first in range(1, leads + 1, 10_000):
        people, events = [], []
        for lead in range(first, min(first + 10_000, leads + 1)):
            fields = json.dumps({
                    "role": {"v": draw.choice(("head of IT", "CIO", "clerk")), "o": "declared"},
                    "employees": {"v": draw.randrange(5, 9000), "o": "declared"}, "country": {"v": "PL"},
                })
            people.append((lead, fields, f"p{lead}@example.org"))
            for n in range(PER_LEAD):
                at = NOW - timedelta(minutes=draw.randrange(60 * 24 * 200))
                events.append((lead * PER_LEAD + n, f"k{lead}-{n}", lead, draw.choice(KINDS), at,
                               f"c{draw.randrange(20)}", draw.randrange(1, 50)))
        yield people, events


def fill(store: Store, leads: int) -> None:
    """Write them the fastest way each database has."""
    lead, event = _Filler(LeadRow.__table__, LEAD, store), _Filler(EventRow.__table__, EVENT, store)
    now = lead.moment(NOW)
    for people, events in rows(leads):
        with store.begin() as conn:
            lead.write(conn, [(*p, "nurturing", now, now) for p in people])
            event.write(conn, [(*e[:4], event.moment(e[4]), now, *e[5:]) for e in events])
    with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
        conn.execute(text("ANALYZE"))


LEAD = ("id", "fields", "email", "stage", "created_at", "updated_at")
EVENT = ("id", "key", "lead_id", "kind", "occurred_at", "recorded_at", "content", "message_id")


class _Filler:
    """Writes rows of a few columns; what else the table wants gets its default."""

    def __init__(self, table: Any, names: tuple[str, ...], store: Store) -> None:
        rest = {c.name: self._default(c) for c in table.c if c.name not in names and not c.nullable}
        self.sqlite, self.rest = store.is_sqlite, tuple(rest.values())
        columns = [*names, *rest]
        into = f"{table.name} ({', '.join(columns)})"
        marks = ", ".join("?" * len(columns))
        self.sql = f"INSERT INTO {into} VALUES ({marks})" if self.sqlite else f"COPY {into} FROM STDIN"

    @staticmethod
    def _default(column: Any) -> Any:
        value = column.default.arg if column.default is not None else None
        value = value(None) if callable(value) else value
        return json.dumps(value) if isinstance(value, dict | list) else value

    def moment(self, at: datetime) -> Any:
        return at.strftime("%Y-%m-%d %H:%M:%S.%f") if self.sqlite else at

    def write(self, conn: Any, batch: list[tuple[Any, ...]]) -> None:
        raw = conn.connection.dbapi_connection
        if self.sqlite:
            raw.executemany(self.sql, [(*row, *self.rest) for row in batch])
            return
        with raw.cursor() as cursor, cursor.copy(self.sql) as copy:
            for row in batch:
                copy.write_row([*row, *self.rest])


def measure(store: Store, leads: int, *, workers: int, name: str) -> dict[str, Any]:
    """Fill and rescore; prints and returns the figures."""
    began = time.perf_counter()
    fill(store, leads)
    filled = time.perf_counter() - began

    def tell(done: int, of: int) -> None:
        print(f"\r{name}: {done:,} of {of:,}", end="", flush=True)

    began, before = time.perf_counter(), _cpu()
    base = library()
    scoring = Scoring(base.scoring.models, 1, sha=f"bench-{leads}")
    done = rescore(store, library(scoring=scoring), now=NOW, workers=workers, progress=tell, wake=False)
    took, cpu = time.perf_counter() - began, _cpu() - before
    figures = {"name": name, "leads": done.leads, "events": leads * PER_LEAD, "seconds": round(took, 1),
               "leads_per_second": round(done.leads / took), "leads_per_cpu_second": round(done.leads / cpu),
               "workers": workers, "fill_seconds": round(filled, 1)}
    print(f"\r{name}: {done.leads:,} leads, {leads * PER_LEAD:,} events in {took:.1f} s "
          f"({done.leads / took:,.0f} leads/s, {done.leads / cpu:,.0f} per second of CPU, {workers} processes; "
          f"filled in {filled:.0f} s; load {os.getloadavg()[0]:.1f})", flush=True)
    return figures


def _cpu() -> float:
    """Seconds of CPU of this process and of the processes it waited for (PostgreSQL's own are not among them)."""
    ours, theirs = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return ours.ru_utime + ours.ru_stime + theirs.ru_utime + theirs.ru_stime


def run(leads: int = 1_000_000, *, workers: int = 2) -> list[dict[str, Any]]:
    """Both databases; PostgreSQL is left out, and said so, where there is none."""
    figures = []
    with tempfile.TemporaryDirectory(prefix="nurture-bench-") as folder:
        store = open_store(f"sqlite:///{folder}/bench.db")
        store.create()
        figures.append(measure(store, leads, workers=workers, name="rescore, SQLite"))
        store.close()
    try:
        with cluster() as admin:
            store = open_store(make_database(admin, "bench"))
            store.create()
            figures.append(measure(store, leads, workers=workers, name="rescore, PostgreSQL"))
            store.close()
    except NoPostgres as why:
        print(f"rescore, PostgreSQL: left out ({why})")
    return figures


if __name__ == "__main__":
    run(int(sys.argv[1].replace("_", "")) if len(sys.argv) > 1 else 1_000_000)
