"""What a worker's memory does: a process of its own that runs the pipeline until nothing is due, and says its peak."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

SMALL, LARGE = 10_000, 100_000


def work(url: str, port: int) -> None:
    """In the worker's process."""
    from nurture import pipeline
    from nurture.store import open_store
    from tests.bench.crowd import parts_of
    from tests.mail.world import NOW

    parts = parts_of(open_store(url), port)
    idle = _peak()
    sent = pipeline.run_due(parts, now=NOW, owner="worker")["send"].sent
    parts.transport.close()
    print(json.dumps({"sent": sent, "idle": idle, "peak": _peak()}))


def _peak() -> float:
    """MiB. `ru_maxrss` would count what the parent held when it forked."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise OSError("this system does not say how much memory a process has had")


def measure(leads: int) -> dict[str, Any]:
    from tests.bench.crowd import fill, world
    from tests.bench.sink import sink

    with tempfile.TemporaryDirectory() as folder, sink() as port:
        url = f"sqlite:///{folder}/memory.db"
        made = world(url, port)
        for first in range(1, leads + 1, 10_000):
            fill(made, min(10_000, leads + 1 - first), first)
        made.store.close()
        told = subprocess.run(
            [sys.executable, "-m", "tests.bench.memory_bench", url, str(port)], capture_output=True, text=True,
            check=True, cwd=Path(__file__).parent.parent.parent,
        )  # fmt: skip
    found: dict[str, Any] = json.loads(told.stdout)
    assert found["sent"] == leads
    return found


def entry(large: int = LARGE) -> dict[str, Any]:
    small, many = measure(SMALL), measure(large)
    return {
        "name": "worker_peak_mib", "ratio": round(max(small["peak"], many["peak"])), "n": large, "target": 200,
        "unit": "MiB at most in a worker's own process (less is better)",
        "detail": f"{many['peak']:.0f} after sending {large:,}, {small['peak']:.0f} after {SMALL:,}, "
                  f"{many['idle']:.0f} before the first",
    }  # fmt: skip


if __name__ == "__main__":
    work(sys.argv[1], int(sys.argv[2]))
