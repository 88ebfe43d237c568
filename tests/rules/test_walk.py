"""The walk through a campaign: waits, windows, branches, mails, hand-offs and the end."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from nurture.decide.enter import leave
from nurture.decide.flow import flow_of
from nurture.decide.walk import advance, due_at
from nurture.model.campaign import (
    Branch,
    Campaign,
    Choose,
    End,
    HandOff,
    LeaveRule,
    MoveTo,
    Notify,
    Score,
    Send,
    SetField,
    Step,
    Until,
    Variant,
    WaitFor,
)
from nurture.model.campaign import Test as Split
from nurture.model.facts import Snapshot, Value
from nurture.model.intents import (
    EndIntent,
    HandOffIntent,
    MoveIntent,
    NotifyIntent,
    Outcome,
    Position,
    ScoreIntent,
    SendIntent,
    SetFieldIntent,
    StepSend,
)
from nurture.model.words import MessageState, Purpose, Stage
from tests.rules.engine import COMPANY, OFFICE, at, campaign, event, fact, joined, send, snapshot, wait

START = at("2026-06-05T17:00", "Europe/Berlin")
"""A Friday evening."""


def look(
    plan: Campaign,
    position: Position,
    now: datetime,
    who: Snapshot | None = None,
    *,
    since: datetime = START,
    **more: Any,
) -> Outcome:
    said: dict[str, Any] = {"drawn": {}, "sends": {}, "done": frozenset(), "run": 1, **more}
    return advance(plan, position, who or snapshot(), entered_at=since, company=COMPANY, now=now, **said)


def sent(when: str, content: str = "c", state: MessageState = MessageState.SENT) -> StepSend:
    return StepSend(state, at(when, "Europe/Berlin"), content)


def test_a_first_mail_waits_for_the_window_and_says_why() -> None:
    plan = campaign(send("guide"), window=OFFICE)
    outcome = look(plan, Position("guide", START), START)
    assert outcome.intents == ()
    assert outcome.due_at == at("2026-06-08T09:00", "Europe/Berlin")
    assert outcome.position == Position("guide", START)
    assert outcome.why == (
        "`guide` is due Mon 08 Jun 2026 09:00 (Europe/Berlin): right after entering the campaign, moved from "
        "Fri 05 Jun 17:00 to Mon 08 Jun 09:00 by the campaign's window"
    )
    outcome = look(plan, Position("guide", START), outcome.due_at)
    assert [type(i) for i in outcome.intents] == [SendIntent]
    assert outcome.due_at is None, "the message's own end wakes it"
    assert outcome.position is not None
    assert outcome.position.step_id == "guide"


def test_the_next_wait_counts_from_the_real_send() -> None:
    plan = campaign(send("guide"), send("mistakes", wait(3)), window=OFFICE)
    waiting = Position("guide", START, START)
    planned = {"guide": StepSend(MessageState.PLANNED, None, "c")}
    assert look(plan, waiting, at("2026-06-08T10:00"), sends=planned).due_at is None
    gone = {"guide": sent("2026-06-09T11:11")}
    outcome = look(plan, waiting, at("2026-06-09T12:00"), sends=gone)
    assert outcome.done[0].outcome == "sent"
    assert outcome.due_at == at("2026-06-12T11:11", "Europe/Berlin")
    assert outcome.position == Position("mistakes", at("2026-06-09T11:11", "Europe/Berlin"))


@pytest.mark.parametrize(
    ("state", "passes"),
    [
        (MessageState.SENT, True),
        (MessageState.REFUSED, True),
        (MessageState.FAILED, True),
        (MessageState.REHEARSED, True),
        (MessageState.UNKNOWN, True),
        (MessageState.PLANNED, False),
        (MessageState.CLAIMED, False),
        (MessageState.STARTED, False),
        (MessageState.DEFERRED, False),
    ],
)
def test_which_states_of_a_message_end_its_step(state: MessageState, passes: bool) -> None:
    plan = campaign(send("guide"))
    message = {"guide": StepSend(state, START, "c")}
    outcome = look(plan, Position("guide", START, START), START + timedelta(days=1), sends=message)
    assert (outcome.position is None) is passes
    assert not outcome.intents, "never a second message for a step"


def test_an_unknown_delivery_may_be_sent_again_under_its_own_id_when_the_file_says_so() -> None:
    plan = campaign(send("guide"))
    plan = replace(plan, sending=replace(plan.sending, if_unknown_delivery="resend_same_id"))
    message = {"guide": StepSend(MessageState.UNKNOWN, START, "c")}
    assert look(plan, Position("guide", START, START), START, sends=message).position is not None


def test_a_done_step_is_passed_in_silence() -> None:
    plan = campaign(send("guide"), send("second"))
    outcome = look(plan, Position("guide", START), START, done=frozenset({"guide"}))
    assert outcome.done == ()
    assert [i.step_id for i in outcome.intents] == ["second"]


def test_an_if_that_does_not_hold_skips_the_step_at_its_due_moment() -> None:
    asked = joined("not", fact("clicked", "any", in_last=wait(14)))
    plan = campaign(send("last", wait(7), condition=asked), Step("done", End("over"), after=wait(7)))
    clicked = snapshot(event("email_click", "2026-06-10"))
    due = START + timedelta(days=7)
    outcome = look(plan, Position("last", START), due + timedelta(minutes=5), clicked)
    assert (outcome.done[0].outcome, outcome.done[0].note) == ("skipped", "the `if` did not hold")
    assert outcome.due_at == START + timedelta(days=14)
    assert look(plan, Position("last", START), due).intents


@pytest.mark.parametrize(
    ("if_unknown", "sends_it"), [("then", True), ("otherwise", False), ("skip", False), (None, False)]
)
def test_an_unknown_if(if_unknown: Any, sends_it: bool) -> None:
    plan = campaign(send("guide", condition=fact("clicked", "any"), if_unknown=if_unknown))
    outcome = look(plan, Position("guide", START), START, snapshot(consents=()))
    assert bool(outcome.intents) is sends_it


def proof(if_unknown: Any = "skip") -> Campaign:
    read = WaitFor(
        fact("clicked", "case", link="story"),
        wait(4),
        then=(Step("interest", Score(15_000, "read it")), send("numbers", wait(1))),
        otherwise=(send("second-try"),),
    )
    ready = Choose(
        (
            Branch(
                joined("all", fact("consent", "sales_contact"), fact("engagement_at_least", 70)),
                (Step("to-sales", HandOff("inside-sales", "note")),),
            ),
            Branch(fact("engagement_at_least", 70), (send("ask"),)),
        )
    )
    return campaign(
        send("case"),
        Step("read-it", read, if_unknown=if_unknown),
        Step("ready", ready, after=wait(5)),
        Step("done", End("Finished"), after=wait(14)),
        window=OFFICE,
    )


def test_flow_rejoins_after_a_branch() -> None:
    flow = flow_of(proof())
    assert {name: node.next_id for name, node in flow.items()} == {
        "case": "read-it",
        "read-it": "ready",
        "interest": "numbers",
        "numbers": "ready",
        "second-try": "ready",
        "ready": "done",
        "to-sales": "done",
        "ask": "done",
        "done": None,
    }
    assert flow["numbers"].inside == "read-it"


def test_a_click_ends_the_wait_at_once() -> None:
    arrived = at("2026-06-08T09:00", "Europe/Berlin")
    message = {"case": StepSend(MessageState.SENT, arrived, "c")}
    outcome = look(proof(), Position("case", START, START), arrived, sends=message)
    assert outcome.position == Position("read-it", arrived, arrived)
    assert outcome.due_at == arrived + timedelta(days=4)
    assert outcome.why == "`read-it` waits until Fri 12 Jun 2026 09:00 (Europe/Berlin) at the latest"
    now = at("2026-06-09T17:00", "Europe/Berlin")
    clicked = snapshot(event("email_click", "2026-06-09T15:00", campaign="drip", step="case", link="story"))
    outcome = look(proof(), outcome.position, now, clicked, sends=message, done=frozenset({"case"}))
    assert [d.outcome for d in outcome.done] == ["wait_for: yes", "score +15"]
    assert outcome.intents == (ScoreIntent("interest", 15_000, "read it"),)
    assert outcome.due_at == at("2026-06-11T09:00", "Europe/Berlin"), "a day later is outside the window"


def test_the_deadline_leads_to_otherwise_and_counts_from_itself() -> None:
    since = at("2026-06-08T09:00", "Europe/Berlin")
    late = since + timedelta(days=6)
    outcome = look(proof(), Position("read-it", since, since), late)
    assert [d.outcome for d in outcome.done] == ["wait_for: no"]
    assert outcome.done[0].note == "not within 4 days"
    assert outcome.due_at == at("2026-06-15T09:00", "Europe/Berlin"), "overdue, and it is Sunday"
    assert outcome.position is not None
    assert outcome.position.anchor_at == since + timedelta(days=4)


@pytest.mark.parametrize(
    ("if_unknown", "next_step"), [("then", "numbers"), ("otherwise", "second-try"), ("skip", "ready")]
)
def test_an_unseen_click_takes_the_way_the_file_names(if_unknown: Any, next_step: str) -> None:
    since = at("2026-06-08T09:00", "Europe/Berlin")
    unseen = snapshot(consents=())
    assert look(proof(if_unknown), Position("read-it", since, since), since, unseen).due_at == since + timedelta(days=4)
    outcome = look(proof(if_unknown), Position("read-it", since, since), since + timedelta(days=4), unseen)
    assert outcome.position is not None
    assert outcome.position.step_id == next_step


def test_t5_a_wait_that_is_already_over_says_so() -> None:
    arrived = START + timedelta(days=5)
    clicked = snapshot(event("email_click", "2026-06-07", campaign="drip", step="case", link="story"))
    outcome = look(proof(), Position("read-it", arrived), arrived, clicked)
    assert outcome.done[0].note == "already true on arrival"


def test_a_choice_takes_the_first_branch_that_holds() -> None:
    due = START + timedelta(days=5)
    position = Position("ready", START)
    sales = (Purpose.NURTURE_EMAIL, Purpose.SALES_CONTACT)
    hot = look(proof(), position, due, snapshot(consents=sales, engagement=70))
    assert hot.intents == (HandOffIntent("to-sales", "inside-sales", "note"),)
    shy = look(proof(), position, due, snapshot(engagement=70))
    assert shy.position is not None
    assert shy.position.step_id == "ask"
    cold = look(proof(), position, due, snapshot(engagement=10))
    assert cold.done[0].outcome == "choose: none"
    assert cold.due_at == due + timedelta(days=14)


def test_small_actions_and_the_end() -> None:
    plan = campaign(
        Step("a", SetField("interest", "proof")),
        Step("b", Notify("ines", "look")),
        Step("c", End("Over", wait(365)), after=wait(2)),
        send("never"),
    )
    first = look(plan, Position("a", START), START)
    assert first.intents == (SetFieldIntent("a", "interest", "proof"), NotifyIntent("b", "ines", "look"))
    last = look(plan, first.position or Position(None, START), START + timedelta(days=2))
    assert last.intents == (EndIntent("c", "Over", wait(365)),)
    assert last.position is None
    moved = look(campaign(Step("go", MoveTo("champion"))), Position("go", START), START)
    assert moved.intents == (MoveIntent("go", "champion"),)
    assert moved.position is None


def test_running_off_the_end_is_the_end() -> None:
    outcome = look(campaign(Step("a", Score(1_000, "x"))), Position("a", START), START)
    assert (outcome.position, outcome.why) == (None, "reached the end of the campaign")
    assert (
        look(campaign(send("a")), Position("gone", START), START).why == "the step `gone` is no longer in the campaign"
    )


def test_a_draw_is_kept() -> None:
    test = Split("subject", (Variant("plain", 50), Variant("question", 50)), digest="e")
    plan = campaign(Step("a", Send("t", test)))
    for name in ("plain", "question"):
        intent = look(plan, Position("a", START), START, drawn={"subject": name}).intents[0]
        assert isinstance(intent, SendIntent)
        assert intent.variant == name


# -- waits --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("budget", "due"),
    [
        ("2026-07-20", "2026-07-20T09:00"),
        ("2027-01-01", "2026-09-03T17:00"),
        (None, "2026-09-03T17:00"),
        ("2026-06-10", "2026-07-06T09:00"),
        ("soon", "2026-09-03T17:00"),
    ],
)
def test_until_a_date_of_the_lead(budget: str | None, due: str) -> None:
    """30 days, and until the budget opens, at the latest 90 days; then the next window."""
    step = send("news", wait(30), until=Until("budget_opens_on", wait(90)))
    who = snapshot(lead={"fields": {"budget_opens_on": Value(budget)} if budget else {}})
    long = replace(OFFICE, end=17 * 60 + 1)
    assert due_at(campaign(step, window=long), step, START, who.lead, COMPANY) == at(due, "Europe/Berlin")


def test_t3_a_fixed_date_is_the_leads_own_and_a_past_one_is_due_now() -> None:
    step = send("fair", send_on="2027-03-04 10:00")
    plan = campaign(step)
    assert due_at(plan, step, START, snapshot().lead, COMPANY) == at("2027-03-04T10:00", "Europe/Berlin")
    tokyo = snapshot(lead={"timezone": "Asia/Tokyo"}).lead
    assert due_at(plan, step, START, tokyo, COMPANY) == at("2027-03-04T10:00", "Asia/Tokyo")
    late = at("2027-05-01T10:00")
    assert due_at(plan, step, late, tokyo, COMPANY) == late
    assert look(plan, Position("fair", late), late).intents


def test_a_fixed_date_outside_the_window_waits_for_it_and_says_so() -> None:
    plan = campaign(send("fair", send_on="2027-03-06T10:00"), window=OFFICE)
    outcome = look(plan, Position("fair", START), START)
    assert outcome.due_at == at("2027-03-08T09:00", "Europe/Berlin"), "a Saturday"
    assert "on Sat 06 Mar 2027 10:00, as the file says" in outcome.why


def test_business_days_know_the_holidays_of_the_leads_country() -> None:
    step = send("a", wait(1, "business_days"))
    before = at("2026-11-10T12:00", "Europe/Berlin")
    pole, german = snapshot(lead={"country": "PL"}).lead, snapshot(lead={"country": "DE"}).lead
    assert due_at(campaign(step), step, before, pole, COMPANY) == at("2026-11-12T12:00", "Europe/Berlin")
    assert due_at(campaign(step), step, before, german, COMPANY) == at("2026-11-11T12:00", "Europe/Berlin")


def test_a_wait_for_is_looked_at_again_when_time_alone_may_answer_it() -> None:
    quiet = WaitFor(joined("not", fact("clicked", "any", in_last=wait(2))), wait(30), then=(send("poke"),))
    plan = campaign(Step("silence", quiet))
    who = snapshot(event("email_click", "2026-06-05T10:00"))
    outcome = look(plan, Position("silence", START), START, who)
    assert outcome.due_at == at("2026-06-07T10:00")
    assert outcome.position is not None
    assert look(plan, outcome.position, outcome.due_at, who).intents[0].step_id == "poke"


# -- hand-off -----------------------------------------------------------------------------------------------------


def back_to_sales(**more: Any) -> Campaign:
    hand_off = HandOff("inside-sales", "", fact("engagement_at_least", 25), **more)
    return campaign(Step("sell", hand_off), send("after"))


def test_a_hand_off_is_tried_until_its_time_is_over() -> None:
    plan = back_to_sales(try_for=wait(45), if_not=MoveTo("business_case"))
    first = look(plan, Position("sell", START), START, snapshot(engagement=5))
    assert first.intents == ()
    assert first.position == Position("sell", START, START)
    assert first.due_at == START + timedelta(days=45)
    later = look(plan, first.position, START + timedelta(days=9), snapshot(engagement=25))
    assert [type(i) for i in later.intents] == [HandOffIntent]
    assert later.position == first.position
    over = look(plan, first.position, START + timedelta(days=45), snapshot(engagement=5))
    assert over.intents == (MoveIntent("sell", "business_case"),)
    assert over.position is None


def test_a_lead_with_sales_has_passed_the_hand_off() -> None:
    plan = back_to_sales(try_for=wait(45))
    stay = Position("sell", START, START)
    for who in (snapshot(open_handoff=3), snapshot(lead={"stage": Stage.MQL})):
        outcome = look(plan, stay, START + timedelta(days=1), who)
        assert outcome.done[0].outcome == "handed off to inside-sales"


def test_a_hand_off_without_try_for_asks_once() -> None:
    plan = back_to_sales(if_not=End("not ready"))
    cold = look(plan, Position("sell", START), START, snapshot(engagement=5))
    assert cold.intents == (EndIntent("sell", "not ready", None),)
    asked = look(plan, Position("sell", START), START, snapshot(engagement=30))
    assert [type(i) for i in asked.intents] == [HandOffIntent]
    assert asked.position is not None
    assert asked.due_at is not None
    again = look(plan, asked.position, asked.due_at, snapshot(engagement=30))
    assert again.intents == (EndIntent("sell", "not ready", None),)
    open_end = look(back_to_sales(), asked.position, asked.due_at, snapshot(engagement=30))
    assert [i.step_id for i in open_end.intents] == ["after"]


# -- leaving ------------------------------------------------------------------------------------------------------


def test_t2_a_leave_rule_is_asked_at_any_moment_and_only_yes_counts() -> None:
    rules = (
        LeaveRule(fact("did", "booked-demo")),
        LeaveRule(fact("engagement_at_least", 40), "business_case"),
        LeaveRule(joined("not", fact("clicked", "any"))),
    )
    plan = campaign(send("a"), leave=rules)
    now = START + timedelta(days=1)

    def leaves(who: Snapshot) -> LeaveRule | None:
        return leave(plan, who, entered_at=START, company=COMPANY, now=now)

    assert leaves(snapshot(event("booked-demo", "2026-06-06"))) == rules[0]
    assert leaves(snapshot(engagement=40)) == rules[1]
    assert leaves(snapshot(event("booked-demo", "2026-06-01"), consents=())) is None, "that was before this campaign"
