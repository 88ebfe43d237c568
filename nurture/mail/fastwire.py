"""The same conversation in one round trip per message, for servers that offer PIPELINING (RFC 2920).

aiosmtplib sets the connection up (TLS, login, EHLO); then this protocol takes over its transport. MAIL, RCPT and DATA
leave together, and the next message's envelope leaves with the body before it, which RFC 2920 3.1 allows. A reply moves
the talk on where it arrives: waking a task for each costs more than the talk itself. Whatever a server does wrong ends
the connection and is told by the phase it happened in, exactly as `session.PlainSession` does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, cast

import aiosmtplib

from nurture.mail.mime import stuffed
from nurture.mail.session import OUT_OF_TURN, Answer, May, More, largest, unfit
from nurture.mail.transport import Route
from nurture.model.delivery import Outgoing, Phase, Reply

MOST_UNREAD: Final = 64 * 1024
_CODES: Final = {b"%03d" % code: code for code in range(1000)}
_LAST: Final = {b"%03d " % code: code for code in range(1000)}
"""How the last line of a reply begins; most replies have no other."""
_OK: Final = frozenset({250, 251, 252})
Step = Callable[[int | None, bytes], None]
"""What the next reply is for: gets its code (None: there will be none, and the text says why) and its text."""


class _Replies(asyncio.Protocol):
    """Gives each reply, in order, to `step`. After the first fault nothing more is ever read."""

    def __init__(self, transport: asyncio.Transport, broken: Callable[[BaseException], None]) -> None:
        self.transport, self.broken = transport, broken
        self.loop = asyncio.get_running_loop()
        self.lost: str | None = None
        self.step: Step | None = None
        self._deadline = 0.0
        self._unread = b""
        self._left = 0
        self._lines: list[bytes] = []
        self._timer: asyncio.TimerHandle | None = None

    def expect(self, step: Step, patience: float) -> None:
        """The next reply is for `step`; none within `patience` seconds is a fault."""
        self.step = step
        self._deadline = self.loop.time() + patience
        if self._timer is None:
            self._timer = self.loop.call_later(patience, self._late)

    def ahead(self) -> bool:
        """Has the server said more than it was asked? That would be taken for the next command's answer."""
        return self._left > 0 or bool(self._unread or self._lines)

    def rest(self) -> None:
        """Nothing is expected for now."""
        self.step = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _give(self, code: int | None, text: bytes) -> None:
        if self.step is None:
            self.lost = self.lost or OUT_OF_TURN
            return
        try:
            self.step(code, text)
        except BaseException as error:
            self.broken(error)

    def data_received(self, data: bytes) -> None:
        if self._unread:
            data = self._unread + data
        lines = data.split(b"\n")
        self._unread = lines.pop()
        self._left = len(lines)
        for line in lines:
            self._left -= 1
            if self.lost is None:
                code = _LAST.get(line[:4])
                if code is None or self._lines:
                    self._line(line.rstrip(b"\r"))
                else:
                    self._give(code, line[4:])
        if (self._unread or self._lines) and len(self._unread) + sum(map(len, self._lines)) > MOST_UNREAD:
            self.fail("a reply without end")

    def _line(self, line: bytes) -> None:
        code, mark = _CODES.get(line[:3]), line[3:4]
        if code is None or mark not in b" -":
            self.fail(f"not a reply: {line[:80].decode('utf-8', 'replace')}")
        elif mark == b"-":
            self._lines.append(line[4:])
        else:
            text = b" ".join((*self._lines, line[4:])) if self._lines else line[4:]
            self._lines = []
            self._give(code, text)

    def eof_received(self) -> None:
        self.fail("the server closed the connection")

    def connection_lost(self, exc: Exception | None) -> None:
        self.fail(str(exc) if exc else "the connection was lost")

    def fail(self, why: str) -> None:
        """The connection is of no more use; whoever waits for a reply is told that none will come."""
        if self.lost is None:
            self.lost = why
            self._give(None, why.encode())

    def _late(self) -> None:
        """One timer per connection: it looks when it was set for, and is set again where the deadline has moved."""
        self._timer = None
        left = self._deadline - self.loop.time()
        if self.step is None:
            return
        if left > 0:
            self._timer = self.loop.call_later(left, self._late)
        else:
            self.fail("timed out waiting for an answer")


