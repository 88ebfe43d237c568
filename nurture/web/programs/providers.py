"""`POST /inbound/{provider}`: mail providers report bounces, complaints and unsubscribes, each call taken once."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Final

import httpx
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from starlette.concurrency import run_in_threadpool

from nurture.acts.inbound.notices import tell
from nurture.errors import Unavailable
from nurture.mail.inbound.providers import PROVIDERS, BadCall
from nurture.mail.inbound.providers.call import LARGEST
from nurture.web.answers import refusal
from nurture.web.house import House
from nurture.web.programs.signed import too_often

FETCH_TIMEOUT: Final = 10.0
CERTIFICATE_MOST: Final = 64 * 1024


def routes(house: House) -> APIRouter:
    router = APIRouter()

    @router.post("/inbound/{provider}")
    async def report(request: Request, provider: str) -> Response:
        """A provider's signed call. Unknown and unconfigured providers do not exist here."""
        secret = house.parts.outside.providers.get(provider)
        if provider not in PROVIDERS or not secret:
            return refusal(404, "there is no such provider here")
        if too_often(request, house, of="inbound "):
            return refusal(429, "too many calls")
        body = await _body(request)
        if body is None:
            return refusal(413, "the call is too large")
        return await run_in_threadpool(_take, house, provider, body, dict(request.headers), secret)

    return router


async def _body(request: Request) -> bytes | None:
    """The raw bytes, as they were signed; None beyond one megabyte, whatever the header said."""
    found = bytearray()
    async for piece in request.stream():
        found += piece
        if len(found) > LARGEST:
            return None
    return bytes(found)


def _take(house: House, provider: str, body: bytes, headers: Mapping[str, str], secret: str) -> Response:
    now, get = house.now(), house.parts.outside.fetch or fetch
    try:
        call = PROVIDERS[provider](body, headers, secret, now)
        if call.check is not None:
            call = call.check(get(call.needs))
        if call.confirm:
            # Only after topic, signature, time and host were checked; the answer itself says nothing to us.
            get(call.confirm)
            return JSONResponse({"confirmed": True})
        done = tell(house.parts, provider, call.id, call.notices, now=now)
    except BadCall as bad:
        return refusal(bad.code, bad.message)
    except Unavailable:
        # The provider keeps what we did not take, and comes again.
        return refusal(503, "try again in a moment")
    return JSONResponse({"taken": dict(done)})


@lru_cache(maxsize=32)
def fetch(url: str) -> bytes:
    """A small document over https, without following redirects. Raises Unavailable."""
    try:
        with httpx.Client(timeout=FETCH_TIMEOUT, follow_redirects=False, trust_env=False) as client:
            answer = client.get(url)
    except httpx.HTTPError as away:
        raise Unavailable(f"the provider does not answer: {type(away).__name__}") from None
    if answer.status_code != 200 or len(answer.content) > CERTIFICATE_MOST:
        raise Unavailable(f"the provider answers {answer.status_code}")
    return answer.content
