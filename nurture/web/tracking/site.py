"""The company's own website: a script that counts page views of visitors who agreed, and who they turn out to be.

`/site.js` does nothing until the site's banner calls `nurture.consent(true)`. Page views then come to `POST /v` under
a random number that the browser keeps; we keep its keyed hash. They become a lead's when the person sends a form of
ours, from that page or one that a link there led to, or arrives by a tracked click, and agrees to click tracking.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import unquote, urlsplit

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, Response
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.concurrency import run_in_threadpool

from nurture.decide import choices
from nurture.decide.truth import agent_kind
from nurture.model.tokens import Keys, TokenPurpose, ledger_hash, sign, verify
from nurture.model.words import Channel, EventKind, Purpose
from nurture.store import Connection
from nurture.store.audience import visitors
from nurture.store.facts import events
from nurture.store.facts.events import NewEvent
from nurture.store.privacy import confirmations, consent
from nurture.web.answers import STATIC
from nurture.web.house import House
from nurture.web.limits import client_key

FIELD: Final = "nurture_visitor"
"""The form field by which a page of the company's says which visitor fills it in."""
KEY: Final = re.compile(r"[0-9a-f]{32}")
CLICK_HOLDS: Final = timedelta(minutes=10)
TICKET: Final = "visit"
"""What the address of a form says about who came by a link of the website, and the purpose of such tokens."""
TICKET_HOLDS: Final = timedelta(hours=2)
"""As long as somebody may take to fill in a form. An address that is passed on later joins nobody."""
BODY_MOST: Final = 2048
PATH_MOST: Final = 200
_PERSONAL: Final = re.compile(r"@|[0-9]{7,}|[0-9a-f]{16,}|(?=[^/]*[0-9])(?=[^/]*[A-Z])[A-Za-z0-9_-]{20,}")
"""Parts of a path that may name a person: addresses, long numbers, tokens."""
_OPEN: Final = {"cross-origin-resource-policy": "cross-origin"}


class Visit(BaseModel):
    """What the script says: one page view, a way to a form of ours, or that the choice was taken back."""

    model_config = ConfigDict(extra="forbid", strict=True)

    id: str = Field(pattern=f"^{KEY.pattern}$")
    path: str | None = Field(default=None, max_length=2000)
    wording: str | None = Field(default=None, max_length=100)
    click: str | None = Field(default=None, max_length=200)
    ticket: str | None = Field(default=None, pattern=f"^{KEY.pattern}$")
    forget: bool = False


def routes(house: House) -> APIRouter:
    router = APIRouter()

    @router.get("/site.js", include_in_schema=False)
    def script() -> Response:
        kept = {"cache-control": "public, max-age=3600", **_OPEN}
        return FileResponse(STATIC / "site.js", media_type="text/javascript", headers=kept)

    @router.post("/v")
    async def visit(request: Request) -> Response:
        """A page view of the company's website, by a visitor who agreed. The answer tells nothing."""
        body = await _body(request)
        now = house.now()
        network = client_key(request.client.host if request.client else None)
        if network is not None and not house.limits.visit.take(network, now):
            return Response(status_code=429, headers=_OPEN)
        try:
            told = Visit.model_validate_json(body)
        except ValidationError:
            return Response(status_code=422, headers=_OPEN)
        if not ours(house, request.headers.get("origin", "")) or not house.limits.visitor.take(told.id, now):
            return Response(status_code=204, headers=_OPEN)
        await run_in_threadpool(_take, house, told, request.headers.get("user-agent", ""), now)
        return Response(status_code=204, headers=_OPEN)

    return router


async def _body(request: Request) -> bytes:
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > BODY_MOST:
            return b""
    return body


def ours(house: House, origin: str) -> bool:
    """Whether a page of the company's own website asks. Other sites' pages are not our business."""
    host = urlsplit(origin).hostname or ""
    base = (urlsplit(house.company.website).hostname or "").removeprefix("www.")
    return bool(base) and (host == base or host.endswith(f".{base}"))


