"""The pages in a real browser: phone and desktop, light and dark, with scripts in every field that somebody could fill.

axe-core judges the same pages from outside (see the closing notes); here stands what must hold on every run.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.attack.house import House, open_house
from tests.web.browser import Browser, open_browser, program

pytestmark = pytest.mark.browser

LONG = "Przedsiębiorstwo Donaudampfschifffahrtselektrizitätenhauptbetriebswerk sp. z o.o. sp. k."
OWN = '"><img src=x onerror="window.owned=1"><svg onload=alert(1)><script>window.owned=1</script>'
SHAPES = [(390, 844, False), (390, 844, True), (1280, 900, False), (1280, 900, True)]


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    if program() is None:
        if os.environ.get("CI"):
            pytest.fail("Chromium is required here")
        pytest.skip("no Chromium on this machine")
    with open_house() as found:
        yield found


@pytest.fixture(scope="module")
def browser(house: House) -> Iterator[Browser]:
    with open_browser() as opened:
        opened.cookie("nurture_session", house.session, house.url)
        yield opened


def hostile(house: House) -> int:
    from sqlalchemy import insert, text

    from nurture.store.tables import AlertRow, JournalRow

    world = house.world
    lead = world.lead(
        f"hostile{world.one('select count(*) from lead')}@example.com", fields={"first_name": OWN, "company": OWN}
    )
    now = world.clock.now()
    with world.store.begin() as conn:
        conn.execute(insert(AlertRow).values(key=f"k{lead}", code=OWN, text=OWN, for_whom=OWN, at=now))
        conn.execute(insert(JournalRow).values(lead_id=lead, at=now, kind="told", text=OWN, campaign=OWN))
        conn.execute(text("update handoff set note = :o, owner = :o"), {"o": OWN})
        conn.execute(text("update lead set external_id = :o, source = :o where id = :i"), {"o": OWN, "i": lead})
    return lead


def test_every_page_fits_is_named_and_complains_about_nothing(
    house: House, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    lead = hostile(house)
    world = house.world
    library = world.parts.library
    named = replace(library.company, name=LONG, legal_name=LONG)
    monkeypatch.setattr(world.parts, "library", replace(library, company=named))
    public = [
        world.url("unsubscribe", 1, 1),
        world.url("preferences", 1, 1),
        "/forms/guide",
        "/forms/call",
        "/sign-in",
        world.url("preferences", 1, 1) + "/me",
    ]
    for path in [*public, *house.paths[:6], f"/leads/{lead}"]:
        # The narrowest phone, or any page at 400 per cent: people come to the public pages as they are.
        for width, height, dark in [*SHAPES, *([(320, 640, False)] if path in public else [])]:
            browser.errors.clear()
            browser.shape(width, height, dark=dark)
            browser.go(house.url + path)
            assert browser.evaluate("document.documentElement.scrollWidth") <= browser.width, (path, width)
            assert browser.errors == [], (path, browser.errors)
            assert browser.nameless_controls() == [], path
            assert browser.evaluate("document.documentElement.lang") == "en"
            assert browser.evaluate("document.querySelectorAll('h1').length") == 1, path
            dark_page = browser.evaluate("getComputedStyle(document.documentElement).backgroundColor")
            light = sum(map(int, re.findall(r"\d+", dark_page)[:3])) > 382
            assert light is not dark, path
    assert browser.evaluate("window.owned") is None and browser.dialogs == []


def test_a_form_is_sent_and_answered_without_any_script(house: House, browser: Browser) -> None:
    browser.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.go(f"{house.url}/forms/guide")
        document = browser.call("DOM.getDocument")["root"]["nodeId"]

        def click(selector: str) -> None:
            node = browser.call("DOM.querySelector", nodeId=document, selector=selector)["nodeId"]
            browser.call("DOM.focus", nodeId=node)
            browser.call("Input.dispatchKeyEvent", type="keyDown", key=" ", text=" ", windowsVirtualKeyCode=32)
            browser.call("Input.dispatchKeyEvent", type="keyUp", key=" ", windowsVirtualKeyCode=32)

        email = browser.call("DOM.querySelector", nodeId=document, selector="#f-email")["nodeId"]
        browser.call("DOM.focus", nodeId=email)
        browser.call("Input.insertText", text="keyboard@example.com")
        click("#agree-privacy_notice-email")
        click("button[type=submit]")
        for _ in range(100):
            if house.world.rows("select id from lead where email = 'keyboard@example.com'"):
                break
            browser.call("Runtime.evaluate", expression="1")
        assert house.world.rows("select id from lead where email = 'keyboard@example.com'")
    finally:
        browser.call("Emulation.setScriptExecutionDisabled", value=False)


def test_a_script_that_got_into_the_markup_would_not_run(house: House, browser: Browser) -> None:
    """The second wall: even where escaping failed, the policy stands."""
    browser.go(f"{house.url}/forms/guide")
    browser.evaluate("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"window.owned=2\">')")
    browser.evaluate(
        "document.body.insertAdjacentHTML('beforeend', '<a id=j href=\"javascript:window.owned=3\">x</a>'); j.click()"
    )
    browser.evaluate("new Promise(r => setTimeout(r, 300))")
    assert browser.evaluate("window.owned") is None
