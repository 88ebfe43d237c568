"""Caps over sliding periods, sticky draws, winners and control groups (traps T10 to T14, T18)."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nurture.decide.caps import PERIODS, next_free
from nurture.decide.variant import Arm, draw, drawn_or_draw, in_control, winner
from nurture.model.campaign import Cap, Variant, Winner
from nurture.model.campaign import Test as Split
from tests.rules.engine import at, campaign, wait

NOW = at("2026-11-22T09:00")


def test_a_cap_frees_when_the_oldest_of_its_mails_is_one_period_old() -> None:
    sent = [NOW - timedelta(days=6), NOW - timedelta(days=1)]
    assert next_free(sent, [Cap(3, "week")], at=NOW) == NOW
    assert next_free(sent, [Cap(2, "week")], at=NOW) == NOW + timedelta(days=1)
    assert next_free(sent, [Cap(2, "week"), Cap(1, "day")], at=NOW) == NOW + timedelta(days=1)
    assert next_free(sent, [Cap(1, "month")], at=NOW) == NOW + timedelta(days=29)
    assert next_free([], [Cap(1, "day")], at=NOW) == NOW


def test_a_cap_of_none_is_an_error() -> None:
    with pytest.raises(ValueError, match="no mails at all"):
        next_free([], [Cap(0, "day")], at=NOW)


caps = st.lists(st.builds(Cap, st.integers(1, 4), st.sampled_from(["day", "week", "month"])), max_size=3)


@given(st.lists(st.integers(-60 * 24, 0), max_size=12), caps)
def test_no_period_ever_holds_more_than_its_cap(hours: list[int], limits: list[Cap]) -> None:
    sent = [NOW + timedelta(hours=h) for h in hours]
    free = next_free(sent, limits, at=NOW)
    assert free >= NOW
    for cap in limits:
        assert sum(1 for one in sent if one > free - PERIODS[cap.per]) < cap.count
    if free > NOW:
        just = free - timedelta(seconds=1)
        assert any(sum(1 for one in sent if one > just - PERIODS[cap.per]) >= cap.count for cap in limits)


SUBJECTS = Split("subject", (Variant("plain", 50), Variant("question", 30), Variant("short", 20)), digest="e1")


def test_draws_follow_the_shares_and_never_change() -> None:
    drawn = Counter(draw(lead, SUBJECTS, "e1") for lead in range(20_000))
    assert drawn["plain"] == pytest.approx(10_000, rel=0.05)
    assert drawn["question"] == pytest.approx(6_000, rel=0.05)
    assert [draw(7, SUBJECTS, "e1") for _ in range(3)] == [draw(7, SUBJECTS, "e1")] * 3
    assert any(draw(lead, SUBJECTS, "e1") != draw(lead, SUBJECTS, "e2") for lead in range(50)), "a new epoch draws anew"


def test_t10_a_drawn_lead_keeps_its_variant_whatever_the_shares() -> None:
    edited = Split("subject", (Variant("plain", 1), Variant("question", 99)), digest="e2")
    assert all(drawn_or_draw(lead, edited, {"subject": "plain"}) == "plain" for lead in range(50))
    assert drawn_or_draw(7, edited, {"subject": "short"}) in {"plain", "question"}, "a removed variant is drawn again"


def test_t12_a_winner_needs_sends_and_time_and_a_difference() -> None:
    rule = Winner("clicks", wait(3), 400)
    full = NOW - timedelta(days=4)
    clear = {"a": Arm(250, 60, full), "b": Arm(250, 20, full)}
    assert winner(clear, rule, NOW) == "a"
    assert winner(clear, rule, full + timedelta(days=2)) is None, "not yet time"
    assert winner({"a": Arm(150, 60, None), "b": Arm(150, 20, None)}, rule, NOW) is None, "not yet enough"
    assert winner({"a": Arm(250, 60, full), "b": Arm(250, 55, full)}, rule, NOW) is None, "chance makes that"
    assert winner({"a": Arm(250, 0, full), "b": Arm(250, 0, full)}, rule, NOW) is None
    assert winner({"a": Arm(500, 60, full)}, rule, NOW) is None
    assert winner({"a": Arm(500, 60, full), "b": Arm(0, 0, full)}, rule, NOW) is None, "nothing to compare with"


def test_control_groups_are_stable_and_of_the_size_asked() -> None:
    tenth = campaign(control_group=10)
    inside = {lead for lead in range(20_000) if in_control(lead, tenth)}
    assert len(inside) == pytest.approx(2_000, rel=0.1)
    assert inside == {lead for lead in range(20_000) if in_control(lead, tenth)}
    wider = {lead for lead in range(20_000) if in_control(lead, campaign(control_group=20))}
    assert inside < wider, "a larger group keeps those of the smaller"
    assert not any(in_control(lead, campaign()) for lead in range(1_000))
