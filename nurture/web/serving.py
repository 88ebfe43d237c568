"""How the app is put on a socket: whose word on a visitor's address counts, and how long a slow asker is waited for."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

import uvicorn
from uvicorn.protocols.http.auto import AutoHTTPProtocol

if TYPE_CHECKING:
    from nurture.web.tracking.front import App

HEADERS_WITHIN: Final = 15.0
"""Seconds from the first byte of a request, or from connecting, until its headers are complete. Nobody's browser needs
one; who sends a byte now and then to keep many connections open holds each for this long."""

_Protocol: Any = AutoHTTPProtocol


class Patience(_Protocol):  # type: ignore[misc]  # the server chooses its protocol when it is imported
    """The server's own protocol, which waits for ever for the end of headers, with an end to that."""

    within = HEADERS_WITHIN
    _waits: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._arm()

    def data_received(self, data: bytes) -> None:
        known = self.cycle
        super().data_received(data)
        if self.cycle is not known:
            self._disarm()
        elif self._waits is None and self._idle():
            self._arm()

    def connection_lost(self, exc: Exception | None) -> None:
        self._disarm()
        super().connection_lost(exc)

    def _idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _arm(self) -> None:
        self._waits = asyncio.get_running_loop().call_later(self.within, self._late)

    def _disarm(self) -> None:
        if self._waits is not None:
            self._waits.cancel()
            self._waits = None

    def _late(self) -> None:
        self._waits = None
        if self._idle():
            self.transport.close()


def config(app: App, *, trusted_proxies: str, **more: Any) -> uvicorn.Config:
    """What a server of the app needs. `trusted_proxies` are the addresses and networks, with commas between, whose
    `X-Forwarded-For` is believed; what anybody else claims about themselves is not."""
    return uvicorn.Config(
        app, http=Patience, log_level="warning", access_log=False, lifespan="off", proxy_headers=True,
        forwarded_allow_ips=trusted_proxies, **more,
    )
