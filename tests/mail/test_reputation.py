"""Complaints stop a sender in time, a human lets it go on; who mails much is told once what that asks for."""

from __future__ import annotations

from datetime import timedelta

import pytest

from nurture.decide.reputation import BULK, Complaints
from nurture.stages import reputation, send
from nurture.store import Store
from nurture.store.facts import events
from nurture.store.mail import brakes, volumes
from tests.mail.world import NOW, World

DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("sent", "complaints", "standing"),
    [(100, 2, "fine"), (100, 3, "stop"), (1000, 3, "stop"), (1001, 3, "warn"), (3000, 3, "warn"), (3001, 3, "fine"),
     (0, 3, "stop"), (10_000, 29, "warn"), (10_000, 30, "stop"), (0, 0, "fine")],
)  # fmt: skip
def test_g3_the_lines_at_a_tenth_and_three_tenths_of_a_percent(sent: int, complaints: int, standing: str) -> None:
    assert Complaints("example.com", sent, complaints).standing == standing


def complain(world: World, n: int, at: object, first: int = 1) -> None:
    with world.store.begin() as conn:
        events.record(conn, [
            events.NewEvent("email_complaint", at, i, key=f"fbl/{i}", message_id=i, machine=True)
            for i in range(first, first + n)
        ], now=at)  # fmt: skip


def run(world: World, now: object) -> int:
    tally = send.run(world.parts, now=now, limit=100, owner="w")
    assert tally.balanced()
    return tally.sent


def test_g3_too_many_complaints_hold_the_sender_until_a_human_lets_go(store: Store) -> None:
    world = World(store)
    world.add(20)
    world.add(20, first=101, due_at=NOW + DAY)
    assert run(world, NOW) == 20
    complain(world, 2, NOW + DAY)
    with store.begin() as conn:
        reputation.watch(world.parts, conn, now=NOW + DAY)
        assert not brakes.active(conn, now=NOW + DAY), "two complaints stop nothing"
    complain(world, 1, NOW + DAY, first=3)
    assert run(world, NOW + DAY) == 0 and world.states() == {"sent": 20, "planned": 20}
    with store.begin() as conn:
        assert list(brakes.active(conn, now=NOW + 9 * DAY)) == ["sender:example.com"]
        alerts = conn.exec_driver_sql("SELECT code, text FROM alert").all()
        assert [a[0] for a in alerts] == ["complaints"] and "3 complaints about 20 mails" in alerts[0][1]
        assert brakes.release(conn, ["sender:example.com"], now=NOW + DAY) == ["sender:example.com"]
    assert run(world, NOW + DAY) == 20, "the same complaints do not stop it again"


def test_a_complaint_in_the_middle_of_a_batch_holds_what_is_left(store: Store) -> None:
    from nurture.mail.memory import MemoryTransport

    world = World(store, MemoryTransport(capacity=1))
    world.add(10)

    def answer(message: object) -> object:
        from nurture.model.delivery import Phase, Reply

        if len(world.parts.transport.sent) == 4:
            with store.begin() as conn:
                brakes.hold(conn, "sender:example.com", "complaints", now=NOW)
        return Reply(Phase.BODY, 250, "ok")

    world.parts.transport.answer = answer
    assert 4 <= run(world, NOW) <= 5 and world.states()["planned"] >= 5


def test_g1_a_bulk_sender_is_one_from_then_on_and_told_once(store: Store) -> None:
    world = World(store)
    with store.begin() as conn:
        volumes.add(conn, {("example.com", "gmail"): BULK - 3, ("news.example.com", "gmail"): 1}, now=NOW - DAY / 2)
        volumes.add(conn, {("example.com", "other"): 10 * BULK, ("example.com", "yahoo"): 9}, now=NOW)

    def bulk() -> list[str]:
        with store.read() as conn:
            return list(conn.exec_driver_sql("SELECT key FROM alert WHERE code = 'bulk_sender'").scalars())

    world.add(1, lead={"email": "anna@example.org", "email_key": "a"})
    run(world, NOW)
    assert bulk() == [], "other mailboxes do not count, nor does another provider"
    gmail = [{"email": f"lead{i}@gmail.com", "email_key": f"g{i}"} for i in range(2)]
    world.add(2, first=2, each=gmail)
    run(world, NOW)
    assert bulk() == ["bulk-sender/example.com/gmail"], "subdomains count for their organisation"
    world.add(1, first=9, due_at=NOW + 30 * DAY, lead={"email": "x@gmail.com", "email_key": "x"})
    run(world, NOW + 30 * DAY)
    assert bulk() == ["bulk-sender/example.com/gmail"]
