"""The script on the company's website: nothing before a yes, joined when the visitor turns out to be a lead (S0-06)."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import pytest

from nurture.acts import privacy
from nurture.model.company import FormConsent, Wording
from nurture.model.tokens import TokenPurpose, sign
from nurture.model.words import Purpose
from nurture.web.tracking.site import bare
from tests.attack.house import open_house
from tests.web.browser import Browser, open_browser, program
from tests.web.conftest import World

ANN = "a" * 32
SITE = {"origin": "https://www.example.com", "content-type": "text/plain", "user-agent": "Mozilla/5.0 Firefox/140.0"}
VIEWS = "select visitor_id, lead_id, path from event where kind = 'page_view' order by id"


def view(world: World, path: str, visitor: str = ANN, **more: Any) -> int:
    body = {"id": visitor, "path": path, "wording": "banner-2", **more}
    return world.client.post("/v", content=json.dumps(body), headers=SITE).status_code


def tracking_form(world: World) -> None:
    """The guide's form also asks for click tracking, at once and without a confirmation."""
    library = world.parts.library
    said = Wording("clicks", 1, "en", (Purpose.CLICK_TRACKING,), "You may see what I read.")
    form = library.forms["guide"]
    asked = replace(
        form, consents=(*form.consents, FormConsent(Purpose.CLICK_TRACKING, "clicks")), double_opt_in=False
    )
    world.parts.library = replace(
        library, forms={**library.forms, "guide": asked}, wordings={**library.wordings, said.key: said}
    )


def send_form(world: World, *boxes: str, email: str = "new@example.com") -> None:
    ticked = {f"agree-{box}-email": "y" for box in ("privacy_notice", *boxes)}
    answer = world.client.post("/forms/guide", data={"email": email, "nurture_visitor": ANN, **ticked})
    assert answer.status_code == 200


def test_earlier_visits_join_the_lead_that_sends_a_form_and_agrees(world_everywhere: World) -> None:
    world = world_everywhere
    tracking_form(world)
    assert view(world, "/pricing?email=ada@example.com#top") == 204
    world.after(minutes=2)
    assert view(world, "/") == 204
    assert [(lead, path) for _, lead, path in world.rows(VIEWS)] == [(None, "/pricing"), (None, "/")]
    send_form(world, "click_tracking")
    lead = world.one("select id from lead")
    assert {found for _, found, _ in world.rows(VIEWS)} == {lead}
    world.after(minutes=2)
    view(world, "/contact")
    assert world.rows(VIEWS)[-1][1:] == (lead, "/contact")
    assert world.one("select count(*) from wakeup where lead_id = :i", i=lead) == 1, "the score is asked again"
    assert ANN not in str(world.rows("select * from visitor")), "of the key only a hash is kept"


def test_a_lead_who_does_not_agree_stays_apart_from_its_visits(world: World) -> None:
    tracking_form(world)
    view(world, "/pricing")
    send_form(world)
    assert world.rows(VIEWS)[0][1] is None
    assert world.one("select lead_id from visitor") is None


def test_a_link_of_the_website_leads_to_a_form_with_a_ticket_that_joins_once(world_everywhere: World) -> None:
    world, one, other = world_everywhere, "1" * 32, "2" * 32
    tracking_form(world)
    view(world, "/pricing")
    for ticket in (one, one, other):
        assert view(world, "/ignored", ticket=ticket) == 204
    view(world, "/", visitor="b" * 32, ticket=one)
    assert len(world.rows(VIEWS)) == 1, "a ticket is no page view, and nobody counted is nobody with a ticket"
    assert one not in str(world.rows("select * from token")), "of a ticket only a hash is kept"

    def send(ticket: str, email: str, *boxes: str) -> None:
        page = world.client.get(f"/forms/guide?visit={ticket}")
        assert page.status_code == 200 and "set-cookie" not in page.headers
        ticked = {f"agree-{box}-email": "y" for box in ("privacy_notice", *boxes)}
        assert world.client.post(f"/forms/guide?visit={ticket}", data={"email": email, **ticked}).status_code == 200

    send("3" * 32, "made@example.com", "click_tracking")
    send("x", "up@example.com", "click_tracking")
    send(other, "silent@example.com")
    assert world.rows(VIEWS)[0][1] is None, "made up, or without a yes"
    send(one, "ann@example.com", "click_tracking")
    ann = world.one("select id from lead where email = 'ann@example.com'")
    assert world.rows(VIEWS)[0][1] == ann
    send(one, "friend@example.com", "click_tracking")
    assert world.one("select lead_id from visitor") == ann, "an address that was passed on joins nobody"
    view(world, "/ignored", visitor=ANN, ticket="4" * 32)
    world.after(hours=3)
    send("4" * 32, "late@example.com", "click_tracking")
    assert world.one("select lead_id from visitor") == ann


