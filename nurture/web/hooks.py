"""`POST /events`: other systems tell us what happened, signed (standardwebhooks), each call taken once."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError
from standardwebhooks import Webhook
from starlette.concurrency import run_in_threadpool

from nurture.model.tokens import Keys, ledger_hash
from nurture.model.words import Depth, EventKind
from nurture.store import calls, events, leads, people
from nurture.store.events import NewEvent
from nurture.web import providers
from nurture.web.house import House
from nurture.web.limits import client_key

SOURCE: Final = "events"
TOLERANCE: Final = timedelta(minutes=5)
MOST: Final = 500


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
        key = client_key(request.client.host if request.client else None)
        if key is not None and not house.limits.call.take(key, house.now()):
            return _no(429, "too many calls")
        body = await request.body()
        return await run_in_threadpool(_take, house, body, dict(request.headers))

    router.include_router(providers.routes(house))
    return router


def _no(status: int, why: str, **more: Any) -> JSONResponse:
    return JSONResponse({"error": why, **more}, status_code=status)


def _take(house: House, body: bytes, headers: Mapping[str, str]) -> Response:
    now = house.now()
    if not verified(secrets_of(house), body, headers, now=now):
        return _no(401, "the signature does not fit")
    try:
        batch = Batch.model_validate_json(body)
    except ValidationError as wrong:
        told = [{"at": ".".join(str(p) for p in e["loc"]), "what": e["msg"]} for e in wrong.errors()[:20]]
        return _no(422, "the events cannot be read", problems=told)
    with house.parts.store.begin() as conn:
        if not calls.first_time(conn, SOURCE, headers["webhook-id"], now=now):
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


def secrets_of(house: House) -> tuple[str, ...]:
    """What may sign calls to us: the configured secrets (several while one is being replaced), else our own."""
    return house.webhook_secrets or (own_secret(house.parts.keys),)


def own_secret(keys: Keys) -> str:
    """The secret an installation has without being configured, in the form that signing libraries take."""
    return "whsec_" + base64.b64encode(bytes.fromhex(ledger_hash(keys, "webhook", SOURCE))).decode()


def verified(secrets: tuple[str, ...], body: bytes, headers: Mapping[str, str], *, now: datetime) -> bool:
    """Whether one of our secrets signed exactly this body, within five minutes of `now`.

    The library compares with the machine's clock; the moment is checked here, so that a virtual clock holds too.
    """
    try:
        sent = datetime.fromtimestamp(float(headers.get("webhook-timestamp", "")), UTC)
    except (ValueError, OverflowError, OSError):
        return False
    if abs(now - sent) > TOLERANCE or not headers.get("webhook-id"):
        return False
    return any(_signed(secret, body, headers, sent) for secret in secrets)


def _signed(secret: str, body: bytes, headers: Mapping[str, str], sent: datetime) -> bool:
    try:
        hook = Webhook(secret)
        wanted = hook.sign(headers["webhook-id"], sent, body.decode())
    except (ValueError, RuntimeError):
        return False
    given = headers.get("webhook-signature", "").split(" ")
    return any(hmac.compare_digest(wanted.encode(), one.encode()) for one in given)

