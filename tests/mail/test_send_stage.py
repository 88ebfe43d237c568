"""The stage on both databases, with mail kept in memory: states, books, guard on fresh rows, pauses."""

from __future__ import annotations

from datetime import timedelta

from nurture.mail.memory import MemoryTransport
from nurture.model.delivery import Outgoing, Phase, Reply
from nurture.stages import send
from nurture.store import Store
from tests.mail.world import NOW, World


def test_due_messages_leave_once(store: Store) -> None:
    world = World(store)
    world.add(100)
    world.add(3, first=200, due_at=NOW + timedelta(hours=1))
    tally = send.run(world.parts, now=NOW, limit=1000, owner="w1")
    assert (tally.due, tally.sent) == (100, 100) and tally.balanced()
    assert world.states() == {"sent": 100, "planned": 3}
    assert send.run(world.parts, now=NOW, limit=1000, owner="w1").due == 0
    row = world.messages()[0]
    assert row.reply.startswith("250") and row.sent_at == NOW and row.attempt == 1 and row.message_id.startswith("<")
    assert row.clicks_visible and not row.opens_visible and row.owner is None


def test_each_answer_has_its_state(store: Store) -> None:
    answers = {
        1: Reply(Phase.RCPT, 550, "5.1.1 no such user"), 2: Reply(Phase.RCPT, 451, "4.3.0 greylisted"),
        3: Reply(Phase.BODY, None, "lost"), 4: Reply(Phase.BODY, 250, "ok"), 5: Reply(Phase.CONNECT, None, "refused"),
    }

    def answer(message: Outgoing) -> Reply:
        return answers[int(message.recipient.removeprefix("lead").split("@")[0])]

    world = World(store, MemoryTransport(answer))
    world.add(5)
    tally = send.run(world.parts, now=NOW, limit=10, owner="w1")
    assert tally.balanced() and tally.as_dict() == {
        "due": 5, "sent": 1, "refused": 0, "postponed": 0, "deferred": 2, "failed": 1, "unknown": 1, "in_flight": 0,
    }
    assert [m.state for m in world.messages()] == ["failed", "deferred", "unknown", "sent", "planned"]
    assert [m.attempt for m in world.messages()] == [1, 1, 1, 1, 0]
