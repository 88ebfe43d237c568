"""One persistent SMTP connection. Set up by aiosmtplib; each message goes one command at a time.

aiosmtplib's own `sendmail` says the same for "lost before the message" and "lost after its last byte", so the low-level
commands are used: the phase in which silence began decides between "try again" and "unknown".
"""

from __future__ import annotations

import asyncio
import ssl
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

import aiosmtplib
from aiosmtplib.errors import SMTPException, SMTPResponseException

from nurture.mail.mime import stuffed
from nurture.mail.transport import Route, Timeouts
from nurture.model.delivery import Outgoing, Phase, Reply

More = Callable[[], Outgoing | None]
Answer = Callable[[Outgoing, Reply], None]
May = Callable[[Outgoing], bool]
"""Asked when the server waits for the bytes of a message. No: none of them leaves, the connection is dropped, and the
message is answered for no more."""

_LOST = (SMTPException, OSError, TimeoutError, RuntimeError)
"""aiosmtplib says RuntimeError where a transport is already closing."""


OUT_OF_TURN = "the server answered before it was asked"


class ConnectFailed(Exception):
    """No session: `reply` says how far it came."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.text)
        self.reply = reply


class Session(Protocol):
    """Sends `first`, then whatever `more` gives, and answers each exactly once. Dead once `alive` is False.

    The one that `may` says no to is not answered.
    """

    @property
    def alive(self) -> bool: ...

    async def run(self, first: Outgoing, more: More, answer: Answer, may: May) -> None: ...

    async def close(self) -> None: ...


async def connect(route: Route, *, helo: str, tls: ssl.SSLContext | None = None) -> aiosmtplib.SMTP:
    """A client that has said EHLO, switched to TLS and logged in as its route wants. Raises ConnectFailed."""
    context = tls or (_context(route) if route.security != "none" else None)
    client = aiosmtplib.SMTP(
        hostname=route.host,
        port=route.port,
        use_tls=route.security == "tls",
        start_tls=False,
        tls_context=context,
        timeout=route.timeouts.command,
        local_hostname=helo,
    )
    phase = Phase.CONNECT
    try:
        await client.connect(timeout=route.timeouts.connect)
        phase = Phase.HELLO
        await _hello(client)
        if route.security == "starttls":
            await client.starttls(server_hostname=route.host)
            await client.ehlo()
        if route.username is not None:
            phase = Phase.AUTH
            await client.login(route.username, route.password or "")
    except SMTPResponseException as said:
        greeted = Phase.GREETING if phase is Phase.CONNECT else phase
        _drop(client)
        raise ConnectFailed(_said(greeted, said)) from None
    except (*_LOST, ValueError) as away:
        _drop(client)
        raise ConnectFailed(Reply(phase, None, _why(away))) from None
    return client


def _why(away: BaseException) -> str:
    """In the words of somebody who has to mend it."""
    for error in (away, away.__cause__, away.__context__):
        if isinstance(error, ssl.SSLCertVerificationError):
            trust = "`verify=no` in the route's address trusts a relay of one's own"
            return f"its certificate is not to be trusted: {error.verify_message}; {trust}"
    return str(away) or type(away).__name__


async def _hello(client: aiosmtplib.SMTP) -> None:
    try:
        await client.ehlo()
    except SMTPResponseException as no:
        if not 500 <= no.code < 600:
            raise
        await client.helo()


def _context(route: Route) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if not route.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _drop(client: aiosmtplib.SMTP) -> None:
    try:
        client.close()
    except _LOST:
        # Closing what is already gone.
        return


def _said(phase: Phase, error: SMTPResponseException) -> Reply:
    """A code outside 2..5 (aiosmtplib: -1) was no SMTP reply at all."""
    code = error.code if 200 <= error.code < 600 else None
    return Reply(phase, code, _readable(error.message))


def _readable(text: str) -> str:
    """A reply as text that every database takes; aiosmtplib hands over foreign bytes as halves of surrogate pairs."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def largest(client: aiosmtplib.SMTP) -> int:
    """The most bytes this server takes in one message (RFC 1870), as far as it names a limit."""
    said = client.esmtp_extensions.get("size", "").strip()
    return (int(said) if said.isascii() and said.isdigit() else 0) or sys.maxsize


def unfit(message: Outgoing, utf8: bool, largest: int) -> Reply | None:
    """What the server would say to this message, by what it told of itself; None: it may be asked."""
    if len(message.raw) > largest:
        size = len(message.raw)
        return Reply(Phase.DATA, 552, f"5.3.4 the mail has {size:,} bytes, the server takes {largest:,} (SIZE)")
    if message.smtputf8 and not utf8:
        return Reply(Phase.RCPT, 553, "5.6.7 the server does not offer SMTPUTF8")
    return None


