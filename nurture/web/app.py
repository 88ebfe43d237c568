"""One ASGI app: the fast tracking addresses in front, FastAPI for pages and API behind."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from nurture.clock import Clock
from nurture.errors import Unavailable
from nurture.parts import Parts
from nurture.settings import Settings
from nurture.web.answers import STATIC, STYLE, gone, page, unreadable
from nurture.web.house import House
from nurture.web.oidc import Provider
from nurture.web.programs import decisions, events, metrics, providers, results
from nurture.web.public import confirm, forms, known, preferences, unsubscribe
from nurture.web.shell import Shell
from nurture.web.staff import boards, desk, incoming, leads, signin, sso
from nurture.web.tracking import site
from nurture.web.tracking.front import App, Front


def create_app(
    parts: Parts,
    clock: Clock,
    *,
    demo: bool = False,
    webhook_secrets: Sequence[str] = (),
    provider: Provider | None = None,
    mailbox: Path | None = None,
) -> App:
    """The whole web side. Whoever serves it keeps `parts` fresh (`Follower`, or the clock of `nurture up`).

    `demo` opens the staff pages to whoever holds the one-time link that `web.signin.one_time_link` makes.
    """
    house = House(parts, clock, demo=demo, webhook_secrets=tuple(webhook_secrets), provider=provider, mailbox=mailbox)
    inner = FastAPI(
        title="nurture",
        version="1",
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/openapi.json",
        redirect_slashes=False,
    )
    inner.state.house = house
    _protect(inner, house)
    for module in (
        unsubscribe, preferences, forms, confirm, known, site,
        sso, signin, leads, boards, desk, incoming,  # sso first: signing in by a mailed link takes any word behind it
        events, providers, decisions, results, metrics,
    ):
        inner.include_router(module.routes(house))
    _static(inner)
    return Front(house, Shell(inner))


def app_of(settings: Settings, parts: Parts, clock: Clock, *, demo: bool = False) -> App:
    """The web side as the settings want it: who may sign calls, whose accounts sign people in."""
    provider = (
        Provider(settings.oidc_issuer, settings.oidc_client_id, settings.oidc_client_secret)
        if settings.oidc_issuer
        else None
    )
    return create_app(
        parts, clock, demo=demo, webhook_secrets=settings.webhook_secrets(), provider=provider,
        mailbox=settings.mailbox_dir,
    )


def _static(inner: FastAPI) -> None:
    @inner.api_route(STYLE, methods=["GET", "HEAD"], include_in_schema=False)
    def style() -> Response:
        kept = {"cache-control": "public, max-age=31536000, immutable"}
        return FileResponse(STATIC / "style.css", media_type="text/css", headers=kept)

    @inner.api_route("/static/icon.svg", methods=["GET", "HEAD"], include_in_schema=False)
    def icon() -> Response:
        return FileResponse(STATIC / "icon.svg", headers={"cache-control": "public, max-age=86400"})

    @inner.get("/healthz", include_in_schema=False)
    def alive() -> dict[str, str]:
        return {"status": "ok"}


def _protect(inner: FastAPI, house: House) -> None:
    """One plain page, or plain JSON, for whatever goes wrong."""

    @inner.exception_handler(HTTPException)
    async def known(request: Request, error: HTTPException) -> Response:
        if error.status_code == 303 and error.headers:
            return Response(status_code=303, headers=dict(error.headers))
        if _wants_json(request):
            return JSONResponse({"error": str(error.detail)}, status_code=error.status_code, headers=error.headers)
        if error.status_code == 404:
            return gone(request, house)
        return page(request, house, "wrong.html", status=error.status_code, told=str(error.detail))

    @inner.exception_handler(RequestValidationError)
    async def malformed(request: Request, error: RequestValidationError) -> Response:
        return unreadable(error.errors()) if _wants_json(request) else gone(request, house)

    @inner.exception_handler(ClientDisconnect)
    async def left(request: Request, error: ClientDisconnect) -> Response:
        """Somebody hung up in the middle of a sentence: nobody is left to answer, and nothing is wrong with us."""
        return Response(status_code=400)

    @inner.exception_handler(Unavailable)
    async def away(request: Request, error: Unavailable) -> Response:
        told: dict[str, Any] = {"status": 503}
        answer: Response = (
            JSONResponse({"error": "try again in a moment"}, status_code=503)
            if _wants_json(request)
            else page(request, house, "away.html", **told)
        )
        answer.headers["retry-after"] = "10"
        return answer


def _wants_json(request: Request) -> bool:
    return request.url.path.startswith(("/api", "/events"))
