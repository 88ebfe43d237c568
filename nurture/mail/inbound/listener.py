"""A small LMTP or SMTP server for reports and replies: it says 250 only once a mail is durably dealt with."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from threading import Event
from typing import Any, Final

from aiosmtpd.controller import Controller
from aiosmtpd.lmtp import LMTP
from aiosmtpd.smtp import SMTP

from nurture.errors import Unavailable, UsageError
from nurture.model.inbound import Arrived, Envelope

LARGEST: Final = 25 * 1024 * 1024
MOST_RECIPIENTS: Final = 100
log = logging.getLogger("nurture.inbound")


class Listener:
    """`scheme` is `lmtp` or `smtp`. It relays nothing and answers nobody: whatever it takes stays here.

    It belongs behind a mail server, on an address that only that server reaches.
    """

    def __init__(self, scheme: str, host: str, port: int) -> None:
        self.name = scheme
        self.host, self.port = host, port

    def look(self) -> str:
        """Where it listens, in one sentence."""
        return f"listens on {self.host}:{self.port} while `nurture up` or `nurture inbound --watch` runs"

    def once(self, handle: Callable[[Arrived], None]) -> int:
        raise UsageError(
            f"{self.name}://{self.host}:{self.port} waits for mail and has none of its own.",
            fix="Run `nurture inbound --watch`, or `nurture up`.",
        )

    def watch(self, handle: Callable[[Arrived], None], stop: Event, say: Callable[[str], None]) -> None:
        server = self.start(handle)
        try:
            stop.wait()
        finally:
            server.stop()

    def start(self, handle: Callable[[Arrived], None]) -> Controller:
        """The running server. Raises Unavailable where the port is taken."""
        server = _Server(_Handler(self.name, handle), self.name, hostname=self.host, port=self.port)
        try:
            server.start()
        except OSError as wrong:
            raise Unavailable(
                f"{self.name} cannot listen on {self.host}:{self.port}: {wrong.strerror}.",
                fix="Choose another port in NURTURE_INBOUND.",
            ) from None
        if self.port == 0 and server.server is not None:
            self.port = server.server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]  # asyncio.Server has them
        return server


class _Server(Controller):
    def __init__(self, handler: Any, name: str, **where: Any) -> None:
        self.kind = LMTP if name == "lmtp" else SMTP
        super().__init__(handler, **where)

    def factory(self) -> SMTP:
        return self.kind(
            self.handler, data_size_limit=LARGEST, enable_SMTPUTF8=True, timeout=120, ident="nurture inbound"
        )

    def _trigger_server(self) -> None:
        """Port 0 means any; the base class would knock at it to see whether the server came up."""
        if self.port:
            super()._trigger_server()  # type: ignore[no-untyped-call]  # aiosmtpd has no types


class _Handler:
    def __init__(self, name: str, handle: Callable[[Arrived], None]) -> None:
        self.name, self.handle = name, handle

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        if len(envelope.rcpt_tos) >= MOST_RECIPIENTS:
            return "452 4.5.3 too many recipients"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 ok"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        content = envelope.content if isinstance(envelope.content, bytes) else str(envelope.content).encode()
        sent_to = Envelope(envelope.mail_from or "", tuple(envelope.rcpt_tos))
        said = await asyncio.get_running_loop().run_in_executor(None, self._take, Arrived(content, self.name, sent_to))
        # LMTP answers once per recipient (RFC 2033 4.2).
        return "\r\n".join([said] * (len(envelope.rcpt_tos) if self.name == "lmtp" else 1))

    def _take(self, arrived: Arrived) -> str:
        try:
            self.handle(arrived)
        except Unavailable as away:
            log.warning("not taken, to come again: %s", away.message)
            return "451 4.3.0 not now, try again"
        except Exception:
            # The sender must keep the mail, whatever went wrong here.
            log.exception("a mail could not be taken")
            return "451 4.3.0 local error, try again"
        return "250 2.0.0 taken"
