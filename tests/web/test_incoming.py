"""The page for mail that only a human can judge: hostile text stays text, a decision is one POST by a role."""

from __future__ import annotations

import re

import pytest

from nurture.acts.inbound import arrivals as stage
from nurture.model.inbound import Arrived, Envelope
from nurture.model.words import Purpose
from tests.web.conftest import World
from tests.web.test_staff import enter, user

EVIL = '<script>alert(1)</script><img src=x onerror=alert(2)> {{ 7 * 7 }} \x1b[2J\u202egpj.exe'
REPORT = f"From: MAILER-DAEMON@mx.example\nSubject: failure {EVIL}\n\n<a@b.example>:\n550 5.1.1 no such user {EVIL}\n"


@pytest.fixture
def office(world: World) -> World:
    world.lead()
    taken = stage.take(world.parts, Arrived(REPORT.encode(), "test", Envelope(None, ())), now=world.clock.now())
    assert taken.kind == "review"
    for name in ("marketing", "privacy"):
        user(world, name, name)
    user(world, "iva", "sales")
    return world


def csrf(world: World) -> str:
    found = re.search(r'name="csrf" value="(\w+)"', world.client.get("/mail/1").text)
    assert found is not None
    return found.group(1)


def test_what_a_mail_says_is_shown_as_text(office: World) -> None:
    enter(office, "marketing")
    for path in ("/mail", "/mail/1"):
        page = office.client.get(path).text
        assert "&lt;script&gt;alert(1)" in page and "{{ 7 * 7 }}" in page
        assert "<script" not in page and "<img" not in page and "\x1b" not in page and "\u202e" not in page
    assert "/mail/1" in office.client.get("/mail").text and 'href="/mail"' in office.client.get("/").text
    for path in ("/mail/2", "/mail/0", "/mail/99999999999999999999", "/mail/x"):
        assert office.client.get(path).status_code == 404


def test_a_decision_is_a_post_by_marketing_with_the_token_of_the_page(office: World) -> None:
    office.grant(1, Purpose.NURTURE_EMAIL)
    enter(office, "marketing")
    asked = {"decision": "bounce", "lead": "ada@example.com"}
    assert office.client.post("/mail/1", data=asked).status_code == 403
    told = {**asked, "csrf": csrf(office)}
    evil = office.client.post("/mail/1", data=told, headers={"origin": "https://evil.example"})
    assert evil.status_code == 403
    for wrong, status in (({"lead": ""}, 422), ({"lead": "<b>nobody"}, 422), ({"decision": "x"}, 422)):
        answer = office.client.post("/mail/1", data=told | wrong)
        assert answer.status_code == status and 'role="alert"' in answer.text and "<b>" not in answer.text
    assert office.one("select count(*) from suppression") == 0
    assert office.client.post("/mail/1", data=told).status_code == 303
    assert office.rows("select reason, lead_id from suppression") == [("hard_bounce", 1)]
    assert office.rows("select kind, handled_by from inbound") == [("bounce", "marketing")]
    again = office.client.post("/mail/1", data=told)
    assert again.status_code == 409 and "already" in again.text and 'id="decide"' not in again.text
    assert "Nothing here." in office.client.get("/mail").text
    assert "/mail/1" in office.client.get("/mail?done=true").text


def test_who_may_read_need_not_decide(office: World) -> None:
    enter(office, "privacy")
    assert 'id="decide"' not in office.client.get("/mail/1").text
    assert office.client.post("/mail/1", data={"decision": "ignore", "csrf": csrf(office)}).status_code == 403
    enter(office, "iva")
    assert office.client.get("/mail").status_code == 403 and office.client.get("/mail/1").status_code == 403
    assert 'href="/mail"' not in office.client.get("/").text
    assert office.one("select handled_at from inbound") is None
