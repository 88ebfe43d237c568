"""`make bench`: every figure we promise, as ratios in one run, in one table and in build/bench.json.

`python -m tests.bench --quick` leaves out what fills a million rows.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.bench import memory_bench, plan_bench, rescore_bench, send_bench, tick_bench
from tests.rules import shapes
from tests.rules.shapes_public import PUBLIC
from tests.rules.shapes_unseen import UNSEEN
from tests.web import bench_tracking

Entry = dict[str, Any]


def tracking() -> Sequence[Entry]:
    told = bench_tracking.measure()
    return [{
        "name": "tracking_clicks_per_second", "ratio": round(told["requests_per_second"]), "n": 1, "target": 8000,
        "unit": "requests per second, each on disk before its answer",
        "detail": f"{told['server_us_per_request']:.0f} us CPU each, {told['per_core']:.0f} per core, "
                  f"p99 {told['p99_ms']:.1f} ms",
    }]  # fmt: skip


def truth() -> Sequence[Entry]:
    return [
        {"name": f"machines_{what}{of}", "ratio": round(value, 3), "n": told.hits, "target": 0.95,
         "unit": "of labelled hits", "detail": f"{told.shapes} shapes; told wrong: {', '.join(told.wrong) or 'none'}"}
        for of, told in (("", shapes.score()), ("_unseen", shapes.score(UNSEEN)), ("_public", shapes.score(PUBLIC)))
        for what, value in (("precision", told.precision), ("recall", told.recall))
    ]  # fmt: skip


def plans() -> Sequence[Entry]:
    found: list[Entry] = []
    with plan_bench.databases() as urls:
        for url in urls:
            store = plan_bench.open_store(url)
            store.create()
            told = plan_bench.measure(store, 10_000)
            store.close()
            found.append({"name": f"plan_10k_{told['database']}", "ratio": told["plan_s"], "n": 10_000, "target": 1.0,
                          "unit": "seconds (less is better)", "detail": f"apply {told['apply_s']} s"})  # fmt: skip
    return found


def rescoring(leads: int) -> Sequence[Entry]:
    return [
        {"name": figure["name"], "ratio": figure["seconds"], "n": leads, "target": 300 * leads / 1_000_000,
         "unit": "seconds with ten events each (less is better)",
         "detail": f"{figure['leads_per_second']} leads/s, {figure['leads_per_cpu_second']} per second of CPU"}
        for figure in rescore_bench.run(leads)
    ]


def parts(quick: bool) -> Sequence[Callable[[], Sequence[Entry]]]:
    tick = (lambda: [tick_bench.entry(100_000)]) if quick else (lambda: [tick_bench.entry()])
    memory = (lambda: [memory_bench.entry(20_000)]) if quick else (lambda: [memory_bench.entry()])
    # Sending first: a process that held a million rows before sends a fifth slower, and a worker never did.
    return (send_bench.entries, tick, memory, tracking, truth, plans, lambda: rescoring(20_000 if quick else 1_000_000))


def main(quick: bool) -> None:
    out, found = Console(), []
    out.print(f"load before: {os.getloadavg()[0]:.2f} on {os.cpu_count()} cores")
    for part in parts(quick):
        for entry in part():
            found.append(entry)
            out.print(f"  {entry['name']}: {entry['ratio']} {entry['unit']} ({entry['detail']})")
    table = Table("name", "measured", "target", "unit", "n", "detail")
    for e in found:
        table.add_row(*(str(e.get(key, "")) for key in ("name", "ratio", "target", "unit", "n", "detail")))
    out.print(table)
    out.print(f"load after: {os.getloadavg()[0]:.2f}")
    Path("build").mkdir(exist_ok=True)
    Path("build/bench.json").write_text(json.dumps(found, indent=2) + "\n")


main(quick="--quick" in sys.argv[1:])
