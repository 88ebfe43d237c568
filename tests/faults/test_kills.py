"""kill -9 at any instant, two workers, both databases: the sink proves that nothing is lost and nothing goes twice."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from nurture.mail.smtp import DEPTH
from nurture.store import open_store
from tests.faults.book import note
from tests.faults.hell import HellServer
from tests.mail.world import NOW, World

ROOT = Path(__file__).parent.parent.parent
CONNECTIONS = 3
IN_FLIGHT = CONNECTIONS * DEPTH
POINTS = ["in-claim", "before-take", "in-record", "in-fly", "marked", "answered", "noted"]


class Zygote:
    def __init__(self) -> None:
        command = [sys.executable, "-m", "tests.faults.zygote"]
        self.process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def fork(self, **order: Any) -> int:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def close(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait(10)


@pytest.fixture(scope="module")
def zygote() -> Iterator[Zygote]:
    made = Zygote()
    yield made
    made.close()


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def wait_for(pids: list[int], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while any(alive(p) for p in pids):
        assert time.monotonic() < end, "a worker never ends"
        time.sleep(0.01)


def kill(pid: int) -> bool:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


class Field:
    """One database, one sink, rounds of work with the clock two hours on each time (so leases have run out)."""

    def __init__(self, url: str, zygote: Zygote, server: HellServer) -> None:
        self.url, self.zygote, self.server = url, zygote, server
        self.store = open_store(url)
        self.world = World(self.store)
        self.now, self.made, self.kills = NOW, 0, 0

    def add(self, n: int) -> None:
        self.world.add(n, first=self.made + 1, due_at=NOW)
        self.made += n

    def worker(self, name: str, **more: Any) -> int:
        order = {"now": self.now.isoformat(), "port": self.server.port, "url": self.url, "connections": CONNECTIONS}
        return self.zygote.fork(**order, owner=f"{name}@{self.now.isoformat()}", **more)

    def next_round(self) -> datetime:
        self.now += timedelta(hours=2)
        return self.now

    def finish(self) -> None:
        """Workers without accidents, until every lease has run out and nothing is due."""
        for _ in range(2):
            self.next_round()
            wait_for([self.worker("last-1"), self.worker("last-2")])

    def prove(self) -> None:
        """Accepted copies per (lead, step) at most one; every message accounted for; unknown is rare and honest."""
        copies, rows = self.server.copies(), self.world.messages()
        assert len(rows) == self.made
        assert max(copies.values(), default=0) <= 1, "sent twice"
        states = self.world.states()
        assert set(states) <= {"sent", "unknown"}, f"unaccounted: {states}"
        accepted = {key.split(" ")[1] for key in copies}
        lost = [m.id for m in rows if m.state == "sent" and m.message_id not in accepted]
        known = {m.message_id for m in rows}
        assert set(accepted) <= known, "what left stands in the books under its name, whoever died over it"
        assert not lost, "called sent, never accepted"
        assert states.get("unknown", 0) <= self.kills * IN_FLIGHT, "more unknown than were in flight"
        assert not self.server.violations
        note(kills=self.kills, mails=self.made, lost=len(lost), twice=sum(n - 1 for n in copies.values()))
        self.store.close()


def rounds(field: Field, kills: int, seed: int) -> None:
    """Two workers at a time; one or both are killed at a random moment, then others take over."""
    chance = random.Random(seed)
    while field.kills < kills:
        field.add(60)
        pids = [field.worker("a"), field.worker("b")]
        time.sleep(chance.uniform(0.0, 0.25))
        victims = pids if chance.random() < 0.3 else [chance.choice(pids)]
        for pid in victims:
            field.kills += kill(pid)
        wait_for(pids)
        field.next_round()
    field.finish()


def url_of(request: pytest.FixtureRequest, kind: str) -> str:
    return str(request.getfixturevalue(f"{kind}_url"))


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
@pytest.mark.parametrize("kills", [20, pytest.param(200, marks=pytest.mark.slow)])
def test_killed_at_random(kind: str, kills: int, zygote: Zygote, request: pytest.FixtureRequest) -> None:
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    with HellServer(delay=0.001) as server:
        field = Field(url_of(request, kind), zygote, server)
        rounds(field, kills, seed)
        field.prove()
        print(f"{kind}: kills {field.kills}, messages {field.made}, states {field.world.states()}, twice 0, lost 0")


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
@pytest.mark.parametrize("pipelining", [True, False])
def test_killed_at_every_transition(
    kind: str, pipelining: bool, zygote: Zygote, request: pytest.FixtureRequest
) -> None:
    with HellServer() as server:
        field = Field(url_of(request, kind), zygote, server)
        for point in POINTS:
            for nth in (1, 2, 5):
                field.add(30)
                pid = field.worker("dies", die=point, nth=nth, pipelining=pipelining)
                wait_for([pid])
                field.kills += 1
                field.next_round()
        field.finish()
        field.prove()


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_sigterm_drains(kind: str, zygote: Zygote, request: pytest.FixtureRequest) -> None:
    """Asked to stop, a worker finishes what is on the wire and gives back the rest."""
    with HellServer(delay=0.005) as server:
        field = Field(url_of(request, kind), zygote, server)
        field.add(200)
        pid = field.worker("a", limit=200)
        while not server.accepted:
            time.sleep(0.005)
        os.kill(pid, signal.SIGTERM)
        wait_for([pid])
        states = field.world.states()
        assert set(states) == {"sent", "planned"} and states["sent"] == len(server.accepted) < 200
        wait_for([field.worker("b")])
        assert field.world.states() == {"sent": 200}
        field.prove()
