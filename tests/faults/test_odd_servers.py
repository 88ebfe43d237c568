"""The send stage before servers as there are some: old, small, strict, tired. The books add up each time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.lmtp import LMTP
from aiosmtpd.smtp import SMTP, AuthResult, Envelope
from sqlalchemy import update

from nurture.errors import UsageError
from nurture.mail.smtp import SmtpTransport
from nurture.mail.transport import Route, parse_route
from nurture.stages import send
from nurture.store import Store
from nurture.store.mail import sends
from nurture.store.tables import LeadRow
from tests.faults.book import note
from tests.faults.hell import Fault, HellServer
from tests.faults.test_smtp_table import CALM
from tests.mail.test_smtp_setup import certificate, contexts
from tests.mail.world import NOW, World

__all__ = ["certificate"]
HOUR = timedelta(hours=1)


class Kept:
    """Takes mail, for the independent server; remembers each."""

    def __init__(self) -> None:
        self.envelopes: list[Envelope] = []

    async def handle_DATA(self, server: SMTP, session: object, envelope: Envelope) -> str:
        self.envelopes.append(envelope)
        return "250 2.0.0 taken"


@contextmanager
def aiosmtpd(kind: type[SMTP] = SMTP, **options: Any) -> Iterator[tuple[int, Kept]]:
    kept = Kept()

    class Serving(Controller):
        def factory(self) -> SMTP:
            return kind(self.handler, **options)

        def _trigger_server(self) -> None:
            self.port = self.server.sockets[0].getsockname()[1]
            super()._trigger_server()

    serving = Serving(kept, hostname="127.0.0.1", port=0)
    serving.start()
    try:
        yield serving.port, kept
    finally:
        serving.stop()


def world_before(store: Store, port: int, *, n: int = 5, **options: Any) -> World:
    made = Route("main", "127.0.0.1", port, connections=3, timeouts=CALM)
    world = World(store, SmtpTransport([replace(made, **options)]))
    world.add(n)
    return world


@pytest.fixture
def store_url(sqlite_url: str) -> str:
    """One database is enough: it is the servers that differ."""
    return sqlite_url


def run(world: World, now: datetime = NOW, **options: Any) -> dict[str, int]:
    """One tick, over the same route or one with other options; the books as far as they are not zero."""
    transport = world.parts.transport
    assert isinstance(transport, SmtpTransport)
    if options:
        tls = options.pop("tls", None)
        transport.close()
        transport = world.parts.transport = SmtpTransport([replace(transport.routes[0], **options)], tls=tls)
    tally = send.run(world.parts, now=now, limit=100, owner="w")
    assert tally.balanced()
    return {book: n for book, n in tally.as_dict().items() if n and book != "due"}


def held_back(world: World) -> list[str]:
    """What `nurture queue` and `nurture doctor` tell an operator now."""
    with world.store.read() as conn:
        return [f"{row['what']}: {row['why']}" for row in sends.halts(conn, now=NOW)]


def untried(world: World) -> bool:
    return all(m.state == "planned" and m.attempt == 0 for m in world.messages())


def test_a_server_that_knows_neither_8bitmime_nor_smtputf8(store: Store) -> None:
    with aiosmtpd(decode_data=True) as (port, kept):
        world = world_before(store, port)
        with store.begin() as conn:
            for lead, email in ((2, "jiří@example.org"), (3, "jiri@příklad.cz")):
                conn.execute(update(LeadRow).where(LeadRow.id == lead).values(email=email))
        assert run(world) == {"sent": 4, "failed": 1}
        assert all(str(e.content).isascii() for e in kept.envelopes)
        assert sum("jiri@xn--pklad-zsa96e.cz" in e.rcpt_tos for e in kept.envelopes) == 1
        failed = world.messages()[1]
        assert failed.state == "failed" and "does not offer SMTPUTF8" in failed.reason_text
        world.add(1, first=900, step="more", message={"lead_id": 2}, lead={"id": 900})
        assert run(world) == {"failed": 1}, "the address is not blocked"
    note(mails=6, lost=0, twice=0)


@pytest.mark.parametrize("told", [True, False])
def test_a_mail_too_big_for_the_server_fails_at_once(store: Store, told: bool) -> None:
    """Where EHLO names the limit it is not even sent; else the server's 552 says it."""
    reply = Fault("dot", "say", "552 Error: Too much mail data", times=None)
    with HellServer(says=("SIZE 2000",) if told else ("SIZE",), faults=[reply]) as server:
        world = world_before(store, server.port)
        assert run(world) == {"failed": 5} and not server.accepted
        assert run(world, NOW + 72 * HOUR) == {}
        row = world.messages()[0]
        assert f"has {row.size:,} bytes, the server takes 2,000" in row.reason_text if told else "552" in row.reply
    with aiosmtpd(data_size_limit=1_000_000) as (port, kept):
        world.add(3, first=50, step="more")
        assert run(world, port=port) == {"sent": 3} and len(kept.envelopes) == 3
    note(mails=8, lost=0, twice=0)


