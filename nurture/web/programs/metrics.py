"""`GET /metrics`: the books as Prometheus text, for a scraper that sends the token; without a token it is not there."""

from __future__ import annotations

import hmac

from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse, Response
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from nurture.insight import metrics
from nurture.web.house import House

TEXT = "text/plain; version=0.0.4; charset=utf-8"


def routes(house: House) -> APIRouter:
    router = APIRouter()

    @router.api_route("/metrics", methods=["GET", "HEAD"], include_in_schema=False)
    async def books(request: Request) -> Response:
        wanted = house.parts.outside.metrics_token
        if not wanted:
            raise HTTPException(404)
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not hmac.compare_digest(given.strip().encode(), wanted.encode()):
            return PlainTextResponse("a token is needed\n", 401, headers={"www-authenticate": "Bearer"})
        told = await run_in_threadpool(metrics.text, house.parts, now=house.clock.now())
        return PlainTextResponse(told, media_type=TEXT, headers={"cache-control": "no-store"})

    return router
