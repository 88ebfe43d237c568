"""The stage on both databases, with mail kept in memory: states, books, guard on fresh rows, pauses."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from sqlalchemy import delete, insert, select, update

from nurture.mail.memory import MemoryTransport
from nurture.model.delivery import Outgoing, Phase, Reply
from nurture.stages import send
from nurture.store import Store
from nurture.store.tables import ConsentStateRow, MessageRow
from tests.mail.world import NOW, World, library


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


def test_leads_alike_are_told_apart_where_it_matters(store: Store) -> None:
    """The guard answers once for all leads alike: none of these may get the answer of the others in its group."""
    own = {4: {"stage": "dormant"}, 5: {"mail_paused_until": NOW + timedelta(days=2)}, 7: {"objected": True}}
    rules = replace(library().agreement, excluded={"tests": ("Example6.org",)})
    world = World(store, library=library(agreement=rules))
    world.add(12, each=[{"mail_paused_until": None, "objected": False, **own.get(i, {})} for i in range(1, 13)])
    world.suppress(2)
    states, rows = ConsentStateRow.__table__, MessageRow.__table__
    with store.begin() as conn:
        for lead, until in ((8, NOW - timedelta(minutes=1)), (9, NOW + timedelta(minutes=1)), (11, NOW)):
            conn.execute(update(states).where(states.c.lead_id == lead).values(until=until))
        had = {"state": "sent", "sent_at": NOW - timedelta(days=40), "enrollment_id": None, "lead_id": 10}
        before = dict(conn.execute(select(rows).where(rows.c.lead_id == 10)).one()._mapping)
        conn.execute(delete(rows).where(rows.c.lead_id == 10))
        conn.execute(insert(rows), [{**before, "edition": 2}])
        conn.execute(insert(rows), [{**{k: v for k, v in before.items() if k != "id"}, **had}])
    tally = send.run(world.parts, now=NOW, limit=50, owner="w1")
    assert tally.balanced()
    said = {m.lead_id: m.reason for m in world.messages() if m.state not in ("sent", "planned")}
    assert said == {
        2: "suppressed", 4: "stage_forbids_kind", 6: "staff_or_test", 7: "no_consent", 8: "no_consent",
        11: "no_consent",
    }  # fmt: skip
    assert [m.lead_id for m in world.messages() if m.state == "planned"] == [5]
    assert sorted(m.lead_id for m in world.messages() if m.sent_at == NOW) == [1, 3, 9, 10, 12]
