"""An SMTP server from hell: does what its script says at every step, and keeps what it really accepted.

It runs on a loop of its own in a thread. `accepted` is the sink's proof: one entry per copy this server has taken
responsibility for, whether or not the client ever heard of it. `violations` holds what a client may not do.
"""

from __future__ import annotations

import asyncio
import hmac
import ssl
import threading
from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

Step = Literal["greeting", "hello", "auth", "mail", "rcpt", "data", "body", "dot"]
Act = Literal["say", "drop", "stall", "drip", "half", "banana", "early", "extra", "late"]
STILL_GOOD = ("drip", "extra", "late")
"""Acts after which the server goes on as if all were well."""


@dataclass
class Fault:
    """At `step` do `act`, the first `times` times (None: always), for recipients (at `mail`: senders) containing
    `to` if given.

    `say`: this reply. `drop`: close without a word. `stall`: say nothing more. `drip`: a good reply, byte by byte.
    `half`: half a reply, then close. `banana`: something that is no reply. `early` (body only): close in mid-message.
    `extra`: the good reply and `text` right behind it, in one piece. `late`: the good reply, `wait` seconds later.
    `accept`: at `dot`, the message counts as taken before the act (a crash after the server's own commit).
    """

    step: Step
    act: Act
    text: str = ""
    times: int | None = 1
    to: str = ""
    accept: bool = False
    after: int = 0
    """Let so many occurrences of the step pass first."""
    wait: float = 1.2
    meanwhile: Callable[[], None] | None = None
    """Happens before the act, while the client waits."""


@dataclass(frozen=True)
class Accepted:
    recipient: str
    sender: str
    raw: bytes

    @property
    def message_id(self) -> str:
        lines = self.raw.split(b"\r\n\r\n")[0].split(b"\r\n")
        return next(line[12:].decode() for line in lines if line.lower().startswith(b"message-id: "))


class Gone(Exception):
    """This connection is over."""


@dataclass
class HellServer:
    faults: list[Fault] = field(default_factory=list)
    pipelining: bool = True
    smtputf8: bool = False
    data_without_rcpt: str = "503 5.5.1 no valid recipients"
    """What DATA gets when the RCPT before it was refused; `354 ...` is what some servers say."""
    auth: tuple[str, str] | None = None
    mechanisms: str = "PLAIN LOGIN"
    tls: ssl.SSLContext | None = None
    implicit_tls: bool = False
    delay: float = 0.0
    helo_only: bool = False
    """From before 1995: EHLO is no command."""
    says: tuple[str, ...] = ()
    """Further lines of its EHLO."""
    at_once: int | None = None
    """So many connections; who comes on top gets a 421."""
    each: int | None = None
    """So many mails per connection; then it is closed without a word."""
    accepted: list[Accepted] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    connections: int = 0
    most_at_once: int = 0
    ehlos: int = 0
    port: int = 0

    def __enter__(self) -> HellServer:
        self._seen: Counter[int] = Counter()
        self._passed: Counter[int] = Counter()
        self._open: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        ready = threading.Event()

        async def serve() -> None:
            context = self.tls if self.implicit_tls else None
            self._server = await asyncio.start_server(self._talk, "127.0.0.1", self.port, ssl=context, limit=2**20)
            self.port = self._server.sockets[0].getsockname()[1]
            ready.set()

        def run() -> None:
            asyncio.set_event_loop(self._loop)
            self._loop.run_until_complete(serve())
            self._loop.run_forever()

        self._thread = threading.Thread(target=run, daemon=True)
        self._thread.start()
        assert ready.wait(5)
        return self

    def __exit__(self, *_: object) -> None:
        def stop() -> None:
            self._server.close()
            for writer in list(self._open):
                writer.transport.abort()
            for task in asyncio.all_tasks(self._loop):
                task.cancel()
            self._loop.call_later(0.05, self._loop.stop)

        self._loop.call_soon_threadsafe(stop)
        self._thread.join(5)

    def copies(self) -> Counter[str]:
        """Accepted copies per recipient and message id: nothing may ever stand here twice."""
        return Counter(f"{a.recipient} {a.message_id}" for a in self.accepted)

    def _fault(self, step: Step, recipient: str = "") -> Fault | None:
        for number, fault in enumerate(self.faults):
            if fault.step != step or fault.to not in recipient:
                continue
            if self._passed[number] < fault.after:
                self._passed[number] += 1
                continue
            if fault.times is None or self._seen[number] < fault.times:
                self._seen[number] += 1
                return fault
        return None

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._open.add(writer)
        self.most_at_once = max(self.most_at_once, len(self._open))
        try:
            if self.at_once is not None and len(self._open) > self.at_once:
                writer.write(b"421 4.7.0 too many connections from you\r\n")
                await writer.drain()
                return
            await _Talk(self, reader, writer).run()
        except (Gone, ConnectionError, asyncio.IncompleteReadError, ssl.SSLError, TimeoutError, asyncio.CancelledError):
            pass
        finally:
            self._open.discard(writer)
            writer.transport.abort()