def test_what_has_yet_to_be_confirmed_joins_on_the_confirmation_and_ends_with_a_withdrawal(world: World) -> None:
    tracking_form(world)
    library = world.parts.library
    guide = replace(library.forms["guide"], double_opt_in=True)
    world.parts.library = replace(library, forms={**library.forms, "guide": guide})
    view(world, "/pricing")
    send_form(world, "click_tracking")
    lead = world.one("select id from lead")
    assert world.rows(VIEWS)[0][1] is None, "asked for, not confirmed"
    world.grant(lead, Purpose.CLICK_TRACKING)
    view(world, "/later")
    assert {found for _, found, _ in world.rows(VIEWS)} == {lead}
    privacy.object_to_marketing(world.parts, lead, by="person", source="test", now=world.after(minutes=5))
    view(world, "/after-the-objection")
    assert len(world.rows(VIEWS)) == 2, "who objected is not watched, whatever the banner of the site remembers"


@pytest.mark.parametrize("agrees", [True, False])
def test_a_tracked_click_tells_the_site_who_comes_only_with_consent(world: World, agrees: bool) -> None:
    company = replace(world.parts.library.company, site_snippet=True)
    world.parts.library = replace(world.parts.library, company=company)
    lead = world.lead()
    if agrees:
        world.grant(lead, Purpose.CLICK_TRACKING)
    view(world, "/pricing")
    leads_to = world.client.get(world.url("click", world.mail(lead), lead)).headers["location"]
    token = urlsplit(leads_to).fragment.removeprefix("nurture=")
    assert bool(token) is agrees
    assert "nurture=" not in urlsplit(leads_to).query
    made_up = sign(world.keys, TokenPurpose.CLICK, lead, int(world.clock.now().timestamp()))
    late = sign(world.keys, TokenPurpose.VISIT, lead, int((world.clock.now() - timedelta(hours=1)).timestamp()))
    for wrong in (made_up, late, "x"):
        view(world, "/wrong", click=wrong)
    own = sign(world.keys, TokenPurpose.VISIT, lead, int(world.clock.now().timestamp()))
    assert world.one("select lead_id from visitor") is None
    view(world, "/page", click=token or own)
    assert world.one("select lead_id from visitor") == (lead if agrees else None)


def test_other_sites_strangers_and_floods_change_nothing(world: World) -> None:
    foreign = {**SITE, "origin": "https://example.com.evil.test"}
    body = json.dumps({"id": ANN, "path": "/x"})
    assert world.client.post("/v", content=body, headers=foreign).status_code == 204
    assert world.client.post("/v", content=body, headers={**SITE, "origin": "null"}).status_code == 204
    for nonsense in ("", "{", "[]", json.dumps({"id": "x"}), json.dumps({"id": ANN, "more": 1}), "x" * 5000):
        assert world.client.post("/v", content=nonsense, headers=SITE).status_code == 422
    assert world.rows(VIEWS) == []
    for n in range(230):
        view(world, f"/{n}")
    assert len(world.rows(VIEWS)) == 200, "one visitor, one day"


def test_a_crawler_is_a_machine_and_a_choice_taken_back_leaves_nothing(world: World) -> None:
    crawler = {**SITE, "user-agent": "Mozilla/5.0 (compatible; Googlebot/2.1)"}
    world.client.post("/v", content=json.dumps({"id": ANN, "path": "/x"}), headers=crawler)
    assert world.one("select machine from event") in (1, True)
    world.client.post("/v", content=json.dumps({"id": ANN, "forget": True}), headers=SITE)
    assert world.rows(VIEWS) == world.rows("select * from visitor") == []


