"""The page of one hand-off: what is known, what was decided, and the forms to decide with. GET shows, POST acts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool

from nurture.acts import conversion, desk
from nurture.decide import recycle as reasons
from nurture.errors import Conflict, NurtureError, Refused
from nurture.model.tokens import TokenPurpose
from nurture.model.words import Stage
from nurture.parts import Parts
from nurture.store.running.sessions import User
from nurture.store.sales import board, handoffs, timers
from nurture.store.sales.handoffs import Handoff
from nurture.web.answers import gone, page
from nurture.web.asked import Row, read_form, read_token
from nurture.web.house import House
from nurture.web.programs.decisions import ACTS, SELLING, Choice, Into, decide, visible
from nurture.web.staff.frame import zone_of
from nurture.web.staff.signin import SignedIn, check_post, need

TOUCHES: Final = {"call": "a call", "mail": "a mail", "meeting": "a meeting", "sales_assist": "material I sent"}
WORDS: Final = TOUCHES | {"level": "now at", "hand_on": "passed on to"}


def routes(house: House) -> APIRouter:
    router = APIRouter(include_in_schema=False)

    @router.get("/handoff/{token}")
    def from_mail(request: Request, token: str, user: SignedIn) -> Response:
        """The link in a packet's mail: after signing in it shows the hand-off, and does nothing by itself."""
        ids = read_token(house, TokenPurpose.HANDOFF, token, 2)
        return gone(request, house) if ids is None else RedirectResponse(f"/queue/{ids[0]}", status_code=303)

    @router.get("/queue/{handoff_id}")
    def show(request: Request, handoff_id: Row, user: SignedIn) -> Response:
        return _show(request, house, user, visible(house, user, handoff_id))

    @router.post("/queue/{handoff_id}")
    async def act(request: Request, handoff_id: Row, user: SignedIn) -> Response:
        form = await read_form(request)
        check_post(request, form)
        typed = {k: v.strip() for k, v in form.items() if isinstance(v, str) and v.strip()}
        return await run_in_threadpool(_act, request, house, user, handoff_id, typed)

    return router


def _act(request: Request, house: House, user: User, handoff_id: int, typed: Mapping[str, str]) -> Response:
    need(user, *SELLING)
    found = visible(house, user, handoff_id)
    name = typed.get("decision", "")
    try:
        if name not in ACTS:
            raise Refused("Choose what you decided.", code="no_decision")
        decide(house, handoff_id, name, _choice(name, typed), user)
    except (NurtureError, ValueError) as no:
        told = f"{no.message} {_for_a_page(no)}".strip() if isinstance(no, NurtureError) else _unread(no)
        status = 409 if isinstance(no, Conflict) else 422
        return _show(request, house, user, found, told=told, status=status, typed=typed)
    return RedirectResponse(f"/queue/{handoff_id}", status_code=303)


def _for_a_page(no: NurtureError) -> str:
    """What to do about it, unless that speaks of the command line."""
    return "" if no.fix.startswith("--") or "`nurture" in no.fix else f"{no.fix[:1].upper()}{no.fix[1:]}."


def _unread(wrong: ValueError) -> str:
    if isinstance(wrong, ValidationError):
        return f"“{'.'.join(str(p) for p in wrong.errors()[0]['loc'])}” cannot be read."
    return "A date or a number cannot be read."


def _choice(name: str, typed: Mapping[str, str]) -> Choice:
    return Choice(
        reason=typed.get(f"{name}_reason"),
        note=typed.get("note"),
        bant={letter: typed[letter] for letter in handoffs.LETTERS if typed.get(letter)},
        bant_notes={letter: typed[f"{letter}_note"] for letter in handoffs.LETTERS if typed.get(f"{letter}_note")},
        kind=typed.get("kind", "call"),
        outcome=typed.get("outcome"),
        content=typed.get("content"),
        level=typed.get("level"),
        to=typed.get("to"),
        fields=tuple(f.strip() for f in typed.get("fields", "").split(",") if f.strip()),
        revisit_on=_day(typed.get("revisit_on")),
        version=int(typed["version"]) if typed.get("version", "").isdigit() else None,
        into=_into(typed) if name == "convert" else None,
    )


