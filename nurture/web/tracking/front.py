"""The two addresses that must be fast, as plain ASGI: `/o/{token}` and `/c/{token}/{index}`.

A hit is answered once it is on disk: hits that arrive while a commit is under way share the next one. Opens and clicks
that consent does not cover are answered and forgotten. HEAD is answered and never recorded.
"""

from __future__ import annotations

import asyncio
import base64
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from functools import lru_cache
from typing import Any, Final
from urllib.parse import quote

from nurture.decide.truth import HOLD
from nurture.errors import Unavailable
from nurture.model.hits import CLICK, OPEN
from nurture.model.tokens import TokenPurpose, verify
from nurture.store.facts.hits import Arrival, take
from nurture.web.asked import KEPT, clean
from nurture.web.house import House
from nurture.web.network import net_of
from nurture.web.tracking.site import landing

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

log = logging.getLogger(__name__)

PIXEL: Final = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
MOST: Final = 500
"""Hits per commit."""
FEW: Final = 24
PATIENCE: Final = 0.001
WAITING: Final = 20_000
"""Hits that may wait at once; beyond it the answer is 503 and the reader's program asks again."""
_QUIET: Final[Headers] = [
    (b"cache-control", b"no-store"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-robots-tag", b"noindex, nofollow"),
    (b"x-content-type-options", b"nosniff"),
]
_PIXEL_HEADERS: Final[Headers] = [
    (b"content-type", b"image/gif"),
    (b"content-length", str(len(PIXEL)).encode()),
    *_QUIET,
]
_NOT_FOUND: Final = b"Not found\n"


class Front:
    """Answers tracking addresses, hands everything else to `inner`."""

    def __init__(self, house: House, inner: App) -> None:
        self.house = house
        self.inner = inner
        self._queue: list[tuple[Arrival, asyncio.Future[str | None]]] = []
        self._busy: asyncio.Task[None] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            path: str = scope["path"]
            if path.startswith("/o/"):
                await self._open(scope, send, path[3:])
                return
            if path.startswith("/c/"):
                await self._click(scope, send, path[3:])
                return
        await self.inner(scope, receive, send)

    async def _open(self, scope: Scope, send: Send, token: str) -> None:
        """A picture, whatever happens: a broken image would tell more about us than about the token."""
        ids = self._ids(TokenPurpose.OPEN, token.rstrip("/"))
        if ids and scope["method"] == "GET":
            try:
                await self._record(self._arrival(scope, OPEN, *ids))
            except Unavailable:
                log.warning("an open was not recorded: the database does not answer")
        status = 200 if scope["method"] in ("GET", "HEAD") else 405
        await _answer(send, status, _PIXEL_HEADERS, b"" if scope["method"] == "HEAD" else PIXEL)

    async def _click(self, scope: Scope, send: Send, rest: str) -> None:
        token, _, index = rest.rstrip("/").partition("/")
        ids = self._ids(TokenPurpose.CLICK, token)
        if ids is None or not (index.isascii() and index.isdigit() and len(index) < 6):
            await _plain(send, 404, _NOT_FOUND)
            return
        if scope["method"] not in ("GET", "HEAD"):
            await _plain(send, 405, b"Method not allowed\n")
            return
        arrival = self._arrival(scope, CLICK, *ids, link=int(index))
        try:
            url = await self._record(arrival) if scope["method"] == "GET" else await self._look_up(arrival)
        except Unavailable:
            await _plain(send, 503, b"Please try again in a moment.\n", [(b"retry-after", b"5")])
            return
        if url is None or not url.lower().startswith(("https://", "http://")):
            await _plain(send, 404, _NOT_FOUND)
            return
        await _answer(send, 302, [(b"location", ascii_url(url)), (b"content-length", b"0"), *_QUIET], b"")

    def _ids(self, purpose: TokenPurpose, token: str) -> tuple[int, int] | None:
        ids = verify(self.house.parts.keys, purpose, token)
        return (ids[0], ids[1]) if ids is not None and len(ids) == 2 else None

    def _arrival(self, scope: Scope, kind: str, message_id: int, lead_id: int, *, link: int | None = None) -> Arrival:
        agent, kept = "", []
        for name, value in scope["headers"]:
            if name == b"user-agent":
                agent = clean(value, 400)
            elif name in KEPT:
                kept.append((name.decode("ascii"), clean(value, 100)))
        client = scope.get("client")
        return Arrival(
            kind,
            message_id,
            lead_id,
            self.house.now(),
            link,
            scope["method"],
            agent,
            net_of(client[0] if client else None),
            tuple(kept),
        )

    async def _record(self, arrival: Arrival) -> str | None:
        """Wait until the hit is on disk; the address it leads to, if there is one."""
        if len(self._queue) >= WAITING:
            raise Unavailable("too many hits wait to be written")
        done: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        self._queue.append((arrival, done))
        if self._busy is None or self._busy.done():
            self._busy = asyncio.create_task(self._write_all())
        return await done

    async def _write_all(self) -> None:
        while self._queue:
            if len(self._queue) < FEW:
                # A commit costs as much for one hit as for thirty; a moment's patience shares it.
                await asyncio.sleep(PATIENCE)
            batch, self._queue = self._queue[:MOST], self._queue[MOST:]
            try:
                urls = await asyncio.to_thread(self._write, [arrival for arrival, _ in batch])
            except Exception as error:
                # Every waiting request gets its own answer; the loop must outlive a database that is away.
                lost = error if isinstance(error, Unavailable) else Unavailable(f"hits were not written: {error}")
                for _, done in batch:
                    if not done.done():
                        done.set_exception(lost)
                continue
            for (_, done), url in zip(batch, urls, strict=True):
                if not done.done():
                    done.set_result(url)

    def _write(self, arrivals: list[Arrival]) -> list[str | None]:
        with self.house.parts.store.begin() as conn:
            company = self.house.company
            mark = self._landing if company.site_snippet else None
            return take(conn, arrivals, hold=HOLD, hygiene=company.hygiene_opens, mark=mark)

    def _landing(self, arrival: Arrival, url: str) -> str:
        return landing(self.house, url, arrival.lead_id, arrival.at)

    async def _look_up(self, arrival: Arrival) -> str | None:
        def look() -> str | None:
            with self.house.parts.store.read() as conn:
                return take(conn, [arrival], hold=HOLD, keep=False)[0]

        return await asyncio.to_thread(look)


@lru_cache(maxsize=4096)
def ascii_url(url: str) -> bytes:
    """The address as a header may carry it: what is not ASCII, and every control character, percent-encoded."""
    return quote(url, safe="!#$%&'()*+,/:;=?@[]~-._").encode("ascii")


async def _plain(send: Send, status: int, body: bytes, more: Headers | None = None) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
    await _answer(send, status, [*headers, *_QUIET, *(more or [])], body)


async def _answer(send: Send, status: int, headers: Headers, body: bytes) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
