"""How many opens and clicks per second one process answers, every one of them on disk before its answer.

    python -m tests.web.bench_tracking [seconds]

A real server process, real sockets, 32 connections, half pixels and half clicks. Prints requests per second and the
server's processor time per request, which says what the machine can do when nothing else runs on it.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import uvicorn
import uvloop
from sqlalchemy import insert, text

from nurture.clock import SystemClock
from nurture.model.agreement import Agreement
from nurture.model.company import Sales, Tracks
from nurture.model.library import Library
from nurture.model.scoring import Scoring
from nurture.model.tokens import Keys, sign
from nurture.parts import Parts
from nurture.store import open_store
from nurture.store.tables import ConsentStateRow, LinkRow, MessageRow
from nurture.web.app import create_app
from nurture.web.tracking.front import PIXEL
from tests.web.conftest import COMPANY, SECRET

CONNECTIONS = 32
PEOPLE = 20_000


def prepare(url: str) -> list[bytes]:
    """A database with people who agreed to both, and the requests they will make."""
    store = open_store(url)
    store.create()
    at = datetime.now(UTC) - timedelta(hours=1)
    keys = Keys.from_secrets([SECRET])
    with store.begin() as conn:
        conn.execute(
            insert(LinkRow), [{"template_digest": "d", "idx": i, "url": f"https://example.com/{i}"} for i in range(5)]
        )
        conn.execute(
            insert(MessageRow),
            [
                {
                    "id": i,
                    "lead_id": i,
                    "template": "t",
                    "template_digest": "d",
                    "content": f"c{i}",
                    "kind": "educational",
                    "due_at": at,
                    "planned_at": at,
                    "sent_at": at,
                    "state": "sent",
                }
                for i in range(1, PEOPLE + 1)
            ],
        )
        conn.execute(
            insert(ConsentStateRow),
            [
                {"lead_id": i, "purpose": purpose, "channel": "email", "status": "granted"}
                for i in range(1, PEOPLE + 1)
                for purpose in ("open_tracking", "click_tracking")
            ],
        )
    store.close()
    asks = []
    for i in range(1, PEOPLE + 1):
        path = f"/o/{sign(keys, 'open', i, i)}" if i % 2 else f"/c/{sign(keys, 'click', i, i)}/{i % 5}"
        asks.append(
            f"GET {path} HTTP/1.1\r\nHost: x\r\nUser-Agent: Mozilla/5.0 (Windows NT 10.0) Firefox/140.0\r\n"
            f"Accept: */*\r\nSec-Fetch-Dest: document\r\n\r\n".encode()
        )
    return asks


async def bare(scope: Any, receive: Any, send: Any) -> None:
    """What the server costs when the app does nothing: the yardstick of a busy machine."""
    if scope["type"] == "http":
        headers = [(b"content-type", b"image/gif"), (b"content-length", str(len(PIXEL)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": PIXEL})


def serve(url: str, sock: socket.socket, quit_: Any) -> None:
    """The server process: our app on the database at `url`, or without one the app that does nothing."""
    app: Any = bare
    if url:
        today = datetime.now(UTC).date()
        library = Library(COMPANY, Tracks(), Scoring(), Agreement(1, today, today), Sales())
        keys = Keys.from_secrets([SECRET])
        parts = Parts(open_store(url), library, keys, transport=None, public_url="http://x")
        app = create_app(parts, SystemClock())
    server = uvicorn.Server(
        uvicorn.Config(app, log_level="warning", access_log=False, loop="uvloop", http="httptools", lifespan="off")
    )

    def wait() -> None:
        quit_.wait()
        server.should_exit = True

    threading.Thread(target=wait, daemon=True).start()
    server.run([sock])


class Caller(asyncio.Protocol):
    """One connection that asks, waits for the answer's end, and asks again."""

    def __init__(self, asks: Sequence[bytes], start: int, until: float) -> None:
        self.asks, self.at, self.until = asks, start, until
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.answers = 0
        self.asked_at = 0.0
        self.took: list[float] = []
        self.rest = b""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self._ask()

    def _ask(self) -> None:
        self.asked_at = time.perf_counter()
        self.transport.write(self.asks[self.at % len(self.asks)])
        self.at += CONNECTIONS

    def data_received(self, data: bytes) -> None:
        self.rest += data
        head, end, body = self.rest.partition(b"\r\n\r\n")
        if not end or (b"image/gif" in head and len(body) < 42):
            return
        assert head.startswith((b"HTTP/1.1 200", b"HTTP/1.1 302")), head[:80]
        self.rest = b""
        self.answers += 1
        self.took.append(time.perf_counter() - self.asked_at)
        if time.perf_counter() < self.until:
            self._ask()
        else:
            self.transport.close()
            self.done.set_result(None)


async def load(port: int, asks: Sequence[bytes], seconds: float) -> tuple[int, list[float]]:
    until = time.perf_counter() + seconds
    loop = asyncio.get_running_loop()
    callers = [
        (await loop.create_connection(lambda n=n: Caller(asks, n, until), "127.0.0.1", port))[1]
        for n in range(CONNECTIONS)
    ]
    await asyncio.gather(*(c.done for c in callers))
    return sum(c.answers for c in callers), sorted(t for c in callers for t in c.took)


def measure(seconds: float = 5.0) -> dict[str, float]:
    """Requests per second, processor time per request, and that time as a multiple of an app that does nothing."""
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder)}/bench.db"
        asks = prepare(url)
        idle = _drive("", asks, seconds)
        ours = _drive(url, asks, seconds)
        store = open_store(url)
        with store.read() as conn:
            kept = conn.execute(text("select count(*) from hit")).scalar_one()
        store.close()
    assert kept >= ours.answers, "a hit was answered and is not on disk"
    return {
        "requests_per_second": ours.answers / ours.passed,
        "server_us_per_request": ours.spent / ours.answers * 1e6,
        "server_us_of_an_app_that_does_nothing": idle.spent / idle.answers * 1e6,
        "ratio": (ours.spent / ours.answers) / (idle.spent / idle.answers),
        "per_core": ours.answers / ours.spent,
        "p99_ms": ours.took[int(len(ours.took) * 0.99)] * 1e3,
    }


@dataclass(frozen=True)
class Driven:
    answers: int
    took: list[float]
    passed: float
    spent: float


def _drive(url: str, asks: Sequence[bytes], seconds: float) -> Driven:
    sock = socket.create_server(("127.0.0.1", 0), backlog=256)
    port = sock.getsockname()[1]
    context = multiprocessing.get_context("spawn")
    quit_ = context.Event()
    server = context.Process(target=serve, args=(url, sock, quit_))
    server.start()
    sock.close()
    _wait_for(port)
    uvloop.run(load(port, asks, 1.0))
    before, started = _cpu(server.pid or 0), time.perf_counter()
    answers, took = uvloop.run(load(port, asks, seconds))
    passed, spent = time.perf_counter() - started, _cpu(server.pid or 0) - before
    quit_.set()
    server.join(20)
    return Driven(answers, took, passed, spent)


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100


def _wait_for(port: int) -> None:
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.1)


if __name__ == "__main__":
    print(json.dumps(measure(float(sys.argv[1]) if len(sys.argv) > 1 else 5.0), indent=2))
