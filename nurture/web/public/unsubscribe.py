"""What a reader of our mails reaches with one click: unsubscribe, preferences, the link no person sees."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from nurture.decide import choices
from nurture.decide.truth import HOLD
from nurture.model.hits import HONEYPOT
from nurture.model.tokens import TokenPurpose, numbered_purpose, sign
from nurture.model.words import EventKind, Purpose
from nurture.store.facts import events
from nurture.store.facts.events import NewEvent
from nurture.store.facts.hits import Arrival, take
from nurture.store.privacy import consent, rights
from nurture.web.answers import gone, page
from nurture.web.asked import KEPT, clean, proof_of, read_form, read_token
from nurture.web.house import House
from nurture.web.network import net_of


def routes(house: House) -> APIRouter:
    router = APIRouter()

    @router.get("/u/{token}", include_in_schema=True)
    @router.get("/u/{token}/", include_in_schema=False)
    def ask_to_stop(request: Request, token: str) -> Response:
        """One button. A scanner that follows the link changes nothing."""
        ids = read_token(house, TokenPurpose.UNSUBSCRIBE, token, 3)
        if ids is None:
            return gone(request, house)
        with house.parts.store.read() as conn:
            person = rights.person(conn, ids[0])
        return page(
            request,
            house,
            "unsubscribe.html",
            known=person.language if person else None,
            token=token,
            done=False,
            purpose=numbered_purpose(ids[2]),
            stopped=(),
            preferences=preferences_path(house, ids[0], ids[1]),
        )

    @router.post("/u/{token}")
    @router.post("/u/{token}/", include_in_schema=False)
    async def stop(request: Request, token: str) -> Response:
        """One click (RFC 8058): no cookie, no redirect, the same answer however often it is asked."""
        ids = read_token(house, TokenPurpose.UNSUBSCRIBE, token, 3)
        if ids is None:
            return gone(request, house)
        form = await read_form(request)
        one_click = form.get("List-Unsubscribe") == "One-Click" and "page" not in form
        purposes = choices.unsubscribed(None if form.get("all") else numbered_purpose(ids[2]))
        person = await run_in_threadpool(_stop, request, house, ids, purposes, one_click)
        return page(
            request,
            house,
            "unsubscribe.html",
            known=person.language if person else None,
            token=token,
            done=True,
            purpose=numbered_purpose(ids[2]),
            stopped=tuple(p for p in choices.MAIL_ORDER if p in purposes),
            preferences=preferences_path(house, ids[0], ids[1]),
        )

    _trap(router, house)
    return router


def _trap(router: APIRouter, house: House) -> None:
    @router.get("/h/{token}")
    def honeypot(request: Request, token: str) -> Response:
        """No person sees this link; whoever follows it is a machine. The answer tells nothing."""
        ids = read_token(house, TokenPurpose.HONEYPOT, token, 2)
        if ids is not None:
            headers = {n.decode(): request.headers[n.decode()][:100] for n in KEPT if n.decode() in request.headers}
            arrival = Arrival(
                HONEYPOT,
                ids[0],
                ids[1],
                house.now(),
                None,
                "GET",
                clean(request.headers.get("user-agent", "").encode(), 400),
                net_of(request.client.host if request.client else None),
                tuple(headers.items()),
            )
            with house.parts.store.begin() as conn:
                take(conn, [arrival], hold=HOLD)
        return gone(request, house)


def _stop(
    request: Request, house: House, ids: tuple[int, ...], purposes: frozenset[Purpose], one_click: bool
) -> rights.Person | None:
    now = house.now()
    lead_id, message_id, _ = ids
    proof = proof_of(request, house, "one-click" if one_click else "unsubscribe page", message_id=message_id)
    with house.parts.store.begin() as conn:
        person = rights.person(conn, lead_id)
        if person is None:
            return None
        # A link in a mail to a record that was merged since ends what the person gets today.
        states = consent.still_open(conn, person.id)
        entries = choices.stop(person.id, purposes, states, now=now, proof=proof)
        if entries:
            consent.append(conn, entries, now=now, keys=house.parts.keys)
            events.record(
                conn,
                [NewEvent(EventKind.UNSUBSCRIBE, now, person.id, message_id=message_id or None, channel="email")],
                now=now,
            )
        return person


def preferences_path(house: House, lead_id: int, message_id: int) -> str:
    return f"/p/{sign(house.parts.keys, TokenPurpose.PREFERENCES, lead_id, message_id)}"
