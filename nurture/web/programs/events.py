"""`POST /events`: other systems tell us what happened, signed (standardwebhooks), each call taken once."""

from __future__ import annotations

from datetime import UTC
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from nurture.model.words import Depth, EventKind
from nurture.store.audience import leads, people
from nurture.store.facts import events
from nurture.store.facts.events import NewEvent
from nurture.store.running import calls
from nurture.web.house import House
from nurture.web.programs.signed import MOST, signed

SOURCE: Final = "events"


class Told(BaseModel):
    """One fact. `lead` is an address, an external id or our number; `id` makes a repeat harmless."""

    model_config = ConfigDict(extra="forbid", str_max_length=500)

    lead: str = Field(min_length=1)
    kind: str = Field(pattern=r"^[a-z][a-z0-9_-]{0,63}$")
    at: AwareDatetime
    id: str | None = None
    channel: str | None = None
    touchpoint: str | None = None
    content: str | None = None
    topic: str | None = None
    depth: Depth | None = None
    path: str | None = None
    minutes: int | None = Field(default=None, ge=0, le=100_000)
    data: dict[str, str | int | float | bool | None] = Field(default_factory=dict, max_length=50)


class Batch(BaseModel):
    model_config = ConfigDict(extra="forbid")

    events: list[Told] = Field(min_length=1, max_length=MOST)


def routes(house: House) -> APIRouter:
    router = APIRouter()

    @router.post("/events")
    async def take(request: Request) -> Response:
        """Facts from the company's own systems. Signed with one of the webhook secrets, at most five minutes old."""
        return await signed(request, house, Batch, _take)

    return router


def _take(house: House, batch: Batch, call_id: str) -> Response:
    now = house.now()
    with house.parts.store.begin() as conn:
        if not calls.first_time(conn, SOURCE, call_id, now=now):
            return JSONResponse({"recorded": 0, "repeated": True})
        found = [(told, people.find(conn, told.lead)) for told in batch.events]
        known = [_event(told, lead_id) for told, lead_id in found if lead_id is not None]
        recorded = events.record(conn, known, now=now)
        for one, lead_id in found:
            if lead_id is not None and one.touchpoint and one.kind == EventKind.TAG_ADDED:
                people.tag(conn, lead_id, one.touchpoint, now=now)
            elif lead_id is not None and one.touchpoint and one.kind == EventKind.LIST_ADDED:
                leads.add_to_list(conn, one.touchpoint, [lead_id], now=now)
    unknown = sorted({told.lead for told, lead_id in found if lead_id is None})
    return JSONResponse({"recorded": recorded, "repeated": False, "unknown": len(unknown)})


def _event(told: Told, lead_id: int) -> NewEvent:
    key = f"call:{told.id}" if told.id else None
    return NewEvent(
        told.kind, told.at.astimezone(UTC), lead_id, key=key, channel=told.channel or "web", touchpoint=told.touchpoint,
        content=told.content, topic=told.topic, depth=told.depth.value if told.depth else None, path=told.path,
        minutes=told.minutes, data=told.data,
    )
