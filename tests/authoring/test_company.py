"""The company's files as nouns: every word of nurture/authoring/README.md is read, and means what it says there."""

from __future__ import annotations

import re
from datetime import date, timedelta
from pathlib import Path

import pytest

from nurture.authoring import read_sources
from nurture.authoring.reading import Reading, kind_of
from nurture.model.agreement import RecycleReason
from nurture.model.campaign import Cap, Duration, Window
from nurture.model.library import Library
from nurture.model.scoring import Cell, Decay
from nurture.model.words import ContentKind, Depth, Purpose
from tests.authoring.folders import HERE

README = HERE.parent.parent / "nurture" / "authoring" / "README.md"


def examples() -> dict[str, str]:
    """The blocks of the README by the file they stand for."""
    text = README.read_text(encoding="utf-8")
    found = re.findall(r"^### ((?:campaigns|templates)/\S+?):?(?: [^\n]*)?\n```(?:yaml)?\n(.*?)```", text,
                       re.DOTALL | re.MULTILINE)
    return {name: block for name, block in found if kind_of(name)}


@pytest.fixture(scope="module")
def shown() -> Reading:
    return read_sources(examples())


@pytest.fixture(scope="module")
def library(shown: Reading) -> Library:
    assert shown.library is not None, shown.errors
    return shown.library


def test_every_example_of_the_readme_reads(shown: Reading) -> None:
    assert {Path(n).name for n in shown.sources} >= {
        "company.yaml", "tracks.yaml", "scoring.yaml", "agreement.yaml", "sales.yaml", "buyers-guide.yaml",
        "guide.en.md",
        "nurture-email.1.en.md", "consideration-proof.test.yaml"}
    assert shown.problems == ()


def test_company(library: Library) -> None:
    c = library.company
    assert c.topics["offers"].purpose is Purpose.COMMERCIAL_OFFERS
    assert c.lead_fields["plan"].choices == ("small", "big") and not c.lead_fields["plan"].personal
    assert c.purposes[ContentKind.OPERATIONAL] is None and c.purposes[ContentKind.OFFER] is Purpose.COMMERCIAL_OFFERS
    guides = c.topics["product-education"]
    assert [guides.named(x) for x in ("pl", "de", None)] == ["Poradniki", "Guides and how-tos", "Guides and how-tos"]
    assert c.spread == timedelta(hours=6) and not c.site_snippet
    assert c.at_most == (Cap(2, "day"), Cap(10, "month"))
    assert c.quiet == Window(frozenset(range(7)), 21 * 60, 7 * 60, "lead")
    assert c.holidays == {"PL": ("2026-12-24",)} and c.emits == {"booked-demo", "became-customer"}
    assert (c.dormant_after_days, c.sunset_after_mails) == (180, 3)


def test_tracks(library: Library) -> None:
    t = library.tracks
    welcome = t.tracks["welcome"]
    assert (welcome.priority, welcome.at_most, welcome.min_stay_days, welcome.on_exhausted, welcome.holdout) == (
        10, Cap(2, "week"), 7, "move_to education", 0)
    assert [(r.id, r.track, r.when is None) for r in t.rules] == [
        ("compares-us", "business_case", False), ("everybody-else", "education", True)]


def test_scoring(library: Library) -> None:
    assert {model.zone for model in library.scoring.models} == {library.company.timezone} != {"UTC"}
    model = library.scoring.models[0]
    assert (model.id, model.segment, model.shadow) == ("enterprise", "enterprise", False)
    role = model.fit[0]
    assert [(r.points, r.otherwise) for r in role.rules] == [(100, False), (100, False), (70, False), (20, True)]
    assert role.rules[2].contains == ("security", "admin") and role.exclude == ("student",) and role.max_age_days == 365
    rules = {r.id: r for r in model.rules}
    assert rules["visit"].decay == Decay("half_life", 30) and rules["e-book"].decay == Decay("window", 60)
    assert rules["webinar"].decay == Decay("linear", 90, 50) and rules["webinar"].match == {"min_minutes": 30}
    assert rules["pricing"].match == {"url": "/pricing*"} and rules["pricing"].cap == 20
    assert [m["content"] for m in rules["hot-signal"].sequence] == ["case-study", "price-list"]
    assert rules["hot-signal"].match == {"within_days": 14}
    assert model.matrix["A1"] == Cell("handoff", None, 1) and model.matrix["D1"] == Cell("nurture", "education", 0)
    assert model.groups == {"web": 20, "content": 40} and model.engagement_bands == {1: 75, 2: 50, 3: 25}


def test_agreement(library: Library) -> None:
    a = library.agreement
    assert (a.version, a.effective_from, a.next_review) == (4, date(2026, 11, 1), date(2027, 2, 1))
    assert a.bounds == {"employees": (50, 5000), "countries": ("PL", "CZ", "NO"), "industries": ("finance", "health")}
    assert a.exceptions[0]["until"] == date(2027, 3, 31)
    assert a.required_events["default"].any_of[0] == {"type": "webinar_attended", "min_minutes": 30, "within_days": 365}
    assert [m["content"] for m in a.required_events["enterprise"].ordered] == ["case-study", "price-list"]
    assert a.intent[1] == {"depth": "decision", "within_days": 90}
    assert (a.calendar.zone, a.calendar.open, a.calendar.close) == ("Europe/Warsaw", 540, 1020)
    assert a.sla.decision_minutes["fast"] == 60
    assert a.recycle_reasons["bad_timing"].cool_off_before_revisit_days == 30
    assert a.recycle_reasons["unresponsive"] == RecycleReason(
        "unresponsive", "No answer", cool_off_days=30, mode="silent", track="reengage", training="negative")
    assert (a.recycle_reasons["new_boss"].cool_off_days, a.recycle_reasons["wrong_product"].cool_off_days) == (30, 0)
    assert a.recycle_reasons["chose_rival"].note_required and len(a.sha) == 64


def test_sales(library: Library) -> None:
    s = library.sales
    assert s.sellers["piotr"].away == (("2026-12-21", "2026-12-31"),)
    assert s.queues["inside-sales"].territories == {"PL": "piotr", "CZ": "iva"}
    assert [next(iter(d)) for d in s.queues["inside-sales"].deliver] == ["mail", "webhook", "csv", "crm"]
    assert s.assist[0]["when"] == {"topic": "security"}


def test_form_wording_template_and_story(library: Library) -> None:
    form = library.forms["buyers-guide"]
    assert form.fields[2].progressive and form.fields[2].choices == ("small", "big")
    assert form.consents[0].required and form.consents[1].purpose is Purpose.NURTURE_EMAIL
    assert library.wordings["nurture-email.1.en"].purposes == (Purpose.NURTURE_EMAIL, Purpose.CLICK_TRACKING)
    template = library.templates["awareness/guide"]
    assert (template.content, template.kind, template.depth) == ("buyers-guide", ContentKind.EDUCATIONAL,
                                                                 Depth.AWARENESS)
    assert template.links == {"read-the-guide": "https://www.example.com/guide"} and template.repeat_after is None
    story = library.stories[0]
    assert story.campaign == "consideration-proof" and story.lead.fields == {"company": "Example"}
    assert [(e.after, e.what, e.value) for e in story.happens] == [
        (Duration(4, "days"), "clicked", "case-study"), (Duration(6, "days"), "consents_to", (Purpose.SALES_CONTACT,))]
    assert story.expect.sent == ("case-study", "numbers") and story.never.sent == ("second-try",)
