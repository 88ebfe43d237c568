"""The two addresses of signing in with a company account: away to the provider, and back from it."""

from __future__ import annotations

import logging
import secrets
from datetime import timedelta
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from nurture.errors import Refused
from nurture.store.privacy import confirmations
from nurture.store.running import sessions
from nurture.web.answers import gone, page, too_many
from nurture.web.asked import allowed
from nurture.web.house import House
from nurture.web.staff.signin import local_path, welcome

log = logging.getLogger(__name__)

BACK: Final = "/sign-in/company/back"
COOKIE: Final = "nurture_sign_in"
"""Holds the state while the browser is away: an answer that somebody else's browser began signs nobody in here."""
AWAY: Final = timedelta(minutes=10)
PURPOSE: Final = "oidc"


def routes(house: House) -> APIRouter:
    router = APIRouter(include_in_schema=False)

    @router.get("/sign-in/company")
    def away(request: Request, to: str = "/") -> Response:
        if house.provider is None:
            return gone(request, house)
        if not allowed(request, house):
            return too_many(request, house)
        now = house.now()
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        there = house.provider.ask(state=state, nonce=nonce, verifier=verifier, back=_back(house), now=now)
        data = {"nonce": nonce, "verifier": verifier, "to": local_path(to)}
        with house.parts.store.begin() as conn:
            confirmations.issue(conn, state, purpose=PURPOSE, now=now, expires_at=now + AWAY, data=data)
        answer = RedirectResponse(there, status_code=303)
        secure = house.parts.public_url.startswith("https://")
        age = int(AWAY.total_seconds())
        answer.set_cookie(COOKIE, state, httponly=True, samesite="lax", secure=secure, path=BACK, max_age=age)
        return answer

    @router.get(BACK)
    def back(request: Request, state: str = "", code: str = "") -> Response:
        """Every no looks the same, whether the state, the token, the address or the account does not hold."""
        if house.provider is None:
            return gone(request, house)
        answer = _enter(request, house, state, code)
        answer.delete_cookie(COOKIE, path=BACK)
        return answer

    return router


def _back(house: House) -> str:
    return f"{house.parts.public_url.rstrip('/')}{BACK}"


def _enter(request: Request, house: House, state: str, code: str) -> Response:
    now = house.now()
    begun_here = secrets.compare_digest(request.cookies.get(COOKIE, "").encode(), state.encode())
    if not (begun_here and state and code) or house.provider is None:
        return _no(request, house)
    with house.parts.store.begin() as conn:
        single = confirmations.use(conn, state, purpose=PURPOSE, now=now)
    if single is None:
        return _no(request, house)
    told = single.data
    try:
        address = house.provider.address_of(
            code, nonce=told["nonce"], verifier=told["verifier"], back=_back(house), now=now
        )
    except Refused as no:
        log.warning("signing in with a company account: %s", no.message)
        return _no(request, house)
    with house.parts.store.read() as conn:
        user = sessions.user_by_address(conn, address)
    if user is None or user.disabled:
        return _no(request, house)
    return welcome(request, house, user, str(told["to"]))


def _no(request: Request, house: House) -> Response:
    return page(request, house, "sign_in.html", status=403, to="/", told="stranger")