def test_a_server_that_only_knows_helo(store: Store) -> None:
    with HellServer(helo_only=True) as server:
        assert run(world_before(store, server.port)) == {"sent": 5}
        assert not server.violations and set(server.copies().values()) == {1}
    note(mails=5, lost=0, twice=0)


def test_a_target_that_speaks_lmtp_takes_nothing_and_is_named(store: Store) -> None:
    with aiosmtpd(LMTP) as (port, kept):
        world = world_before(store, port)
        assert run(world) == {"deferred": 5} and untried(world) and not kept.envelopes
    assert held_back(world) == [
        'route:main: the mail server and we do not agree on a greeting or on encryption: '
        '500 Error: command "HELO" not recognized'
    ]  # fmt: skip
    with pytest.raises(UsageError, match="LMTP"):
        parse_route("main", "lmtp://127.0.0.1:24")
    note(mails=5, lost=0, twice=0)


def test_starttls_required_then_a_certificate_nobody_vouches_for(store: Store, certificate: Any) -> None:
    theirs, ours = contexts(certificate)
    with aiosmtpd(tls_context=theirs, require_starttls=True) as (port, kept):
        world = world_before(store, port)
        assert run(world) == {"deferred": 5} and untried(world)
        assert "does not let us in: 530 Must issue a STARTTLS command first" in held_back(world)[0]
        assert run(world, NOW + HOUR, security="starttls") == {"deferred": 5} and untried(world)
        assert "its certificate is not to be trusted: self-signed" in world.messages()[0].reason_text
        assert not kept.envelopes
        assert run(world, NOW + 2 * HOUR, tls=ours) == {"sent": 5} and len(kept.envelopes) == 5
    note(mails=5, lost=0, twice=0)


def test_auth_refused_touches_no_lead(store: Store, certificate: Any) -> None:
    def check(server: SMTP, session: object, envelope: object, mechanism: str, said: Any) -> AuthResult:
        right = said.password == b"right"
        return AuthResult(success=right, handled=right)

    with aiosmtpd(auth_required=True, auth_require_tls=False, authenticator=check) as (port, kept):
        world = world_before(store, port)
        assert run(world) == {"deferred": 5} and "530" in held_back(world)[0]
        assert run(world, NOW + HOUR, username="acme", password="wrong") == {"deferred": 5} and untried(world)
        assert "the mail server does not let us in: 535" in world.messages()[0].reason_text
        assert not kept.envelopes
        assert run(world, NOW + 3 * HOUR, password="right") == {"sent": 5} and len(kept.envelopes) == 5
    note(mails=5, lost=0, twice=0)


@pytest.mark.parametrize("each", [1, 4])
def test_a_server_that_closes_after_a_few_mails(store: Store, each: int) -> None:
    """All arrive in one run at the first try: whoever stood behind on such a connection has not been tried."""
    with HellServer(each=each) as server:
        world = world_before(store, server.port, n=30)
        assert run(world) == {"sent": 30} and {m.attempt for m in world.messages()} == {1}
        assert set(server.copies().values()) == {1} and server.connections >= 30 // each
    note(mails=30, lost=0, twice=0)


def test_a_server_that_takes_fewer_connections_than_we_may_open(store: Store) -> None:
    with HellServer(at_once=2, delay=0.002) as server:
        world = world_before(store, server.port, n=40, connections=10)
        assert run(world) == {"sent": 40} and set(server.copies().values()) == {1}
        assert server.connections <= 14, "it is not asked again and again"
    note(mails=40, lost=0, twice=0)


def test_greylisting_costs_a_quarter_of_an_hour_and_pauses_nobody(store: Store) -> None:
    grey = "451 4.7.1 Greylisted, please try again in 5 minutes"
    faults = [Fault("rcpt", "say", grey, to=f"lead{i}@") for i in range(1, 6)]
    with HellServer(faults=faults) as server:
        world = world_before(store, server.port)
        assert run(world) == {"deferred": 5} and not held_back(world)
        assert run(world, NOW + timedelta(minutes=14)) == {}
        assert run(world, NOW + timedelta(minutes=20)) == {"sent": 5} and set(server.copies().values()) == {1}
        assert {m.attempt for m in world.messages()} == {2}
    note(mails=5, lost=0, twice=0)


@pytest.mark.parametrize("step", ["body", "dot"])
def test_421_in_the_middle_of_the_message_is_no_delivery(store: Store, step: Any) -> None:
    with HellServer(faults=[Fault(step, "say", "421 4.3.2 shutting down", times=1)]) as server:
        world = world_before(store, server.port)
        assert run(world) == {"sent": 4, "deferred": 1} and len(server.accepted) == 4
        assert run(world, NOW + HOUR) == {"sent": 1} and set(server.copies().values()) == {1}
    note(mails=5, lost=0, twice=0)
