"""The fault table of one SMTP conversation, each row on each way of talking: what is accepted, lost, twice."""

from __future__ import annotations

from collections import deque
from dataclasses import replace

import pytest

from nurture.mail.smtp import SmtpTransport
from nurture.mail.transport import Route, Timeouts
from nurture.model.delivery import Delivery, Outgoing, Phase
from tests.faults.hell import Fault, HellServer

QUICK = Timeouts(connect=2, command=0.4, body=0.4)
N = 12
WAYS = ["one-by-one", "pipelined"]


def mail(i: int, to: str = "") -> Outgoing:
    head = f"From: a@example.com\r\nTo: {to or i}@example.org\r\nMessage-ID: <{i}@example.com>\r\nSubject: {i}\r\n"
    body = "\r\nHello\r\n.a line with a dot\r\n..and two\r\n" + "x" * 900 + "\r\n" * 3
    return Outgoing(i, (head + body).encode(), "b@example.com", f"{to or f'lead{i}'}@example.org")


def route(server: HellServer, way: str = "one-by-one", **changes: object) -> Route:
    made = Route("main", "127.0.0.1", server.port, connections=3, timeouts=QUICK, pipelining=way == "pipelined")
    return replace(made, **changes)  # type: ignore[arg-type]  # test shorthand


def pump(transport: SmtpTransport, mails: list[Outgoing]) -> dict[int, Delivery]:
    waiting, ended = deque(mails), {}

    def take(n: int) -> list[Outgoing]:
        return [waiting.popleft() for _ in range(min(n, len(waiting)))]

    def done(delivery: Delivery) -> None:
        assert delivery.id not in ended, "answered twice"
        ended[delivery.id] = delivery

    transport.pump(take, done)
    transport.close()
    assert sorted(ended) == sorted(m.id for m in mails), "every message is answered"
    return ended


def send(server: HellServer, way: str, mails: list[Outgoing] | None = None, **changes: object) -> dict[int, Delivery]:
    return pump(SmtpTransport([route(server, way, **changes)]), mails or [mail(i) for i in range(1, N + 1)])


def kinds(ended: dict[int, Delivery]) -> dict[str, int]:
    found: dict[str, int] = {}
    for d in ended.values():
        key = f"{d.reply.phase}:{d.reply.code}"
        found[key] = found.get(key, 0) + 1
    return found


@pytest.mark.parametrize("way", WAYS)
def test_all_arrive_once_and_unchanged(way: str) -> None:
    with HellServer() as server:
        ended = send(server, way)
    assert kinds(ended) == {"body:250": N}
    assert not server.violations and set(server.copies().values()) == {1}
    by_id = {a.message_id: a.raw for a in server.accepted}
    assert all(by_id[f"<{i}@example.com>"] == mail(i).raw for i in range(1, N + 1))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("code", [421, 450, 451, 452, 500, 501, 503, 530, 535, 550, 551, 552, 553, 554, 571])
@pytest.mark.parametrize("step", ["mail", "rcpt", "data", "dot"])
def test_every_code_at_every_step(step: str, code: int, way: str) -> None:
    """One message gets the code; the others arrive. A 421 before the message began is tried again elsewhere."""
    with HellServer(faults=[Fault(step, "say", f"{code} {code // 100}.0.0 no", times=1)]) as server:
        ended = send(server, way)
    phase = "body" if step == "dot" else step
    early = code == 421 and step != "dot"
    assert kinds(ended) == ({"body:250": N} if early else {"body:250": N - 1, f"{phase}:{code}": 1})
    assert not server.violations and max(server.copies().values()) == 1
    assert len(server.accepted) == (N if early else N - 1)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("act", ["drop", "stall", "half", "banana"])
