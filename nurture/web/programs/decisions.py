"""What a named seller decides about a hand-off, as JSON for programs; the pages act through the same list."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.encoders import jsonable_encoder
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from nurture.acts import conversion, desk, worked
from nurture.acts.desk import Decided
from nurture.errors import Conflict, Refused
from nurture.parts import Parts
from nurture.store.running import sessions
from nurture.store.running.sessions import User
from nurture.store.sales import board, handoffs
from nurture.store.sales.handoffs import Handoff
from nurture.web.asked import MOST_ROWS, Row
from nurture.web.house import House
from nurture.web.limits import client_key
from nurture.web.staff.frame import queues_of
from nurture.web.staff.signin import need

SELLING = ("sales", "manager")


class Into(BaseModel):
    """What a lead becomes: an account and a contact (number or `new`), and a deal (number, or a name for a new one)."""

    model_config = ConfigDict(extra="forbid", str_max_length=500)

    account: int | Literal["new"] | None = None
    contact: int | Literal["new"] | None = None
    deal: int | str | None = None
    amount: int | None = Field(default=None, ge=0, le=10**15)
    currency: str | None = Field(default=None, pattern=r"^[A-Z]{3}$")
    close_on: date | None = None
    confirm_duplicate: str | None = None
    affiliation: Literal["move", "second"] | None = None

    def chosen(self) -> conversion.Choice:
        deal = None
        if isinstance(self.deal, int):
            deal = conversion.Deal(id=self.deal)
        elif self.deal is not None:
            named = None if self.deal == "new" else self.deal
            deal = conversion.Deal(None, named, self.amount, self.currency, self.close_on)
        return conversion.Choice(
            self.account, self.contact, deal, confirm_duplicate=self.confirm_duplicate, affiliation=self.affiliation
        )


class Choice(BaseModel):
    """A decision. `key` makes a repeat give the first answer; `version` refuses it when the lead changed since."""

    model_config = ConfigDict(extra="forbid", str_max_length=2000)

    reason: str | None = Field(default=None, max_length=64)
    note: str | None = None
    revisit_on: date | None = None
    bant: dict[str, str] = Field(default_factory=dict, max_length=4)
    kind: str = Field(default="call", max_length=32)
    outcome: str | None = Field(default=None, max_length=200)
    to: str | None = Field(default=None, max_length=64)
    level: str | None = Field(default=None, max_length=64)
    content: str | None = Field(default=None, max_length=200)
    fields: tuple[str, ...] = Field(default=(), max_length=20)
    bant_notes: dict[str, str] = Field(default_factory=dict, max_length=4)
    into: Into | None = None
    key: str | None = Field(default=None, max_length=200)
    version: int | None = Field(default=None, ge=0, le=MOST_ROWS)


Act = Callable[[Parts, int, Choice, dict[str, Any]], Decided]

ACTS: Mapping[str, Act] = {
    "accept": lambda p, i, c, m: desk.accept(p, i, note=c.note, expected_version=c.version, **m),
    "reject": lambda p, i, c, m: desk.reject(p, i, reason=c.reason, note=c.note, expected_version=c.version, **m),
    "recycle": lambda p, i, c, m: desk.recycle(
        p, i, reason=c.reason, note=c.note, revisit_on=c.revisit_on, expected_version=c.version, **m
    ),
    "return": lambda p, i, c, m: desk.return_for_data(
        p, i, missing=c.fields, note=c.note, expected_version=c.version, **m
    ),
    "qualify": lambda p, i, c, m: desk.qualify(
        p, i, bant=c.bant, notes=c.bant_notes, note=c.note, expected_version=c.version, **m
    ),
    "convert": lambda p, i, c, m: conversion.convert(
        p, i, (c.into or Into()).chosen(), note=c.note, expected_version=c.version, **m
    ),
    "log": lambda p, i, c, m: worked.log_call(
        p, i, kind=c.kind, outcome=c.outcome, note=c.note, content=c.content, **m
    ),
    "level": lambda p, i, c, m: worked.reach(p, i, level=c.level or "", note=c.note, expected_version=c.version, **m),
    "pass": lambda p, i, c, m: worked.hand_on(p, i, to=c.to or "", note=c.note, expected_version=c.version, **m),
    "undo": lambda p, i, c, m: desk.undo(p, i, note=c.note, **m),
}


def decide(house: House, handoff_id: int, name: str, choice: Choice, user: User) -> Decided:
    return ACTS[name](house.parts, handoff_id, choice, {"by": user.id, "now": house.now(), "key": choice.key})


def visible(house: House, user: User, handoff_id: int) -> Handoff:
    """The hand-off, if it came to this user. 404 for somebody else's and for none alike."""
    need(user, *SELLING, "marketing")
    queues = queues_of(house, user)
    try:
        with house.parts.store.read() as conn:
            found = handoffs.get(conn, handoff_id)
    except Refused:
        raise HTTPException(404, "not found") from None
    if queues is not None and found.queue not in queues and found.owner != user.id:
        raise HTTPException(404, "not found")
    return found


