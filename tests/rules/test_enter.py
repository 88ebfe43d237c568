"""Ways into a campaign, what keeps a lead out, and which campaign takes it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from nurture.decide.enter import EntryDecision, PastRun, choose, goal_reached, may_enter
from nurture.model.campaign import Campaign, Enter, Goal, LeaveRule, Trigger
from nurture.model.company import Track, Tracks
from nurture.model.facts import Event, Snapshot
from nurture.model.words import CampaignStatus, EnrollmentState, Purpose, Stage
from tests.rules.engine import COMPANY, at, campaign, event, fact, send, snapshot, wait

NOW = at("2026-11-22T09:00")
FORM = Trigger("form", "guide")
ASKED = event("form", "2026-11-22T08:59", touchpoint="guide")
TRACKS = Tracks(
    {
        "welcome": Track("welcome", "Welcome", 300),
        "education": Track("education", "Education", 200),
        "guides": Track("guides", "Guides", 200),
        "business_case": Track("business_case", "Business case", 100),
        "service": Track("service", "Service", 300, kind="operational"),
    }
)


def entry(plan: Campaign, who: Snapshot | None = None, *events: Event, **more: Any) -> EntryDecision:
    said: dict[str, Any] = {"past": (), "tracks": TRACKS, **more}
    return may_enter(plan, who or snapshot(), trigger_events=events, company=COMPANY, now=NOW, **said)


def drip(**more: Any) -> Campaign:
    return campaign(send("a"), when=(FORM, Trigger("tag_added", "vip")), **more)


def past(
    state: EnrollmentState = EnrollmentState.FINISHED, *, name: str = "drip", days: int = 10, **more: Any
) -> PastRun:
    ended = None if state in (EnrollmentState.ACTIVE, EnrollmentState.PAUSED) else NOW - timedelta(days=days)
    return PastRun(
        name, more.pop("run", 1), NOW - timedelta(days=days + 5), ended, state, more.pop("track", "education")
    )


def test_any_trigger_starts_it_and_is_named() -> None:
    decision = entry(drip(), None, ASKED)
    assert (decision.enters, decision.reason, decision.anchor_at, decision.run) == (True, "form guide", NOW, 1)
    assert entry(drip(), None, event("tag_added", "2026-11-22", touchpoint="vip")).reason == "tag added vip"
    assert not entry(drip()).enters
    assert not entry(drip(), snapshot(ASKED)).enters, "an old form is no news"


@pytest.mark.parametrize(
    ("trigger", "who", "events"),
    [
        (Trigger("list", "fair"), {"lead": {"lists": frozenset({"fair"})}}, ()),
        (Trigger("engagement_at_least", 40), {"engagement": 47}, ()),
        (
            Trigger("recycled", ["unresponsive"]),
            {"lead": {"stage": Stage.RECYCLED, "recycle_reason": "unresponsive"}},
            (),
        ),
        (Trigger("track", "education"), {"lead": {"track": "education"}}, ()),
        (Trigger("stage", "early"), {"lead": {"stage": Stage.EARLY}}, ()),
        (Trigger("did", "asked-price"), {}, (event("asked_price", "2026-11-22"),)),
        (Trigger("attended", "any", {"min_minutes": 30}), {}, (event("webinar_attended", "2026-11-22", minutes=31),)),
        (Trigger("clicked", "any"), {}, (event("email_click", "2026-11-22"),)),
        (Trigger("imported", "any"), {}, (event("imported", "2026-11-22"),)),
        (Trigger("list_added", "fair"), {}, (event("list_added", "2026-11-22", touchpoint="fair"),)),
    ],
)
def test_every_kind_of_trigger(trigger: Trigger, who: dict[str, Any], events: tuple[Event, ...]) -> None:
    plan = campaign(send("a"), when=(trigger,))
    assert entry(plan, snapshot(**who), *events).enters
    assert not entry(plan, snapshot(lead={"stage": Stage.NURTURING})).enters


def test_a_trigger_the_engine_does_not_know_is_an_error() -> None:
    with pytest.raises(ValueError, match="not a way"):
        entry(campaign(when=(Trigger("moon", 1),)))


@pytest.mark.parametrize(
    ("more", "who", "why"),
    [
        ({"status": CampaignStatus.DRAFT}, {}, "the campaign is draft"),
        ({"status": CampaignStatus.PAUSED}, {}, "the campaign is paused"),
        ({}, {"lead": {"stage": Stage.SAL}}, "the lead is sal"),
        ({}, {"lead": {"stage": Stage.CUSTOMER}}, "the lead is customer"),
        ({}, {"suppressions": frozenset({"complained:all"})}, "the address is suppressed (complained:all)"),
        ({}, {"lead": {"rest_until": NOW + timedelta(days=1)}}, "the lead rests until 23 Nov 2026"),
        ({"enter": Enter((FORM,), fact("consent", "nurture_email"))}, {"consents": ()}, "`only_if` does not hold"),
        ({"enter": Enter((FORM,), fact("clicked", "any"))}, {"consents": ()}, "`only_if` cannot be decided"),
        ({"leave": (LeaveRule(fact("engagement_below", 15)),)}, {"engagement": 5}, "would leave again at once"),
    ],
)
def test_what_keeps_a_lead_out(more: dict[str, Any], who: dict[str, Any], why: str) -> None:
    decision = entry(drip(**more), snapshot(**who), ASKED)
    assert not decision.enters
    assert decision.reason.startswith(why)
    assert decision.trigger == FORM


def test_a_campaign_in_rehearsal_takes_leads() -> None:
    assert entry(drip(status=CampaignStatus.REHEARSE), None, ASKED).enters


@pytest.mark.parametrize(
    ("again", "run", "enters"),
    [
        ("never", past(), False),
        ("always", past(), True),
        ("always", past(EnrollmentState.ACTIVE), False),
        ("always", past(EnrollmentState.CONTROL), False),
        (wait(10), past(days=10), True),
        (wait(11), past(days=10), False),
    ],
)
def test_again(again: Any, run: PastRun, enters: bool) -> None:
    decision = entry(drip(enter=Enter((FORM,), again=again)), None, ASKED, past=(run,))
    assert decision.enters is enters
    if enters:
        assert decision.run == 2


def test_a_recycled_lead_starts_once_per_return_and_after_a_silent_cool_off() -> None:
    plan = campaign(enter=Enter((Trigger("recycled", ["unresponsive"]),), again="always"))
    until = NOW + timedelta(days=30)
    lead = {
        "stage": Stage.RECYCLED,
        "recycle_reason": "unresponsive",
        "baseline_at": NOW - timedelta(days=1),
        "cool_off_until": until,
        "cool_off_mode": "silent",
    }
    assert entry(plan, snapshot(lead=lead)).anchor_at == until
    assert entry(plan, snapshot(lead={**lead, "cool_off_mode": "normal"})).anchor_at == NOW
    since = replace(past(), entered_at=NOW - timedelta(hours=1), ended_at=NOW)
    assert not entry(plan, snapshot(lead=lead), past=(since,)).enters
    assert entry(plan, snapshot(lead=lead), past=(past(),)).enters, "that run was of an earlier return"


def test_the_control_group_enters_and_gets_nothing() -> None:
    decision = entry(drip(control_group=100), None, ASKED)
    assert (decision.enters, decision.control) == (True, True)
    assert decision.reason == "in the control group (100 %)"


@pytest.mark.parametrize(
    ("here", "there", "days", "enters"),
    [
        ("business_case", "education", 0, True),
        ("education", "business_case", 99, False),
        ("education", "guides", 1, False),
        ("education", "guides", 8, True),
        ("education", "education", 99, False),
        ("education", "service", 0, True),
        ("service", "business_case", 0, True),
    ],
)
def test_one_active_marketing_track_per_lead(here: str, there: str, days: int, enters: bool) -> None:
    plan = drip(track=here)
    run = past(EnrollmentState.ACTIVE, name="other", track=there)
    who = snapshot(lead={"track": there, "track_since": NOW - timedelta(days=days)})
    decision = entry(plan, who, ASKED, past=(run,))
    assert decision.enters is enters, decision.reason
    operational = "service" in (here, there)
    assert decision.leaves == (("other",) if enters and not operational else ())


def test_a_finished_run_on_another_track_is_in_nobodys_way() -> None:
    run = past(name="other", track="business_case")
    assert entry(drip(), snapshot(lead={"track": "business_case"}), ASKED, past=(run,)).enters


def test_the_campaign_with_the_lowest_priority_number_takes_the_lead() -> None:
    first, second = drip(id="first", priority=10), drip(id="second", priority=20)
    closed = drip(id="closed", priority=1, enter=Enter((FORM,), fact("tag", "vip")))
    other = campaign(id="other", priority=0, when=(Trigger("form", "else"),))
    taken, refused = choose(
        [second, first, closed, other], snapshot(), past=(), trigger_events=(ASKED,), company=COMPANY, now=NOW
    )
    assert taken is not None
    assert taken.campaign == "first"
    assert [(d.campaign, d.reason) for d in refused] == [("closed", "`only_if` does not hold")]


def test_enrolling_by_hand_needs_no_trigger_but_keeps_every_other_rule() -> None:
    plan = drip(enter=Enter((FORM,), fact("consent", "nurture_email")))
    assert entry(plan, None, by_hand="list fair").reason == "by hand list fair"
    assert not entry(plan, snapshot(consents=()), by_hand="list fair").enters


def test_a_list_brings_somebody_back_only_when_put_on_it_again() -> None:
    plan = campaign(send("a"), when=(Trigger("list", "fair"),), enter=Enter((Trigger("list", "fair"),), again="always"))
    on_it = snapshot(lead={"lists": frozenset({"fair"})})
    assert entry(plan, on_it).enters
    assert not entry(plan, on_it, past=(past(),)).enters
    assert entry(plan, on_it, event("list_added", "2026-11-22", touchpoint="fair"), past=(past(),)).enters


def test_a_goal_counts_within_its_time() -> None:
    plan = drip(goal=Goal(fact("did", "booked-demo"), wait(30)))
    booked = snapshot(event("booked-demo", "2026-11-20"), consents=(Purpose.NURTURE_EMAIL,))
    for entered, reached in ((at("2026-11-01"), True), (at("2026-10-01"), False), (at("2026-11-21"), False)):
        assert goal_reached(plan, booked, entered_at=entered, company=COMPANY, now=NOW) is reached
    assert not goal_reached(drip(), booked, entered_at=at("2026-11-01"), company=COMPANY, now=NOW)
