"""How long `nurture plan` takes with people inside, and the sweep after applying.

`python -m tests.bench.plan_bench 10000 1000000` (people per round) prints one JSON line per database and round. The
edit is the design's: one wait shorter, one rename with `was`, one step taken out, one put in. Budget: 10,000 people in
1 s, 1,000,000 in 60 s.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from resource import RUSAGE_SELF, getrusage
from time import perf_counter, process_time

from sqlalchemy import insert, text

from nurture.acts import apply as applying
from nurture.store import Store, open_store
from nurture.store.tables import EnrollmentRow, LeadRow
from tests.applying.world import START, S, World, campaign_file, draft
from tests.postgres import NoPostgres, cluster, make_database

BEFORE = [S("s0", 0), S("s1", 7), S("s2", 5), S("s3", 7), S("s4", 14), S("s5", 7, "score")]
AFTER = [
    S("s0", 0), S("s1", 4), S("r2", 5, was="s2", template="s2"), S("r6", 2), S("s4", 14), S("s5", 7, "score"),
]
ZONES = ("Europe/Berlin", "America/New_York", "Asia/Tokyo", None)
CHUNK = 20_000


def fill(store: Store, people: int) -> None:
    """People evenly on the first five steps, each since up to ten days."""
    for first in range(1, people + 1, CHUNK):
        leads, rows = [], []
        for i in range(first, min(first + CHUNK, people + 1)):
            anchor = START - timedelta(minutes=i * 7919 % 14_400)
            leads.append(
                {"id": i, "stage": "nurturing", "timezone": ZONES[i % 4], "created_at": anchor, "updated_at": anchor}
            )
            rows.append({
                "id": i, "lead_id": i, "campaign": "drip", "track": "education", "version_entered": 1, "version_now": 1,
                "step_id": f"s{i % 5}", "anchor_at": anchor, "entered_at": anchor, "due_at": anchor + timedelta(days=7),
            })
        with store.begin() as conn:
            conn.execute(insert(LeadRow), leads)
            conn.execute(insert(EnrollmentRow), rows)
    with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
        conn.execute(text("ANALYZE"))


def measure(store: Store, people: int, *, sweep: bool = True) -> dict[str, object]:
    """Seconds for the plan (and how much of it our processor worked), the apply, the sweep; what the plan said."""
    world = World(store)
    world.apply(draft(campaign_file(BEFORE)))
    fill(store, people)
    edited = draft(campaign_file(AFTER))
    began, worked = perf_counter(), process_time()
    made = world.plan(edited)
    planned, worked = perf_counter() - began, process_time() - worked
    began = perf_counter()
    applying.apply(store, edited, now=world.now, by="bench", accept=made.asks)
    applied = perf_counter() - began
    world.refresh()
    began = perf_counter()
    if sweep:
        world.run("rebase")
    return {
        "people": people,
        "database": store.engine.dialect.name,
        "plan_s": round(planned, 3),
        "plan_cpu_s": round(worked, 3),
        "apply_s": round(applied, 3),
        "sweep_s": round(perf_counter() - began, 3) if sweep else None,
        "rss_mb": getrusage(RUSAGE_SELF).ru_maxrss // 1024,
        **made.counts()["drip"],
    }


@contextmanager
def databases() -> Iterator[list[str]]:
    """A fresh SQLite file and, where a server can be started, a fresh PostgreSQL database."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            with cluster() as admin:
                yield [f"sqlite:///{folder}/plan.db", make_database(admin, "plan_bench")]
        except NoPostgres as why:
            print(f"no PostgreSQL: {why}", file=sys.stderr)
            yield [f"sqlite:///{folder}/plan.db"]


def main(rounds: list[int]) -> None:
    for people in rounds:
        with databases() as urls:
            for url in urls:
                store = open_store(url)
                store.create()
                print(json.dumps(measure(store, people, sweep=people <= 100_000)), flush=True)
                store.close()


if __name__ == "__main__":
    main([int(n) for n in sys.argv[1:]] or [10_000])
