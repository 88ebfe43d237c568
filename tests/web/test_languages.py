"""Every public page speaks every language, completely, and picks the right one."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

import nurture.web
from nurture.mail import reason
from nurture.model.company import USUAL_LABELS
from nurture.model.words import Purpose
from nurture.web.language import NAMES, catalogue, choose, locale
from nurture.web.shown import day, linked
from tests.web.conftest import World

WEB = Path(nurture.web.__file__).parent
FOREIGN = [code for code in NAMES if code != "en"]
STAFF = {"_staff.html", "_rates.html", "_when.html"}
NAMED = re.compile(r"%\(\w+\)s")


def messages() -> set[Any]:
    jinja = [("**.html", "jinja2.ext.babel_extract"), ("**.txt", "jinja2.ext.babel_extract")]
    return {found[2] for found in extract_from_dir(WEB / "pages", jinja)}


@pytest.mark.parametrize("language", FOREIGN)
def test_no_sentence_is_missing_superfluous_or_without_its_placeholders(language: str) -> None:
    with (WEB / "locales" / f"{language}.po").open("rb") as file:
        catalog = read_po(file, locale=language)
    known = {message.id: message for message in catalog if message.id}
    assert set(known) == messages()
    for message in known.values():
        said = message.string if isinstance(message.string, tuple | list) else (message.string,)
        asked = message.id if isinstance(message.id, tuple | list) else (message.id,)
        assert all(said), message.id
        for text in said:
            assert set(NAMED.findall(text)) == set(NAMED.findall(asked[0])), message.id
        if isinstance(message.id, tuple | list):
            assert len(said) == catalog.num_plurals


def test_c18_the_sentence_that_says_why_somebody_gets_a_mail_is_there_in_every_language() -> None:
    told = [reason.AGREED, reason.UNDATED, reason.ASKED, *reason.GROUNDS.values()]
    for words in told:
        assert set(words) == set(NAMES)
        named = {language: set(re.findall(r"{\w+}", text)) for language, text in words.items()}
        assert set(map(frozenset, named.values())) == {frozenset(named["en"])}, named
        assert len(set(words.values())) == len(NAMES)
    said = reason.reason("ru-RU", company="Acme", topic="x", since=datetime(2026, 11, 23, tzinfo=UTC))
    assert "23 ноября 2026" in said


def test_every_text_of_the_public_pages_goes_through_the_catalogue() -> None:
    """Words that stand in a page outside of `_()` and `trans` would be English for everybody."""
    for path in sorted((WEB / "pages").iterdir()):
        source = path.read_text()
        if "_staff.html" in source or path.name in STAFF:
            continue
        left = re.sub(r"{% trans .*?%}.*?{% endtrans %}", "", source, flags=re.DOTALL)
        left = re.sub(r"{% (trans|set \w+) %}.*?{% end(trans|set) %}", "", left, flags=re.DOTALL)
        left = re.sub(r"{%.*?%}|{{.*?}}|{#.*?#}|<[^>]*>|&\w+;", " ", left, flags=re.DOTALL)
        words = set(re.findall(r"[^\W\d_]{3,}", left)) - {"JSON", "CSV"}
        said = re.findall(r'(?:aria-label|placeholder|title|alt)="([^"]*)', source)
        assert not words and all(text.startswith("{{") for text in said if text), (path.name, words, said)


def test_the_labels_that_check_lets_pass_are_asked_in_every_language() -> None:
    page = (WEB / "pages" / "form.html").read_text()
    assert set(re.findall(r'"([^"]+)": _\("\1"\)', page)) == USUAL_LABELS
    for language in FOREIGN:
        assert all(catalogue(language).gettext(label) for label in USUAL_LABELS)


MAILS = {
    "en": ["At most 1 mail a month", "At most 2 mails a month", "At most 5 mails a month", "At most 22 mails a month"],
    "pl": ["1 wiadomość", "2 wiadomości", "5 wiadomości", "22 wiadomości"],
    "cs": ["1 zpráv", "2 zprávy", "5 zpráv", "22 zpráv"],
    "de": ["1 E-Mail im", "2 E-Mails", "5 E-Mails", "22 E-Mails"],
    "ru": ["1 письма", "2 писем", "5 писем", "22 писем"],
}
DAYS = {"en": "January 14, 2027", "pl": "14 stycznia 2027", "cs": "14. ledna 2027", "de": "14. Januar 2027",
        "ru": "14 января 2027"}


@pytest.mark.parametrize("language", list(NAMES))
def test_counts_and_days_are_said_as_the_language_says_them(language: str) -> None:
    said = catalogue(language).ngettext
    forms = [
        said("At most %(num)s mail a month", "At most %(num)s mails a month", n) % {"num": n} for n in (1, 2, 5, 22)
    ]
    assert all(wanted in form for wanted, form in zip(MAILS[language], forms, strict=True)), forms
    late = datetime(2027, 1, 13, 23, 30, tzinfo=UTC)
    assert day(late, locale(language), ZoneInfo("Europe/Warsaw")).startswith(DAYS[language])


def test_a_wording_shows_its_links_and_nothing_else_of_it_is_markup() -> None:
    text = 'I read [the notice](https://example.com/p?a=1&b=2) <b>and</b> [x](javascript:alert(1)) [y](https://e"onx=1)'
    shown = str(linked(text))
    assert '<a href="https://example.com/p?a=1&amp;b=2" rel="noopener noreferrer">the notice</a>' in shown
    assert "&lt;b&gt;" in shown and shown.count("<a ") == 1


@pytest.mark.parametrize("language", FOREIGN)
def test_pages_come_in_the_language_of_the_person(world: World, language: str) -> None:
    lead = world.lead(language=language)
    world.grant(lead, Purpose.NURTURE_EMAIL)
    english = world.client.get(world.url("unsubscribe", 0, lead) + "?lang=en").text
    for path in (world.url("unsubscribe", 0, lead), world.url("preferences", 0, lead)):
        answer = world.client.get(path, headers={"accept-language": "en"})
        assert answer.headers["content-language"] == language
        assert f'<html lang="{language}">' in answer.text
        assert answer.text != english and ">Unsubscribe<" not in answer.text


def test_the_wording_is_shown_and_recorded_in_the_language_that_was_read(world: World) -> None:
    page = world.client.get("/forms/guide", headers={"accept-language": "pl-PL,pl;q=0.9,en;q=0.5"})
    assert "Acme może przesyłać mi poradniki e-mailem." in page.text
    assert 'lang="en">I have read the privacy notice.' in page.text
    world.client.post(
        "/forms/guide",
        headers={"accept-language": "pl"},
        data={"email": "a@example.com", "agree-privacy_notice-email": "y", "agree-nurture_email-email": "y"},
    )
    wordings = {row[0] for row in world.rows("select wording from consent_entry")}
    assert wordings == {"privacy.1.en", "nurture-email.1.pl"}
    assert world.one("select language from lead") == "pl"


@pytest.mark.parametrize(
    ("wanted", "accepted", "language"),
    [
        ((), "cs,en;q=0.5", "cs"),
        ((), "en;q=0.4, de;q=0.9", "de"),
        ((), "xx,yy", "pl"),
        ((), "", "pl"),
        (("ru",), "cs", "ru"),
        ((None, "de-AT"), "cs", "de"),
        (("tlh",), "ru;q=nonsense", "ru"),
        ((), "*" * 10_000, "pl"),
    ],
)
def test_the_choice_of_a_language(wanted: tuple[str | None, ...], accepted: str, language: str) -> None:
    assert choose(*wanted, accepted=accepted, fallback="pl") == language