def _into(typed: Mapping[str, str]) -> Into:
    amount = typed.get("amount", "").replace("\u00a0", "").replace(" ", "").replace(",", ".")
    return Into.model_validate({
        "account": _number_or(typed.get("account")),
        "deal": _number_or(typed.get("deal")),
        "amount": round(float(amount) * 100) if amount else None,
        "currency": typed.get("currency", "").upper() or None,
        "close_on": _day(typed.get("close_on")),
        "confirm_duplicate": typed.get("confirm_duplicate"),
        "affiliation": typed.get("affiliation"),
    })


def _number_or(text: str | None) -> int | str | None:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 15 else text


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None


def _show(
    request: Request, house: House, user: User, handoff: Handoff, *, told: str = "", status: int = 200,
    typed: Mapping[str, str] | None = None,
) -> Response:
    parts, now = house.parts, house.now()
    with parts.store.read() as conn:
        decisions = handoffs.decisions_of(conn, handoff.id)
        lead = board.lead_head(conn, handoff.lead_id)
        level = handoffs.level_of(conn, handoff.id)
        bant = handoffs.bant(conn, handoff.lead_id, handoff.cycle)
        touches = handoffs.activities(conn, handoff.lead_id, since=handoff.opened_at)
        running = [t for t in timers.of_handoff(conn, handoff.id) if t["met_at"] is None and t["closed_at"] is None]
    may_act = user.may(*SELLING) and handoff.closed_at is None
    stages = (Stage.SAL, Stage.SQL) if parts.library.agreement.conversion_point == "sal" else (Stage.SQL,)
    converts = may_act and lead["stage"] in stages
    return page(
        request, house, "handoff.html", status=status, user=user, here="queue", csrf=request.state.csrf,
        handoff=handoff, lead=lead, packet=handoff.packet, story=_story(decisions, touches), told=told,
        typed=typed or {}, bant=bant, running=running, now=now, zone=zone_of(house, user), read=_moment,
        others=_others(parts, handoff),
        levels=parts.library.agreement.levels, level=level, letters=handoffs.LETTERS, answers=desk.ANSWERS,
        kinds=TOUCHES, converts=converts, may_act=may_act, undo=_may_undo(house, user, handoff, decisions, now),
        into=conversion.candidates(parts, handoff.lead_id, now=now) if converts else None, **_reasons(house),
    )


def _others(parts: Parts, handoff: Handoff) -> list[tuple[str, str]]:
    """Sellers a lead may be passed on to."""
    sellers = parts.library.sales.sellers.values()
    return [(s.id, s.name) for s in sellers if s.role != "marketing" and s.id != handoff.owner]


def _story(
    decisions: Iterable[Mapping[str, Any]], touches: Iterable[Mapping[str, Any]]
) -> list[tuple[datetime, str]]:
    """What sellers decided and did, in order."""
    told: list[tuple[datetime, tuple[str | None, ...], Mapping[str, Any]]] = [
        (d["at"], (d["decision"], d["reason"]), d) for d in decisions
    ]
    told += [(t["at"], (WORDS.get(t["kind"], t["kind"]), t["outcome"], t["content"]), t) for t in touches]
    return [
        (at, f"{', '.join(w for w in words if w)} by {one['actor_id']}{': ' + one['note'] if one['note'] else ''}")
        for at, words, one in sorted(told, key=lambda row: row[0])
    ]


def _moment(text: str) -> datetime:
    """A moment as packets keep it."""
    at = datetime.fromisoformat(text)
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _reasons(house: House) -> dict[str, Any]:
    agreement = house.parts.library.agreement
    rejects = agreement.reject_reasons.values()
    active = [r for r in reasons.recycle_reasons(agreement).values() if r.kind == "active"]
    return {"rejects": sorted(rejects, key=lambda r: r.label), "recycles": sorted(active, key=lambda r: r.label)}


def _may_undo(
    house: House, user: User, handoff: Handoff, decisions: list[dict[str, Any]], now: datetime
) -> bool:
    try:
        desk.last_word(house.parts, handoff, decisions, by=user.id, now=now)
    except Refused:
        return False
    return user.may(*SELLING)
