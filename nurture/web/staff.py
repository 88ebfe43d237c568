"""Plain pages for marketing and sales: the funnel, campaigns step by step, the hand-off queue, one lead's story."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import Response

from nurture.insight.story import tell
from nurture.stages import opening
from nurture.store import board, handoffs
from nurture.store.sessions import User
from nurture.web.answers import gone, page
from nurture.web.house import House
from nurture.web.signin import SignedIn, need

MARKETING = ("marketing", "manager", "privacy")


def routes(house: House) -> APIRouter:
    router = APIRouter(include_in_schema=False)

    @router.get("/")
    def funnel(request: Request, user: SignedIn) -> Response:
        with house.parts.store.read() as conn:
            stages = board.funnel(conn)
            found: dict[str, Any] = {
                "stages": stages, "most": max((n for _, n in stages), default=0) or 1, "alerts": board.alerts(conn),
                "mailable": board.mailable(conn), "seen": board.last_run(conn),
            }
        return _page(request, house, "funnel.html", user, here="funnel", **found)

    @router.get("/campaigns")
    def campaigns(request: Request, user: SignedIn) -> Response:
        need(user, *MARKETING)
        with house.parts.store.read() as conn:
            rows = board.campaigns(conn)
        return _page(request, house, "campaigns.html", user, here="campaigns", rows=rows)

    @router.get("/campaigns/{campaign_id}")
    def campaign(request: Request, campaign_id: str, user: SignedIn) -> Response:
        need(user, *MARKETING)
        applied = house.parts.library.campaigns.get(campaign_id)
        if applied is None:
            return gone(request, house)
        with house.parts.store.read() as conn:
            counts = board.steps(conn, campaign_id)
            refused = board.refusals(conn, campaign_id)
        order = [step.id for step in applied.walk()]
        names = order + sorted(name for name in counts if name and name not in order)
        return _page(
            request, house, "campaign.html", user, here="campaigns", campaign=applied, refused=refused,
            steps=[(name, counts.get(name, {}), name in order) for name in names],
        )

    _people(router, house)
    return router


def _people(router: APIRouter, house: House) -> None:
    @router.get("/queue")
    def queue(request: Request, user: SignedIn, done: bool = False) -> Response:
        need(user, "sales", "manager", "marketing")
        with house.parts.store.read() as conn:
            rows = board.queue(conn, queues=queues_of(house, user), owner=user.id, done=done)
        zone = zone_of(house, user)
        return _page(
            request, house, "queue.html", user, here="queue", rows=rows, done=done, now=house.now(), zone=zone
        )

    @router.get("/leads")
    def leads(request: Request, user: SignedIn, q: str = "", stage: str = "", n: int = 0) -> Response:
        need(user, *MARKETING)
        with house.parts.store.read() as conn:
            nth = min(max(n, 0), 100_000)
            rows, more = board.leads(conn, search=q.strip()[:254], stage=stage[:20] or None, page=nth)
        return _page(
            request, house, "leads.html", user, here="leads", rows=rows, more=more, q=q[:254], stage=stage[:20],
            n=max(n, 0), stages=[s.value for s in board.SHOWN],
        )

    @router.get("/leads/{lead_id}")
    def lead(request: Request, lead_id: int, user: SignedIn) -> Response:
        may_see(house, user, lead_id)
        story = tell(house.parts, lead_id, now=house.now()) if 0 < lead_id < 2**48 else None
        if story is None:
            return gone(request, house)
        with house.parts.store.read() as conn:
            trips = handoffs.of_lead(conn, lead_id)
        return _page(request, house, "lead.html", user, here="leads", story=story, trips=trips)


def zone_of(house: House, user: User) -> ZoneInfo:
    """The zone a seller's times are shown in: their own, else that of the agreement's calendar."""
    return ZoneInfo(opening.zone_of(house.parts, user.id))


def queues_of(house: House, user: User) -> Collection[str] | None:
    """The queues whose hand-offs a user may see; None: all."""
    if user.may("manager", "marketing"):
        return None
    queues = house.parts.library.sales.queues.values()
    return frozenset(q.id for q in queues if user.id in q.members or user.id == q.manager)


def may_see(house: House, user: User, lead_id: int) -> None:
    """Marketing sees every lead, a seller those that came to them. The answer to both kinds of no is the same."""
    if user.may(*MARKETING):
        return
    need(user, "sales")
    queues = queues_of(house, user)
    with house.parts.store.read() as conn:
        if queues is not None and not board.with_handoff_in(conn, lead_id, queues=queues, owner=user.id):
            raise HTTPException(404, "not found")


def _page(request: Request, house: House, name: str, user: User, *, here: str, **values: Any) -> Response:
    return page(request, house, name, user=user, here=here, csrf=request.state.csrf, known=None, **values)
