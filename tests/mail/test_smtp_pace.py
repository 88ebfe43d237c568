"""How many messages wait with the guard's yes: as many as a server answers soon, and few where it is slow."""

from __future__ import annotations

from collections import deque

import pytest

from nurture.mail.smtp import SmtpTransport
from nurture.model.delivery import Delivery, Outgoing
from tests.faults.hell import HellServer
from tests.faults.test_smtp_table import mail, route


def taken(server: HellServer, n: int, *, connections: int) -> tuple[list[int], int]:
    """How many messages were out after each time that more were asked for, and how many may be."""
    transport = SmtpTransport([route(server, "pipelined", connections=connections)])
    waiting, out, ended = deque(mail(i) for i in range(1, n + 1)), [], list[Delivery]()

    def take(room: int) -> list[Outgoing]:
        given = [waiting.popleft() for _ in range(min(room, len(waiting)))]
        if given:
            out.append(n - len(waiting) - len(ended))
        return given

    transport.pump(take, ended.append)
    transport.close()
    assert len(ended) == n and all(d.reply.code == 250 for d in ended)
    return out, transport.capacity


def test_a_quick_server_gets_larger_groups_up_to_what_may_be_in_flight() -> None:
    with HellServer() as server:
        out, most = taken(server, 100, connections=2)
    assert out[0] < most and max(out) == most == 16


@pytest.mark.parametrize("connections", [1, 2])
def test_a_slow_server_finds_only_two_for_each_connection_waiting(connections: int) -> None:
    with HellServer(delay=0.06) as server:
        out, most = taken(server, 10 * connections, connections=connections)
    assert out[0] == 4 * connections and out[-2] <= 2 * connections < most