@pytest.mark.parametrize("step", ["mail", "rcpt", "data"])
def test_silence_before_the_message_is_no_loss(step: str, act: str, way: str) -> None:
    with HellServer(faults=[Fault(step, act, times=1)]) as server:
        ended = send(server, way)
    assert kinds(ended) == {"body:250": N}
    assert not server.violations and set(server.copies().values()) == {1} and len(server.accepted) == N


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("accept", [False, True])
@pytest.mark.parametrize("act", ["drop", "stall", "half", "banana"])
def test_silence_after_the_dot_is_unknown(act: str, accept: bool, way: str) -> None:
    """Never sent again by the transport: the copy may be there."""
    with HellServer(faults=[Fault("dot", act, times=1, accept=accept)]) as server:
        ended = send(server, way)
    assert kinds(ended) == {"body:250": N - 1, "body:None": 1}
    assert not server.violations and set(server.copies().values()) == {1}
    assert len(server.accepted) == N - 1 + accept


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("act", ["early", "stall"])
def test_lost_in_the_middle_of_the_message(act: str, way: str) -> None:
    with HellServer(faults=[Fault("body", act, times=1)]) as server:
        ended = send(server, way)
    assert kinds(ended) == {"body:250": N - 1, "body:None": 1} and len(server.accepted) == N - 1


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("step", ["greeting", "hello", "mail", "rcpt", "data", "dot"])
def test_a_slow_drip_is_only_slow(step: str, way: str) -> None:
    with HellServer(faults=[Fault(step, "drip", times=3)]) as server:
        ended = send(server, way)
    assert kinds(ended) == {"body:250": N} and set(server.copies().values()) == {1}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("step", ["greeting", "hello"])
@pytest.mark.parametrize("act", ["drop", "stall", "half", "banana", "say"])
def test_one_bad_connection_is_no_outage(step: str, act: str, way: str) -> None:
    with HellServer(faults=[Fault(step, act, "421 4.3.2 too many connections", times=1)]) as server:
        ended = send(server, way)
    assert kinds(ended)["body:250"] == N


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("step", ["greeting", "hello"])
def test_a_server_that_never_says_yes_leaves_all_untried(step: str, way: str) -> None:
    with HellServer(faults=[Fault(step, "say", "554 5.3.2 not today", times=None)]) as server:
        ended = send(server, way)
    assert {d.reply.phase for d in ended.values()} <= {Phase.GREETING, Phase.HELLO}
    assert all(d.untried for d in ended.values()) and not server.accepted


@pytest.mark.parametrize("way", WAYS)
def test_nobody_listens(way: str) -> None:
    with HellServer() as server:
        gone = route(server, way)
    ended = pump(SmtpTransport([gone]), [mail(i) for i in range(5)])
    assert all(d.untried and d.reply.phase is Phase.CONNECT for d in ended.values())


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("answer", ["503 5.5.1 no valid recipients", "554 5.5.1 no", "354 go on then"])
def test_a_refused_recipient_among_good_ones(answer: str, way: str) -> None:
    faults = [Fault("rcpt", "say", "550 5.1.1 unknown", times=None, to="bad")]
    mails = [mail(i, f"bad{i}" if i % 3 == 0 else "") for i in range(1, N + 1)]
    with HellServer(faults=faults, data_without_rcpt=answer) as server:
        ended = send(server, way, mails)
    assert kinds(ended) == {"body:250": 8, "rcpt:550": 4}
    assert not server.violations and len(server.accepted) == 8


@pytest.mark.parametrize("way", WAYS)
def test_without_pipelining_nothing_is_sent_ahead(way: str) -> None:
    with HellServer(pipelining=False) as server:
        ended = send(server, way)
    assert kinds(ended) == {"body:250": N} and not server.violations


@pytest.mark.parametrize("way", WAYS)
def test_a_server_that_closes_every_few_messages(way: str) -> None:
    faults = [Fault("mail", "say", "421 4.4.2 enough", times=3, after=2)]
    with HellServer(faults=faults) as server:
        ended = send(server, way)
    assert kinds(ended) == {"body:250": N} and set(server.copies().values()) == {1}


@pytest.mark.parametrize("way", WAYS)
def test_connections_are_kept_and_renewed(way: str) -> None:
    with HellServer() as server:
        send(server, way, [mail(i) for i in range(30)], connections=2, per_connection=5)
        assert server.connections >= 6
        before = server.connections
        send(server, way, [mail(i) for i in range(30)], connections=2)
        assert server.connections - before <= 2 and server.most_at_once <= 2
