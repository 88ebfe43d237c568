"""Workers to be killed. Started once with everything imported; each line on stdin forks one worker and prints its pid.

A line is a JSON object: now, port, url, owner, limit, connections, and `die`, a point of the send stage at which the
worker kills itself the hard way (empty: it is killed from outside).
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from datetime import datetime
from typing import Any

from nurture.errors import Unavailable
from nurture.mail.smtp import SmtpTransport
from nurture.mail.transport import Again, Done, Route, Take, Timeouts
from nurture.parts import Parts
from nurture.stages import send
from nurture.store import open_store
from nurture.store.mail import outgoing
from tests.mail.world import KEYS, PUBLIC, library


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def dying(point: str, nth: int) -> Callable[[str], None]:
    """Called with the name of each point as it is passed; dies at the nth pass of `point`."""
    passed = 0

    def at(name: str) -> None:
        nonlocal passed
        if name == point:
            passed += 1
            if passed >= nth:
                die()

    return at


class Watched(SmtpTransport):
    """Tells where the worker is between the stage and the wire."""

    at: Callable[[str], None] = staticmethod(lambda name: None)

    def pump(self, take: Take, done: Done, again: Again | None = None) -> None:
        def watched_take(n: int) -> Any:
            self.at("before-take")
            given = take(n)
            self.at("marked")
            return given

        def watched_done(delivery: Any) -> None:
            self.at("answered")
            done(delivery)
            self.at("noted")

        super().pump(watched_take, watched_done, again)


def watch(at: Callable[[str], None]) -> None:
    """Points inside the transactions, before their commit."""
    for name in ("claim", "fly", "record"):
        real = getattr(outgoing, name)

        def inside(*args: Any, real: Any = real, name: str = name, **words: Any) -> Any:
            result = real(*args, **words)
            at(f"in-{name}")
            return result

        setattr(outgoing, name, inside)


def work(order: dict[str, Any]) -> None:
    lib = library()
    route = Route(
        "main", "127.0.0.1", order["port"], connections=order.get("connections", 3), timeouts=Timeouts(2, 5, 5),
        pipelining=order.get("pipelining", True),
    )
    transport = Watched([route])
    if order.get("die"):
        transport.at = dying(order["die"], order.get("nth", 1))
        watch(transport.at)
    parts = Parts(
        store=open_store(order["url"]), library=lib, keys=KEYS, transport=transport, public_url=PUBLIC,
        versions={"guide": 1}, templates={t.digest: t for t in lib.templates.values()},
    )
    signal.signal(signal.SIGTERM, lambda *_: transport.stop())
    now = datetime.fromisoformat(order["now"])
    while not transport.stopping:
        try:
            if send.run(parts, now=now, limit=order.get("limit", 50), owner=order["owner"]).due == 0:
                break
        except Unavailable:
            continue


def main() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        order = json.loads(line)
        pid = os.fork()
        if pid == 0:
            try:
                work(order)
            finally:
                os._exit(0)
        print(pid, flush=True)


if __name__ == "__main__":
    main()