def test_who_never_becomes_anybody_is_forgotten_after_half_a_year(world: World) -> None:
    view(world, "/old")
    world.after(days=100)
    view(world, "/new", visitor="b" * 32)
    now = world.after(days=90)
    assert privacy.retain(world.parts, now=now, dry_run=True).visitors == 1
    assert privacy.retain(world.parts, now=now, dry_run=False).visitors == 1
    assert [path for _, _, path in world.rows(VIEWS)] == ["/new"]


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        ("/pricing?email=a@b.c", "/pricing"),
        ("/u/ada%40example.com/orders", "/u/*/orders"),
        ("/invoice/12345678", "/invoice/*"),
        ("/reset/aB3dE5fG7hI9jK1lM3nO5", "/reset/*"),
        ("/how-a-bakery-saved-forty-percent-of-its-energy", "/how-a-bakery-saved-forty-percent-of-its-energy"),
        ("no-slash\x00\x1b[31m", "/no-slash[31m"),
        ("", "/"),
    ],
)
def test_a_path_names_a_page_and_nobody(path: str, kept: str) -> None:
    assert bare(path) == kept


PAGE = """<!doctype html><title>x</title><link rel=icon href=data:,>
<script>window.nurture = { q: [], consent: function () { this.q.push(arguments) } }</script>
<script src="%s/site.js"></script>
<a href="%s/forms/guide?lang=en">the guide</a>
<form action="%s/forms/guide" method="post"><input name="email" value="b@example.com">
<input type="hidden" name="agree-privacy_notice-email" value="y">
<input type="hidden" name="agree-click_tracking-email" value="y"><button>send</button></form>"""


@contextmanager
def website(home: str) -> Iterator[str]:
    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.end_headers()
            self.wfile.write((PAGE % (home, home, home)).encode())

        def log_message(self, *_: Any) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()


def soon(world: World, sql: str, wanted: int) -> bool:
    until = time.monotonic() + 10
    while time.monotonic() < until:
        if world.one(sql) == wanted:
            return True
        time.sleep(0.05)
    return False


def arrives(browser: Browser, where: str) -> bool:
    """A click or a form led to another page, which is whole: only then may the next one be asked for."""
    until = time.monotonic() + 10
    while time.monotonic() < until:
        if browser.evaluate(f"document.readyState === 'complete' && ({where})") is True:
            return True
        time.sleep(0.05)
    return False


def test_a_real_browser_sends_nothing_before_the_yes_and_joins_by_form() -> None:
    if program() is None:
        if os.environ.get("CI"):
            pytest.fail("Chromium is required here")
        pytest.skip("no Chromium on this machine")
    views = "select count(*) from event where kind = 'page_view'"
    with open_house() as house, website(house.url) as site, open_browser() as browser:
        world = house.world
        tracking_form(world)
        world.parts.library = replace(
            world.parts.library, company=replace(world.parts.library.company, website=site)
        )
        browser.go(f"{site}/pricing?who=ada@example.com")
        assert browser.evaluate("localStorage.length") == 0
        assert world.one(views) == 0
        browser.evaluate("nurture.consent(true, 'banner-2')")
        assert soon(world, views, 1)
        assert world.rows("select path, lead_id from event where kind = 'page_view'") == [("/pricing", None)]
        assert world.one("select consent_wording from visitor") == "banner-2"
        browser.evaluate("document.querySelector('a').click()")
        assert arrives(browser, "location.search.startsWith('?lang=en&visit=')")
        browser.evaluate("document.querySelector('[type=email]').value = 'a@example.com'")
        browser.evaluate("document.querySelectorAll('[type=checkbox]').forEach(function (box) { box.checked = true })")
        browser.evaluate("document.querySelector('form').submit()")
        assert arrives(browser, "!document.querySelector('[type=email]')")
        nobody = f"{views} and lead_id is null"
        assert soon(world, nobody, 0), "by a plain link, with a ticket"
        browser.go(f"{site}/other")
        browser.evaluate("var link = document.querySelector('a'); link.onclick = function () { return false }")
        browser.evaluate("link.click()")
        assert browser.evaluate("link.search") == "?lang=en", "what stands in the page stays as it was"
        browser.evaluate("nurture.consent(false)")
        assert soon(world, "select count(*) from visitor", 0)
        browser.evaluate("nurture.consent(true, 'banner-2')")
        browser.go(f"{site}/contact#nurture=abc")
        assert browser.evaluate("location.hash") == "", "the token leaves the address bar at once"
        assert soon(world, nobody, 2)
        browser.loaded = False
        browser.evaluate("document.querySelector('button').click()")
        assert soon(world, nobody, 0), "by a form that stands in the page"
        browser.go(f"{site}/back")
        browser.evaluate("nurture.consent(false)")
        assert soon(world, "select count(*) from visitor", 0)
        assert browser.evaluate("localStorage.length") == 0
        assert not browser.errors


