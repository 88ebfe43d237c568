"""The sending guard: each no with its reason, each not yet with its moment, and blind means no."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nurture.decide.permit import Ask, Limits, limits_of, permit
from nurture.model.agreement import Agreement
from nurture.model.campaign import Cap, Window
from nurture.model.company import Company, Sales, Tracks
from nurture.model.facts import ConsentState, Lead, Sent, Snapshot
from nurture.model.intents import Permit, Postpone, Refusal
from nurture.model.library import Library
from nurture.model.scoring import Scoring
from nurture.model.words import Channel, ConsentStatus, ContentKind, Purpose, Stage

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
COMPANY = Company("Acme", "Acme", "Street 1", "https://www.example.com", "Europe/Warsaw", "PL", "en")
GRANTED = {(Purpose.NURTURE_EMAIL, Channel.EMAIL): ConsentState(ConsentStatus.GRANTED)}
LEAD = Lead(1, Stage.NURTURING, "lead@example.org")
ASK = Ask("guide", 1, ContentKind.EDUCATIONAL, Purpose.NURTURE_EMAIL, "guides", "education", "drip", NOW, 9)
LIMITS = Limits(COMPANY, for_dormant=frozenset({"repermission"}), test_domains=frozenset({"test.example"}))


def person(consents: Any = GRANTED, sent: Any = (), suppressions: Any = frozenset(), **lead: Any) -> Snapshot:
    return Snapshot(replace(LEAD, **lead), consents=consents, sent=sent, suppressions=suppressions)


def mail(days_ago: float, content: str = "other", **more: Any) -> Sent:
    made = Sent(5, content, 1, NOW - timedelta(days=days_ago), "drip", "education", "step")
    return made._replace(**more)


def state(status: ConsentStatus, **more: Any) -> Mapping[tuple[Purpose, Channel], ConsentState]:
    return {(Purpose.NURTURE_EMAIL, Channel.EMAIL): ConsentState(status, **more)}


REFUSED = [
    ("erased", person(stage=Stage.ERASED), ASK),
    ("no_address", person(email=None), ASK),
    ("no_consent", person(consents={}), ASK),
    ("no_consent", person(consents=state(ConsentStatus.PENDING)), ASK),
    ("no_consent", person(consents=state(ConsentStatus.WITHDRAWN)), ASK),
    ("no_consent", person(consents=state(ConsentStatus.GRANTED, until=NOW)), ASK),
    ("no_consent", person(), ASK._replace(purpose=Purpose.COMMERCIAL_OFFERS, kind=ContentKind.OFFER)),
    ("no_consent", person(), ASK._replace(purpose=None)),
    ("no_consent", person(objected=True), ASK),
    ("no_consent", person(topics_off=frozenset({"guides"})), ASK),
    ("suppressed", person(suppressions=frozenset({"unsubscribed:marketing"})), ASK),
    ("suppressed", person(suppressions=frozenset({"hard_bounce:all"})), ASK._replace(kind=ContentKind.OPERATIONAL)),
    ("stage_forbids_kind", person(stage=Stage.EARLY), ASK._replace(kind=ContentKind.OFFER)),
    ("stage_forbids_kind", person(stage=Stage.DORMANT), ASK),
    ("stage_forbids_kind", person(stage=Stage.CUSTOMER), ASK),
    ("stage_forbids_kind", person(stage=Stage.DISQUALIFIED), ASK),
    ("with_sales", person(stage=Stage.MQL), ASK),
    ("with_sales", person(stage=Stage.SQL), ASK),
    ("with_sales", person(contact_blocked=True), ASK),
    ("already_sent", person(sent=[mail(400, "guide")]), ASK),
    ("already_sent", person(sent=[mail(0, "guide", state="planned")]), ASK),
    ("staff_or_test", person(email="qa@test.example"), ASK),
]  # fmt: skip


@pytest.mark.parametrize(("code", "snapshot", "ask"), REFUSED)
def test_refused_with_its_reason(code: str, snapshot: Snapshot, ask: Ask) -> None:
    answer = permit(snapshot, ask, LIMITS, now=NOW)
    assert isinstance(answer, Refusal) and answer.code == code and answer.text


def test_offers_begin_at_the_stage_that_the_agreement_names() -> None:
    offer = ASK._replace(kind=ContentKind.OFFER)
    cases: tuple[tuple[Literal["nurturing", "mql"], Stage, bool], ...] = (
        ("nurturing", Stage.EARLY, False), ("nurturing", Stage.NURTURING, True),
        ("mql", Stage.NURTURING, False), ("mql", Stage.RECYCLED, True),
    )
    for first, stage, may in cases:
        agreement = Agreement(1, NOW.date(), NOW.date(), offers_from=first)
        limits = limits_of(Library(COMPANY, Tracks(), Scoring(), agreement, Sales()), None, None)
        answer = permit(person(stage=stage), offer, limits, now=NOW)
        assert isinstance(answer, Permit) is may, (first, stage)


UNSUBSCRIBED = frozenset({"unsubscribed:marketing"})
PERMITTED = [
    (person(), ASK),
    (person(sent=[mail(0, "guide", message_id=9, state="claimed")]), ASK),
    (person(sent=[mail(400, "guide")]), ASK._replace(edition=2)),
    (person(consents={}, suppressions=UNSUBSCRIBED), ASK._replace(kind=ContentKind.OPERATIONAL)),
    (person(stage=Stage.DORMANT), ASK._replace(track="repermission")),
    (person(cool_off_mode="silent", cool_off_until=NOW), ASK),
]  # fmt: skip


@pytest.mark.parametrize(("snapshot", "ask"), PERMITTED)
def test_permitted(snapshot: Snapshot, ask: Ask) -> None:
    assert isinstance(permit(snapshot, ask, LIMITS, now=NOW), Permit)


DAY = Cap(1, "day")
OFFICE = Window(frozenset(range(5)), 9 * 60, 17 * 60, "lead")
LATER = NOW + timedelta(days=60)
POSTPONED = [
    ("cap", replace(LIMITS, caps=(DAY,)), person(sent=[mail(0.5)]), NOW + timedelta(hours=12)),
    ("cap", replace(LIMITS, track_cap=DAY), person(sent=[mail(0.5)]), NOW + timedelta(hours=12)),
    ("cap", replace(LIMITS, campaign_cap=DAY), person(sent=[mail(0.5)]), NOW + timedelta(hours=12)),
    ("cap", LIMITS, person(sent=[mail(27)], mails_per_month=1), NOW + timedelta(days=3)),
    ("cap", LIMITS, person(sent=[mail(27)], cool_off_mode="low_touch", cool_off_until=LATER), NOW + timedelta(days=3)),
    ("cool_off", LIMITS, person(cool_off_mode="silent", cool_off_until=LATER), LATER),
    ("person_paused", LIMITS, person(mail_paused_until=NOW + timedelta(days=9)), NOW + timedelta(days=9)),
    ("outside_window", replace(LIMITS, window=OFFICE), person(timezone="America/New_York"), NOW + timedelta(hours=5)),
    ("outside_window", replace(LIMITS, quiet=Window(start=8 * 60, end=11 * 60)), person(), NOW + timedelta(hours=1)),
]  # fmt: skip


@pytest.mark.parametrize(("code", "limits", "snapshot", "until"), POSTPONED)
def test_postponed_until(code: str, limits: Limits, snapshot: Snapshot, until: datetime) -> None:
    answer = permit(snapshot, ASK, limits, now=NOW)
    assert isinstance(answer, Postpone) and (answer.code, answer.until) == (code, until)


def test_caps_count_only_what_is_theirs() -> None:
    elsewhere = [mail(0.5, campaign="x", track="x")]
    own = replace(LIMITS, track_cap=DAY, campaign_cap=DAY)
    assert isinstance(permit(person(sent=elsewhere), ASK, own, now=NOW), Permit)
    answer = [mail(0.5, kind="operational")], [mail(0.5, state="planned")], [mail(0.5, state="claimed")]
    for sent in answer:
        assert isinstance(permit(person(sent=sent), ASK, replace(LIMITS, caps=(DAY,)), now=NOW), Permit)
    on_the_wire = [mail(0, state="started")]
    assert isinstance(permit(person(sent=on_the_wire), ASK, replace(LIMITS, caps=(DAY,)), now=NOW), Postpone)


def test_a_cap_that_holds_a_mail_too_long_ends_it() -> None:
    late = ASK._replace(planned_at=NOW - timedelta(days=6, hours=18))
    answer = permit(person(sent=[mail(0.5)]), late, replace(LIMITS, caps=(DAY,)), now=NOW)
    assert isinstance(answer, Refusal) and answer.code == "too_old"


def test_a_no_comes_before_a_not_yet() -> None:
    limits = replace(LIMITS, caps=(DAY,), window=OFFICE)
    answer = permit(person(consents={}, sent=[mail(0.5)], timezone="America/New_York"), ASK, limits, now=NOW)
    assert isinstance(answer, Refusal) and answer.code == "no_consent"


def test_what_cannot_be_judged_waits() -> None:
    blind = replace(LIMITS, company=replace(COMPANY, timezone="Nowhere/Never"), window=OFFICE)
    answer = permit(person(), ASK, blind, now=NOW)
    assert isinstance(answer, Postpone) and answer.code == "guard_blind" and answer.until > NOW


@given(
    stage=st.sampled_from(Stage), kind=st.sampled_from([k for k in ContentKind if k is not ContentKind.OPERATIONAL]),
    status=st.sampled_from(ConsentStatus), suppressed=st.booleans(), hours=st.integers(0, 24 * 60),
)  # fmt: skip
def test_never_a_permit_without_consent_or_against_a_suppression(
    stage: Stage, kind: ContentKind, status: ConsentStatus, suppressed: bool, hours: int
) -> None:
    words = frozenset({"complained:marketing"}) if suppressed else frozenset()
    snapshot = person(consents=state(status), suppressions=words, stage=stage)
    answer = permit(snapshot, ASK._replace(kind=kind), LIMITS, now=NOW + timedelta(hours=hours))
    if isinstance(answer, Permit):
        assert status is ConsentStatus.GRANTED and not suppressed
        assert not (kind is ContentKind.OFFER and stage in (Stage.IDENTIFIED, Stage.EARLY))
