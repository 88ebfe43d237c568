"""A mail server that delivers to a folder: real SMTP with pipelining, one file per mail, nobody is written to.

Every recipient has a folder, every mail is one `.eml` file that any mail program opens. Whoever wants to see new mail
(the simulated people) reads `delivered`.
"""

from __future__ import annotations

import asyncio
import itertools
import re
import threading
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from nurture.errors import Unavailable

LARGEST = 10_000_000
LINE = 2_000
EXTENSIONS = ("PIPELINING", f"SIZE {LARGEST}", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES")
_PATH = re.compile(rb"(?:FROM|TO):\s*<([^>]*)>", re.IGNORECASE)
_UNSAFE = re.compile(r"[^A-Za-z0-9@._+-]")


@dataclass(frozen=True, slots=True)
class Delivered:
    """One mail as it arrived. `recipient` is the envelope's, `raw` the mail with CRLF line ends."""

    number: int
    recipient: str
    sender: str
    raw: bytes
    path: Path


class MailFolder:
    """The server. Use as a context manager; `port` is known once it is entered.

    `refuse` holds addresses that do not exist here (550), as real lists always have some.
    """

    def __init__(
        self, folder: Path, *, host: str = "127.0.0.1", port: int = 0, refuse: frozenset[str] = frozenset()
    ) -> None:
        self.folder = folder
        self.host = host
        self.port = port
        self.refuse = refuse
        self.delivered: deque[Delivered] = deque()
        self.accepted = 0
        self._numbers = itertools.count(1)
        self._loop = asyncio.new_event_loop()
        self._server: asyncio.Server | None = None
        self._thread = threading.Thread(target=self._loop.run_forever, name="demo-mail", daemon=True)

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._thread.start()
        try:
            self._server = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result()
        except OSError as taken:
            self._end_loop()
            where = f"{self.host}:{self.port}"
            raise Unavailable(
                f"The mail server cannot listen on {where}: {taken.strerror}.", fix="Choose another port."
            ) from taken
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._hang_up(), self._loop).result(timeout=5)
        self._end_loop()

    async def _hang_up(self) -> None:
        if self._server is not None:
            self._server.close()
        talks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in talks:
            task.cancel()
        await asyncio.gather(*talks, return_exceptions=True)

    def _end_loop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=5)
        self._loop.close()

    async def _listen(self) -> asyncio.Server:
        return await asyncio.start_server(self._talk, self.host, self.port, limit=LARGEST)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await _Dialogue(self, reader, writer).run()
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, asyncio.CancelledError):
            pass  # the other side hung up; a mail that was not finished was not taken
        finally:
            writer.close()

    def keep(self, sender: str, recipient: str, raw: bytes) -> None:
        """Write the mail into the recipient's folder."""
        number = next(self._numbers)
        home = self.folder / _UNSAFE.sub("_", recipient)[:120].lstrip(".")
        home.mkdir(exist_ok=True)
        path = home / f"{number:06d}.eml"
        path.write_bytes(raw)
        self.accepted += 1
        self.delivered.append(Delivered(number, recipient, sender, raw, path))


class _Dialogue:
    """One connection. Replies are held back while more commands wait in the buffer: that is what pipelining saves."""

    def __init__(self, server: MailFolder, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.server = server
        self.reader = reader
        self.writer = writer
        self.sender: str | None = None
        self.recipients: list[str] = []

    async def run(self) -> None:
        self.say("220 demo.example ESMTP, mail stays in this folder")
        await self.writer.drain()
        while True:
            line = await self.reader.readuntil(b"\n")
            if len(line) > LINE:
                self.say("500 5.5.2 line too long")
                continue
            verb, _, rest = line.strip().partition(b" ")
            if verb.upper() == b"QUIT":
                self.say("221 2.0.0 bye")
                await self.writer.drain()
                return
            await self.answer(verb.upper(), rest)
            await self.writer.drain()

    async def answer(self, verb: bytes, rest: bytes) -> None:
        match verb:
            case b"EHLO":
                lines = ["demo.example", *EXTENSIONS]
                for line in lines[:-1]:
                    self.say(f"250-{line}")
                self.say(f"250 {lines[-1]}")
            case b"HELO":
                self.say("250 demo.example")
            case b"MAIL":
                self.mail(rest)
            case b"RCPT":
                self.rcpt(rest)
            case b"DATA":
                await self.data()
            case b"RSET":
                self.reset()
                self.say("250 2.0.0 forgotten")
            case b"NOOP":
                self.say("250 2.0.0 ok")
            case _:
                self.say("502 5.5.1 not a command this server knows")

    def mail(self, rest: bytes) -> None:
        found = _PATH.match(rest)
        if found is None or self.sender is not None:
            self.say("501 5.5.4 MAIL FROM:<address>" if found is None else "503 5.5.1 one mail at a time")
            return
        self.sender = found[1].decode("utf-8", "replace")
        self.say("250 2.1.0 ok")

    def rcpt(self, rest: bytes) -> None:
        found = _PATH.match(rest)
        if self.sender is None or found is None or not found[1]:
            self.say("503 5.5.1 MAIL first" if self.sender is None else "501 5.5.4 RCPT TO:<address>")
            return
        recipient = found[1].decode("utf-8", "replace")
        if recipient.lower() in self.server.refuse:
            self.say("550 5.1.1 nobody of that name lives here")
            return
        self.recipients.append(recipient)
        self.say("250 2.1.5 ok")

    async def data(self) -> None:
        if self.sender is None or not self.recipients:
            self.say("503 5.5.1 nobody to deliver to")
            return
        self.say("354 end with a dot")
        await self.writer.drain()
        raw = b""
        while raw != b".\r\n" and not raw.endswith(b"\r\n.\r\n"):
            raw += await self.reader.readuntil(b".\r\n")
        raw = raw[:-3]
        if len(raw) > LARGEST:
            self.say("552 5.3.4 too big")
        else:
            raw = raw.replace(b"\r\n..", b"\r\n.")
            raw = raw[1:] if raw.startswith(b"..") else raw
            for recipient in self.recipients:
                self.server.keep(self.sender, recipient, raw)
            self.say("250 2.0.0 kept")
        self.reset()

    def reset(self) -> None:
        self.sender, self.recipients = None, []

    def say(self, reply: str) -> None:
        self.writer.write(reply.encode() + b"\r\n")
