"""Decisions over the web: a named seller, their own queue; GET shows, POST acts; repeats are harmless."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import insert, text
from standardwebhooks import Webhook

from nurture.model.agreement import Agreement, RecycleReason, RejectReason
from nurture.model.company import Queue, Sales, Seller
from nurture.model.tokens import sign
from nurture.store.running import sessions
from nurture.store.tables import HandoffRow
from nurture.web.programs.signed import own_secret
from tests.conftest import NOW
from tests.web.conftest import World
from tests.web.test_staff import enter, user

SALES = Sales(
    sellers={n: Seller(n, n.title(), f"{n}@example.com") for n in ("iva", "ota")},
    queues={"east": Queue("east", "East", ("iva",)), "west": Queue("west", "West", ("ota",))},
    default_queue="east",
)
AGREEMENT = Agreement(
    1,
    NOW.date(),
    NOW.date(),
    recycle_reasons={"timing": RecycleReason("timing", "Not the right time", cool_off_days=30)},
    reject_reasons={"spam": RejectReason("spam", "Not a real person")},
)


@pytest.fixture
def desk(world: World) -> World:
    world.parts.library = replace(world.parts.library, sales=SALES, agreement=AGREEMENT)
    lead = world.lead(fields={"first_name": "Ada", "company": "Example"})
    with world.store.begin() as conn:
        conn.execute(text("update lead set stage = 'mql'"))
        conn.execute(
            insert(HandoffRow).values(
                lead_id=lead,
                queue="east",
                opened_at=world.clock.now(),
                cell="A1",
                packet={
                    "identity": {"fields": {"first_name": "<b>Ada</b>"}, "email": "ada@example.com"},
                    "may_use": [],
                    "for": [{"points": 12000, "text": "asked for a demo"}],
                },
            )
        )
    user(world, "iva", "sales")
    user(world, "ota", "sales")
    user(world, "ines", "marketing")
    return world


def form_of(world: World, path: str = "/queue/1") -> dict[str, str]:
    page = world.client.get(path).text
    return dict(re.findall(r'<input type="hidden" name="(csrf|version)" value="(\w+)"', page))


def stage(world: World) -> str:
    return str(world.one("select stage from lead"))


def token(world: World, name: str) -> dict[str, str]:
    secret = f"api token of {name}"
    with world.store.begin() as conn:
        sessions.open_session(conn, name, secret, now=world.clock.now(), kind="api")
    return {"authorization": f"Bearer {secret}"}


def test_a_seller_accepts_on_the_page_and_get_alone_does_nothing(desk: World) -> None:
    enter(desk, "iva")
    shown = desk.client.get("/queue/1")
    assert shown.status_code == 200 and "&lt;b&gt;Ada" in shown.text and "+12.0 asked for a demo" in shown.text
    assert desk.client.get("/queue/1?decision=accept").status_code == 200
    assert stage(desk) == "mql"
    assert desk.client.post("/queue/1", data={**form_of(desk), "decision": "accept"}).status_code == 303
    assert stage(desk) == "sal"
    assert desk.rows("select owner, state from handoff") == [("iva", "accepted")]


def test_a_decision_without_its_reason_and_an_unknown_one_are_answered_in_words(desk: World) -> None:
    enter(desk, "iva")
    for decision in ("reject", "recycle", "", "drop table"):
        answer = desk.client.post("/queue/1", data={**form_of(desk), "decision": decision})
        assert answer.status_code == 422 and 'role="alert"' in answer.text
    assert stage(desk) == "mql"
    data = {**form_of(desk), "decision": "recycle", "recycle_reason": "timing", "note": "next year"}
    assert desk.client.post("/queue/1", data=data).status_code == 303
    assert stage(desk) == "recycled"


def test_a_stale_page_is_a_conflict_and_changes_nothing(desk: World) -> None:
    enter(desk, "iva")
    old = form_of(desk)
    with desk.store.begin() as conn:
        conn.execute(text("update handoff set version = version + 1"))
    assert desk.client.post("/queue/1", data={**old, "decision": "accept"}).status_code == 409
    assert stage(desk) == "mql"


def test_nobody_decides_about_what_came_to_somebody_else(desk: World) -> None:
    enter(desk, "iva")
    csrf = form_of(desk)
    desk.client.cookies.clear()
    enter(desk, "ota")
    assert desk.client.get("/queue/1").status_code == 404
    assert desk.client.post("/queue/1", data={**csrf, "decision": "accept"}).status_code == 403
    own = form_of(desk, "/")
    assert desk.client.post("/queue/1", data={**own, "decision": "accept"}).status_code == 404
    desk.client.cookies.clear()
    enter(desk, "ines")
    assert desk.client.get("/queue/1").status_code == 200
    assert desk.client.post("/queue/1", data={**form_of(desk, "/"), "decision": "accept"}).status_code == 403
    assert stage(desk) == "mql"


def test_the_link_in_a_packets_mail_opens_after_signing_in_and_acts_on_nothing(desk: World) -> None:
    link = f"/handoff/{sign(desk.keys, 'handoff', 1, 0)}"
    asked = desk.client.get(link)
    assert asked.status_code == 303 and asked.headers["location"].startswith("/sign-in?to=/handoff/")
    enter(desk, "iva")
    assert desk.client.get(link).headers["location"] == "/queue/1"
    assert desk.client.get(link[:-1] + ("A" if link[-1] != "A" else "B")).status_code == 404
    assert stage(desk) == "mql"


def test_the_api_needs_a_persons_token_and_obeys_the_same_borders(desk: World) -> None:
    iva, ota, ines = (token(desk, n) for n in ("iva", "ota", "ines"))
    assert desk.client.get("/api/handoffs").status_code == 401
    assert desk.client.get("/api/handoffs", headers={"authorization": "Bearer wrong"}).status_code == 401
    enter(desk, "iva")
    assert desk.client.get("/api/handoffs").status_code == 401
    assert [h["id"] for h in desk.client.get("/api/handoffs", headers=iva).json()] == [1]
    assert desk.client.get("/api/handoffs", headers=ota).json() == []
    assert desk.client.get("/api/handoffs/1", headers=ota).status_code == 404
    assert (
        desk.client.get("/api/handoffs/99", headers=ota).json()
        == desk.client.get("/api/handoffs/1", headers=ota).json()
    )
    assert desk.client.post("/api/handoffs/1/accept", json={}, headers=ota).status_code == 404
    assert desk.client.post("/api/handoffs/1/accept", json={}, headers=ines).status_code == 403
    assert desk.client.get("/api/handoffs/1", headers=iva).json()["packet"]["identity"]["email"] == "ada@example.com"
    assert stage(desk) == "mql"


def test_the_api_decides_once_per_key_and_says_conflicts(desk: World) -> None:
    iva = token(desk, "iva")
    wrong = desk.client.post("/api/handoffs/1/reject", json={"reason": "no such"}, headers=iva)
    assert wrong.status_code == 422
    one = desk.client.post("/api/handoffs/1/accept", json={"key": "k1", "version": 0}, headers=iva)
    two = desk.client.post("/api/handoffs/1/accept", json={"key": "k1", "version": 0}, headers=iva)
    assert one.json()["stage"] == "sal" and two.json()["repeated"] is True
    late = desk.client.post("/api/handoffs/1/recycle", json={"reason": "timing", "version": 0}, headers=iva)
    assert late.status_code == 409
    assert desk.client.post("/api/handoffs/1/convince", json={}, headers=iva).status_code == 404
    assert desk.client.post("/api/handoffs/1/accept", json={"surprise": 1}, headers=iva).status_code == 422


def customer_to_be(world: World) -> None:
    """The lead of the hand-off was converted by iva."""
    with world.store.begin() as conn:
        conn.execute(text("update lead set stage = 'converted'"))
        conn.execute(text("update handoff set state = 'converted', closed_at = opened_at, owner = 'iva'"))


def told(world: World, results: list[dict[str, object]], *, call_id: str = "m1", at: object = None) -> Any:
    moment, body = at or world.clock.now(), json.dumps({"results": results})
    signed = Webhook(own_secret(world.keys)).sign(call_id, moment, body)
    headers = {"webhook-id": call_id, "webhook-timestamp": str(int(moment.timestamp())), "webhook-signature": signed}
    return world.client.post("/results", content=body, headers=headers)


def test_the_crm_tells_what_became_of_deals_signed_and_each_counts_once(desk: World) -> None:
    customer_to_be(desk)
    won = {"result": "won", "lead": "ada@example.com", "amount": 1_250_050, "currency": "EUR", "id": "d-1"}
    assert desk.client.post("/results", json={"results": [won]}).status_code == 401
    assert told(desk, [won], at=desk.clock.now() - timedelta(minutes=6)).status_code == 401
    first = told(desk, [won, {"result": "lost", "lead": "nobody@example.com", "reason": "price"}]).json()
    assert [one["state"] for one in first["results"]] == ["applied", "refused"]
    assert stage(desk) == "customer"
    assert told(desk, [won]).json() == {"repeated": True, "results": []}
    assert told(desk, [won], call_id="m2").json()["results"][0]["state"] == "repeated"
    again = told(desk, [{"result": "won"}, {"result": "divorced", "lead": "x"}], call_id="m3")
    assert again.status_code == 422 and "results.1.result" in again.text
    gone = told(desk, [{"result": "churned", "lead": "ada@example.com"}], call_id="m4").json()["results"][0]
    assert gone["state"] == "applied" and desk.rows("select stage, cycle from lead") == [("recycled", 2)]


def test_a_seller_tells_results_of_their_own_leads_only(desk: World) -> None:
    customer_to_be(desk)
    body = {"results": [{"result": "lost", "lead": "ada@example.com", "reason": "price"}]}
    assert desk.client.post("/api/results", json=body).status_code == 401
    assert desk.client.post("/api/results", json=body, headers=token(desk, "ines")).status_code == 403
    other = desk.client.post("/api/results", json=body, headers=token(desk, "ota")).json()["results"][0]
    assert (other["state"], other["text"]) == ("refused", "Nobody by this name or deal.")
    own = desk.client.post("/api/results", json=body, headers=token(desk, "iva")).json()["results"][0]
    assert own["state"] == "applied"
    assert desk.rows("select actor_kind, actor_id from transition order by id desc limit 1") == [("crm", "iva")]


def test_the_api_does_all_that_the_desk_does(desk: World) -> None:
    iva = token(desk, "iva")

    def post(decision: str, **body: object) -> Any:
        return desk.client.post(f"/api/handoffs/1/{decision}", json=body, headers=iva)

    assert post("return").status_code == 422, "which fields?"
    post("accept")
    assert post("log", kind="sales_assist", content="roi-calculator", note="as asked").json()["decision"]
    short = post("qualify", bant={"budget": "no"})
    assert (short.status_code, short.json()["code"]) == (422, "bant_missing")
    rest = {"authority": "partly", "need": "yes", "timeline": "yes"}
    assert post("qualify", bant=rest, bant_notes={"timeline": "by March"}).json()["stage"] == "sql"
    done = post("convert", into={"account": "new", "deal": "new", "amount": 500_000, "currency": "EUR"}).json()
    assert done["stage"] == "converted" and done["more"]["deal"]
    assert desk.rows("select amount, currency from opportunity") == [(500_000, "EUR")]
    assert desk.rows("select kind, content from activity") == [("sales_assist", "roi-calculator")]
    held = dict(desk.rows("select letter, answer from bant order by id"))
    assert held == {"budget": "no", **rest}, "all four are kept, whoever was short of them"


def test_the_page_does_it_too_from_return_for_data_to_taking_it_back(desk: World) -> None:
    enter(desk, "iva")

    def post(**typed: str) -> Any:
        return desk.client.post("/queue/1", data={**form_of(desk), **typed})

    no_day = post(decision="recycle", recycle_reason="timing", revisit_on="soon", note="kept & shown")
    assert no_day.status_code == 422 and "kept &amp; shown" in no_day.text, "what was typed stays"
    assert post(decision="return", fields="phone, employees").status_code == 303
    assert stage(desk) == "recycled" and "Take it back" in desk.client.get("/queue/1").text
    enter(desk, "ota")
    assert desk.client.post("/queue/1", data={**form_of(desk, "/"), "decision": "undo"}).status_code == 404
    enter(desk, "iva")
    assert post(decision="undo").status_code == 303
    assert post(decision="accept").status_code == 303
    assert post(decision="log", kind="call", outcome="voicemail").status_code == 303
    short = post(decision="qualify", need="yes", need_note="forty phones")
    assert short.status_code == 422 and "Not enough is known yet" in short.text
    page = desk.client.get("/queue/1").text
    assert "voicemail" in page and "as before: yes" in page and "forty phones" in page
    assert post(decision="qualify", budget="partly").status_code == 303
    deal = {"deal": "Forty phones", "amount": "12 500,50", "currency": "eur"}
    assert post(decision="convert", account="new", **deal).status_code == 303
    assert stage(desk) == "converted"
    assert desk.rows("select name, amount, currency from opportunity") == [("Forty phones", 1_250_050, "EUR")]


def test_enter_in_a_field_decides_nothing(desk: World) -> None:
    """A browser presses a form's first button; where that one is disabled it presses none."""
    enter(desk, "iva")
    with desk.store.read() as conn:
        number = conn.execute(text("select min(id) from handoff where closed_at is null")).scalar()
    page = desk.client.get(f"/queue/{number}").text
    form = page[page.index('id="decide"'):]
    assert form.index('<button type="submit" disabled hidden>') < form.index('name="decision"')


def test_times_are_those_of_the_seller(desk: World) -> None:
    library = desk.parts.library
    sellers = {**library.sales.sellers, "iva": replace(library.sales.sellers["iva"], timezone="America/New_York")}
    desk.parts.library = replace(library, sales=replace(library.sales, sellers=sellers))
    with desk.store.begin() as conn:
        conn.execute(text("update handoff set due_at = '2026-11-23 15:30:00'"))
    enter(desk, "iva")
    assert "Mon 23 Nov 2026, 10:30" in desk.client.get("/queue").text
