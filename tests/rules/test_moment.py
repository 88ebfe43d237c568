"""Why a mail comes when it comes, in the words that explain, the lead's page and a simulation show."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, timedelta
from typing import Any

import pytest

from nurture.decide.moment import due_at, why_due, why_late
from nurture.decide.permit import Ask, Limits, permit
from nurture.decide.walk import advance
from nurture.model.campaign import Cap, Choose, Step, Until, Window
from nurture.model.facts import Lead, Sent, Value
from nurture.model.intents import Position, Postpone, StepSend
from nurture.model.words import ContentKind, MessageState, Purpose, Stage
from tests.rules.engine import COMPANY, OFFICE, at, campaign, fact, send, snapshot, wait

FRIDAY = at("2026-06-05T10:00", "Europe/Warsaw")
NIGHT = Window(frozenset(range(7)), 20 * 60, 8 * 60)
MOVED = ", moved from Sat 06 Jun 10:00 to Mon 08 Jun 09:00 by the campaign's window"


def told(step: Step, *, window: Window | None = OFFICE, quiet: Window | None = None, **lead: Any) -> str:
    plan, company = campaign(step, window=window), replace(COMPANY, quiet=quiet)
    fields = {name: Value(value) for name, value in lead.pop("fields", {}).items()}
    who = Lead(1, Stage.NURTURING, fields=fields, **lead)
    said = why_due(plan, step, FRIDAY, who, company, before="hello")
    due = due_at(plan, step, FRIDAY, who, company)
    assert ("moved" in said) == (due != due_at(replace(plan, sending=replace(plan.sending, window=None)), step, FRIDAY,
                                               who, replace(company, quiet=None)))
    return said


@pytest.mark.parametrize(("step", "lead", "said"), [
    (send("a", wait(3)), {}, "3 days after hello"),
    (send("a", wait(1)), {}, f"1 day after hello{MOVED}"),
    (send("a", wait(1)), {"timezone": "America/New_York"},
     "1 day after hello, moved from Sat 06 Jun 04:00 to Mon 08 Jun 09:00 by the campaign's window "
     "(in the lead's time zone, America/New_York)"),
    (send("a", wait(10, "hours")), {"quiet": NIGHT, "window": None},
     "10 hours after hello, moved from Fri 05 Jun 20:00 to Sat 06 Jun 08:00 by the company's quiet hours"),
    (send("a", wait(23, "hours")), {"quiet": Window(frozenset(range(7)), 8 * 60, 10 * 60)},
     "23 hours after hello, moved from Sat 06 Jun 09:00 to Mon 08 Jun 10:00 by the campaign's window and the "
     "company's quiet hours"),
    (send("a", wait(1)), {"window": replace(OFFICE, zone="Asia/Tokyo")},
     "1 day after hello, moved from Sat 06 Jun 10:00 to Mon 08 Jun 02:00 by the campaign's window "
     "(which counts in Asia/Tokyo)"),
    (send("a", wait(4, "business_days")), {"country": "PL"},
     "4 business days after hello"),
    (send("a", wait(113, "business_days")), {"country": "PL"},
     "113 business days after hello (without the holidays of PL: Wed 11 Nov)"),
    (send("a", send_on="2026-06-20T10:00"), {"window": None}, "on Sat 20 Jun 2026 10:00, as the file says"),
    (send("a", send_on="2026-06-01T10:00"), {"window": None}, "2026-06-01 10:00 had passed: right after hello"),
    (send("a", until=Until("renewal", wait(30))), {"window": None}, "`renewal` is not known: 30 days after hello"),
    (send("a", until=Until("renewal", wait(30))), {"window": None, "fields": {"renewal": "2026-06-10"}},
     "on the day of `renewal`, Wed 10 Jun 2026"),
    (send("a", until=Until("renewal", wait(30))), {"window": None, "fields": {"renewal": "2027-06-10"}},
     "`renewal` (2027-06-10) is further away: at the latest 30 days after hello"),
    (send("a", until=Until("renewal", wait(30))), {"window": None, "fields": {"renewal": "2020-06-10"}},
     "`renewal` had passed: right after hello"),
    (send("a", wait(5), until=Until("renewal", wait(30))), {"window": None, "fields": {"renewal": "2026-06-07"}},
     "5 days after hello"),
])
def test_the_wait_and_whatever_moved_it_is_said(step: Step, lead: dict[str, Any], said: str) -> None:
    assert told(step, **lead) == said


def test_what_a_wait_counts_from_is_named_across_branches_and_after_an_edit() -> None:
    fork = Step("fork", Choose((), otherwise=(send("inner"),)))
    plan = campaign(send("hello"), fork, send("last", wait(2)))
    now = FRIDAY + timedelta(hours=1)

    def why(step: str, *done: str) -> str:
        return advance(plan, Position(step, FRIDAY), snapshot(), entered_at=FRIDAY, run=1, drawn={}, sends={},
                       done=frozenset(done), company=COMPANY, now=now).why

    assert why("last", "hello", "fork", "inner").endswith(": 2 days after `inner`")
    assert why("last", "hello", "fork").endswith(": 2 days after `fork`")
    assert why("last", "gone").endswith(": 2 days after the step before")
    assert why("last").endswith(": 2 days after entering the campaign")
    assert why("inner", "hello", "fork").endswith("`inner` is on its way: right after `fork`")


def test_a_mail_that_left_keeps_why_it_left_then() -> None:
    plan = campaign(send("hello"), send("second", wait(1)), window=OFFICE)
    monday = at("2026-06-08T09:00", "Europe/Berlin")
    held = "at most 3 mails in 7 days (the company's limit)"

    def note(left_after: timedelta, why: str | None) -> str:
        sends = {"second": StepSend(MessageState.SENT, monday + left_after, "c", why=why)}
        outcome = advance(plan, Position("second", FRIDAY, monday), snapshot(), entered_at=FRIDAY, run=1, drawn={},
                          sends=sends, done=frozenset({"hello"}), company=COMPANY, now=monday + timedelta(days=9))
        return outcome.done[0].note

    assert note(timedelta(seconds=20), held) == f"1 day after `hello`{MOVED}", "what held nothing back is not named"
    assert note(timedelta(days=2), held) == f"1 day after `hello`{MOVED}; 2 days later: {held}"
    assert note(timedelta(hours=1), None) == f"1 day after `hello`{MOVED}; 1 hour later: sending had to wait"
    assert why_late(monday, monday + timedelta(minutes=40), None) == "; 40 minutes later: sending had to wait"


def test_a_limit_that_holds_a_mail_back_is_named_with_its_number() -> None:
    now = at("2026-06-08T10:00", "Europe/Warsaw")
    history = tuple(
        Sent(i, f"c{i}", 1, now - timedelta(days=6) + timedelta(hours=i), "drip", "education", "s") for i in range(1, 4)
    )
    ask = Ask("new", 1, ContentKind.EDUCATIONAL, Purpose.NURTURE_EMAIL, None, "education", "drip", now)
    who = snapshot(lead={"email": "a@example.com"})
    limits = Limits(COMPANY, caps=(Cap(9, "month"), Cap(3, "week")), window=OFFICE)
    answer = permit(replace(who, sent=history), ask, limits, now=now)
    assert isinstance(answer, Postpone)
    assert answer.text == "at most 3 mails in 7 days (the company's limit)"
    evening = replace(limits, window=Window(frozenset(range(5)), 12 * 60, 17 * 60), quiet=NIGHT)
    answer = permit(replace(who, sent=history), ask, evening, now=now)
    assert isinstance(answer, Postpone)
    assert answer.text == (
        "at most 3 mails in 7 days (the company's limit), then the campaign's window is shut (Europe/Berlin time)"
    )
    answer = permit(who, ask, Limits(COMPANY, quiet=NIGHT), now=at("2026-06-08T21:00", "Europe/Berlin"))
    assert isinstance(answer, Postpone)
    assert answer.text == "the company's quiet hours (Europe/Berlin time)"
    assert answer.until.tzinfo is UTC


def test_a_condition_names_its_step_in_the_reason_too() -> None:
    """A step that is no mail waits as well, and no window moves it."""
    step = Step("ask", Choose((), otherwise=()), after=wait(1), condition=fact("tag", "x"))
    assert told(step) == "1 day after hello"
