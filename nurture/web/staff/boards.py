"""Campaigns and reports for people: numbers per step, pictures, tables one can take along."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import Response

from nurture.insight import draw, reports
from nurture.insight.reports import Report
from nurture.model.campaign import Campaign
from nurture.store.sales import board
from nurture.web.answers import gone
from nurture.web.asked import Days
from nurture.web.house import House
from nurture.web.staff.frame import MARKETING, staff_page
from nurture.web.staff.signin import SignedIn, need

READERS: Final = (*MARKETING, "sales")
KINDS: Final = {
    "funnel": "Funnel",
    "speed": "Speed",
    "sla": "Deadlines",
    "alignment": "Marketing and sales",
    "won": "Won deals",
    "stagnation": "Stuck",
    "shadow": "Shadow models",
}
SPANS: Final = (30, 90, 365)
PICTURE: Final = {
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
    "cache-control": "no-store",
}
"""A picture carries its own style and nothing that runs."""


def routes(house: House) -> APIRouter:
    router = APIRouter(include_in_schema=False)
    _campaigns(router, house)
    _reports(router, house)
    return router


def _campaigns(router: APIRouter, house: House) -> None:
    @router.get("/campaigns")
    def campaigns(request: Request, user: SignedIn, q: str = "", state: str = "") -> Response:
        need(user, *MARKETING)
        with house.parts.store.read() as conn:
            rows = board.campaigns(conn)
        words = q.strip().casefold()[:100]
        live = house.parts.library.campaigns
        for row in rows:
            row["name"] = live[row["id"]].name if row["id"] in live else row["id"]
        shown = [
            row for row in rows
            if words in f"{row['id']} {row['name']} {row['track']}".casefold() and state in ("", row["state"])
        ]
        states = sorted({str(row["state"]) for row in rows})
        return staff_page(
            request, house, "campaigns.html", user, here="campaigns", rows=shown, q=q[:100], state=state, states=states,
            any=bool(rows),
        )

    @router.get("/campaigns/{campaign_id}")
    def campaign(request: Request, campaign_id: str, user: SignedIn) -> Response:
        need(user, *MARKETING)
        applied = house.parts.library.campaigns.get(campaign_id)
        if applied is None:
            return gone(request, house)
        with house.parts.store.read() as conn:
            counts = board.steps(conn, campaign_id)
            refused = board.refusals(conn, campaign_id)
        live = {step.id: step for step in applied.walk()}
        names = [*live, *sorted(name for name in counts if name and name not in live)]
        steps = [(name, draw.label_of(live[name]) if name in live else "", counts.get(name, {})) for name in names]
        return staff_page(
            request, house, "campaign.html", user, here="campaigns", campaign=applied, refused=refused, steps=steps,
        )

    @router.get("/campaigns/{campaign_id}/picture.svg")
    def picture(request: Request, campaign_id: str, user: SignedIn) -> Response:
        need(user, *MARKETING)
        applied = house.parts.library.campaigns.get(campaign_id)
        return gone(request, house) if applied is None else _svg(draw.svg(applied, _here(house, applied)))


def _here(house: House, campaign: Campaign) -> dict[str, int]:
    with house.parts.store.read() as conn:
        return {name: n.get("here", 0) for name, n in board.steps(conn, campaign.id).items()}


def _reports(router: APIRouter, house: House) -> None:
    @router.get("/reports")
    def show(request: Request, user: SignedIn, kind: str = "funnel", days: Days = 90) -> Response:
        need(user, *READERS)
        if kind not in KINDS:
            return gone(request, house)
        days = days if days in SPANS else 0
        return staff_page(
            request, house, "reports.html", user, here="reports", report=_report(house, kind, days), kind=kind,
            kinds=KINDS, days=days, spans=SPANS,
        )

    @router.get("/reports/{kind}.{form}")
    def take(request: Request, kind: str, form: str, user: SignedIn, days: Days = 0) -> Response:
        need(user, *READERS)
        if kind not in KINDS or form not in ("csv", "svg"):
            return gone(request, house)
        found = _report(house, kind, days if days in SPANS else 0)
        if form == "svg":
            return _svg(found.picture)
        named = {"content-disposition": f'attachment; filename="{kind}.csv"'}
        return Response(reports.as_csv(found), media_type="text/csv; charset=utf-8", headers=named)


def _report(house: House, kind: str, days: int) -> Report:
    now = house.now()
    make = reports.funnel if kind == "funnel" else reports.KINDS[kind]
    return make(house.parts.store, house.parts.library.agreement, now=now, since=reports.recent(now, days or None))


def _svg(made: str) -> Response:
    return Response(made, media_type="image/svg+xml", headers=PICTURE)
