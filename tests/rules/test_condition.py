"""Every fact of the language, three-valued logic, and what time alone can change."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest

from nurture.decide.condition import FACTS, evaluate, every, negate, next_change, some
from nurture.model.campaign import Condition
from nurture.model.facts import Consents, ConsentState, Sent, Snapshot, Value
from nurture.model.intents import StepSend
from nurture.model.words import Channel, ConsentStatus, MessageState, Purpose, Stage, Truth
from tests.rules.engine import COMPANY, at, campaign, event, fact, joined, send, snapshot, wait

NOW = at("2026-11-22T09:00")
ENTERED = at("2026-11-01T09:00")
YES, NO, UNKNOWN = Truth.YES, Truth.NO, Truth.UNKNOWN
UNSEEN = (Purpose.NURTURE_EMAIL,)
DRIP = campaign(send("guide"), send("checklist", wait(3)))


def ask(condition: Condition, lead: Snapshot, **more: object) -> Truth:
    return evaluate(condition, lead, since=ENTERED, company=COMPANY, now=NOW, campaign=DRIP, **more)


def test_kleene() -> None:
    order = {NO: 0, UNKNOWN: 1, YES: 2}
    for a, b in product(Truth, Truth):
        assert order[every((a, b))] == min(order[a], order[b])
        assert order[some((a, b))] == max(order[a], order[b])
    assert [negate(t) for t in (YES, NO, UNKNOWN)] == [NO, YES, UNKNOWN]
    assert every(()) is YES
    assert some(()) is NO


def test_blocks_join_facts() -> None:
    lead = snapshot(lead={"tags": frozenset({"vip"})})
    yes, no, unknown = fact("tag", "vip"), fact("tag", "other"), fact("clicked", "any")
    unseen = replace(lead, consents={})
    assert ask(joined("all", yes, yes), lead) is YES
    assert ask(joined("all", yes, no), lead) is NO
    assert ask(joined("any", no, yes), lead) is YES
    assert ask(joined("not", no), lead) is YES
    assert ask(joined("not", yes, no), lead) is YES, "several keys in one block must all hold, also under not"
    assert ask(joined("all", yes, unknown), unseen) is UNKNOWN
    assert ask(joined("all", no, unknown), unseen) is NO
    assert ask(joined("any", yes, unknown), unseen) is YES
    assert ask(joined("not", unknown), unseen) is UNKNOWN


def click(**more: object) -> Snapshot:
    said = {"campaign": "drip", "step": "guide", "content": "guide-content", "link": "read", **more}
    consents = said.pop("consents", (Purpose.CLICK_TRACKING,))
    return snapshot(event("email_click", str(said.pop("when", "2026-11-10")), **said), consents=consents)


@pytest.mark.parametrize("value", ["any", "guide", "awareness/guide", "guide-content", ["checklist", "guide"]])
def test_clicked_names_a_step_a_template_or_a_content(value: object) -> None:
    assert ask(fact("clicked", value), click()) is YES


@pytest.mark.parametrize(
    "condition",
    [
        fact("clicked", "checklist"),
        fact("clicked", "guide", link="other"),
        fact("clicked", "any", in_last=wait(3)),
    ],
)
def test_not_clicked(condition: Condition) -> None:
    assert ask(condition, click()) is NO


def test_a_click_on_the_same_step_name_of_another_campaign_is_none() -> None:
    assert ask(fact("clicked", "guide"), click(campaign="other")) is NO
    assert ask(fact("clicked", "any"), click(campaign="other")) is YES


def test_t5_facts_count_since_the_lead_entered_unless_in_last_says_otherwise() -> None:
    before = click(when="2026-10-20")
    assert ask(fact("clicked", "guide"), before) is NO
    assert ask(fact("clicked", "guide", in_last=wait(60)), before) is YES


def test_an_unseen_click_is_unknown_never_no() -> None:
    nothing = snapshot(consents=UNSEEN)
    assert ask(fact("clicked", "guide"), nothing) is UNKNOWN
    assert ask(fact("visited", "/pricing"), nothing) is UNKNOWN
    assert ask(fact("opened", "guide"), nothing) is UNKNOWN
    assert ask(joined("not", fact("clicked", "guide")), nothing) is UNKNOWN
    assert ask(fact("clicked", "guide"), click(consents=UNSEEN)) is YES, "what was seen was seen"
    mail = Sent(7, "guide-content", 1, at("2026-11-05"), "drip", "education", "guide", clicks_visible=False)
    assert ask(fact("clicked", "guide"), snapshot(sent=[mail])) is UNKNOWN, "that mail's links were not tracked"
    assert ask(fact("clicked", "guide"), snapshot(sent=[mail._replace(clicks_visible=True)])) is NO


def test_machines_and_voided_events_do_not_count() -> None:
    assert ask(fact("clicked", "guide"), click(machine=True)) is NO
    assert ask(fact("clicked", "guide"), click(void=True)) is NO


def test_a_refused_repeat_is_read_from_the_earlier_mail() -> None:
    earlier = click(campaign="older", step="first", when="2026-09-01")
    refused = {"guide": StepSend(MessageState.REFUSED, at("2026-11-02"), "guide-content")}
    assert ask(fact("clicked", "guide"), earlier) is NO
    assert ask(fact("clicked", "guide"), earlier, sends=refused) is YES


@pytest.mark.parametrize(
    ("word", "path", "truth"),
    [
        ("/pricing", "/pricing", YES),
        ("/pricing", "/pricing/", YES),
        ("/pricing", "/pricing/eu?x=1", YES),
        ("/pricing", "/pricing-old", NO),
        ("/docs/*/start", "/docs/en/start", YES),
        ("/", "/pricing", NO),
        ("any", "/x", YES),
    ],
)
def test_visited(word: str, path: str, truth: Truth) -> None:
    assert ask(fact("visited", word), snapshot(event("page_view", "2026-11-10", path=path))) is truth


def test_deeds() -> None:
    lead = snapshot(
        event("booked-demo", "2026-11-10"),
        event("webinar_attended", "2026-11-11", touchpoint="autumn", minutes=20),
        event("email_reply", "2026-11-12", campaign="drip", step="guide"),
        event("form", "2026-11-13", touchpoint="compare-us"),
        event("email_bounce", "2026-11-14", data={"kind": "soft"}),
    )
    assert ask(fact("did", "booked_demo"), lead) is YES
    assert ask(fact("did", "booked-demo", times=2), lead) is NO
    assert ask(fact("did", "became-customer"), lead) is NO
    assert ask(fact("did", "became-customer"), replace(lead, customer=True)) is YES
    assert ask(fact("attended", "autumn"), lead) is YES
    assert ask(fact("attended", "any", min_minutes=30), lead) is NO
    assert ask(fact("attended", "spring"), lead) is NO
    assert ask(fact("attended", "any", topic="security"), lead) is NO
    assert ask(fact("replied", "any"), lead) is YES
    assert ask(fact("replied", "checklist"), lead) is NO
    assert ask(fact("form", "compare-us"), lead) is YES
    assert ask(fact("bounced", "any"), lead) is YES
    assert ask(fact("bounced", "hard"), lead) is NO
    assert ask(fact("bounced", "hard"), replace(lead, suppressions=frozenset({"hard_bounce:all"}))) is YES


def test_who_the_lead_is() -> None:
    who = {"tags": frozenset({"vip"}), "lists": frozenset({"fair"}), "track": "education", "country": "PL"}
    lead = snapshot(engagement=40, band="B", lead=who)
    assert ask(fact("list", "fair"), lead) is YES
    assert ask(fact("in_track", ["education", "welcome"]), lead) is YES
    assert ask(fact("lifecycle_is", "nurturing"), lead) is YES
    assert ask(fact("lifecycle_is", [Stage.DORMANT]), lead) is NO
    assert ask(fact("consent", "nurture_email"), lead) is YES
    assert ask(fact("consent", "sales_contact"), lead) is NO
    assert ask(fact("consent", ["sales_contact", "nurture_email"]), lead) is YES, "a list means any of them"
    phone: Consents = {(Purpose.SALES_CONTACT, Channel.PHONE): ConsentState(ConsentStatus.GRANTED)}
    assert ask(fact("consent", "sales_contact"), replace(lead, consents=phone)) is YES
    assert ask(fact("consent", "sales_contact", channel="email"), replace(lead, consents=phone)) is NO
    assert ask(fact("engagement_at_least", 40), lead) is YES, "a threshold is reached, not passed"
    assert ask(fact("engagement_at_least", 41), lead) is NO
    assert ask(fact("engagement_below", 40), lead) is NO
    assert ask(fact("fit_at_least", "B"), lead) is YES
    assert ask(fact("fit_at_least", "A"), lead) is NO
    assert ask(fact("cell", ["B3", "A1"]), lead) is YES
    unscored = replace(lead, scores=None)
    for word in ("engagement_at_least", "engagement_below", "fit_at_least", "cell"):
        assert ask(fact(word, 15), unscored) is UNKNOWN


@pytest.mark.parametrize(
    ("value", "args", "truth"),
    [
        ("Director", {"is": "director"}, YES),
        ("Director", {"one_of": ["CEO", "CFO"]}, NO),
        (50, {"at_least": 50}, YES),
        ("50", {"at_least": 50, "at_most": 49}, NO),
        (True, {"is": "yes"}, YES),
        ("2027-01-01", {"at_most": "2027-01-31"}, YES),
        ("many", {"at_least": 5}, NO),
        ("x", {}, YES),
        (None, {"is": "x"}, NO),
        (None, {}, NO),
        ("nan", {"at_least": 1}, NO),
    ],
)
def test_fields(value: object, args: dict[str, object], truth: Truth) -> None:
    lead = snapshot(lead={"fields": {"thing": Value(value)} if value is not None else {}})
    assert ask(fact("field", "thing", **args), lead) is truth


def test_country_is_a_field_and_an_unknown_one_is_not_the_us() -> None:
    abroad = joined("not", fact("field", "country", one_of=["US", "CA"]))
    assert ask(abroad, snapshot(lead={"country": "US"})) is NO
    assert ask(abroad, snapshot(lead={"country": "PL"})) is YES
    assert ask(abroad, snapshot()) is YES


def test_every_fact_of_the_language_is_known_and_others_are_refused() -> None:
    said = """consent engagement_at_least engagement_below fit_at_least cell clicked opened replied visited did attended
              bounced tag field in_track lifecycle_is list form"""
    assert set(said.split()) == FACTS
    with pytest.raises(ValueError, match="not a fact"):
        ask(fact("moon"), snapshot())


def test_next_change_is_when_the_last_days_run_out() -> None:
    lead = click(when="2026-11-20T08:00")
    recent = fact("clicked", "any", in_last=wait(3))
    turn = next_change(joined("not", recent), lead, since=ENTERED, company=COMPANY, now=NOW)
    assert turn == at("2026-11-23T08:00")
    assert ask(recent, lead) is YES
    assert evaluate(recent, lead, since=ENTERED, company=COMPANY, now=turn) is NO
    assert next_change(fact("clicked", "any"), lead, since=ENTERED, company=COMPANY, now=NOW) is None


def test_next_change_is_when_a_consent_ends() -> None:
    until = at("2026-12-01")
    state = ConsentState(ConsentStatus.GRANTED, until=until)
    lead = replace(snapshot(), consents={(Purpose.NURTURE_EMAIL, Channel.EMAIL): state})
    asked = fact("consent", "nurture_email")
    assert next_change(asked, lead, since=ENTERED, company=COMPANY, now=NOW) == until
    assert evaluate(asked, lead, since=ENTERED, company=COMPANY, now=until) is NO
