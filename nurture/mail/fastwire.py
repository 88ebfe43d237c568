"""The same conversation in one round trip per message, for servers that offer PIPELINING (RFC 2920).

aiosmtplib sets the connection up (TLS, login, EHLO); then this protocol takes over its transport. MAIL, RCPT and DATA
leave together, and the next message's envelope leaves with the body before it, which RFC 2920 3.1 allows. Whatever a
server does wrong ends the connection and is told by the phase it happened in, exactly as `session.PlainSession` does.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import cast

import aiosmtplib

from nurture.mail.mime import stuffed
from nurture.mail.session import Answer, More
from nurture.mail.transport import Route
from nurture.model.delivery import Outgoing, Phase, Reply

MOST_UNREAD = 64 * 1024
_OK = (250, 251, 252)
Said = tuple[int | None, str]


class _Replies(asyncio.Protocol):
    """Reads replies in order, each with a deadline. After the first fault nothing more is ever read."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self.transport, self.loop = transport, loop
        self.lost: str | None = None
        self._unread = b""
        self._lines: list[bytes] = []
        self._ready: deque[Said] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._deadline = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def data_received(self, data: bytes) -> None:
        if self._unread:
            data = self._unread + data
        *lines, self._unread = data.split(b"\n")
        for line in lines:
            if self.lost is None:
                self._line(line.rstrip(b"\r"))
        if len(self._unread) + sum(map(len, self._lines)) > MOST_UNREAD:
            self.fail("a reply without end")
        self._wake()

    def _line(self, line: bytes) -> None:
        code = line[:3]
        if len(code) < 3 or not code.isdigit() or line[3:4] not in (b"", b" ", b"-"):
            self._ready.append((None, f"not a reply: {line[:80].decode('utf-8', 'replace')}"))
            self.fail("not a reply")
            return
        if line[3:4] == b"-":
            self._lines.append(line[4:])
            return
        text = b" ".join((*self._lines, line[4:])) if self._lines else line[4:]
        self._lines = []
        self._ready.append((int(code), text.decode("utf-8", "replace")))

    def eof_received(self) -> None:
        self.fail("the server closed the connection")

    def connection_lost(self, exc: Exception | None) -> None:
        self.fail(str(exc) if exc else "the connection was lost")
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def fail(self, why: str) -> None:
        if self.lost is None:
            self.lost = why
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and (self._ready or self.lost is not None) and not self._waiter.done():
            self._waiter.set_result(None)

    async def read(self, timeout: float) -> Said:
        """The next reply, or (None, why) where none came."""
        if not self._ready and self.lost is None:
            self._deadline = self.loop.time() + timeout
            if self._timer is None:
                self._timer = self.loop.call_later(timeout, self._late)
            self._waiter = self.loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        return self._ready.popleft() if self._ready else (None, self.lost or "the connection was lost")

    def _late(self) -> None:
        """One timer per connection: it looks when it was set for, and is set again where the deadline has moved."""
        self._timer = None
        left = self._deadline - self.loop.time()
        if self._waiter is None:
            return
        if left > 0:
            self._timer = self.loop.call_later(left, self._late)
        else:
            self.fail("timed out waiting for an answer")