class _Talk:
    def __init__(self, server: HellServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.server, self.reader, self.writer = server, reader, writer
        self.sender: str | None = None
        self.recipient: str | None = None
        self.authed = server.auth is None
        self.carried = 0

    async def run(self) -> None:
        await self.answer("greeting", "220 hell ESMTP")
        while True:
            line = await self.reader.readline()
            if not line:
                return
            if self.server.delay:
                await asyncio.sleep(self.server.delay)
            await self.command(line.rstrip(b"\r\n").decode("utf-8", "replace"))

    async def answer(self, step: Step, good: str, recipient: str = "") -> bool:
        """Say what the script wants, else `good`. True when it was good."""
        fault = self.server._fault(step, recipient)
        if fault is None:
            await self.say(good)
            return True
        await self.act(fault, good)
        return fault.act in STILL_GOOD

    async def act(self, fault: Fault, good: str) -> None:
        if fault.meanwhile is not None:
            fault.meanwhile()
        match fault.act:
            case "say":
                await self.say(fault.text)
                if fault.text.startswith("421"):
                    raise Gone
            case "drop" | "early":
                raise Gone
            case "stall":
                await asyncio.sleep(3600)
            case "half":
                self.writer.write(good.encode()[: len(good) // 2])
                await self.writer.drain()
                raise Gone
            case "banana":
                await self.say("banana")
            case "extra":
                await self.say(f"{good}\r\n{fault.text}")
            case "late":
                await asyncio.sleep(fault.wait)
                await self.say(good)
            case "drip":
                for byte in (good + "\r\n").encode():
                    self.writer.write(bytes([byte]))
                    await self.writer.drain()
                    await asyncio.sleep(0.002)

    async def say(self, text: str) -> None:
        self.writer.write(text.encode("utf-8", "surrogateescape") + b"\r\n")
        await self.writer.drain()

    async def command(self, line: str) -> None:
        word = line.split(" ")[0].upper()
        ahead = bytes(self.reader._buffer)
        if ahead and not self.server.pipelining and word != "QUIT":
            self.server.violations.append(f"sent {ahead[:20]!r} behind {word} without PIPELINING")
        match word:
            case "EHLO":
                self.server.ehlos += 1
                await self.ehlo()
            case "HELO":
                await self.answer("hello", "250 hell")
            case "STARTTLS":
                await self.say("220 go ahead")
                await self.writer.start_tls(self.server.tls)
            case "AUTH":
                await self.login(line)
            case "MAIL":
                await self.mail(line)
            case "RCPT":
                await self.rcpt(line)
            case "DATA":
                await self.data()
            case "RSET":
                self.sender = self.recipient = None
                await self.say("250 flushed")
            case "QUIT":
                await self.say("221 bye")
                raise Gone
            case _:
                self.server.violations.append(f"unexpected {line[:40]!r}")
                await self.say("500 5.5.2 what?")

    async def ehlo(self) -> None:
        if self.server.helo_only:
            await self.say("502 Command not implemented")
            return
        words = ["hell", *self.server.says]
        words += ["PIPELINING"] if self.server.pipelining else []
        words += ["SMTPUTF8", "8BITMIME"] if self.server.smtputf8 else []
        words += [f"AUTH {self.server.mechanisms}"] if self.server.auth else []
        if self.server.tls and not self.server.implicit_tls and self.writer.get_extra_info("sslcontext") is None:
            words.append("STARTTLS")
        lines = [f"250{'-' if i < len(words) - 1 else ' '}{w}" for i, w in enumerate(words)]
        await self.answer("hello", "\r\n".join(lines))

    async def login(self, line: str) -> None:
        how = line.split(" ")[1].upper()
        if how not in self.server.mechanisms.split():
            await self.say("504 5.5.4 not here")
            return
        given = await {"PLAIN": self._plain, "LOGIN": self._login, "CRAM-MD5": self._cram}[how](line)
        right = self.server.auth is not None and given
        if await self.answer("auth", "235 2.7.0 welcome" if right else "535 5.7.8 no") and right:
            self.authed = True

    async def _plain(self, line: str) -> bool:
        return b64decode(line.split(" ")[2]).split(b"\0")[1:] == [w.encode() for w in self.server.auth or ()]

    async def _login(self, line: str) -> bool:
        said = [b64decode(word) for word in line.split(" ")[2:]]
        for question in (b"Username:", b"Password:")[len(said) :]:
            said.append(await self._ask(question))
        return said == [w.encode() for w in self.server.auth or ()]

    async def _cram(self, line: str) -> bool:
        question = b"<17.42@hell>"
        name, _, proof = (await self._ask(question)).decode().partition(" ")
        user, password = self.server.auth or ("", "")
        return name == user and proof == hmac.new(password.encode(), question, "md5").hexdigest()

    async def _ask(self, question: bytes) -> bytes:
        await self.say(f"334 {b64encode(question).decode()}")
        return b64decode((await self.reader.readline()).strip())

    async def mail(self, line: str) -> None:
        if not self.authed:
            await self.say("530 5.7.0 authenticate first")
        elif self.sender is not None:
            self.server.violations.append("MAIL in the middle of a transaction")
            await self.say("503 5.5.1 nested MAIL command")
        elif await self.answer("mail", "250 2.1.0 ok", line):
            self.sender = line.split("<")[1].split(">")[0]

    async def rcpt(self, line: str) -> None:
        recipient = line.split("<")[1].split(">")[0]
        if self.sender is None:
            await self.say("503 5.5.1 MAIL first")
        elif await self.answer("rcpt", "250 2.1.5 ok", recipient):
            self.recipient = recipient

    async def data(self) -> None:
        if self.recipient is None:
            await self.say(self.server.data_without_rcpt)
            if self.server.data_without_rcpt.startswith("354"):
                end = await self.reader.readuntil(b"\r\n")
                if end != b".\r\n":
                    self.server.violations.append(f"a message without a recipient: {end[:40]!r}")
                await self.say("554 5.5.1 no valid recipients")
                self.sender = None
            return
        if not await self.answer("data", "354 go ahead", self.recipient):
            return
        await self.body()

    async def body(self) -> None:
        recipient = self.recipient or ""
        fault = self.server._fault("body", recipient)
        if fault is not None:
            await self.reader.readexactly(500)
            await self.act(fault, "")
        raw = await self.reader.readuntil(b"\r\n.\r\n")
        taken = Accepted(recipient, self.sender or "", raw[:-3].replace(b"\r\n..", b"\r\n."))
        self.sender = self.recipient = None
        fault = self.server._fault("dot", recipient)
        if fault is None or fault.accept or fault.act in STILL_GOOD:
            self.server.accepted.append(taken)
        self.carried += 1
        if fault is None:
            await self.say("250 2.0.0 taken")
            if self.carried == self.server.each:
                raise Gone
        else:
            await self.act(fault, "250 2.0.0 taken")
