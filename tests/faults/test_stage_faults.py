"""What goes wrong around the send stage, really caused: database gone, disk full, clock jumps, people who leave."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Timer

import pytest
from sqlalchemy import create_engine, text, update

from nurture.errors import Unavailable
from nurture.insight import metrics
from nurture.mail.memory import MemoryTransport, accepted
from nurture.mail.smtp import SmtpTransport
from nurture.mail.transport import Route
from nurture.model.campaign import Window
from nurture.model.delivery import Outgoing, Reply
from nurture.pipeline import due_now, next_due
from nurture.stages import send
from nurture.store import Store, open_store
from nurture.store.facts import events
from nurture.store.mail import books
from nurture.store.tables import CampaignRow, ConsentStateRow, EnrollmentRow, LeadRow
from tests.faults.book import note
from tests.faults.hell import Fault, HellServer
from tests.faults.test_smtp_table import QUICK
from tests.mail.world import NOW, World, campaign, library
from tests.postgres import cluster, halt, start

HOUR = timedelta(hours=1)


class Interrupted:
    """Accepts mail; before the answer to the nth message something happens."""

    def __init__(self, nth: int, happening: Callable[[], None]) -> None:
        self.nth, self.happening, self.seen = nth, happening, 0

    def __call__(self, message: Outgoing) -> Reply:
        self.seen += 1
        if self.seen == self.nth:
            self.happening()
        return accepted(message)


def world_where(store: Store, nth: int, happening: Callable[[World], None], *, capacity: int = 1) -> World:
    transport = MemoryTransport(capacity=capacity)
    world = World(store, transport)
    transport.answer = Interrupted(nth, lambda: happening(world))
    return world


def run(world: World, now: datetime = NOW, owner: str = "w") -> dict[str, int]:
    tally = send.run(world.parts, now=now, limit=100, owner=owner)
    assert tally.balanced(), tally.as_dict()
    return tally.as_dict()


def copies(world: World) -> Counter[str]:
    assert isinstance(world.parts.transport, MemoryTransport)
    return Counter(m.recipient for m in world.parts.transport.sent)


def withdraw(world: World) -> None:
    with world.store.begin() as conn:
        conn.execute(update(ConsentStateRow).where(ConsentStateRow.lead_id == 5).values(status="withdrawn"))


def unsubscribe(world: World) -> None:
    world.suppress(5)


def to_sales(world: World) -> None:
    with world.store.begin() as conn:
        conn.execute(update(LeadRow).where(LeadRow.id == 5).values(stage="mql"))


def leave(world: World) -> None:
    with world.store.begin() as conn:
        conn.execute(update(EnrollmentRow).where(EnrollmentRow.lead_id == 5).values(state="left"))


@pytest.mark.parametrize(
    ("happening", "reason"),
    [(withdraw, "no_consent"), (unsubscribe, "suppressed"), (to_sales, "with_sales"), (leave, "left_campaign")],
)
def test_a_change_between_claim_and_data_is_seen(store: Store, happening: Callable[[World], None], reason: str) -> None:
    """All are claimed; while message 2 is on the wire something happens to lead 5, whose mail then never leaves."""
    world = world_where(store, 2, happening)
    world.add(8)
    assert run(world)["refused"] == 1
    assert world.messages()[4].reason == reason and len(copies(world)) == 7


def pause(world: World) -> None:
    with world.store.begin() as conn:
        conn.execute(update(CampaignRow).values(state="paused"))


def test_a_pause_acts_before_the_next_message(store: Store) -> None:
    world = world_where(store, 3, pause)
    world.add(10)
    assert run(world) == {
        "due": 10, "sent": 3, "refused": 0, "postponed": 7, "deferred": 0, "failed": 0, "unknown": 0, "in_flight": 0,
    }  # fmt: skip
    assert run(world)["due"] == 0
    with world.store.begin() as conn:
        conn.execute(update(CampaignRow).values(state="live"))
    assert run(world)["sent"] == 7


def test_a_clock_that_jumps_ahead_under_a_slow_worker(store: Store) -> None:
    """Another worker finds our leases run out, takes over and sends; we send none of its messages again."""
    other = MemoryTransport()

    def take_over(world: World) -> None:
        parts = replace(world.parts, transport=other)
        tally = send.run(parts, now=NOW + 2 * HOUR, limit=100, owner="other")
        assert tally.balanced() and tally.sent > 0

    world = world_where(store, 5, take_over, capacity=2)
    world.add(20)
    run(world)
    everyone = copies(world) + Counter(m.recipient for m in other.sent)
    assert max(everyone.values()) == 1 and len(everyone) == 20
    states = world.states()
    assert states["unknown"] <= 2 and states["unknown"] + states["sent"] == 20


def test_a_clock_that_jumps_back_sends_nothing(store: Store) -> None:
    world = World(store)
    world.add(5)
    assert run(world, NOW - HOUR)["due"] == 0 and run(world)["sent"] == 5
    assert run(world, NOW - 5 * HOUR)["due"] == 0


def test_no_server_at_the_start_then_one(store: Store) -> None:
    with HellServer() as server:
        port = server.port
    world = World(store, SmtpTransport([Route("main", "127.0.0.1", port, timeouts=QUICK)]))
    world.add(30)
    assert run(world)["deferred"] == 30 and world.states() == {"planned": 30}
    assert all(m.attempt == 0 for m in world.messages())
    assert run(world)["due"] == 0, "the route rests"
    with HellServer(port=port) as server:
        assert run(world, NOW + HOUR)["sent"] == 30
        assert set(server.copies().values()) == {1}


def test_a_server_that_goes_away_in_the_middle(store: Store) -> None:
    faults = [Fault("greeting", "drop", times=None, after=3), Fault("mail", "drop", times=None, after=12)]
    with HellServer(faults=faults) as server:
        route = Route("main", "127.0.0.1", server.port, connections=3, timeouts=QUICK)
        world = World(store, SmtpTransport([route]))
        world.add(40)
        tally = run(world)
        assert 0 < tally["sent"] < 40 and tally["sent"] == len(server.accepted)
        server.faults.clear()
        run(world, NOW + HOUR)
        run(world, NOW + 5 * HOUR)
        assert world.states() == {"sent": 40} and set(server.copies().values()) == {1}


def test_disk_full_in_the_middle(tmp_path: object) -> None:
    """Nothing can be written for a while; what a server took meanwhile is unknown at most, never sent again."""
    store = open_store(f"sqlite:///{tmp_path}/full.db")
    store.create()

    def fill(world: World) -> None:
        world.parts.transport.stop()  # else it would wait a minute for room
        with world.store.engine.connect() as conn:
            pages = conn.exec_driver_sql("PRAGMA page_count").scalar()
            conn.exec_driver_sql(f"PRAGMA max_page_count={pages}")
            conn.exec_driver_sql("CREATE TABLE ballast (x)")
            conn.exec_driver_sql("INSERT INTO ballast VALUES (zeroblob(1000))")

    world = world_where(store, 5, fill, capacity=4)
    world.add(200)
    with pytest.raises(Unavailable):
        send.run(world.parts, now=NOW, limit=200, owner="w")
    with store.engine.connect() as conn:
        conn.exec_driver_sql("PRAGMA max_page_count=1000000")
    world.parts.transport = later = MemoryTransport()
    send.run(world.parts, now=NOW + 2 * HOUR, limit=500, owner="w2")
    first = world.parts.transport
    assert first is later
    states = world.states()
    assert set(states) <= {"sent", "unknown"} and sum(states.values()) == 200 and states.get("unknown", 0) <= 4
    store.close()


@contextmanager
def killing_backends(url: str) -> Iterator[Callable[[World], None]]:
    admin = create_engine(url.replace("postgresql://", "postgresql+psycopg://"), isolation_level="AUTOCOMMIT")
    yield lambda world: _kill(admin)
    admin.dispose()


def _kill(admin: object) -> None:
    with admin.connect() as conn:
        conn.execute(text(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() "
            "AND datname = current_database()"
        ))


def test_database_connections_die_in_the_middle(postgres_url: str) -> None:
    """Every connection is cut while a group is on the wire; the answers are written once the database is back."""
    store = open_store(postgres_url)
    with killing_backends(postgres_url) as happening:
        world = world_where(store, 5, happening, capacity=4)
        world.add(60)
        with suppress(Unavailable):
            send.run(world.parts, now=NOW, limit=100, owner="w")
        send.run(world.parts, now=NOW + 2 * HOUR, limit=100, owner="w2")
    assert max(copies(world).values()) == 1 and len(copies(world)) == 60
    states = world.states()
    assert set(states) <= {"sent", "unknown"} and states.get("unknown", 0) <= 4
    store.close()


@pytest.mark.parametrize("kind", ["restarted", "away for long"])
@pytest.mark.slow
def test_postgresql_is_away_in_the_middle_of_a_batch(kind: str) -> None:
    """The whole server stops while mails are on the wire. Back in time: every answer is written. Too late: the answers
    are unknown, at most as many as were in flight, and nobody gets a second copy."""
    with cluster() as admin:
        store = open_store(admin)
        store.create()

        def stop(world: World) -> None:
            halt(admin)
            if kind == "restarted":
                Timer(6, start, [admin]).start()
            else:
                world.parts.transport.stop()

        world = world_where(store, 5, stop, capacity=4)
        world.add(60)
        first = world.parts.transport
        with suppress(Unavailable):
            send.run(world.parts, now=NOW, limit=100, owner="w")
        if kind != "restarted":
            start(admin)
            world.parts.transport = MemoryTransport()
        send.run(world.parts, now=NOW + 2 * HOUR, limit=100, owner="w2")
        transports = {id(t): t for t in (first, world.parts.transport)}
        given = Counter(m.recipient for t in transports.values() for m in t.sent)
        states = world.states()
        assert max(given.values()) == 1 and len(given) == 60
        assert states == {"sent": 60} if kind == "restarted" else states == {"sent": 56, "unknown": 4}
        note(mails=60, lost=60 - len(given), twice=sum(given.values()) - 60, where="postgres")
        store.close()


def test_a_locked_sqlite_database_is_waited_for(tmp_path: object) -> None:
    """Another program holds the write lock for longer than one attempt waits; nothing is lost, nothing goes twice."""
    store = open_store(f"sqlite:///{tmp_path}/locked.db")
    store.create()
    other = sqlite3.connect(f"{tmp_path}/locked.db", isolation_level=None, check_same_thread=False)

    def lock(world: World) -> None:
        other.execute("BEGIN IMMEDIATE")
        Timer(1.5, other.execute, ["ROLLBACK"]).start()

    world = world_where(store, 5, lock, capacity=4)
    world.add(20)
    with store.engine.connect() as conn:
        conn.exec_driver_sql("PRAGMA busy_timeout=200")
    with suppress(Unavailable):
        send.run(world.parts, now=NOW, limit=100, owner="w")
    send.run(world.parts, now=NOW + 2 * HOUR, limit=100, owner="w2")
    assert world.states() == {"sent": 20} and set(copies(world).values()) == {1}
    note(mails=20, lost=0, twice=0, where="sqlite")
    store.close()


@pytest.mark.parametrize("signs", [False, True])
def test_resend_same_id(store: Store, signs: bool) -> None:
    """The one policy that may lead to a second copy: after four hours without a sign, under the same Message-ID."""
    sending = replace(campaign().sending, if_unknown_delivery="resend_same_id")
    with HellServer(faults=[Fault("dot", "drop", times=1, accept=True)]) as server:
        route = Route("main", "127.0.0.1", server.port, timeouts=QUICK)
        world = World(store, SmtpTransport([route]), library(campaigns={"guide": campaign(sending=sending)}))
        world.add(1)
        assert run(world)["unknown"] == 1
        assert run(world, NOW + HOUR)["due"] == 0 and "send" not in due_now(world.parts, now=NOW + HOUR)
        # Nothing else waits anywhere: the date itself has to bring the clock back here.
        assert next_due(world.parts) == NOW + 4 * HOUR and due_now(world.parts, now=NOW + 5 * HOUR)["send"] == 1
        if signs:
            with store.begin() as conn:
                click = events.NewEvent("email_click", NOW, 1, message_id=world.messages()[0].id)
                events.record(conn, [click], now=NOW)
        assert run(world, NOW + 5 * HOUR)["sent"] == (0 if signs else 1)
        assert list(server.copies().values()) == [1 if signs else 2]
        assert "send" not in due_now(world.parts, now=NOW + 50 * HOUR)


def test_assume_sent_is_the_default_and_wakes_the_campaign(store: Store) -> None:
    with HellServer(faults=[Fault("dot", "drop", times=1, accept=False)]) as server:
        world = World(store, SmtpTransport([Route("main", "127.0.0.1", server.port, timeouts=QUICK)]))
        world.add(1)
        assert run(world)["unknown"] == 1
        for hours in (5, 50):
            assert run(world, NOW + hours * HOUR)["due"] == 0
        assert not server.accepted and world.states() == {"unknown": 1}


def test_hard_bounces_suppress_and_are_told(store: Store) -> None:
    faults = [Fault("rcpt", "say", "550 5.1.1 no such user", times=None, to="lead2@")]
    with HellServer(faults=faults) as server:
        world = World(store, SmtpTransport([Route("main", "127.0.0.1", server.port, timeouts=QUICK)]))
        world.add(3)
        assert run(world)["failed"] == 1
        world.add(1, first=2000, step="more", message={"lead_id": 2}, lead={"id": 2000})
        assert run(world)["refused"] == 1 and world.messages()[-1].reason == "suppressed"


def test_a_policy_reply_pauses_the_receiving_group(store: Store) -> None:
    faults = [Fault("rcpt", "say", "421 4.7.28 unusual rate", times=None, to="@example1.org")]
    with HellServer(faults=faults) as server:
        route = Route("main", "127.0.0.1", server.port, connections=1, timeouts=QUICK)
        world = World(store, SmtpTransport([route], depth=1))
        world.add(30)
        tally = run(world)
        assert tally["deferred"] == 1 and tally["postponed"] == 4 and tally["sent"] == 25
        assert {m.reason for m in world.messages() if m.state == "planned"} == {"domain_paused"}


def test_rehearsal_sends_nothing(store: Store) -> None:
    world = World(store)
    world.add(3, message={"rehearsal": True})
    assert run(world)["sent"] == 3 and world.states() == {"rehearsed": 3} and not copies(world)


def test_one_bad_lead_never_stops_the_others(store: Store) -> None:
    world = World(store)
    world.add(5)
    bad = "=?utf-8?q?evil=40x.example=2c_?=@example.com"
    with store.begin() as conn:
        conn.execute(update(LeadRow).where(LeadRow.id == 3).values(email=bad))
    tally = run(world)
    assert (tally["sent"], tally["refused"]) == (4, 1)
    assert world.states() == {"sent": 4, "refused": 1} and world.messages()[2].reason == "no_address"


def test_what_nobody_can_judge_or_make_waits_and_the_others_go(store: Store) -> None:
    """A pause until the end of time overflows every calendar; a field that is no text breaks the template engine."""
    world = World(store)
    world.add(5)
    with store.begin() as conn:
        forever = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
        conn.execute(update(LeadRow).where(LeadRow.id == 2).values(mail_paused_until=forever))
        conn.execute(update(LeadRow).where(LeadRow.id == 4).values(fields={"first_name": {"v": {"a": ["b"]}}}))
    # Only Mondays from nine to eleven: the first free moment after the end of time is in no calendar.
    limited = replace(campaign().sending, window=Window(frozenset({0}), 9 * 60, 11 * 60, "UTC"))
    world.parts.library = library(campaigns={"guide": campaign(sending=limited)})
    run(world)
    states = {m.lead_id: (m.state, m.reason) for m in world.messages()}
    assert [states[i][0] for i in (1, 3, 5)] == ["sent"] * 3, states
    assert states[2] == ("planned", "guard_blind"), states
    assert states[4][0] in ("sent", "planned", "refused"), "whatever it became, it stopped nobody"


def test_the_books_add_up_whatever_became_of_the_mails(store: Store) -> None:
    """Every state a mail can be in, at once: in the store's books, in the metrics, and counted apart."""
    faults = [
        Fault("rcpt", "say", "550 5.1.1 no", to="lead2@"), Fault("rcpt", "say", "450 4.2.0 later", to="lead3@"),
        Fault("dot", "drop", to="lead4@"),
    ]  # fmt: skip
    with HellServer(faults=faults) as server:
        world = World(store, SmtpTransport([Route("main", "127.0.0.1", server.port, timeouts=QUICK)]))
        world.add(8)
        world.add(2, first=50, due_at=NOW + HOUR)
        world.add(1, first=60, message={"state": "claimed", "owner": "other", "lease_until": NOW + HOUR})
        world.suppress(5)
        with store.begin() as conn:
            conn.execute(update(LeadRow).where(LeadRow.id == 6).values(mail_paused_until=NOW + HOUR))
        run(world)
    with store.read() as conn:
        tally = books.by_campaign(conn)["guide"]
    assert tally.balanced() and tally.as_dict() == {
        "due": 9, "sent": 3, "refused": 1, "postponed": 1, "deferred": 1, "failed": 1, "unknown": 1, "in_flight": 1,
        "planned": 2,
    }  # fmt: skip
    said = metrics.text(world.parts, now=NOW)
    for line in (
        'nurture_messages{campaign="guide",state="sent"} 3.0', "nurture_messages_due 0.0",
        'nurture_mail_books{campaign="guide",column="due"} 9.0', 'nurture_mail_books_balanced{campaign="guide"} 1.0',
        'nurture_sender_week{sender="example.com",what="accepted"} 3.0',
    ):  # fmt: skip
        assert line in said, line