class PlainSession:
    """MAIL, RCPT, DATA, message: each waits for its answer. Works with every server."""

    def __init__(self, client: aiosmtplib.SMTP, route: Route) -> None:
        self.client = client
        self.route = route
        self.alive = True
        self._count = 0
        self._deaf = False
        """Nothing sensible can be read from it any more: no goodbye."""
        self._utf8, self._largest = client.supports_extension("smtputf8"), largest(client)

    async def run(self, first: Outgoing, more: More, answer: Answer, may: May) -> None:
        message: Outgoing | None = first
        while message is not None:
            reply = await self._send(message, may)
            self._count += 1
            if self._count >= self.route.per_connection:
                self.alive = False
            if reply is not None:
                answer(message, reply)
            message = more() if self.alive else None
        if not self.alive:
            await self.close()

    async def _send(self, message: Outgoing, may: May) -> Reply | None:
        if cannot := unfit(message, self._utf8, self._largest):
            return cannot
        for phase, command in envelope(message):
            reply = await self._command(phase, command)
            wanted = reply.code == 354 if phase is Phase.DATA else reply.code in (250, 251, 252)
            if not wanted:
                await self._clear(reply)
                return reply
        if not may(message):
            self._give_up()
            return None
        return await self._body(message)

    async def _command(self, phase: Phase, command: bytes) -> Reply:
        if self._out_of_turn():
            return Reply(phase, None, OUT_OF_TURN)
        try:
            code, text = await self.client.execute_command(command)
        except SMTPResponseException as said:
            self._give_up()
            return _said(phase, said)
        except _LOST as lost:
            self._give_up()
            return Reply(phase, None, str(lost) or type(lost).__name__)
        if code == 421:
            self.alive = False
        return Reply(phase, code, _readable(text))

    def _out_of_turn(self) -> bool:
        """Is there a reply already, before anything was asked? It would be taken for the next command's answer."""
        left = bool(getattr(self.client.protocol, "_buffer", b""))
        if left:
            self._give_up()
        return left

    def _give_up(self) -> None:
        self.alive, self._deaf = False, True

    async def _body(self, message: Outgoing) -> Reply:
        protocol = self.client.protocol
        if protocol is None:
            self.alive = False
            return Reply(Phase.DATA, None, "the connection was lost after 354")
        if self._out_of_turn():
            return Reply(Phase.DATA, None, OUT_OF_TURN)
        try:
            protocol.write(stuffed(message.raw))
            code, text = await protocol.read_response(timeout=self.route.timeouts.body)
        except SMTPResponseException as said:
            self._give_up()
            return _said(Phase.BODY, said)
        except _LOST as lost:
            self._give_up()
            return Reply(Phase.BODY, None, str(lost) or type(lost).__name__)
        if code == 421 or not 200 <= code < 600 or 300 <= code < 400:
            self.alive = False
        return Reply(Phase.BODY, code, _readable(text))

    async def _clear(self, reply: Reply) -> None:
        """After a no the transaction is still open; a server that answers out of turn is left."""
        if not self.alive:
            return
        if reply.phase is Phase.DATA and reply.code is not None and reply.code < 400:
            self.alive = False
            return
        done = await self._command(Phase.MAIL, b"RSET")
        self.alive = self.alive and done.code == 250

    async def close(self) -> None:
        self.alive = False
        if self._deaf:
            _drop(self.client)
        if not self.client.is_connected:
            return
        try:
            await self.client.quit(timeout=2)
        except (*_LOST, ValueError):
            _drop(self.client)


def knock(route: Route, *, helo: str, patience: float) -> Reply | None:
    """Come in as for sending, greeting, TLS and login, and leave again. Returns what stopped us; waits for each answer
    at most `patience` seconds. Nothing is sent."""

    async def visit() -> Reply | None:
        try:
            client = await connect(replace(route, timeouts=Timeouts(patience, patience, patience)), helo=helo)
        except ConnectFailed as no:
            return no.reply
        await PlainSession(client, route).close()
        return None

    return asyncio.run(visit())


def envelope(message: Outgoing) -> tuple[tuple[Phase, bytes], ...]:
    """The commands before the message. Addresses come from `headers.mailable` and hold no control characters."""
    option = b" SMTPUTF8" if message.smtputf8 else b""
    return (
        (Phase.MAIL, b"MAIL FROM:<" + message.sender.encode() + b">" + option),
        (Phase.RCPT, b"RCPT TO:<" + message.recipient.encode() + b">"),
        (Phase.DATA, b"DATA"),
    )
