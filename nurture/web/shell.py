"""What every request and answer goes through: a limit on bodies, HEAD without effects, the protective headers."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from typing import Any, Final

from starlette.exceptions import HTTPException

from nurture.web.answers import HEADERS
from nurture.web.tracking.front import App, Receive, Scope, Send

MOST: Final = 1024 * 1024
BODY_WITHIN: Final = 30.0
"""Seconds for all of a body: a megabyte over a very bad line."""
_TOO_BIG: Final = b"The request is too large.\n"
_HEADERS: Final = [(name.encode(), value.encode()) for name, value in HEADERS.items()]


class Shell:
    """Around everything but the tracking addresses."""

    def __init__(self, inner: App) -> None:
        self.inner = inner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.inner(scope, receive, send)
            return
        guarded = _guard(send)
        said = next((v for n, v in scope["headers"] if n == b"content-length"), b"0")
        if not said.isdigit() or int(said) > MOST:
            await _refuse(guarded)
        elif scope["method"] == "HEAD":
            await self._head(scope, receive, guarded)
        else:
            await self.inner(scope, _counted(receive), guarded)

    async def _head(self, scope: Scope, receive: Receive, send: Send) -> None:
        """GET routes change nothing, but for the honeypot, which does not count a HEAD either."""
        path: str = scope["path"]
        if path.startswith("/h/"):
            await send({"type": "http.response.start", "status": 404, "headers": [(b"content-length", b"0")]})
            await send({"type": "http.response.body", "body": b""})
            return

        async def without_body(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        await self.inner({**scope, "method": "GET"}, receive, without_body)


def _guard(send: Send) -> Send:
    """Every answer carries the same protective headers, unless it has its own word on one of them."""

    async def guarded(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            own = {name.lower() for name, _ in message["headers"]}
            added = [(name, value) for name, value in _HEADERS if name not in own]
            message = {**message, "headers": [*message["headers"], *added]}
        await send(message)

    return guarded


def _counted(receive: Receive) -> Receive:
    """Stops a body that grows beyond `MOST` without having said how long it is, or drips in for ever."""
    seen, whole = 0, False
    until = asyncio.get_running_loop().time() + BODY_WITHIN

    async def counted() -> MutableMapping[str, Any]:
        nonlocal seen, whole
        try:
            async with asyncio.timeout_at(None if whole else until):
                message = await receive()
        except TimeoutError:
            raise HTTPException(408, "the request took too long") from None
        whole = not message.get("more_body", False)
        seen += len(message.get("body", b""))
        if seen > MOST:
            raise HTTPException(413, "the request is too large")
        return message

    return counted


async def _refuse(send: Send) -> None:
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(_TOO_BIG)).encode()),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": 413, "headers": headers})
    await send({"type": "http.response.body", "body": _TOO_BIG})