def _take(house: House, told: Visit, agent: str, now: datetime) -> None:
    hashed = hash_of(house.parts.keys, told.id)
    with house.parts.store.begin() as conn:
        if told.forget:
            visitors.forget(conn, hashed)
            return
        if told.ticket is not None:
            if visitors.known(conn, hashed) is not None:
                until = now + TICKET_HOLDS
                confirmations.offer(
                    conn, told.ticket, purpose=TICKET, now=now, expires_at=until, data={"visitor": hashed}
                )
            return
        visitor = visitors.seen(conn, hashed, wording=told.wording, now=now)
        _greet(conn, house, visitor, told.click, now)
        visitor = visitors.known(conn, hashed) or visitor
        lead_id = visitor.lead_id if visitor.joined else None
        if lead_id is not None and not _agrees(conn, lead_id, now):
            return
        path = bare(told.path or "/")
        # Not by the number of the row: after somebody was forgotten, SQLite gives theirs to the next.
        once = ledger_hash(house.parts.keys, "view", f"{told.id}:{path}:{now:%Y-%m-%dT%H:%M}")
        view = NewEvent(
            EventKind.PAGE_VIEW, now, lead_id, visitor_id=visitor.id, channel=Channel.WEB.value, path=path,
            machine=agent_kind(agent) not in ("browser", "client"), key=f"view:{once}",
        )
        events.record(conn, [view], now=now)


def _greet(conn: Connection, house: House, visitor: visitors.Visitor, click: str | None, now: datetime) -> None:
    """Join by a fresh token of a tracked click, or because the lead we wait for has agreed meanwhile."""
    ids = verify(house.parts.keys, TokenPurpose.VISIT, click) if click else None
    if ids is not None and len(ids) == 2 and now - datetime.fromtimestamp(ids[1], UTC) <= CLICK_HOLDS:
        if _agrees(conn, ids[0], now):
            visitors.join(conn, visitor.id, ids[0], now=now)
    elif visitor.lead_id is not None and not visitor.joined and _agrees(conn, visitor.lead_id, now):
        visitors.join(conn, visitor.id, visitor.lead_id, now=now)


def _agrees(conn: Connection, lead_id: int, now: datetime) -> bool:
    states = consent.states(conn, [lead_id]).get(lead_id, {})
    return choices.is_on(states, Purpose.CLICK_TRACKING, now, Channel.EMAIL)


def hash_of(keys: Keys, visitor: str) -> str:
    return ledger_hash(keys, "visitor", visitor)


def bare(path: str) -> str:
    """A path without query, fragment and whatever may name a person: those parts become `*`."""
    clean = unquote(path.split("?", 1)[0].split("#", 1)[0])
    clean = "".join(c for c in clean if c.isprintable())
    parts = ["*" if _PERSONAL.search(part) else part for part in clean.split("/")]
    return "/" + "/".join(parts).lstrip("/")[: PATH_MOST - 1]


def identify(
    conn: Connection, house: House, visitor: str, ticket: str, lead_id: int, *, asked: bool, now: datetime
) -> None:
    """A form came from a page with this visitor, or from somebody whom a link with this ticket led to it.

    `asked`: it asked for click tracking, perhaps yet to be confirmed.
    """
    hashed = hash_of(house.parts.keys, visitor) if KEY.fullmatch(visitor) else None
    if hashed is None and KEY.fullmatch(ticket):
        single = confirmations.use(conn, ticket, purpose=TICKET, now=now)
        hashed = single.data["visitor"] if single is not None else None
    found = visitors.known(conn, hashed) if hashed is not None else None
    if found is None:
        return
    if _agrees(conn, lead_id, now):
        visitors.join(conn, found.id, lead_id, now=now)
    elif asked:
        visitors.expect(conn, found.id, lead_id)


def confirmed(conn: Connection, lead_id: int, *, now: datetime) -> int:
    """The lead has confirmed something; visitors that waited for just that are joined. Returns how many events."""
    if not _agrees(conn, lead_id, now):
        return 0
    return sum(visitors.join(conn, visitor, lead_id, now=now) for visitor in visitors.expected(conn, lead_id))


def landing(house: House, url: str, lead_id: int, now: datetime) -> str:
    """The address a tracked click of somebody who agreed leads to: on our own site with a token for the script."""
    if "#" in url or not ours(house, url):
        return url
    return f"{url}#nurture={sign(house.parts.keys, TokenPurpose.VISIT, lead_id, int(now.timestamp()))}"