class PipelinedSession:
    """Like PlainSession, for a client whose server offers PIPELINING."""

    def __init__(self, client: aiosmtplib.SMTP, route: Route) -> None:
        self.alive = True
        self.route = route
        self._client = client
        self._count = 0
        self._utf8 = client.supports_extension("smtputf8")
        self._transport = cast(asyncio.Transport, client.protocol.transport if client.protocol else None)
        self._replies = _Replies(self._transport, asyncio.get_running_loop())
        self._transport.set_protocol(self._replies)
        self._reset = b""
        self._reset_sent = False
        self._last = False
        """It has carried what it may carry and is renewed."""

    async def run(self, first: Outgoing, more: More, answer: Answer) -> None:
        message = self._sendable(first, more, answer)
        if message is not None:
            self._write(self._envelope(message))
        while message is not None:
            refused = await self._open(message)
            self._count += 1
            if self._count >= self.route.per_connection:
                self._last = True
            following = self._next(more, answer)
            if refused is None:
                body = stuffed(message.raw)
                self._write(body + self._envelope(following) if following else body)
                reply = await self._said(Phase.BODY, self.route.timeouts.body)
            else:
                reply = refused
                if following is not None and self.alive:
                    self._write(self._envelope(following))
            answer(message, reply)
            message = following
        if not self.alive or self._last:
            await self.close()

    def living(self) -> bool:
        """`alive`, asked anew: it changes while answers are read."""
        return self.alive

    def _next(self, more: More, answer: Answer) -> Outgoing | None:
        if not self.alive or self._last:
            return None
        message = more()
        return None if message is None else self._sendable(message, more, answer)

    def _sendable(self, message: Outgoing, more: More, answer: Answer) -> Outgoing | None:
        """Skips what this server cannot take."""
        found: Outgoing | None = message
        while found is not None and found.smtputf8 and not self._utf8:
            answer(found, Reply(Phase.RCPT, 553, "5.6.7 the server does not offer SMTPUTF8"))
            found = more()
        return found

    def _envelope(self, message: Outgoing) -> bytes:
        option = b" SMTPUTF8" if message.smtputf8 else b""
        reset, self._reset = self._reset, b""
        self._reset_sent = bool(reset)
        return b"%bMAIL FROM:<%b>%b\r\nRCPT TO:<%b>\r\nDATA\r\n" % (
            reset,
            message.sender.encode(),
            option,
            message.recipient.encode(),
        )

    async def _open(self, message: Outgoing) -> Reply | None:
        """Read the answers to an envelope that was written. None: the server waits for the message."""
        wait = self.route.timeouts.command
        if not self.living():
            return Reply(Phase.MAIL, None, "the connection ended before this message began")
        if self._reset_sent:
            self._reset_sent = False
            code, text = await self._replies.read(wait)
            if code != 250:
                self.alive = False
                return Reply(Phase.MAIL, None, text)
        first_no: Reply | None = None
        for phase in (Phase.MAIL, Phase.RCPT):
            reply = await self._said(phase, wait)
            if first_no is None and reply.code not in _OK:
                first_no = reply
            if not self.living():
                return first_no
        data = await self._said(Phase.DATA, wait)
        if first_no is not None:
            await self._no_message(data)
            return first_no
        if data.code == 354:
            return None
        if data.code is not None and data.code < 400:
            # Neither go on nor no: whatever follows would be read out of turn.
            self.alive = False
        self._reset = b"RSET\r\n"
        return data

    async def _no_message(self, data: Reply) -> None:
        """DATA was sent along with a RCPT that was refused. A server that says 354 all the same gets an empty message,
        which it has nobody to deliver to (RFC 2920 3.1)."""
        self._reset = b"RSET\r\n"
        if data.code == 354:
            self._write(b".\r\n")
            await self._said(Phase.DATA, self.route.timeouts.command)

    async def _said(self, phase: Phase, timeout: float) -> Reply:
        code, text = await self._replies.read(timeout)
        if code is None or code == 421 or (phase is Phase.BODY and not (200 <= code < 300 or 400 <= code < 600)):
            self.alive = False
        if code is not None and not 200 <= code < 600:
            code = None
        return Reply(phase, code, text)

    def _write(self, data: bytes) -> None:
        if self._replies.lost is None and not self._transport.is_closing():
            self._transport.write(data)

    async def close(self) -> None:
        self.alive = False
        if self._transport.is_closing():
            return
        if self._replies.lost is None:
            self._transport.write(b"QUIT\r\n")
        # What was written is flushed; a goodbye is not worth waiting for.
        self._transport.close()


def fits(client: aiosmtplib.SMTP, route: Route) -> bool:
    """May this connection be talked to this way?"""
    return route.pipelining and client.supports_extension("pipelining") and client.protocol is not None
