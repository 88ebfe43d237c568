"""kill -9 at any moment, then a restart: nothing is sent twice, nobody is forgotten.

Each life is a fork of this warm process that runs what `nurture up` runs (database, web app, clock), on a clock that
goes on where the last life's ended. 20 kills in `make test`, 200 in `make test-all`.
"""

from __future__ import annotations

import os
import random
import select
import signal
import time
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest

from flows.installation import Installation
from flows.work import open_parts
from nurture.clock import VirtualClock
from nurture.demo.mailbox import MailFolder
from nurture.pipeline import run_due
from nurture.settings import Settings
from nurture.store import open_store
from nurture.store.facts import backlog
from nurture.store.programs.steps import by_step
from tests.faults.book import note
from tests.flows.conftest import BEGIN, installation, people

pytestmark = [pytest.mark.process, pytest.mark.xdist_group("kill")]
STEP = timedelta(minutes=20)
"""Longer than any lease, so that each life may take up what the one before had claimed."""


def live(made: Settings, life: int, up: int) -> None:
    """One life: ticks without a pause until it is killed. Never returns."""
    try:
        clock = VirtualClock(BEGIN + STEP * life)
        with Installation(made, clock=clock) as running:
            os.write(up, b"up")
            while True:
                running.clockwork.tick()
                clock.advance(timedelta(minutes=20))
    finally:
        os._exit(1)


def a_life(made: Settings, life: int, seconds: float, *, at_start: bool) -> None:
    """Killed so many seconds after it was up; or, `at_start`, while it was still coming up."""
    told, up = os.pipe()
    child = os.fork()
    if child == 0:
        live(made, life, up)
    os.close(up)
    if not at_start:
        assert select.select([told], [], [], 60)[0] and os.read(told, 2), "this life did not come up"
    time.sleep(seconds)
    assert os.waitpid(child, os.WNOHANG) == (0, 0), "this life ended by itself"
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    os.close(told)


@pytest.mark.timeout(2400)
@pytest.mark.parametrize("kills", [20, pytest.param(200, marks=pytest.mark.slow)])
def test_killed_at_random_moments_nothing_is_sent_twice_and_nothing_is_forgotten(
    kills: int,
    settings: Settings,
    mail: MailFolder,
) -> None:
    chance = random.Random(20)
    # Many small transactions, so that a kill can fall between any two.
    settings = settings.model_copy(update={"batch": 2})
    parts = open_parts(settings)
    run_due(parts, now=BEGIN, owner="before", stages=("score", "advance", "hand_off", "enroll"))
    parts.store.close()
    for life in range(kills):
        a_life(settings, life, 1.2 * chance.random() ** 2, at_start=life % 7 == 3)
    # Again a Monday morning: at night nothing would leave, and all would wait for its window.
    clock = VirtualClock(BEGIN + timedelta(days=14))
    with Installation(settings, clock=clock) as last:
        for _ in range(20):
            last.clockwork.tick()
            if not any(backlog_of(settings, clock.now()).values()):
                break
        now = clock.now()
    sent = Counter(ids_of(mail))
    twice = {message: n for message, n in sent.items() if n > 1}
    assert twice == {}, f"of {sum(sent.values())} mails"
    store = open_store(settings.database_url)
    with store.read() as conn:
        states = conn.exec_driver_sql("SELECT state, count(*) FROM message GROUP BY state").all()
        known = {row[0] for row in conn.exec_driver_sql("SELECT message_id FROM message WHERE message_id IS NOT NULL")}
        booked = conn.exec_driver_sql("SELECT message_id FROM message WHERE state = 'sent'").scalars().all()
        late = conn.exec_driver_sql(
            "SELECT count(*) FROM message WHERE state IN ('planned', 'deferred', 'claimed', 'started') AND due_at < ?",
            (str((now - timedelta(hours=1)).replace(tzinfo=None)),),
        ).scalar_one()
        assert by_step(conn)
    counts = dict(states)
    assert late == 0, f"mails were forgotten: {counts}"
    assert set(sent) <= known, "every mail that left stands in the books"
    assert set(booked) <= set(sent), "every mail booked as sent did leave"
    assert counts.get("sent", 0) >= 25
    # What left unseen is booked as unknown, never as sent and never tried again.
    assert len(set(sent)) <= counts.get("sent", 0) + counts.get("unknown", 0)
    note(kills=kills, mails=sum(counts.values()), lost=late, twice=sum(sent.values()) - len(sent), where="sqlite")
    print(f"\nkills {kills}, mails {sum(sent.values())}, twice 0, forgotten 0, books {counts}")


def backlog_of(made: Settings, now: object) -> dict[str, int]:
    store = open_store(made.database_url)
    try:
        with store.read() as conn:
            return backlog.due(conn, now=now)
    finally:
        store.close()


def ids_of(server: MailFolder) -> list[str]:
    found = []
    for mail_ in server.delivered:
        head = mail_.raw.partition(b"\r\n\r\n")[0].replace(b"\r\n ", b" ")
        found += [
            line.partition(b":")[2].strip().decode()
            for line in head.split(b"\r\n")
            if line.lower().startswith(b"message-id:")
        ]
    return found


def test_the_fixture_has_people(tmp_path: Path) -> None:
    assert len(people(tmp_path / "l.csv", 40).read_text().splitlines()) == 41
    assert installation(tmp_path, 25).prefect is False
