"""A/B tests and other traps of running campaigns, through the real pipeline on real databases."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from nurture.model.words import EventKind, Purpose
from nurture.store import Store
from nurture.store.facts import events
from nurture.store.tables import DrawRow, EnrollmentRow, MessageRow
from nurture.store.tables import TestWinnerRow as WinnerRow
from tests.applying.world import S, World, campaign_file, draft

message = MessageRow.__table__
draws = DrawRow.__table__
winners = WinnerRow.__table__
enrolled = EnrollmentRow.__table__

TEST = """  - step: s0
    send:
      template: t/s0
      test:
        name: subject
        variants:
          plain: { share: 50%, subject: Plain }
          question: { share: 50%, subject: Question }
        winner: { by: clicks, after: 3 days, at_least: 60 sends, else: keep both }
"""
SEEN = (Purpose.NURTURE_EMAIL, Purpose.CLICK_TRACKING)


def split_file(top: str = "") -> str:
    plain = campaign_file([S("s0", 0), S("s1", 30)], top=top)
    return plain.replace("  - step: s0\n    send: t/s0\n", TEST)


@pytest.fixture
def world(store: Store) -> World:
    made = World(store)
    made.apply(draft(split_file()))
    return made


def variants(world: World) -> dict[int, str]:
    with world.store.read() as conn:
        return {lead: variant for lead, variant in conn.execute(select(message.c.lead_id, message.c.variant))}


def click(world: World, leads: list[int]) -> None:
    with world.store.begin() as conn:
        rows = {lead: i for lead, i in conn.execute(select(message.c.lead_id, message.c.id))}
        found = [
            events.NewEvent(
                EventKind.CLICK, world.now, lead, key=f"c{lead}", message_id=rows[lead], campaign="drip", step="s0"
            )
            for lead in leads
        ]
        events.record(conn, found, now=world.now)


def test_a_winner_takes_those_who_have_not_drawn(world: World) -> None:
    world.people([("s0", 0)] * 80, purposes=SEEN)
    world.run("plan", "send")
    drawn = variants(world)
    assert set(drawn.values()) == {"plain", "question"}
    click(world, [lead for lead, variant in drawn.items() if variant == "question"])
    world.now += timedelta(days=2, hours=23)
    arrive(world, 100)
    assert decided(world) == []
    world.now += timedelta(hours=1)
    for lead in range(101, 121):
        arrive(world, lead)
    assert decided(world) == [("subject", "question")]
    assert {variant for lead, variant in variants(world).items() if lead > 100} == {"question"}


def arrive(world: World, lead: int) -> None:
    """One more lead comes to the mail that is tested."""
    world.people_at(lead, version=1, step="s0", email=f"lead{lead}@example.org")
    world.run("plan")


def decided(world: World) -> list[tuple[str, str | None]]:
    with world.store.read() as conn:
        return [(test, variant) for test, variant in conn.execute(select(winners.c.test, winners.c.variant))]


def test_without_a_difference_all_are_kept_and_that_is_final(world: World) -> None:
    world.people([("s0", 0)] * 80, purposes=SEEN)
    world.run("plan", "send")
    world.now += timedelta(days=4)
    arrive(world, 100)
    assert decided(world) == [("subject", None)]
    click(world, [lead for lead, variant in variants(world).items() if variant == "question"])
    arrive(world, 101)
    assert decided(world) == [("subject", None)]


def test_too_few_sends_decide_nothing(world: World) -> None:
    world.people([("s0", 0)] * 40, purposes=SEEN)
    world.run("plan", "send")
    click(world, list(range(1, 21)))
    world.now += timedelta(days=30)
    arrive(world, 100)
    assert decided(world) == []


def test_clicks_that_may_not_be_tracked_say_nothing(world: World) -> None:
    world.people([("s0", 0)] * 80)
    world.run("plan", "send")
    world.now += timedelta(days=4)
    arrive(world, 100)
    assert decided(world) == [("subject", None)]
    with world.store.read() as conn:
        evidence = conn.execute(select(winners.c.evidence)).scalar_one()
    assert evidence == {"plain": {"sends": 0, "wins": 0}, "question": {"sends": 0, "wins": 0}}


def test_t14_a_draw_is_stored_before_any_limit_and_kept(world: World) -> None:
    world.people([("s0", 0)] * 5)
    world.run("plan")
    with world.store.read() as conn:
        stored = {lead: variant for lead, variant in conn.execute(select(draws.c.lead_id, draws.c.variant))}
    assert stored == variants(world)
    assert len(stored) == 5


def test_t11_an_edit_of_a_variant_starts_a_new_epoch_and_the_plan_says_so(world: World) -> None:
    world.people([("s0", 0)] * 5)
    world.run("plan", "send")
    edited = draft(split_file().replace("subject: Question", "subject: Really a question"))
    assert world.plan(edited).campaigns[0].change.epochs == ("subject",)
    world.apply(edited)
    world.run("plan", "send")
    assert len(world.sent()) == 5, "nobody who had it gets it again"


def test_t19_whoever_enters_again_takes_the_version_that_runs(store: Store) -> None:
    world = World(store)
    again = campaign_file([S("s0", 0)]).replace("enter:\n", "enter:\n  again: always\n")
    world.apply(draft(again))
    world.people([("s0", 0)])
    world.run("plan", "send", "plan")
    world.apply(draft(again.replace("send: t/s0", "send: t/s1")))
    with store.begin() as conn:
        events.record(conn, [events.NewEvent("form", world.now, 1, key="f1", touchpoint="buyers-guide")], now=world.now)
    world.run("record", "score", "advance", "hand_off", "enroll", "plan", "send")
    with store.read() as conn:
        runs = [
            tuple(row)
            for row in conn.execute(select(enrolled.c.run, enrolled.c.version_entered).order_by(enrolled.c.run))
        ]
    assert runs == [(1, 1), (2, 2)]
    assert [content for *_, content in world.sent()] == ["s0", "s1"]


def test_t6_a_click_ends_a_wait_at_once_without_polling(store: Store) -> None:
    world = World(store)
    world.apply(draft(campaign_file([S("s3", 0, "fork"), S("s1", 30)])))
    world.people([("s3", 0)], purposes=SEEN)
    world.run("plan")
    world.now += timedelta(hours=5)
    with store.begin() as conn:
        found = events.NewEvent(EventKind.CLICK, world.now, 1, key="c1", campaign="drip", step="s3")
        events.record(conn, [found], now=world.now)
    world.run("score", "advance", "plan", "send")
    assert [content for *_, content in world.sent()] == ["s3-yes"]
