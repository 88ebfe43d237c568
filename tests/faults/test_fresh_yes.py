"""No mail begins to leave on a yes of the guard that is older than a second, however the server dawdles."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from nurture.errors import Unavailable
from nurture.mail import smtp
from nurture.mail.memory import MemoryTransport, accepted
from nurture.mail.smtp import SmtpTransport
from nurture.model.delivery import Delivery, Outgoing, Reply
from nurture.stages import send
from nurture.store import open_store
from nurture.store.tables import ConsentStateRow
from tests.faults.book import note
from tests.faults.hell import Fault, HellServer
from tests.faults.test_smtp_table import WAYS, mail, route
from tests.mail.world import NOW, World


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same rule with a shorter second, so that nobody has to wait."""
    assert smtp.FRESH <= 1.0
    monkeypatch.setattr(smtp, "FRESH", 0.2)


def withdraw(world: World, *leads: int) -> None:
    with world.store.begin() as conn:
        gone = update(ConsentStateRow).where(ConsentStateRow.lead_id.in_(leads))
        conn.execute(gone.values(status="withdrawn"))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("step", ["hello", "data", "dot"])
def test_consent_withdrawn_while_the_server_stalls(hurried: None, sqlite_url: str, step: Any, way: str) -> None:
    """Eight mails have their yes. Then the server is silent, at its greeting, at the first DATA or over the first mail;
    meanwhile leads 1, 2 and 5 withdraw. Whatever has not begun by then never leaves: not the one whose envelope was
    sent ahead, nor those that wait behind it."""
    store = open_store(sqlite_url)
    with HellServer() as server:
        world = World(store, SmtpTransport([route(server, way, connections=1)]))
        world.add(8)
        server.faults = [Fault(step, "late", wait=0.3, meanwhile=lambda: withdraw(world, 1, 2, 5))]
        tally = send.run(world.parts, now=NOW, limit=100, owner="w")
        gone = {2, 5} if step == "dot" else {1, 2, 5}
        assert tally.balanced() and (tally.sent, tally.refused) == (8 - len(gone), len(gone))
        assert {m.lead_id for m in world.messages() if m.reason == "no_consent"} == gone
        assert len(server.accepted) == 8 - len(gone) and set(server.copies().values()) == {1}
        assert not server.violations and not world.parts.transport.stopping
    note(mails=8, lost=0, twice=0, where=way)
    store.close()


@pytest.mark.parametrize("way", WAYS)
def test_nothing_leaves_where_the_guard_cannot_be_asked_again(hurried: None, way: str) -> None:
    with HellServer(faults=[Fault("data", "late", wait=0.3)]) as server:
        transport, ended = SmtpTransport([route(server, way, connections=1)]), list[Delivery]()
        waiting = [[mail(i) for i in range(1, 9)]]

        def again(ids: Any) -> list[int]:
            raise Unavailable("the database is away")

        with pytest.raises(Unavailable):
            transport.pump(lambda n: waiting.pop() if waiting else [], ended.append, again)
        transport.close()
        assert sorted(d.id for d in ended) == list(range(1, 9)) and all(d.untried for d in ended)
        assert not server.accepted
    note(mails=8, lost=0, twice=0, where=way)


def test_a_batch_over_a_slow_server_knows_that_it_is_later(sqlite_url: str) -> None:
    """Two hours pass over the second mail: what ran out meanwhile holds no more, and mails say when they left."""
    store = open_store(sqlite_url)
    transport = MemoryTransport(capacity=1)

    def answer(message: Outgoing) -> Reply:
        transport.elapsed = 7200.0 if message.recipient.startswith("lead2@") else transport.elapsed
        return accepted(message)

    transport.answer = answer
    world = World(store, transport)
    world.add(4)
    with store.begin() as conn:
        until = update(ConsentStateRow).where(ConsentStateRow.lead_id.in_((1, 3)))
        conn.execute(until.values(until=NOW + timedelta(hours=1)))
    tally = send.run(world.parts, now=NOW, limit=100, owner="w")
    assert tally.balanced() and (tally.sent, tally.refused) == (3, 1)
    assert [m.state for m in world.messages()] == ["sent", "sent", "refused", "sent"]
    assert world.messages()[3].sent_at == NOW + timedelta(hours=2)
    store.close()
