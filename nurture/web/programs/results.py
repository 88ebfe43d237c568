"""What became of deals, told by the CRM: `POST /results` signed, `POST /api/results` with a person's token.

Each result counts once, whichever way and however often it arrives; each stands on its own, so that one that cannot
be applied does not stop the others.
"""

from __future__ import annotations

from datetime import date as Day
from typing import Any, Final, Literal

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from nurture.acts import results
from nurture.store import Connection
from nurture.store.running import calls
from nurture.store.sales import board
from nurture.web.house import House
from nurture.web.programs.decisions import SELLING, Caller
from nurture.web.programs.signed import MOST, signed
from nurture.web.staff.frame import queues_of
from nurture.web.staff.signin import need

SOURCE: Final = "results"


class Reported(BaseModel):
    """One result. `lead` is an address, an external id or our number; `deal` the CRM's id; `amount` in minor units."""

    model_config = ConfigDict(extra="forbid", str_max_length=500)

    result: Literal["won", "lost", "churned"]
    lead: str | None = Field(default=None, min_length=1)
    deal: str | None = Field(default=None, min_length=1)
    reason: str | None = None
    amount: int | None = Field(default=None, ge=0, le=10**15)
    currency: str | None = Field(default=None, pattern=r"^[A-Z]{3}$")
    date: Day | None = None
    id: str | None = None

    def told(self) -> results.Result:
        return results.Result(
            self.result, lead=self.lead, deal=self.deal, reason=self.reason, amount=self.amount,
            currency=self.currency, on=self.date, key=self.id,
        )


class Batch(BaseModel):
    model_config = ConfigDict(extra="forbid")

    results: list[Reported] = Field(min_length=1, max_length=MOST)


def routes(house: House) -> APIRouter:
    router = APIRouter()

    @router.post("/results")
    async def take(request: Request) -> Response:
        """Won, lost and churned from the company's own CRM. Signed with one of the webhook secrets."""
        return await signed(request, house, Batch, _take)

    @router.post("/api/results")
    def report(batch: Batch, user: Caller) -> JSONResponse:
        """Won, lost and churned, told by a named person; a seller tells of leads that came to them."""
        need(user, *SELLING)
        queues = queues_of(house, user)

        def theirs(conn: Connection, lead_id: int) -> bool:
            return queues is None or board.with_handoff_in(conn, lead_id, queues=queues, owner=user.id)

        told = [one.told() for one in batch.results]
        return _answer(results.record(house.parts, told, now=house.now(), by=user.id, may=theirs))

    return router


def _take(house: House, batch: Batch, call_id: str) -> Response:
    now = house.now()
    with house.parts.store.read() as conn:
        if calls.seen(conn, SOURCE, call_id):
            return JSONResponse({"repeated": True, "results": []})
    outcomes = results.record(house.parts, [one.told() for one in batch.results], now=now)
    # Noted after the work and not before: a crash in between leads to a repeat, which changes nothing, not to a loss.
    with house.parts.store.begin() as conn:
        calls.first_time(conn, SOURCE, call_id, now=now)
    return _answer(outcomes)


def _answer(outcomes: list[results.Outcome]) -> JSONResponse:
    """What became of each, in the order it was told."""
    told: list[dict[str, Any]] = [
        {"result": one.result.kind, "state": one.state, "text": one.text, "lead": one.lead_id} for one in outcomes
    ]
    return JSONResponse({"repeated": False, "results": told})