def routes(house: House) -> APIRouter:
    router = APIRouter()
    _calls(router, house)
    return router


def by_token(request: Request) -> User:
    """Whoever calls with an API token (`Authorization: Bearer ...`). A token carries a person, never a machine."""
    house: House = request.app.state.house
    now = house.now()
    key = client_key(request.client.host if request.client else None)
    if key is not None and not house.limits.call.take(key, now):
        raise HTTPException(429, "too many calls", headers={"retry-after": "60"})
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer" and token:
        with house.parts.store.read() as conn:
            found = sessions.who(conn, token.strip(), now=now, kind="api")
        if found is not None:
            return found[0]
    raise HTTPException(401, "an API token is needed", headers={"www-authenticate": "Bearer"})


Caller = Annotated[User, Depends(by_token)]


def _calls(router: APIRouter, house: House) -> None:
    @router.get("/api/handoffs")
    def listing(user: Caller, done: bool = False) -> list[dict[str, Any]]:
        """Hand-offs of the caller's queues, the most urgent first."""
        need(user, *SELLING, "marketing")
        with house.parts.store.read() as conn:
            rows = board.queue(conn, queues=queues_of(house, user), owner=user.id, done=done)
        return [_told(row) for row in rows]

    @router.get("/api/handoffs/{handoff_id}")
    def one(handoff_id: Row, user: Caller) -> dict[str, Any]:
        """One hand-off with its packet."""
        found = visible(house, user, _in_range(handoff_id))
        return {
            **_told({name: getattr(found, name) for name in found.__dataclass_fields__}),
            "packet": dict(found.packet),
        }

    @router.post("/api/handoffs/{handoff_id}/{decision}")
    def decided(handoff_id: Row, decision: str, choice: Choice, user: Caller) -> JSONResponse:
        """Decide: accept, reject, recycle, qualify, convert, log or undo. In the caller's own name."""
        need(user, *SELLING)
        visible(house, user, _in_range(handoff_id))
        if decision not in ACTS:
            raise HTTPException(404, "not found")
        try:
            done = decide(house, handoff_id, decision, choice, user)
        except Conflict as no:
            return JSONResponse({"error": no.message, "fix": no.fix}, status_code=409)
        except Refused as no:
            return JSONResponse({"error": no.message, "code": no.code, "fix": no.fix}, status_code=422)
        return JSONResponse(
            {
                "decision": done.decision,
                "handoff": done.handoff_id,
                "lead": done.lead_id,
                "stage": done.stage,
                "reason": done.reason,
                "repeated": done.repeated,
                "more": jsonable_encoder(done.more),
            }
        )


def _in_range(handoff_id: int) -> int:
    if not 0 < handoff_id < 2**48:
        raise HTTPException(404, "not found")
    return handoff_id


def _told(row: Mapping[str, Any]) -> dict[str, Any]:
    names = (
        "id",
        "lead_id",
        "state",
        "via",
        "queue",
        "owner",
        "cell",
        "priority",
        "fast",
        "note",
        "opened_at",
        "due_at",
        "decided_at",
        "closed_at",
        "reason",
        "version",
    )
    return {name: row[name] for name in names if name in row}
