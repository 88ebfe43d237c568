"""Signing in: argon2id passwords or single-use links by mail; a new password ends all sessions; CSRF per session."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final
from urllib.parse import quote

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.responses import RedirectResponse, Response
from starlette.concurrency import run_in_threadpool

from nurture.model.tokens import TokenPurpose, ledger_hash, sign
from nurture.parts import Parts
from nurture.store.mail import outbox
from nurture.store.privacy import confirmations
from nurture.store.running import attempts, sessions
from nurture.store.running.sessions import User
from nurture.web.answers import gone, page, too_many
from nurture.web.asked import read_form, read_token
from nurture.web.house import House
from nurture.web.limits import client_key

COOKIE: Final = "nurture_session"
MAGIC: Final = TokenPurpose.MAGIC
LINK_VALID: Final = timedelta(minutes=20)
WINDOW: Final = timedelta(minutes=10)
SHORTEST: Final = 12
_hasher: Final = PasswordHasher()
_NOBODY: Final = _hasher.hash(secrets.token_hex(16))
"""Checked when there is no such user, so that the answer takes as long."""


def hash_password(password: str) -> str:
    """An argon2id hash. Raises ValueError for a password shorter than twelve characters."""
    if len(password) < SHORTEST:
        raise ValueError(f"a password needs at least {SHORTEST} characters")
    return _hasher.hash(password)


def fits(password: str, password_hash: str | None) -> bool:
    try:
        return _hasher.verify(password_hash or _NOBODY, password) and password_hash is not None
    except (VerificationError, InvalidHashError):
        return False


def one_time_link(parts: Parts, user_id: str, *, now: datetime, valid: timedelta = LINK_VALID, to: str = "/") -> str:
    """A link that signs `user_id` in, once. The demo prints one; the sign-in page mails one."""
    expires = (now + valid).replace(microsecond=0)
    link_id = secrets.randbits(47)
    token = sign(parts.keys, MAGIC, link_id, int(expires.timestamp()))
    with parts.store.begin() as conn:
        confirmations.issue(conn, token, purpose=MAGIC, user_id=user_id, now=now, expires_at=expires, data={"to": to})
    return f"{parts.public_url.rstrip('/')}/sign-in/{token}"


def demo_link(parts: Parts, *, now: datetime) -> str:
    """A link (a day long) for the demo's visitor, who sees everything and decides in the first seller's name."""
    sellers = [s for s in parts.library.sales.sellers.values() if s.role != "marketing"]
    user_id, name = (sellers[0].id, f"{sellers[0].name} (demo)") if sellers else ("demo", "Demo visitor")
    with parts.store.begin() as conn:
        sessions.put_user(conn, user_id, address=f"demo-{user_id}@example.com", name=name, roles=["admin"], now=now)
    return one_time_link(parts, user_id, now=now, valid=timedelta(days=1))


def csrf_of(house: House, token: str) -> str:
    return ledger_hash(house.parts.keys, "csrf", token)[:40]


def signed_in(request: Request) -> User:
    """The signed-in user, or a redirect to the sign-in page. For POSTs the CSRF token and the origin must be ours."""
    house: House = request.app.state.house
    token = request.cookies.get(COOKIE, "")
    found = _who(house, token) if token else None
    if found is None:
        to = quote(request.url.path, safe="/")
        raise HTTPException(303, headers={"location": f"/sign-in?to={to}"})
    request.state.csrf = csrf_of(house, token)
    request.state.user = found
    return found


SignedIn = Annotated[User, Depends(signed_in)]


def _who(house: House, token: str) -> User | None:
    now = house.now()
    with house.parts.store.read() as conn:
        found = sessions.who(conn, token, now=now)
    if found is None:
        return None
    if found[1]:
        with house.parts.store.begin() as conn:
            sessions.seen(conn, token, now=now)
    return found[0]


def need(user: User, *roles: str) -> None:
    """Refuse with 403 unless the user has one of these roles (admin has all)."""
    if not user.may(*roles):
        raise HTTPException(403, "your role does not include this page")


def check_post(request: Request, form: Any) -> None:
    """A form of ours, sent from a page of ours, by the session that was shown it."""
    sent = str(form.get("csrf") or "")
    if not from_here(request) or not secrets.compare_digest(sent.encode(), request.state.csrf.encode()):
        raise HTTPException(403, "this form has expired; open the page again")


def from_here(request: Request) -> bool:
    """Whether the browser says that one of our pages sent this (programs say nothing, and hold no cookie)."""
    house: House = request.app.state.house
    own = f"{request.url.scheme}://{request.url.netloc}"
    return request.headers.get("origin") in (None, own, house.parts.public_url.rstrip("/"))


def local_path(to: str) -> str:
    """Where to go after signing in: a path of ours, whatever was asked."""
    fine = to.startswith("/") and not to.startswith(("//", "/\\")) and "\\" not in to and all(c >= " " for c in to)
    return quote(to, safe="/?=&-_.") if fine else "/"


def routes(house: House) -> APIRouter:
    router = APIRouter(include_in_schema=False)

    @router.get("/sign-in")
    def ask(request: Request, to: str = "/") -> Response:
        return page(request, house, "sign_in.html", to=local_path(to), told="")

    @router.post("/sign-in")
    async def enter(request: Request) -> Response:
        if not from_here(request):
            raise HTTPException(403, "this form belongs to another site")
        form = await read_form(request)
        typed = {k: str(form.get(k) or "") for k in ("address", "password", "to", "link")}
        return await run_in_threadpool(_enter, request, house, typed)

    @router.get("/sign-in/{token}")
    def offer(request: Request, token: str) -> Response:
        """A button: programs that fetch links from mails must not use the link up."""
        if not _valid(house, token):
            return gone(request, house)
        return page(request, house, "sign_in_link.html")

    @router.post("/sign-in/{token}")
    def take(request: Request, token: str) -> Response:
        now = house.now()
        if not _valid(house, token):
            return gone(request, house)
        with house.parts.store.begin() as conn:
            single = confirmations.use(conn, token, purpose=MAGIC, now=now)
            user = sessions.user(conn, single.user_id) if single and single.user_id else None
        if single is None or user is None or user.disabled:
            return gone(request, house)
        return welcome(request, house, user, str(single.data.get("to") or "/"))

    @router.post("/sign-out")
    async def leave(request: Request, user: SignedIn) -> Response:
        check_post(request, await read_form(request))
        with house.parts.store.begin() as conn:
            sessions.close_session(conn, request.cookies[COOKIE], now=house.now())
        answer = RedirectResponse("/sign-in", status_code=303)
        answer.delete_cookie(COOKIE)
        return answer

    return router


def _valid(house: House, token: str) -> bool:
    ids = read_token(house, MAGIC, token, 2)
    if ids is None or datetime.fromtimestamp(ids[1], UTC) <= house.now():
        return False
    with house.parts.store.read() as conn:
        return confirmations.look(conn, token, purpose=MAGIC, now=house.now()) is not None


def _enter(request: Request, house: House, typed: dict[str, str]) -> Response:
    """Password or mailed link. Whether somebody has an account never shows."""
    now = house.now()
    account = typed["address"].strip().casefold()[:254]
    if not _may_try(request, house, account, now):
        return too_many(request, house)
    with house.parts.store.read() as conn:
        user = sessions.user_by_address(conn, account)
    if typed["link"]:
        if user is not None and not user.disabled:
            _mail_link(house, user, local_path(typed["to"]), now)
        return page(request, house, "sign_in.html", to=local_path(typed["to"]), told="mailed")
    if fits(typed["password"][:200], user.password_hash if user and not user.disabled else None) and user is not None:
        return welcome(request, house, user, typed["to"])
    return page(request, house, "sign_in.html", status=401, to=local_path(typed["to"]), told="wrong")


def _may_try(request: Request, house: House, account: str, now: datetime) -> bool:
    """Ten attempts per network and five per account in ten minutes, over all processes."""
    network = client_key(request.client.host if request.client else None)
    with house.parts.store.begin() as conn:
        by_network = network is None or attempts.take(conn, f"network {network}", most=10, per=WINDOW, now=now)
        return by_network and attempts.take(conn, f"account {account}", most=5, per=WINDOW, now=now)


def _mail_link(house: House, user: User, to: str, now: datetime) -> None:
    link = one_time_link(house.parts, user.id, now=now, to=to)
    text = f"Hello {user.name},\n\nthis link signs you in, once, within 20 minutes:\n\n{link}\n\nNot you? Do nothing.\n"
    with house.parts.store.begin() as conn:
        key = f"magic:{sessions.hash_of(link)[:32]}"
        outbox.put(
            conn,
            [
                outbox.row(
                    "staff_mail",
                    user.email_key,
                    key=key,
                    now=now,
                    subject=f"{house.company.name}: your sign-in link",
                    payload={"text": text},
                )
            ],
        )


def welcome(request: Request, house: House, user: User, to: str) -> Response:
    """A fresh session: a token that was in the browser before signing in is never reused."""
    token = secrets.token_urlsafe(32)
    now = house.now()
    with house.parts.store.begin() as conn:
        if old := request.cookies.get(COOKIE):
            sessions.close_session(conn, old, now=now)
        sessions.open_session(conn, user.id, token, now=now)
    answer = RedirectResponse(local_path(to), status_code=303)
    secure = house.parts.public_url.startswith("https://")
    age = int(sessions.LONGEST.total_seconds())
    answer.set_cookie(COOKIE, token, httponly=True, samesite="lax", secure=secure, path="/", max_age=age)
    return answer
