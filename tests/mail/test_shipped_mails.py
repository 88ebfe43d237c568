"""What every mail that ships keeps: its length, its footer, its links, its colours, and the rules of bulk mail."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from email import message_from_bytes, policy
from functools import cache
from pathlib import Path

import pytest

from nurture.authoring import read_folder
from nurture.mail import render as mail
from nurture.mail.compile import CompiledMail, compile_mail
from nurture.mail.links import addressing
from nurture.mail.reason import reason
from nurture.model.campaign import Campaign, Send, Step
from nurture.model.library import Library
from nurture.model.tokens import Keys
from nurture.model.words import Purpose

ROOT = Path(__file__).resolve().parents[2]
NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)
LEAD = {"email": "marta@works.example.com", "first_name": "Marta", "company": "Example Works"}


def shipped() -> Library:
    library = read_folder(ROOT / "campaigns", ROOT / "templates").library
    assert library is not None
    return library


LIBRARY = shipped()
FACES = [(name, language) for name, t in sorted(LIBRARY.templates.items()) for language in sorted(t.copies)]


def sending_step(template: str) -> tuple[Campaign, Step]:
    return next(
        (campaign, step)
        for campaign in LIBRARY.campaigns.values()
        for step in campaign.walk()
        if isinstance(step.action, Send) and step.action.template == template
    )


@cache
def compiled_mail(template: str) -> CompiledMail:
    return compile_mail(LIBRARY.templates[template], LIBRARY.layouts)


@cache
def rendered(template: str, language: str, *, known: bool = True) -> mail.Rendered:
    """The mail as the first campaign that uses it would send it, to somebody we know or of whom we have an address."""
    company, shape = LIBRARY.company, LIBRARY.templates[template]
    lead = LEAD if known else {"email": LEAD["email"]}
    campaign, step = sending_step(template)
    topic = company.topics[campaign.sending.topic]
    compiled = compiled_mail(template)
    where = addressing(company, Keys.from_secrets(["a secret that only tests use"]), "https://mail.example.com")
    frame = mail.frame(
        company, sender=campaign.sending.sender, domain=where.domain, kind=shape.kind, topic_id=topic.id,
        topic_name=topic.name, campaign=campaign.id, step=step.id,
    )  # fmt: skip
    letter = mail.Letter(
        to=lead["email"], lead=lead, message_id="<1@lists.example.com>", now=NOW, language=language,
        addresses=where.of(1, 1, Purpose.NURTURE_EMAIL, clicks=False, opens=False),
        reason=reason(language, company=company.name, topic=topic.name, since=NOW),
    )  # fmt: skip
    return mail.render(compiled, compiled.copy_for(language), frame, letter, company=mail.company_words(company))


@pytest.mark.parametrize(("template", "language"), FACES)
def test_a_shipped_mail_is_short_complete_and_can_be_left(template: str, language: str) -> None:
    made = rendered(template, language)
    copy = LIBRARY.templates[template].copies[language]
    words = len(re.sub(r"\(https[^)]*\)", "", copy.body).split())
    assert 120 <= words <= 250, f"{words} words"
    assert 0 < len(made.subject) <= 60 and 0 < len(copy.preheader) <= 110
    company = LIBRARY.company
    for part in (made.html, made.text):
        for wanted in (company.legal_name, company.postal_address, company.registration, "/u/", "/p/"):
            assert wanted in part
        assert not re.search(r"\{\{|\{%|\bNone\b|Undefined", part)
    assert len(made.html.encode()) < 102_000, "larger mails are clipped"
    if language == "cs":
        assert "obchodní sdělení" in made.subject.casefold(), "Czech law wants the marker in the subject or the sender"


@pytest.mark.parametrize(("template", "language"), FACES)
def test_both_parts_carry_the_same_links_and_all_are_https(template: str, language: str) -> None:
    made = rendered(template, language)
    linked = set(re.findall(r'href="(https?://[^"]+)"', made.html))
    assert linked and all(url.startswith("https://") for url in linked)
    said = made.text.replace("\n", "")
    missing = {url for url in linked - {LIBRARY.company.website} if url not in said}
    assert not missing


@pytest.mark.parametrize(("template", "language"), FACES)
def test_nobody_is_greeted_with_a_hole(template: str, language: str) -> None:
    made = rendered(template, language, known=False)
    greeting = {"en": "Hello there,", "pl": "Dzień dobry,", "cs": "Dobrý den,", "de": "Guten Tag,"}[language]
    assert greeting in made.text


@pytest.mark.parametrize(("template", "language"), FACES)
def test_the_raw_mail_can_be_left_with_one_click(template: str, language: str) -> None:
    read = message_from_bytes(rendered(template, language).raw, policy=policy.default)
    assert read["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert str(read["List-Unsubscribe"]).count("https:") == 1
    assert [part.get_content_type() for part in read.walk()][1:] == ["text/plain", "text/html"]


def test_every_template_is_sent_by_some_campaign_and_only_the_decision_lane_makes_offers() -> None:
    for name, template in LIBRARY.templates.items():
        campaign, _ = sending_step(name)
        assert template.kind != "offer" or campaign.track == "decision", name


def styles() -> Iterator[tuple[str, str, str]]:
    """(scheme, selector, declarations) of the layout."""
    layout = (ROOT / "templates" / "_base.html").read_text()
    light, kept = re.findall(r"<style[^>]*>(.*?)</style>", layout, re.DOTALL)
    dark = kept.split("(prefers-color-scheme: dark)", 1)[1]
    for scheme, source in (("light", light), ("dark", dark)):
        for selectors, said in re.findall(r"([^{}]+)\{([^{}]*)\}", source):
            for selector in selectors.split(","):
                yield scheme, " ".join(selector.split()), said


def colour(scheme: str, selector: str, name: str) -> str:
    """The colour of a selector; what dark does not say is as in light."""
    for wanted in dict.fromkeys((scheme, "light")):
        for found, known, said in styles():
            hit = re.search(rf"(?:^|[\s;]){name}: (#[0-9a-f]{{6}})", said)
            if found == wanted and known == selector and hit:
                return hit.group(1)
    raise AssertionError(f"{selector} has no {name}")


def contrast(one: str, other: str) -> float:
    """WCAG 2 contrast of two colours, 1 to 21."""

    def luminance(code: str) -> float:
        parts = [int(code[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


BUTTON = ".copy p > strong:only-child > a:only-child"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    ("text", "ground"),
    [
        (".copy", ".card"), (".copy h1", ".card"), (".copy a", ".card"), (".sign", ".card"), (".brand", ".card"),
        (".copy blockquote", ".copy blockquote"), (".copy a", ".copy blockquote"), (".small", ".page"),
        (".small a", ".page"), (BUTTON, BUTTON),
    ],
)  # fmt: skip
def test_every_text_can_be_read_on_its_ground(scheme: str, text: str, ground: str) -> None:
    found = contrast(colour(scheme, text, "color"), colour(scheme, ground, "background-color"))
    assert found >= 4.5, f"{found:.2f}"
