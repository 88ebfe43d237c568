"""An SMTP sink for benchmarks: accepts everything as cheaply as Python can, and answers late if asked to.

`python -m tests.bench.sink [delay in ms]` prints its port and runs until its stdin closes. Counts messages, keeps none.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import uvloop


class Sink(asyncio.Protocol):
    delay = 0.0
    taken = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.buffer, self.in_body = b"", False
        self.loop = asyncio.get_running_loop()
        transport.write(b"220 sink ESMTP\r\n")

    def data_received(self, data: bytes) -> None:
        buffer, replies = self.buffer + data, []
        while buffer:
            if self.in_body:
                end = buffer.find(b"\r\n.\r\n")
                if end < 0:
                    break
                buffer, self.in_body = buffer[end + 5 :], False
                Sink.taken += 1
                replies.append(b"250 2.0.0 taken\r\n")
                continue
            line, found, rest = buffer.partition(b"\r\n")
            if not found:
                break
            buffer = rest
            replies.append(self.command(line[:4].upper()))
        self.buffer = buffer
        if replies:
            self.say(b"".join(replies))

    def command(self, word: bytes) -> bytes:
        if word == b"EHLO":
            return b"250-sink\r\n250-PIPELINING\r\n250 8BITMIME\r\n"
        if word == b"DATA":
            self.in_body = True
            return b"354 go\r\n"
        return b"221 bye\r\n" if word == b"QUIT" else b"250 ok\r\n"

    def say(self, answer: bytes) -> None:
        if self.delay:
            self.loop.call_later(self.delay, self.late, answer)
        else:
            self.transport.write(answer)

    def late(self, answer: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(answer)


async def serve() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Sink, "127.0.0.1", 0, backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)
    stop = asyncio.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), loop.call_soon_threadsafe(stop.set)), daemon=True).start()
    await stop.wait()


@contextmanager
def sink(delay_ms: float = 0) -> Iterator[int]:
    """A sink in a process of its own; gives its port."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.sink", str(delay_ms)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parent.parent.parent,
    )
    assert process.stdout and process.stdin
    try:
        yield int(process.stdout.readline())
    finally:
        process.stdin.close()
        process.wait(10)


if __name__ == "__main__":
    Sink.delay = float(sys.argv[1]) / 1000 if len(sys.argv) > 1 else 0.0
    uvloop.run(serve())
