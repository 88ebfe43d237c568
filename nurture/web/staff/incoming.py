"""Mail that came in and that only a human can judge: the list, one mail as text, the decision. GET shows, POST acts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response
from starlette.concurrency import run_in_threadpool

from nurture.acts.inbound import by_hand as stage
from nurture.errors import Conflict, NurtureError, Refused, UsageError
from nurture.store.audience import people
from nurture.store.mail import inbound
from nurture.store.running.sessions import User
from nurture.web.answers import gone
from nurture.web.asked import Row, read_form
from nurture.web.house import House
from nurture.web.staff.frame import MARKETING, staff_page
from nurture.web.staff.signin import SignedIn, check_post, need

DECIDES: Final = ("marketing", "manager")
MOST: Final = 200
CHOICES: Final[Mapping[str, str]] = {
    "reply": "an answer: tell whoever looks after them",
    "unsubscribe": "a wish for no more mail",
    "bounce": "a report that the address does not work: block it",
    "complaint": "a complaint about spam: nothing more is sent",
    "stranger": "somebody new: make a lead that nobody may mail yet",
    "ignore": "nothing: set it aside",
}
"""What a mail can be, as `nurture inbound decide` takes it, in the words of the page."""


def routes(house: House) -> APIRouter:
    router = APIRouter(include_in_schema=False)

    @router.get("/mail")
    def listing(request: Request, user: SignedIn, done: bool = False) -> Response:
        need(user, *MARKETING)
        with house.parts.store.read() as conn:
            rows = inbound.listing(conn, open_only=not done, limit=MOST)
        return staff_page(request, house, "mail.html", user, here="mail", rows=rows, done=done, most=MOST)

    @router.get("/mail/{mail_id}")
    def show(request: Request, mail_id: Row, user: SignedIn) -> Response:
        need(user, *MARKETING)
        return _show(request, house, user, mail_id)

    @router.post("/mail/{mail_id}")
    async def act(request: Request, mail_id: Row, user: SignedIn) -> Response:
        form = await read_form(request)
        check_post(request, form)
        typed = {k: v.strip() for k, v in form.items() if isinstance(v, str)}
        return await run_in_threadpool(_act, request, house, user, mail_id, typed)

    return router


def _row(house: House, mail_id: int) -> dict[str, Any] | None:
    if not 0 < mail_id < 2**48:
        return None
    with house.parts.store.read() as conn:
        try:
            return inbound.get(conn, mail_id)
        except Refused:
            return None


def _act(request: Request, house: House, user: User, mail_id: int, typed: Mapping[str, str]) -> Response:
    need(user, *DECIDES)
    if _row(house, mail_id) is None:
        return gone(request, house)
    try:
        _decide(house, user, mail_id, typed)
    except NurtureError as no:
        status = 409 if isinstance(no, Conflict) else 422
        return _show(request, house, user, mail_id, told=no.message, status=status, typed=typed)
    return RedirectResponse("/mail", status_code=303)


def _decide(house: House, user: User, mail_id: int, typed: Mapping[str, str]) -> None:
    who, what = typed.get("lead", "")[:254], typed.get("decision", "")
    if what not in CHOICES:
        raise UsageError("Choose what the mail is.")
    lead_id = None
    if who:
        with house.parts.store.read() as conn:
            lead_id = people.find(conn, who)
        if lead_id is None:
            raise UsageError("Nobody has this number, address or external id.")
    stage.decide(house.parts, mail_id, what, by=user.id, lead_id=lead_id, now=house.now())


def _show(
    request: Request, house: House, user: User, mail_id: int, *, told: str = "", status: int = 200,
    typed: Mapping[str, str] | None = None,
) -> Response:
    row = _row(house, mail_id)
    if row is None:
        return gone(request, house)
    return staff_page(
        request, house, "mail_one.html", user, here="mail", row=row, said=row["summary"], told=told, status=status,
        typed=typed or {}, choices=CHOICES, may_act=user.may(*DECIDES) and row["handled_at"] is None,
    )
