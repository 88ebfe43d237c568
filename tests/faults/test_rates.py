"""Hourly limits on a virtual clock: no hour sees more than its limit, across restarts and two workers."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from nurture.mail.memory import MemoryTransport
from nurture.model.delivery import Outgoing, Phase, Reply
from nurture.stages import send
from nurture.store import Store
from tests.mail.world import NOW, World

MINUTE = timedelta(minutes=1)


def worst_hour(moments: list[datetime]) -> int:
    return max(sum(1 for m in moments if start <= m < start + 60 * MINUTE) for start in moments)


@pytest.mark.parametrize("limit", ["per_hour", "per_group"])
def test_no_hour_sees_more_than_the_limit(store: Store, limit: str) -> None:
    world = World(store, MemoryTransport())
    world.add(200, message={"planned_at": NOW})
    sent: dict[str, list[datetime]] = {}
    now = NOW
    for tick in range(30):
        now += 5 * MINUTE
        for owner in ("a", "b"):
            # A new transport each time: nothing is remembered outside the database.
            transport = MemoryTransport(capacity=7, **{limit: 60.0})
            parts = replace(world.parts, transport=transport)
            tally = send.run(parts, now=now, limit=50, owner=f"{owner}{tick}")
            assert tally.balanced()
            for message in transport.sent:
                key = message.recipient.split("@")[1] if limit == "per_group" else "all"
                sent.setdefault(key, []).append(now)
    assert all(worst_hour(moments) <= 60 for moments in sent.values())
    total = sum(map(len, sent.values()))
    assert total >= (200 if limit == "per_group" else 120), "and the limit is used"


def test_a_group_that_complains_is_slowed_down_and_recovers(store: Store) -> None:
    def answer(message: Outgoing) -> Reply:
        tired = "example1.org" in message.recipient and transport.resting != frozenset({"calm"})
        return Reply(Phase.RCPT, 450, "4.7.28 too many") if tired else Reply(Phase.BODY, 250, "ok")

    transport = MemoryTransport(answer, capacity=5)
    world = World(store, transport)
    world.add(70)
    send.run(world.parts, now=NOW, limit=100, owner="a")
    assert world.states()["sent"] == 60
    transport.answer = lambda message: Reply(Phase.BODY, 250, "ok")
    reasons = Counter[str]()
    now = NOW
    for tick in range(12):
        now += 30 * MINUTE
        send.run(world.parts, now=now, limit=100, owner=f"b{tick}")
        reasons.update(m.reason for m in world.messages() if m.state == "planned")
    assert world.states() == {"sent": 70}
