"""Plain pages for marketing and sales: the funnel, the hand-off queue, finding leads, one lead's story."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from nurture.decide.consent import may_score
from nurture.insight.rates import rates
from nurture.insight.story import tell
from nurture.store.audience import people_list
from nurture.store.privacy import consent
from nurture.store.sales import board, handoffs
from nurture.store.sales.overview import overview
from nurture.web.answers import gone
from nurture.web.asked import Leaf, Row
from nurture.web.house import House
from nurture.web.staff.frame import MARKETING, may_see, queues_of, staff_page, zone_of
from nurture.web.staff.signin import SignedIn, need

LINES = 60
KINDS: Mapping[str, tuple[str, frozenset[str]]] = {
    "all": ("Everything", frozenset()),
    "mails": ("Mails", frozenset({"sent", "refused", "failed", "planned", "unknown", "deferred"})),
    "did": ("What they did", frozenset({"event"})),
    "consent": ("Consent", frozenset({"consent"})),
    "sales": ("Stages and sales", frozenset({"stage", "hand_off", "sales", "gate", "sla"})),
}
"""What a story can be narrowed to: name -> (label, kinds of its lines; none: all)."""


def routes(house: House) -> APIRouter:
    router = APIRouter(include_in_schema=False)

    @router.get("/")
    def funnel(request: Request, user: SignedIn) -> Response:
        with house.parts.store.read() as conn:
            stages = board.funnel(conn)
            found: dict[str, Any] = {
                "stages": stages, "most": max((n for _, n in stages), default=0) or 1, "alerts": board.alerts(conn),
                "all": overview(conn, now=house.now()), "rates": rates(conn), "seen": board.last_run(conn),
            }
        return staff_page(request, house, "funnel.html", user, here="funnel", **found)

    _people(router, house)
    return router


def _people(router: APIRouter, house: House) -> None:
    @router.get("/queue")
    def queue(request: Request, user: SignedIn, done: bool = False) -> Response:
        need(user, "sales", "manager", "marketing")
        with house.parts.store.read() as conn:
            rows = board.queue(conn, queues=queues_of(house, user), owner=user.id, done=done)
        zone = zone_of(house, user)
        return staff_page(
            request, house, "queue.html", user, here="queue", rows=rows, done=done, now=house.now(), zone=zone
        )

    @router.get("/leads")
    def leads(
        request: Request, user: SignedIn, q: str = "", stage: str = "", track: str = "", n: Leaf = 0
    ) -> Response:
        need(user, *MARKETING)
        nth = min(max(n, 0), 10_000)
        with house.parts.store.read() as conn:
            rows, more = people_list.find(
                conn, search=q.strip()[:254], stage=stage[:20] or None, track=track[:64] or None, page=nth
            )
        return staff_page(
            request, house, "leads.html", user, here="leads", rows=rows, more=more, q=q[:254], stage=stage[:20],
            n=nth, stages=[s.value for s in board.SHOWN], track=track[:64],
            tracks=sorted(house.parts.library.tracks.tracks),
        )

    @router.get("/leads/{lead_id}")
    def lead(request: Request, lead_id: Row, user: SignedIn, kind: str = "all", n: Leaf = 0) -> Response:
        may_see(house, user, lead_id)
        story = tell(house.parts, lead_id, now=house.now()) if 0 < lead_id < 2**48 else None
        if story is None:
            return gone(request, house)
        with house.parts.store.read() as conn:
            trips = handoffs.of_lead(conn, lead_id)
            objected = not may_score(consent.states(conn, [lead_id]).get(lead_id, {}))
        kind = kind if kind in KINDS else "all"
        wanted = KINDS[kind][1]
        entries = [e for e in reversed(story.entries) if not wanted or e.kind in wanted]
        nth = min(max(n, 0), len(entries) // LINES)
        return staff_page(
            request, house, "lead.html", user, here="leads", story=story, trips=trips, objected=objected,
            entries=entries[nth * LINES : (nth + 1) * LINES], n=nth, more=len(entries) > (nth + 1) * LINES, kind=kind,
            kinds=[(name, label) for name, (label, _) in KINDS.items()],
        )
