"""The story of a lead in words a marketer knows: no rule numbers alone, nothing twice."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from nurture.insight.tellers import TELLERS

AT = datetime(2026, 11, 23, 9, tzinfo=UTC)


def told(kind: str, *rows: dict[str, Any]) -> list[str]:
    return [entry.text for entry in TELLERS[kind](rows)]


def consent(purpose: str, **said: Any) -> dict[str, Any]:
    return {
        "at": AT, "action": "grant", "actor": "person", "purpose": purpose, "channel": "email", "wording": "fair.1.en",
        **said,
    }  # fmt: skip


def test_one_click_is_one_line_and_a_wording_is_said_once() -> None:
    said = told("consent", consent("nurture_email"), consent("sales_contact", channel="phone"))
    assert said == ["agreed to: nurture email, sales contact by phone (wording fair.1.en)"]
    others = (consent("profiling", wording="p.2.en"), consent("x", action="withdraw"))
    said = told("consent", consent("nurture_email"), *others)
    assert said == ["agreed to: nurture email [fair.1.en], profiling [p.2.en]", "took back: x (wording fair.1.en)"]


def test_the_gate_says_what_is_missing_in_words() -> None:
    results = [
        {"id": "G01", "outcome": "pass", "text": "accepted"},
        {"id": "G06", "outcome": "fail", "text": "not known: role"},
        {"id": "G07", "outcome": "fail", "text": "not asked", "skipped": True},
        {"id": "G10", "outcome": "fail", "text": "nothing yet shows intent to buy"},
    ]
    row = {"at": AT, "outcome": "fail", "results": results}
    assert told("gate", row) == ["not ready for sales: not known: role; nothing yet shows intent to buy"]
    assert told("gate", {**row, "outcome": "pass"}) == ["ready for sales"]


def test_a_webinar_is_told_by_what_the_person_did() -> None:
    row = dict.fromkeys(("link", "path", "touchpoint", "minutes", "data", "points", "machine", "void", "flags",
                         "campaign", "step")) | {"content": "phones", "occurred_at": AT, "recorded_at": AT}
    said = told("event", *(row | more for more in (
        {"kind": "webinar_registered", "flags": "late"}, {"kind": "webinar_attended", "minutes": 52},
        {"kind": "webinar_missed"},
    )))
    assert said == ["registered for webinar phones (learnt on 23 Nov 2026)", "attended webinar phones, 52 minutes",
                    "did not come to webinar phones"]


def test_what_the_line_of_a_mail_tells_is_not_told_by_its_step_again() -> None:
    step = {"at": AT, "kind": "step", "campaign": "welcome", "step": "hello"}
    said = told("journal", *({**step, "text": t} for t in ("sent", "refused", "failed", "wait_for: yes")))
    assert said == ["wait_for: yes"]


def test_a_move_says_why_before_who_and_by_which_rule() -> None:
    move = {"occurred_at": AT, "from_stage": "nurturing", "to_stage": "mql", "rule": "T04", "trigger": "gate_pass"}
    by_rule = {**move, "actor_id": None, "actor_kind": "system", "reason": "gate passed by hand_raise"}
    by_seller = {**move, "actor_id": "lena", "actor_kind": "sales", "reason": None}
    assert told("transition", by_rule, by_seller) == [
        "nurturing -> mql: gate passed by hand raise (by the rules, T04)",
        "nurturing -> mql: gate pass (by lena, T04)",
    ]
