"""The fifteen predicates one by one: each fails alone, says why, and names the smallest missing thing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from nurture.decide import gate, scored
from nurture.decide.gate import Circumstances, GateResult, Override
from nurture.model.agreement import Agreement, RequiredEvents
from nurture.model.facts import ConsentState, Event, Lead, Snapshot, Value
from nurture.model.scoring import Criterion, ValueRule
from nurture.model.words import Channel, ConsentStatus, Depth, Purpose, Stage
from tests.sales.world import AGREEMENT, GOOD, MODEL

NOW = datetime(2026, 11, 22, 9, tzinfo=UTC)
WEBINAR = Event(8, "webinar_attended", NOW - timedelta(hours=18), content="phones", minutes=60)
READING = tuple(
    [Event(n, "page_view", NOW - timedelta(days=d), path=f"/p{n}") for n, d in enumerate((28, 21, 14, 7, 2), 1)]
    + [
        Event(6, "download", NOW - timedelta(days=20), content="a"),
        Event(7, "download", NOW - timedelta(days=5), content="b"),
    ]
)
YES = ConsentState(ConsentStatus.GRANTED, entry_id=5, wording="v1")
CONSENTS = {(Purpose.PRIVACY_NOTICE, Channel.WEB): YES, (Purpose.SALES_CONTACT, Channel.PHONE): YES}


def ready(*, fields: Mapping[str, Any] | None = None, lead: Mapping[str, Any] | None = None, **more: Any) -> Snapshot:
    values = {name: Value(value) for name, value in {**GOOD, **(fields or {})}.items() if value is not None}
    person = Lead(1, Stage.NURTURING, "anna@example.org", fields=values, country="PL", **(lead or {}))
    given: dict[str, Any] = {"events": (*READING, WEBINAR), "consents": CONSENTS, **more}
    return Snapshot(person, **given)


def ask(snapshot: Snapshot, agreement: Agreement = AGREEMENT, *, now: datetime = NOW, **around: Any) -> GateResult:
    return gate.evaluate(
        snapshot, agreement, scored.scored(snapshot, MODEL, now=now), now=now, around=Circumstances(**around)
    )


def failing(result: GateResult) -> list[str]:
    return [p.id for p in result.why_not]


def test_a_ready_lead_passes_all_fifteen() -> None:
    got = ask(ready())
    assert got.outcome == "pass" and len(got.predicates) == 15 and got.why_not == ()
    assert got.vector == " ".join(f"G{n:02}+" for n in range(1, 16))


def test_v3_without_the_webinar_only_that_is_missing() -> None:
    got = ask(ready(events=READING))
    assert failing(got) == ["G09", "G10"]
    assert got.predicate("G09").missing == "attend one webinar, ≥ 30 min"


@pytest.mark.parametrize(("number", "change"), [
    ("G01", {"consents": {(Purpose.SALES_CONTACT, Channel.PHONE): YES}}),
    ("G02", {"consents": {(Purpose.PRIVACY_NOTICE, Channel.WEB): YES}}),
    ("G02", {"consents": {**CONSENTS, (Purpose.SALES_CONTACT, Channel.PHONE): ConsentState(ConsentStatus.PENDING)}}),
    ("G02", {"consents": {**CONSENTS, (Purpose.SALES_CONTACT, Channel.PHONE): replace(YES, until=NOW)}}),
    ("G03", {"suppressions": frozenset({"complained:all"})}),
    ("G03", {"suppressions": frozenset({"unsubscribed:marketing"})}),
    ("G04", {"customer": True}),
    ("G04", {"open_opportunity": True}),
    ("G06", {"fields": {"last_name": None}}),
    ("G07", {"fields": {"country": "US"}}),
    ("G11", {"open_handoff": 7}),
    ("G12", {"lead": {"cool_off_until": NOW + timedelta(days=3)}}),
    ("G13", {"lead": {"recycles": 3}}),
])
def test_each_fails_alone(number: str, change: dict[str, Any]) -> None:
    got = ask(ready(**change))
    assert failing(got) == [number]
    assert got.predicate(number).text and got.outcome == "fail"


def test_staff_partners_and_tests_are_nobody_to_sell_to() -> None:
    person = replace(ready().lead, email="me@staff.example.com")
    assert failing(ask(replace(ready(), lead=person))) == ["G05"]


def test_only_a_known_value_outside_the_bounds_fails() -> None:
    """S2-16."""
    unknown = ask(ready(fields={"employees": None, "role": "CIO", "industry": "finance"}))
    assert unknown.predicate("G07").outcome == "pass" and "not known: employees" in unknown.predicate("G07").text
    excepted = replace(
        AGREEMENT, exceptions=({"domain": "example.org", "by": "I. Petrov", "until": date(2027, 3, 31)},)
    )
    assert ask(ready(fields={"employees": 3}), excepted).predicate("G07").outcome == "pass"


def test_bounds_hold_at_both_ends() -> None:
    inside = [ask(ready(fields={"employees": n})).predicate("G07").outcome for n in (49, 50, 5000, 5001)]
    assert inside == ["fail", "pass", "pass", "fail"]


def test_why_not_names_points_or_the_field_that_would_do() -> None:
    cold = ask(ready(events=()))
    assert cold.predicate("G08").missing == "25.0 points of engagement"
    close = ask(ready(events=(WEBINAR,), fields={"role": "clerk", "industry": "finance"}))
    assert close.predicate("G08").missing == "5.0 points of fit"
    vague = ask(ready(fields={"role": None, "employees": None}))
    assert vague.predicate("G08").missing == "the field role"


def test_neither_axis_alone_passes() -> None:
    """S2-19: all points without fit, and all fit without points."""
    keen = ask(ready(fields={"role": "clerk", "employees": 9, "country": "US", "industry": "x"}))
    assert "G08" in failing(keen)
    assert "G08" in failing(ask(ready(events=())))


def test_a_request_for_contact_skips_interest_and_never_consent() -> None:
    """S1-11; a request also outlives a cool-off and the list of marketing mail."""
    raised = Event(20, "hand_raise", NOW)
    got = ask(ready(events=(raised,), lead={"cool_off_until": NOW + timedelta(days=9), "recycles": 5},
                    suppressions=frozenset({"unsubscribed:marketing"})))
    assert got.outcome == "pass" and got.fast and got.via == "hand_raise"
    assert [p.id for p in got.predicates if p.skipped] == ["G08", "G09", "G12", "G13"], "the request itself is intent"
    assert failing(ask(ready(events=(raised,), consents={}))) == ["G01", "G02"]


def test_a_request_before_the_last_refusal_is_answered_already() -> None:
    raised = Event(20, "hand_raise", NOW - timedelta(days=5))
    assert not ask(ready(events=(raised,), lead={"baseline_at": NOW - timedelta(days=1)})).fast


def test_soft_rules_give_way_to_a_named_person_and_hard_ones_do_not() -> None:
    wish = Override("jana", "pilot")
    small = ready(fields={"country": "US"}, consents={})
    got = ask(small, overrides={"G07": wish, "G01": wish, "G02": wish})
    assert failing(got) == ["G01", "G02"] and got.predicate("G07").override == wish


def test_only_missing_room_makes_a_lead_wait() -> None:
    assert ask(ready(), capacity=False).outcome == "waiting"
    assert ask(ready(events=READING), capacity=False).outcome == "fail"


def test_a_colleague_today_keeps_the_second_from_the_same_seller() -> None:
    assert failing(ask(ready(), colleague_handoff=9)) == ["G11"]


def test_agreement_unsigned_early_overdue() -> None:
    """S2-22, S0-32."""
    assert failing(ask(ready(), replace(AGREEMENT, signed=AGREEMENT.signed[:2]))) == ["G14"]
    early = ask(ready(), replace(AGREEMENT, effective_from=date(2026, 12, 1)))
    assert failing(early) == ["G14"]
    assert early.predicate("G14").missing.startswith("an agreement in force (")
    old = replace(AGREEMENT, next_review=date(2026, 10, 1))
    assert failing(ask(ready(), replace(old, enforce="block"))) == ["G14"]
    warned = ask(ready(), old)
    assert warned.outcome == "pass" and warned.predicate("G14").kind == "warn"
    assert ask(ready(), replace(AGREEMENT, next_review=date(2026, 11, 1))).predicate("G14").evidence["review_overdue"]


def test_required_events_by_segment_and_in_order() -> None:
    """S0-22, S0-23."""
    enterprise = RequiredEvents(all_of=({"type": "breakfast"},), ordered=({"type": "download"}, {"type": "breakfast"}))
    agreement = replace(AGREEMENT, required_events={"enterprise": enterprise, "default": RequiredEvents()})
    assert ask(ready(), agreement).predicate("G09").text == "no event is required"
    breakfast = Event(30, "breakfast", NOW)
    big = {"fields": {"segment": "enterprise"}}
    assert "G09" in failing(ask(ready(**big), agreement))
    assert ask(ready(**big, events=(*READING, breakfast)), agreement).predicate("G09").outcome == "pass"


def test_an_open_is_no_intent_however_deep_the_content() -> None:
    free = replace(AGREEMENT, required_events={})
    opened = Event(40, "email_open", NOW, depth=Depth.DECISION)
    assert ask(ready(events=(*READING, opened)), free).predicate("G10").outcome == "fail"
    assert ask(ready(events=(*READING, replace(opened, kind="email_click"))), free).predicate("G10").outcome == "pass"


def test_after_a_recycle_only_new_engagement_counts_and_the_webinar_may_stand() -> None:
    back = {"baseline_at": NOW - timedelta(hours=1)}
    got = ask(ready(lead=back))
    assert failing(got) == ["G08"]
    fresh = replace(AGREEMENT, fresh_after_recycle=True)
    assert failing(ask(ready(lead=back), fresh)) == ["G08", "G09", "G10"]


def test_v15_a_threshold_is_reached_by_jumping_over_it() -> None:
    bands = [scored.score.engagement_band(points, MODEL) for points in (24_999, 25_000, 74_000, 99_000)]
    assert bands == [4, 3, 2, 1]


def test_a_value_outside_the_picture_is_a_poor_fit_whatever_the_sum() -> None:
    model = replace(
        MODEL, fit=(*MODEL.fit, Criterion("industry", 1, (ValueRule(50, otherwise=True),), exclude=("tobacco",)))
    )
    result = scored.scored(ready(fields={"industry": "tobacco"}), model, now=NOW)
    assert result.scores.action == "poor_fit" and result.fit.excluded == ("industry",)
    seen = gate.evaluate(ready(fields={"industry": "tobacco"}), AGREEMENT, result, now=NOW)
    assert {"G07", "G08"} <= set(failing(seen))


def test_unknown_fields_lead_to_profiling_and_not_to_refusal() -> None:
    """S0-11, S1-22."""
    result = scored.scored(ready(fields={"role": None, "employees": None, "industry": None}), MODEL, now=NOW)
    assert result.scores.action == "profile_first" and result.fit.unknown == ("role", "employees", "industry")
