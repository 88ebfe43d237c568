"""One click ends it (RFC 8058), and nothing but a POST does."""

from __future__ import annotations

import html
import re

import pytest

from nurture.model.words import ConsentStatus, Purpose
from nurture.web.language import NAMES as SPOKEN
from nurture.web.language import catalogue
from tests.web.conftest import World

ONE_CLICK = {"List-Unsubscribe": "One-Click"}


@pytest.fixture
def mailed(world: World) -> tuple[World, int, str]:
    lead = world.lead()
    world.grant(lead, Purpose.NURTURE_EMAIL, Purpose.NEWSLETTER)
    message = world.mail(lead)
    world.after(hours=1)
    return world, lead, world.url("unsubscribe", message, lead)


@pytest.mark.parametrize("how", ["urlencoded", "multipart"])
@pytest.mark.parametrize("slash", ["", "/"])
def test_u6_one_click_works_in_both_encodings_without_cookie_or_origin(
    mailed: tuple[World, int, str], how: str, slash: str
) -> None:
    world, lead, url = mailed
    if how == "urlencoded":
        answer = world.client.post(url + slash, data=ONE_CLICK)
    else:
        answer = world.client.post(url + slash, files={"List-Unsubscribe": (None, "One-Click")})
    assert answer.status_code == 200
    assert world.status(lead, Purpose.NURTURE_EMAIL) is ConsentStatus.WITHDRAWN
    assert world.status(lead, Purpose.NEWSLETTER) is ConsentStatus.GRANTED


def test_u7_never_a_redirect_and_the_second_post_changes_nothing(mailed: tuple[World, int, str]) -> None:
    world, _, url = mailed
    for _ in range(3):
        assert world.client.post(url, data=ONE_CLICK).status_code == 200
        world.after(minutes=1)
    assert world.one("select count(*) from consent_entry where action = 'withdraw'") == 1
    assert world.one("select count(*) from event where kind = 'unsubscribe'") == 1


def test_u8_get_and_head_change_nothing_and_get_shows_one_button(mailed: tuple[World, int, str]) -> None:
    world, lead, url = mailed
    for slash in ("", "/"):
        assert world.client.head(url + slash).status_code == 200
        answer = world.client.get(url + slash)
        assert answer.status_code == 200
        assert answer.text.count("<button") == 1
        assert "ada@example.com" not in answer.text
    assert world.status(lead, Purpose.NURTURE_EMAIL) is ConsentStatus.GRANTED
    assert world.one("select count(*) from consent_entry where action = 'withdraw'") == 0


def test_u5_every_changed_character_gets_the_same_plain_answer_and_changes_nothing(
    mailed: tuple[World, int, str],
) -> None:
    world, lead, url = mailed
    token = url.removeprefix("/u/")
    answers = set()
    for place in range(len(token)):
        forged = token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :]
        answer = world.client.post(f"/u/{forged}", data=ONE_CLICK)
        answers.add((answer.status_code, answer.text))
    answers.add(((other := world.client.post("/u/" + token[:-1], data=ONE_CLICK)).status_code, other.text))
    assert {status for status, _ in answers} == {404}
    assert len(answers) == 1
    assert world.status(lead, Purpose.NURTURE_EMAIL) is ConsentStatus.GRANTED


def test_a_token_for_opening_does_not_unsubscribe(mailed: tuple[World, int, str]) -> None:
    world, lead, _ = mailed
    for kind in ("open", "click", "preferences", "honeypot"):
        token = world.url(kind, 1, lead).split("/")[2]
        assert world.client.post(f"/u/{token}", data=ONE_CLICK).status_code == 404
    assert world.status(lead, Purpose.NURTURE_EMAIL) is ConsentStatus.GRANTED


NAMES = {
    Purpose.NURTURE_EMAIL: "Guides and articles by e-mail",
    Purpose.NEWSLETTER: "The newsletter",
    Purpose.COMMERCIAL_OFFERS: "Offers and prices by e-mail",
}


@pytest.mark.parametrize("language", sorted(SPOKEN))
def test_c7_the_confirmation_names_what_was_stopped_and_only_that(world: World, language: str) -> None:
    said = catalogue(language).gettext
    lead = world.lead(f"{language}@example.com", language=language)
    world.grant(lead, *NAMES)
    for purpose, name in NAMES.items():
        url = world.url("unsubscribe", world.mail(lead), lead, purpose=purpose)
        answer = world.client.post(url, data=ONE_CLICK)
        assert answer.headers["content-language"] == language and f'lang="{language}"' in answer.text
        listed = re.findall(r"<li>\s*(.*?)\s*</li>", answer.text)
        assert [html.unescape(one) for one in listed] == [said(name)]
        assert world.status(lead, purpose) is ConsentStatus.WITHDRAWN
    world.grant(lead, *NAMES, at=world.after(minutes=1))
    everything = world.client.post(world.url("unsubscribe", 1, lead), data={"all": "1"}).text
    assert {html.unescape(one) for one in re.findall(r"<li>\s*(.*?)\s*</li>", everything)} == {
        said(name) for name in NAMES.values()
    }


def test_c7_leaving_takes_no_more_steps_than_joining_and_coming_back_needs_a_new_grant(world: World) -> None:
    lead = world.lead()
    world.grant(lead, Purpose.NURTURE_EMAIL)
    url = world.url("unsubscribe", world.mail(lead), lead)
    page = world.client.get(url).text
    assert page.count("<button") == 1 and "password" not in page and 'type="email"' not in page
    world.client.post(url, data=ONE_CLICK)
    for again in (world.client.get(url), world.client.post(url, data=ONE_CLICK)):
        assert again.status_code == 200
    assert world.status(lead, Purpose.NURTURE_EMAIL) is ConsentStatus.WITHDRAWN
    world.grant(lead, Purpose.NURTURE_EMAIL, at=world.after(minutes=1))
    assert world.status(lead, Purpose.NURTURE_EMAIL) is ConsentStatus.GRANTED


def test_u10_a_link_from_before_a_key_rotation_still_works(mailed: tuple[World, int, str]) -> None:
    from nurture.model.tokens import Keys
    from tests.web.conftest import SECRET

    world, lead, url = mailed
    world.parts.keys = Keys.from_secrets(["another secret, newer than the one before it", SECRET])
    world.after(days=900)
    assert world.client.post(url, data=ONE_CLICK).status_code == 200
    assert world.status(lead, Purpose.NURTURE_EMAIL) is ConsentStatus.WITHDRAWN
