"""The table of rule 3: each class of change, and what it does to people before, on and past a step."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from nurture.decide.change import diff, effective, normalise, rebase, spread
from nurture.decide.effect import count, due_of, moved_too_far, must_say
from nurture.model.campaign import (
    Branch,
    Campaign,
    Choose,
    End,
    HandOff,
    LeaveRule,
    Score,
    Send,
    Step,
    Variant,
    WaitFor,
)
from nurture.model.campaign import Test as Split
from nurture.model.change import Change, Effect, Redirect, Standing, StepEffect
from nurture.model.facts import Lead
from nurture.model.intents import Position
from nurture.model.problem import Place
from nurture.model.words import Stage
from tests.rules.engine import COMPANY, OFFICE, at, campaign, fact, joined, send, wait

NOW = at("2026-11-23T09:00")
LEAD = Lead(1, Stage.NURTURING, timezone="Europe/Berlin")
DRIP = campaign(send("a"), send("b", wait(7)), send("c", wait(7)), Step("done", End("over"), after=wait(7)))


def edit(*steps: Step, old: Campaign = DRIP, **more: Any) -> Change:
    return diff(old, campaign(*steps), **more)


def said(change: Change) -> dict[str, tuple[str, ...]]:
    return {step.step: step.what for step in change.steps}


def one(step: str, days: float = 3, **more: Any) -> Standing:
    return Standing(step, 1, NOW - timedelta(days=days), timezone="Europe/Berlin", **more)


def counts(change: Change, new: Campaign, *people: Standing, old: Campaign = DRIP) -> dict[str, int]:
    found = count(old, new, change, people, company=COMPANY, now=NOW).counts()
    return {name: n for name, n in found.items() if n}


def test_nothing_changed_by_moving_lines() -> None:
    moved = replace(DRIP, steps=tuple(replace(s, place=Place("x", 99)) for s in DRIP.steps))
    change = diff(DRIP, moved)
    assert (change.steps, change.redirects, change.settings) == ((), {}, ())
    assert change.moves_people() == frozenset()


def test_a_new_campaign_has_nobody_inside() -> None:
    assert {s.what for s in diff(None, DRIP).steps} == {("new",)}


def test_copy_is_new_for_those_not_past_it() -> None:
    new = campaign(*DRIP.steps[:1], send("b", wait(7), "other"), *DRIP.steps[2:])
    change = diff(DRIP, new)
    assert said(change) == {"b": ("new copy",)}
    assert counts(change, new, Standing("b", 40), Standing("c", 2)) == {"people": 42, "stays": 42, "new_copy": 40}
    edited = diff(DRIP, DRIP, templates=frozenset({"awareness/c"}))
    assert edited.copy == {"c"}


def test_a_shorter_wait_brings_people_forward_and_says_how_many_at_once() -> None:
    new = campaign(DRIP.steps[0], send("b", wait(4)), *DRIP.steps[2:])
    change = diff(DRIP, new)
    assert said(change) == {"b": ("wait 7 days -> 4 days",)}
    found = counts(change, new, one("b", 5), one("b", 3), one("b", 3.99))
    assert found == {"people": 3, "stays": 3, "earlier": 3, "at_once": 2}


def test_a_longer_wait_moves_people_later() -> None:
    new = campaign(DRIP.steps[0], send("b", wait(9)), *DRIP.steps[2:])
    assert counts(diff(DRIP, new), new, one("b"), one("a")) == {"people": 2, "stays": 2, "later": 1}


def test_a_window_moves_every_mail() -> None:
    new = campaign(*DRIP.steps, window=OFFICE)
    change = diff(DRIP, new)
    assert change.timing == {"a", "b", "c"}
    assert change.settings == ("sending window (for everyone inside)",)
    late = Standing("b", 1, at("2026-11-21T20:00"), timezone="Europe/Berlin")
    assert counts(change, new, late) == {"people": 1, "stays": 1, "later": 1}


def test_an_inserted_step_is_run_by_those_before_it() -> None:
    new = campaign(*DRIP.steps[:2], send("extra", wait(1)), *DRIP.steps[2:])
    change = diff(DRIP, new)
    assert said(change) == {"extra": ("inserted",)}
    assert counts(change, new, one("b"), one("c")) == {"people": 2, "stays": 2}


def test_a_removed_step_hands_its_people_on_with_their_anchor() -> None:
    new = campaign(DRIP.steps[0], *DRIP.steps[2:])
    change = diff(DRIP, new)
    assert change.redirects == {"b": Redirect("b", "c")}
    assert said(change)["b"] == ("removed; people on it go to c",)
    position = Position("b", NOW - timedelta(days=3), NOW)
    assert rebase(position, new, change.redirects) == Position("c", position.anchor_at)
    assert counts(change, new, one("b")) == {"people": 1, "moved": 1}


def test_people_leave_where_nothing_follows() -> None:
    new = campaign(*DRIP.steps[:2])
    change = diff(DRIP, new)
    assert change.redirects == {"c": Redirect("c", None), "done": Redirect("done", None)}
    assert rebase(Position("c", NOW), new, change.redirects) == Position(None, NOW)
    assert rebase(Position("never-was", NOW), new, change.redirects) == Position(None, NOW)
    assert counts(change, new, one("c"), one("a")) == {"people": 2, "stays": 1, "leaves": 1}


def test_a_removed_branch_rejoins_where_the_branch_did() -> None:
    inner = WaitFor(fact("clicked", "any"), wait(4), then=(send("x"), send("y")), otherwise=(send("z"),))
    old = campaign(send("a"), Step("fork", inner), send("after"))
    new = campaign(send("a"), send("after"))
    change = diff(old, new)
    assert {r.step: r.to_step for r in change.redirects.values()} == dict.fromkeys(("fork", "x", "y", "z"), "after")
    shorter = campaign(send("a"), Step("fork", replace(inner, then=(send("y"),))), send("after"))
    assert diff(old, shorter).redirects == {"x": Redirect("x", "y")}


def test_a_rename_keeps_place_and_wait() -> None:
    new = campaign(DRIP.steps[0], send("bee", wait(7), "awareness/b", was="b"), *DRIP.steps[2:])
    change = diff(DRIP, new)
    assert said(change) == {"bee": ("renamed from b",)}
    assert change.redirects == {"b": Redirect("b", "bee", True)}
    position = Position("b", NOW, NOW)
    assert rebase(position, new, change.redirects) == Position("bee", NOW, NOW)
    assert counts(change, new, one("b")) == {"people": 1, "renamed": 1}


def test_a_was_that_stays_in_the_file_does_nothing_more() -> None:
    renamed = campaign(DRIP.steps[0], send("bee", wait(7), was="b"), *DRIP.steps[2:])
    assert diff(renamed, renamed).redirects == {"b": Redirect("b", "bee", True)}
    assert diff(renamed, renamed).steps == ()


def test_a_rename_and_a_shorter_wait_at_once() -> None:
    new = campaign(DRIP.steps[0], send("bee", wait(2), "awareness/b", was="b"), *DRIP.steps[2:])
    change = diff(DRIP, new)
    assert said(change) == {"bee": ("renamed from b", "wait 7 days -> 2 days")}
    assert counts(change, new, one("b")) == {"people": 1, "renamed": 1, "earlier": 1, "at_once": 1}


def test_reordered_steps_move_nobody() -> None:
    new = campaign(DRIP.steps[0], DRIP.steps[2], DRIP.steps[1], DRIP.steps[3])
    assert diff(DRIP, new).moves_people() == frozenset()


def test_a_wait_for_is_asked_again_at_once() -> None:
    old = campaign(Step("look", WaitFor(fact("clicked", "a"), wait(9))), send("b"))
    new = campaign(Step("look", WaitFor(fact("clicked", "any"), wait(9))), send("b"))
    change = diff(old, new)
    assert said(change) == {"look": ("condition, asked again at once",)}
    waiting = one("look", waiting_since=NOW - timedelta(days=1))
    assert counts(change, new, waiting, one("look"), old=old) == {"people": 2, "stays": 2, "asked": 1}
    shorter = campaign(Step("look", WaitFor(fact("clicked", "a"), wait(1))), send("b"))
    assert said(diff(old, shorter)) == {"look": ("within 9 days -> 1 day",)}
    assert counts(diff(old, shorter), shorter, waiting, old=old) == {
        "people": 1,
        "stays": 1,
        "earlier": 1,
        "at_once": 1,
    }


def test_an_if_and_a_choice_are_asked_on_arrival_only() -> None:
    def choice(points: int) -> Campaign:
        return campaign(Step("fork", Choose((Branch(fact("engagement_at_least", points), (send("x"),)),))))

    assert diff(choice(40), choice(50)).moves_people() == frozenset()
    assert said(diff(choice(40), choice(50))) == {"fork": ("choose changed",)}
    asked = campaign(*DRIP.steps[:1], replace(DRIP.steps[1], condition=fact("tag", "x")), *DRIP.steps[2:])
    assert said(diff(DRIP, asked)) == {"b": ("condition, asked on arrival",)}


def test_hand_off_conditions_are_asked_again_at_once_and_counted() -> None:
    def sell(points: int) -> Campaign:
        return campaign(Step("sell", HandOff("q", "", fact("engagement_at_least", points), wait(45))))

    change = diff(sell(40), sell(30))
    found = counts(change, sell(30), one("sell", waiting_since=NOW), old=sell(40))
    assert found == {"people": 1, "stays": 1, "asked": 1, "handed": 1}


def test_an_edited_test_starts_a_new_epoch() -> None:
    def split(*shares: int, digest: str) -> Campaign:
        test = Split("subject", tuple(Variant(f"v{i}", share) for i, share in enumerate(shares)), digest=digest)
        return campaign(Step("a", Send("t", test)))

    change = diff(split(50, 50, digest="1"), split(90, 10, digest="2"))
    assert change.epochs == ("subject",)
    assert change.moves_people() == frozenset()


def test_settings_are_named_in_the_words_of_the_file() -> None:
    new = replace(DRIP, leave_when=(LeaveRule(fact("did", "x")),), priority=1, in_flight="finish")
    assert diff(DRIP, new).settings == ("leave rules (for everyone inside)", "priority", "in_flight")


def test_another_action_under_the_same_name_is_said() -> None:
    new = campaign(DRIP.steps[0], Step("b", Score(1_000, "x"), after=wait(7)), *DRIP.steps[2:])
    assert said(diff(DRIP, new)) == {"b": ("send became score",)}
    assert due_of(new, Position("b", NOW), LEAD, COMPANY) == NOW + timedelta(days=7)


# -- several edits ------------------------------------------------------------------------------------------------


def test_redirects_stay_one_look_up_over_many_edits() -> None:
    second = campaign(DRIP.steps[0], *DRIP.steps[2:])
    third = campaign(DRIP.steps[0], send("cee", wait(7), was="c"), DRIP.steps[3])
    fourth = campaign(DRIP.steps[0], DRIP.steps[3])
    known: dict[str, Redirect] = {}
    for old, new in ((DRIP, second), (second, third), (third, fourth)):
        known = normalise(known, diff(old, new, known=known), new)
    assert {r.step: (r.to_step, r.renamed) for r in known.values()} == {
        "b": ("done", False),
        "c": ("done", False),
        "cee": ("done", False),
    }
    assert rebase(Position("b", NOW), fourth, known) == Position("done", NOW)


@pytest.mark.parametrize(
    "middle",
    [
        (DRIP.steps[0], *DRIP.steps[2:]),
        (DRIP.steps[0], send("bee", wait(7), was="b"), *DRIP.steps[2:]),
        (DRIP.steps[0],),
    ],
)
def test_back_again_without_a_wake_is_where_one_was(middle: tuple[Step, ...]) -> None:
    second = campaign(*middle)
    known = normalise({}, diff(DRIP, second), second)
    known = normalise(known, diff(second, DRIP, known=known), DRIP)
    for step in DRIP.steps:
        assert rebase(Position(step.id, NOW, NOW), DRIP, known) == Position(step.id, NOW, NOW)


def test_back_again_returns_those_who_followed_a_rename() -> None:
    second = campaign(DRIP.steps[0], send("bee", wait(7), was="b"), *DRIP.steps[2:])
    known = normalise({}, diff(DRIP, second), second)
    third = replace(second, steps=(second.steps[0], replace(second.steps[1], was=None), *second.steps[2:]))
    known = normalise(known, diff(second, third, known=known), third)
    known = normalise(known, diff(third, DRIP, known=known), DRIP)
    assert rebase(Position("bee", NOW, NOW), DRIP, known) == Position("b", NOW, NOW)


def test_old_versions_follow_todays_rules_for_leaving_and_sending() -> None:
    live = replace(campaign(send("x"), window=OFFICE), leave_when=(LeaveRule(fact("did", "x")),))
    mixed = effective(DRIP, live)
    assert (mixed.steps, mixed.leave_when, mixed.sending.window) == (DRIP.steps, live.leave_when, OFFICE)


# -- guards -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("leaves", "people", "asked"),
    [
        (25, 25, False),
        (26, 100, True),
        (26, 1000, False),
        (501, 1_000_000, True),
        (500, 1_000_000, False),
    ],
)
def test_the_blast_guard_asks_above_25_and_5_percent_or_500(leaves: int, people: int, asked: bool) -> None:
    found = Effect([StepEffect("a", people, people - leaves, leaves=leaves)])
    assert [(a.what, a.count) for a in must_say(found)] == ([("leave", leaves)] if asked else [])


def test_counts_may_move_by_five_percent() -> None:
    assert moved_too_far({"moved": 100}, {"moved": 105}) == []
    assert moved_too_far({"moved": 100}, {"moved": 94}) == ["moved: planned 100, now 94"]
    assert moved_too_far({"leaves": 0}, {"leaves": 1}) == []
    assert moved_too_far({"leaves": 0}, {"leaves": 2}) == ["leaves: planned 0, now 2"]


def test_a_burst_is_spread_evenly_and_always_the_same_way() -> None:
    moments = [spread(i, 3, start=NOW, over=timedelta(hours=6)) for i in range(6000)]
    assert moments == [spread(i, 3, start=NOW, over=timedelta(hours=6)) for i in range(6000)]
    by_hour = [
        sum(1 for m in moments if NOW + timedelta(hours=h) <= m < NOW + timedelta(hours=h + 1)) for h in range(6)
    ]
    assert sum(by_hour) == 6000
    assert max(by_hour) < 1150


def test_conditions_compare_without_their_places() -> None:
    here = joined("all", replace(fact("tag", "x"), place=Place("f", 1)))
    there = joined("all", replace(fact("tag", "x"), place=Place("f", 9)))
    plan = campaign(Step("w", WaitFor(here, wait(1))))
    assert diff(plan, campaign(Step("w", WaitFor(there, wait(1))))).steps == ()
