"""A small LMTP or SMTP server for reports and replies: it says 250 only once a mail is durably dealt with."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from threading import Event, Thread
from typing import Any, Final

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

    def start(self, handle: Callable[[Arrived], None]) -> Running:
        """The running server; port 0 becomes the one it got. Raises Unavailable where the port is taken."""
        kind = LMTP if self.name == "lmtp" else SMTP
        running = Running(_Handler(self.name, handle), kind)
        self.port = running.start(self.host, self.port)
        return running


class Running:
    """The server on a loop and a thread of its own."""

    def __init__(self, handler: _Handler, kind: type[SMTP]) -> None:
        self.handler, self.kind = handler, kind
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, name="inbound-listener", daemon=True)
        self._server: asyncio.AbstractServer | None = None

    def start(self, host: str, port: int) -> int:
        """Listen. Returns the port. Raises Unavailable."""
        self._thread.start()
        opening = self._loop.create_server(self._protocol, host, port)
        try:
            server = asyncio.run_coroutine_threadsafe(opening, self._loop).result(10)
        except OSError as wrong:
            self.stop()
            raise Unavailable(
                f"Nobody can listen on {host}:{port}: {wrong.strerror}.", fix="Choose another port in NURTURE_INBOUND."
            ) from None
        self._server = server
        return int(server.sockets[0].getsockname()[1])

    def _protocol(self) -> SMTP:
        return self.kind(
            self.handler, data_size_limit=LARGEST, enable_SMTPUTF8=True, timeout=120, ident="nurture inbound",
            hostname="nurture", loop=self._loop,
        )

    def stop(self) -> None:
        """Take no new mail. One in hand may be answered no more; it comes again then, and is known."""
        if self._server is not None:
            self._loop.call_soon_threadsafe(self._server.close)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        if not self._thread.is_alive():
            self._loop.close()


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
