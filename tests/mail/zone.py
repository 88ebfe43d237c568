"""A name server of our own that answers from a zone file, and the resolver that asks it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dns.resolver
from dnslib import QTYPE, RR
from dnslib.server import BaseResolver, DNSServer


class Zone(BaseResolver):  # type: ignore[misc]  # dnslib carries no types
    """Counts what it is `asked`; says nothing at all about names that begin with `silent.`."""

    def __init__(self, text: str) -> None:
        self.records: list[Any] = RR.fromZone(text)
        self.asked: list[str] = []

    def resolve(self, request: Any, handler: Any) -> Any:
        reply = request.reply()
        self.asked.append(str(request.q.qname).lower())
        if self.asked[-1].startswith("silent."):
            raise TimeoutError
        for record in self.records:
            if record.rname == request.q.qname and QTYPE[record.rtype] == QTYPE[request.q.qtype]:
                reply.add_answer(record)
        return reply


class _Quiet:
    def __getattr__(self, name: str) -> Any:
        return lambda *words: None


@contextmanager
def serving(zone: Zone) -> Iterator[dns.resolver.Resolver]:
    """A resolver that asks nobody but `zone`."""
    server = DNSServer(zone, port=0, address="127.0.0.1", logger=_Quiet())
    server.start_thread()
    try:
        resolver = dns.resolver.Resolver(configure=False)
        resolver.nameservers, resolver.port = ["127.0.0.1"], server.server.server_address[1]
        yield resolver
    finally:
        server.stop()
