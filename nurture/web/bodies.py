"""Limits on what a request may carry, and HEAD answered like GET without its body and without its effects."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any, Final

from nurture.web.front import App, Receive, Scope, Send

MOST: Final = 1024 * 1024
_TOO_BIG: Final = b"The request is too large.\n"


class BodyLimit:
    """Refuses bodies above `MOST`, also those that do not say how long they are."""

    def __init__(self, inner: App) -> None:
        self.inner = inner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.inner(scope, receive, send)
            return
        said = next((v for n, v in scope["headers"] if n == b"content-length"), b"0")
        if not said.isdigit() or int(said) > MOST:
            await _refuse(send)
            return
        if scope["method"] == "HEAD":
            await self._head(scope, receive, send)
            return
        seen = 0

        async def counted() -> MutableMapping[str, Any]:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > MOST:
                return {"type": "http.disconnect"}
            return message

        await self.inner(scope, counted, send)

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


async def _refuse(send: Send) -> None:
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(_TOO_BIG)).encode()),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": 413, "headers": headers})
    await send({"type": "http.response.body", "body": _TOO_BIG})