class PipelinedSession:
    """Like PlainSession, for a client whose server offers PIPELINING.

    Each `_..._said` takes one reply of the message in hand and says which comes next.
    """

    def __init__(self, client: aiosmtplib.SMTP, route: Route) -> None:
        self.route = route
        self._command, self._patience = route.timeouts.command, route.timeouts.body
        self._count = 0
        self._utf8, self._largest = client.supports_extension("smtputf8"), largest(client)
        self._transport = cast(asyncio.Transport, client.protocol.transport if client.protocol else None)
        self._replies = _Replies(self._transport, self._broken)
        self._transport.set_protocol(self._replies)
        self._usable = True
        self._reset = b""
        self._reset_sent = False
        self._last = False
        """It has carried what it may carry and is renewed."""
        self._no: Reply | None = None
        self._following: Outgoing | None = None

    @property
    def alive(self) -> bool:
        return self._usable and self._replies.lost is None

    async def run(self, first: Outgoing, more: More, answer: Answer, may: May) -> None:
        self._more, self._answer, self._may = more, answer, may
        message = self._sendable(first)
        if message is not None and not self.alive:
            answer(message, Reply(Phase.MAIL, None, self._replies.lost or OUT_OF_TURN))
        elif message is not None:
            self._over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._write(self._envelope(message))
            self._begin(message)
            await self._over
        if not self.alive or self._last:
            await self.close()

    def _broken(self, error: BaseException) -> None:
        """Whoever gives and takes the messages failed: the session ends and says so."""
        self._usable = False
        self._replies.rest()
        if not self._over.done():
            self._over.set_exception(error)

    def _next(self) -> Outgoing | None:
        self._count += 1
        if self._count >= self.route.per_connection:
            self._last = True
        if self._last or not self.alive:
            return None
        message = self._more()
        return None if message is None else self._sendable(message)

    def _sendable(self, message: Outgoing) -> Outgoing | None:
        """Skips what this server cannot take."""
        found: Outgoing | None = message
        while found is not None and (cannot := unfit(found, self._utf8, self._largest)):
            self._answer(found, cannot)
            found = self._more()
        return found

    def _envelope(self, message: Outgoing) -> bytes:
        option = " SMTPUTF8" if message.smtputf8 else ""
        envelope = f"MAIL FROM:<{message.sender}>{option}\r\nRCPT TO:<{message.recipient}>\r\nDATA\r\n".encode()
        self._reset_sent = bool(self._reset)
        if self._reset_sent:
            envelope, self._reset = self._reset + envelope, b""
        return envelope

    def _begin(self, message: Outgoing) -> None:
        """Its envelope was written: the answers to that come next."""
        self._message, self._no = message, None
        self._replies.expect(self._reset_said if self._reset_sent else self._mail_said, self._command)

    def _reset_said(self, code: int | None, text: bytes) -> None:
        self._reset_sent = False
        if code == 250:
            self._replies.expect(self._mail_said, self._command)
        else:
            self._usable = False
            self._refused(Reply(Phase.MAIL, None, _readable(text)))

    def _mail_said(self, code: int | None, text: bytes) -> None:
        if code not in _OK:
            self._no = self._reply(Phase.MAIL, code, text)
        if self._no is not None and not self._usable:
            self._refused(self._no)
        else:
            self._replies.expect(self._rcpt_said, self._command)

    def _rcpt_said(self, code: int | None, text: bytes) -> None:
        if code not in _OK:
            reply = self._reply(Phase.RCPT, code, text)
            self._no = self._no or reply
        if self._no is not None and not self._usable:
            self._refused(self._no)
        else:
            self._replies.expect(self._data_said, self._command)

    def _data_said(self, code: int | None, text: bytes) -> None:
        if code == 354 and self._no is None:
            self._leave()
            return
        data = self._reply(Phase.DATA, code, text)
        self._reset = b"RSET\r\n"
        if self._no is None:
            if data.code is not None and data.code < 400:
                # Neither go on nor no: whatever follows would be read out of turn.
                self._usable = False
            self._refused(data)
        elif code == 354:
            # DATA was sent along with a RCPT that was refused, and the server wants a message all the same: it gets an
            # empty one, which it has nobody to deliver to (RFC 2920 3.1).
            self._write(b".\r\n")
            self._replies.expect(self._nothing_said, self._command)
        else:
            self._refused(self._no)

    def _nothing_said(self, code: int | None, text: bytes) -> None:
        unheard = self._reply(Phase.DATA, code, text)
        self._refused(self._no or unheard)

    def _leave(self) -> None:
        """The server waits for the message: it goes, with the envelope of the next one behind it."""
        message = self._message
        if self._replies.ahead():
            self._usable = False
            self._refused(Reply(Phase.DATA, None, OUT_OF_TURN))
            return
        if not self._may(message):
            self._withhold()
            return
        following = self._following = self._next()
        if not message.dotless:
            body = stuffed(message.raw)
            self._write(body + self._envelope(following) if following is not None else body)
        elif following is not None:
            self._write(b"".join((message.raw, b".\r\n", self._envelope(following))))
        else:
            self._write(message.raw + b".\r\n")
        self._replies.expect(self._body_said, self._patience)

    def _withhold(self) -> None:
        """The server waits for a message that must not go: only without a connection does it get none."""
        self._usable = False
        self._replies.rest()
        self._transport.abort()
        if not self._over.done():
            self._over.set_result(None)

    def _body_said(self, code: int | None, text: bytes) -> None:
        following, self._following = self._following, None
        self._answer(self._message, self._reply(Phase.BODY, code, text))
        self._go_on(following)

    def _refused(self, reply: Reply) -> None:
        """The message in hand did not go; the next one has yet to be announced."""
        following = self._next()
        if following is not None and self.alive:
            self._write(self._envelope(following))
        self._answer(self._message, reply)
        self._go_on(following)

    def _go_on(self, following: Outgoing | None) -> None:
        if following is not None and self.alive:
            self._begin(following)
            return
        self._replies.rest()
        if following is not None:
            self._answer(following, Reply(Phase.MAIL, None, "the connection ended before this message began"))
        if not self._over.done():
            self._over.set_result(None)

    def _reply(self, phase: Phase, code: int | None, text: bytes) -> Reply:
        if code is None or code == 421 or (phase is Phase.BODY and not (200 <= code < 300 or 400 <= code < 600)):
            self._usable = False
        if code is not None and not 200 <= code < 600:
            code = None
        return Reply(phase, code, _readable(text))

    def _write(self, data: bytes) -> None:
        if self._replies.lost is None and not self._transport.is_closing():
            self._transport.write(data)

    async def close(self) -> None:
        self._usable = False
        self._replies.rest()
        if self._transport.is_closing():
            return
        if self._replies.lost is None:
            self._transport.write(b"QUIT\r\n")
        # What was written is flushed; a goodbye is not worth waiting for.
        self._transport.close()


def _readable(text: bytes) -> str:
    return text.rstrip(b"\r").decode("utf-8", "replace")


def fits(client: aiosmtplib.SMTP, route: Route) -> bool:
    """May this connection be talked to this way?"""
    return route.pipelining and client.supports_extension("pipelining") and client.protocol is not None
