"""Sending against the naive way: messages per CPU-second of the client, whole job, through the same sink in one run.

Ours: claim, guard on fresh rows, render, build, durable start mark, SMTP, record, on a database file. The two take
turns so that both meet the same noise; the ratio of the sums counts.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import aiosmtplib

from nurture.model.delivery import Delivery, Outgoing
from tests.bench import naive
from tests.bench.crowd import CONNECTIONS, cpu, drain, fill, person, transport, world
from tests.bench.sink import sink
from tests.postgres import NoPostgres, cluster, make_database

TURNS = 4
OURS, THEIRS = 3000, 250
"""Messages per turn."""
Entry = dict[str, Any]


def whole_job(name: str, url: str, target: float) -> Entry:
    """The two in turns; the first turn of each warms up and does not count."""
    with tempfile.TemporaryDirectory() as folder, sink() as port:
        made = world(url or f"sqlite:///{folder}/ours.db", port)
        people = [person(i) for i in range(THEIRS * (TURNS + 1))]
        theirs = naive.Naive(naive.prepare(Path(folder) / "naive.db", people), port)
        used, count, wall = {"ours": 0.0, "naive": 0.0}, {"ours": 0, "naive": 0}, {"ours": 0.0, "naive": 0.0}
        for turn in range(TURNS + 1):
            n = OURS if turn else 200
            fill(made, n, first=1 + turn * OURS)
            for who, job in (("naive", lambda: asyncio.run(theirs.run(THEIRS))), ("ours", lambda: drain(made.parts))):
                began, at = cpu(), time.perf_counter()
                done = job()
                if turn:
                    used[who] += cpu() - began
                    wall[who] += time.perf_counter() - at
                    count[who] += done
        size = made.messages()[0].size
        made.transport.close()
    each = {who: used[who] / count[who] * 1e6 for who in used}
    rates = {who: count[who] / wall[who] for who in wall}
    return {
        "name": name, "ratio": round(each["naive"] / each["ours"], 1), "n": count["ours"], "target": target,
        "unit": "times the naive way's messages per CPU-second",
        "detail": f"ours {each['ours']:.0f} us CPU and {rates['ours']:.0f}/s wall, naive {each['naive']:.0f} us and "
                  f"{rates['naive']:.0f}/s; {size} bytes, 12 links, {CONNECTIONS} connections, "
                  "guards and start marks on",
    }  # fmt: skip


def sqlite_vs_naive() -> Entry:
    return whole_job("send_sqlite_vs_naive", "", 40)


def postgres_vs_naive() -> Entry:
    with cluster() as admin:
        return whole_job("send_postgres_vs_naive", make_database(admin, "send_bench"), 25)


def late_answers() -> Entry:
    """A sink that answers 5 ms late, 10 connections each: messages per second on the wall."""
    raw = b"From: a@example.com\r\nTo: b@example.org\r\nMessage-ID: <1@example.com>\r\n\r\n" + b"x" * 70 + b"\r\n"
    raw += (b"word " * 14 + b"\r\n") * 130
    with sink(delay_ms=5) as port:
        pool, ours = 0.0, 0.0
        for _ in range(2):
            pool += _wall(lambda: asyncio.run(_pool(port, raw, 600)))
            ours += _wall(lambda: _ours(port, raw, 3000)) / 5
    return {
        "name": "send_5ms_vs_pool", "ratio": round(pool / ours, 1), "n": 6000, "target": 2,
        "unit": "times the messages per second of an aiosmtplib pool",
        "detail": f"ours {1200 / ours:.0f}/s, pool {1200 / pool:.0f}/s, {CONNECTIONS} connections",
    }  # fmt: skip


def _wall(job: Callable[[], object]) -> float:
    at = time.perf_counter()
    job()
    return time.perf_counter() - at


async def _pool(port: int, raw: bytes, n: int) -> None:
    left = iter(range(n))

    async def worker() -> None:
        client = aiosmtplib.SMTP(hostname="127.0.0.1", port=port, start_tls=False)
        await client.connect()
        for i in left:
            await client.sendmail("b@example.com", [f"lead{i}@example.org"], raw)
        await client.quit()

    await asyncio.gather(*(worker() for _ in range(CONNECTIONS)))


def _ours(port: int, raw: bytes, n: int) -> None:
    ours = transport(port)
    waiting = deque(Outgoing(i, raw, "b@example.com", f"lead{i}@example.org") for i in range(n))
    answers: list[Delivery] = []
    ours.pump(lambda k: [waiting.popleft() for _ in range(min(k, len(waiting)))], answers.append)
    ours.close()
    assert len(answers) == n and all(a.reply.code == 250 for a in answers)


def entries() -> Sequence[Entry]:
    """Everything this file measures, for `make bench`."""
    made = [sqlite_vs_naive()]
    try:
        made.append(postgres_vs_naive())
    except NoPostgres as why:
        print(f"send_postgres_vs_naive: not measured, {why}")
    return [*made, late_answers()]


if __name__ == "__main__":
    import json

    for entry in entries():
        print(json.dumps(entry, ensure_ascii=False))
