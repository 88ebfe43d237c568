"""Every address against every role: who is let in, who is told no, and whose objects are nobody's business."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import insert, text

from nurture.store.mail import inbound
from nurture.store.running import sessions
from nurture.store.tables import HandoffRow
from tests.applying.world import S, campaign_file, draft
from tests.web.conftest import World
from tests.web.test_decisions import AGREEMENT, SALES
from tests.web.test_security import routes_of
from tests.web.test_staff import enter, user

WHO = ("marketing", "manager", "privacy", "admin", "seller", "other seller", "nobody")
MARKETING = {"marketing", "manager", "privacy", "admin"}
DESK = {"marketing", "manager", "admin", "seller"}
PAGES: dict[tuple[str, str], set[str]] = {
    ("GET", "/"): {*MARKETING, "seller", "other seller"},
    ("GET", "/campaigns"): MARKETING,
    ("GET", "/campaigns/{campaign_id}"): MARKETING,
    ("GET", "/campaigns/{campaign_id}/picture.svg"): MARKETING,
    ("GET", "/leads"): MARKETING,
    ("GET", "/leads/{lead_id}"): {*MARKETING, "seller"},
    ("GET", "/queue"): {*DESK, "other seller"},
    ("GET", "/queue/{handoff_id}"): DESK,
    ("POST", "/queue/{handoff_id}"): set(),
    ("POST", "/sign-out"): set(),
    ("GET", "/handoff/{token}"): set(),
    ("GET", "/mail"): MARKETING,
    ("GET", "/mail/{mail_id}"): MARKETING,
    ("POST", "/mail/{mail_id}"): set(),
    ("GET", "/reports"): {*MARKETING, "seller", "other seller"},
    ("GET", "/reports/{kind}.{form}"): {*MARKETING, "seller", "other seller"},
}
"""Who sees a page. No form is taken without the token that its page carries, whoever sends it."""
CALLS: dict[tuple[str, str], set[str]] = {
    ("GET", "/api/handoffs"): {*DESK, "other seller"},
    ("GET", "/api/handoffs/{handoff_id}"): DESK,
    ("POST", "/api/handoffs/{handoff_id}/{decision}"): {"manager", "admin", "seller"},
    ("POST", "/api/results"): {"manager", "admin", "seller", "other seller"},
}
OPEN = {
    "/api/openapi.json", "/u/{token}", "/u/{token}/", "/h/{token}", "/p/{token}", "/p/{token}/me", "/me/{token}",
    "/forms/{form_id}", "/confirm/{token}", "/events", "/results", "/sign-in", "/sign-in/{token}", "/sign-in/company",
    "/sign-in/company/back", "/healthz", "/static/icon.svg", "/site.js", "/v", "/inbound/{provider}", "/metrics",
}
"""By token, by signature, or for everybody; each of them has tests of its own."""
FILLED = {"campaign_id": "drip", "lead_id": "1", "handoff_id": "1", "mail_id": "1", "kind": "funnel", "form": "csv",
          "token": "x", "decision": "accept"}


@pytest.fixture
def office(world: World) -> World:
    drip = draft(campaign_file([S("s1")])).library.campaigns["drip"]
    world.parts.library = replace(
        world.parts.library, sales=SALES, agreement=AGREEMENT, campaigns={"drip": drip}
    )
    lead = world.lead(fields={"first_name": "Ada"})
    with world.store.begin() as conn:
        conn.execute(text("update lead set stage = 'mql'"))
        conn.execute(insert(HandoffRow).values(
            lead_id=lead, queue="east", opened_at=world.clock.now(), packet={"identity": {}, "may_use": [], "for": []},
        ))
        inbound.claim(conn, "mail:1", source="test", now=world.clock.now())
    for name in ("marketing", "manager", "privacy", "admin"):
        user(world, name, name)
    user(world, "iva", "sales")
    user(world, "ota", "sales")
    return world


def account(who: str) -> str:
    return {"seller": "iva", "other seller": "ota"}.get(who, who)


def test_every_address_is_in_the_table_or_open_on_purpose(world: World) -> None:
    for method, path in routes_of(world):
        known = (method, path) in PAGES or (method, path) in CALLS
        assert known or path in OPEN or path.startswith("/static/"), f"who may {method} {path}?"


@pytest.mark.parametrize("who", WHO)
def test_a_page_shows_itself_to_its_roles_only(office: World, who: str) -> None:
    if who != "nobody":
        enter(office, account(who))
    for (method, path), let_in in PAGES.items():
        answer = office.client.request(method, path.format(**FILLED))
        wanted = {200} if who in let_in else {303} if who == "nobody" else {403, 404}
        assert answer.status_code in wanted, (who, method, path, answer.status_code)
        if who not in let_in:
            assert "Ada" not in answer.text


@pytest.mark.parametrize("who", WHO)
def test_a_call_answers_its_roles_only(office: World, who: str) -> None:
    headers = {}
    if who != "nobody":
        with office.store.begin() as conn:
            sessions.open_session(conn, account(who), f"api {who}", now=office.clock.now(), kind="api")
        headers = {"authorization": f"Bearer api {who}"}
    for (method, path), let_in in CALLS.items():
        told = {"results": [{"result": "lost", "lead": "stranger@example.com"}]} if path.endswith("results") else {}
        body: dict[str, Any] = {"json": told} if method == "POST" else {}
        answer = office.client.request(method, path.format(**FILLED), headers=headers, **body)
        refused = {401} if who == "nobody" else {403, 404}
        fine = answer.status_code not in (401, 403, 404) and answer.status_code < 500
        assert fine if who in let_in else answer.status_code in refused, (who, method, path, answer.status_code)
    # A cookie is no token, and a token is no cookie.
    if who != "nobody":
        enter(office, account(who))
        assert office.client.get("/api/handoffs").status_code == 401
        office.client.cookies.set("nurture_session", f"api {who}")
        assert office.client.get("/").status_code == 303
