"""Whose servers take a domain's mail: asked of a real name server, aside from sending, and kept for every worker."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from functools import partial

import dns.resolver
import pytest

from nurture.mail.domain import Unreachable
from nurture.mail.exchangers import behind, exchangers
from nurture.mail.memory import MemoryTransport
from nurture.model.delivery import Outgoing, Phase, Reply
from nurture.model.outside import Outside
from nurture.pipeline import due_now
from nurture.stages import domains, send
from nurture.store import Store
from tests.mail.world import NOW, World
from tests.mail.zone import Zone, serving

ZONE = """
acme.example. IN MX 10 alt1.aspmx.l.google.com.
acme.example. IN MX 1 ASPMX.L.GOOGLE.COM.
beta.example. IN MX 0 beta-example.mail.protection.outlook.com.
gamma.example. IN MX 5 mx1.hosting.test.
own.example. IN MX 5 mail.own.example.
nothing.example. IN MX 0 .
"""


@pytest.fixture(scope="module")
def zone() -> Iterator[tuple[Zone, dns.resolver.Resolver]]:
    made = Zone(ZONE)
    with serving(made) as resolver:
        yield made, resolver


@pytest.mark.parametrize(
    ("domain", "group"),
    [
        ("acme.example", "gmail"), ("beta.example", "outlook"), ("gamma.example", "hosting.test"),
        ("own.example", None), ("nothing.example", None), ("unknown.example", None),
    ],
)  # fmt: skip
def test_who_is_behind_a_domain(
    domain: str, group: str | None, zone: tuple[Zone, dns.resolver.Resolver]
) -> None:
    assert behind(domain, exchangers(domain, zone[1])) == group


def asked(world: World, ask: Callable[[str], Sequence[str]]) -> None:
    world.parts.outside = Outside(mail_servers=ask)


def test_looked_up_aside_and_then_used_by_every_worker(
    store: Store, zone: tuple[Zone, dns.resolver.Resolver]
) -> None:
    names, resolver = zone
    world = World(store)
    asked(world, partial(exchangers, resolver=resolver))
    people = [{"email": f"a{i}@{d}", "email_key": f"{i}"} for i, d in enumerate(["acme.example"] * 2 + ["gmail.com"])]
    world.add(3, each=people)
    names.asked.clear()
    send.run(world.parts, now=NOW, limit=10, owner="a")
    assert names.asked == [], "sending asks nobody"
    assert [m.domain_group for m in world.messages()] == ["acme.example"] * 2 + ["gmail"]
    assert due_now(world.parts, now=NOW) == {"domains": 1} | due_now(world.parts, now=NOW)
    assert domains.run(world.parts, now=NOW, limit=10, owner="a").as_dict()["looked_up"] == 1
    assert names.asked == ["acme.example."] and "domains" not in due_now(world.parts, now=NOW + timedelta(days=13))

    again = [{"email": f"b{i}@{d}", "email_key": f"b{i}"} for i, d in enumerate(["acme.example", "gmail.com"])]
    world.add(2, first=11, each=again)

    def answer(message: Outgoing) -> Reply:
        tired = message.recipient.endswith("acme.example")
        return Reply(Phase.RCPT, 421, "4.7.28 slow down") if tired else Reply(Phase.BODY, 250, "ok")

    world.parts.transport = MemoryTransport(answer, capacity=1)
    tally = send.run(world.parts, now=NOW, limit=10, owner="b")
    assert (tally.deferred, tally.postponed) == (1, 1), "what Google's servers refuse for one holds for all of theirs"
    assert world.messages()[-1].reason == "domain_paused"


def test_silence_costs_one_time_out_and_is_asked_again_later(store: Store) -> None:
    world = World(store)

    def silent(domain: str) -> list[str]:
        raise Unreachable("timed out")

    asked(world, silent)
    world.add(3)
    send.run(world.parts, now=NOW, limit=10, owner="a")
    assert domains.run(world.parts, now=NOW, limit=10, owner="a").as_dict()["looked_up"] == 3
    assert "domains" not in due_now(world.parts, now=NOW) and due_now(world.parts, now=NOW + timedelta(hours=2))
    assert {m.domain_group for m in world.messages()} == {"example1.org", "example2.org", "example3.org"}
