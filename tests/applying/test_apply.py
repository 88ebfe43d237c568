"""plan, apply, rollback, pause, resume and retire on real databases."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from threading import Thread

import pytest
from sqlalchemy import select, text

from nurture.acts import apply as applying
from nurture.acts.apply import Draft
from nurture.authoring.sign import add_signature
from nurture.errors import Conflict, Refused, UsageError
from nurture.model.words import EventKind, Purpose
from nurture.store import Store
from nurture.store.facts import events
from nurture.store.facts.events import NewEvent
from nurture.store.programs import campaigns
from nurture.store.tables import EnrollmentRow, StepDoneRow
from tests.applying.world import BASE, S, World, campaign_file, draft, template_file

DRIP = [S("s0", 0), S("s1", 7), S("s2", 7), S("s3", 7, "score")]


@pytest.fixture
def world(store: Store) -> World:
    made = World(store)
    made.apply(draft(campaign_file(DRIP)))
    return made


def test_an_unedited_file_stores_one_row(world: World) -> None:
    assert world.plan(draft(campaign_file(DRIP))).empty
    world.apply(draft(campaign_file(DRIP)))
    with world.store.read() as conn:
        assert [v.n for v in campaigns.history(conn, "drip")] == [1]


def test_what_was_applied_is_read_back_by_the_same_reader(world: World) -> None:
    assert [s.id for s in world.parts.library.campaigns["drip"].steps] == ["s0", "s1", "s2", "s3"]
    assert world.parts.versions == {"drip": 1}
    assert world.parts.library.company.name


def test_a_plan_says_per_step_what_happens(world: World) -> None:
    world.people([("s1", 5), ("s1", 1), ("s2", 1), ("s3", 0)])
    plan = world.plan(draft(campaign_file([DRIP[0], S("s1", 4), S("r2", 7, was="s2", template="s2")])))
    rows = {s.step: s for s in plan.campaigns[0].effect.steps}
    assert (rows["s1"].stays, rows["s1"].earlier, rows["s1"].at_once) == (2, 2, 1)
    assert (rows["s2"].renamed, rows["s2"].to_step) == (1, "r2")
    assert rows["s3"].leaves == 1


def test_a_plan_says_whose_clicks_can_be_seen(world: World) -> None:
    world.people([("s1", 1)] * 3)
    assert world.plan(draft(campaign_file([*DRIP, S("s4")]))).campaigns[0].visible is None
    world.agree(2, Purpose.CLICK_TRACKING)
    asking = draft(campaign_file([*DRIP, S("s4", 1, "fork")]))
    assert world.plan(asking).campaigns[0].visible == (1, 3)


def test_a_burst_is_spread_over_six_hours(world: World) -> None:
    world.people([("s1", 5)] * 60)
    world.apply(draft(campaign_file([DRIP[0], S("s1", 1), *DRIP[2:]])))
    world.run("rebase")
    due = [due for _, _, due, _ in world.positions().values() if due is not None]
    assert len(due) == 60
    assert all(world.now <= moment <= world.now + timedelta(hours=6) for moment in due)
    assert len({moment.hour for moment in due}) >= 5


def test_new_copy_reaches_people_at_their_next_send(world: World) -> None:
    world.people([("s1", 8)])
    edited = draft(campaign_file(DRIP), **{"templates/t/s1.en.md": template_file("s1", "new words")})
    plan = world.plan(edited)
    assert plan.templates == ("t/s1",)
    assert plan.campaigns[0].effect.counts()["new_copy"] == 1
    world.apply(edited)
    world.run("plan", "send")
    assert b"new words" in world.transport.sent[0].raw


def test_a_plan_is_stale_when_the_files_change(world: World) -> None:
    first, second = draft(campaign_file([*DRIP, S("s4")])), draft(campaign_file([*DRIP, S("s5")]))
    plan = kept(world, first)
    with pytest.raises(Conflict, match="files changed"):
        applying.apply(world.store, second, now=world.now, by="test", plan_id=plan)


def test_a_plan_is_stale_when_somebody_else_applied(world: World) -> None:
    made = draft(campaign_file([*DRIP, S("s4")]))
    plan = kept(world, made)
    world.apply(draft(campaign_file([*DRIP, S("s6")])))
    with pytest.raises(Conflict, match="applied something"):
        applying.apply(world.store, made, now=world.now, by="test", plan_id=plan)


def test_a_plan_is_stale_when_people_moved_on(world: World) -> None:
    world.people([("s1", 1)] * 10)
    made = draft(campaign_file([*DRIP, S("s4")]))
    plan = kept(world, made)
    with world.store.begin() as conn:
        conn.execute(EnrollmentRow.__table__.update().where(EnrollmentRow.__table__.c.id <= 3).values(state="left"))
    with pytest.raises(Conflict, match="people: planned 10, now 7"):
        applying.apply(world.store, made, now=world.now, by="test", plan_id=plan)


def test_a_plan_is_applied_once(world: World) -> None:
    made = draft(campaign_file([*DRIP, S("s4")]))
    plan = kept(world, made)
    applying.apply(world.store, made, now=world.now, by="test", plan_id=plan[:12])
    with pytest.raises(Conflict, match="was applied"):
        applying.apply(world.store, made, now=world.now, by="test", plan_id=plan)
    with pytest.raises(UsageError, match="no plan"):
        applying.apply(world.store, made, now=world.now, by="test", plan_id="nothing")


def kept(world: World, made: Draft) -> str:
    plan = world.plan(made)
    applying.keep(world.store, plan, made, now=world.now, by="test")
    return plan.id


def test_the_blast_guard_wants_the_number_back(world: World) -> None:
    world.people([("s2", 1)] * 40 + [("s1", 1)] * 4)
    made = draft(campaign_file(DRIP[:2]))
    plan = world.plan(made)
    assert plan.asks == {"leave": 40}
    for said in ({}, {"leave": 39}, {"due": 40}):
        with pytest.raises(Refused, match="40 people would leave") as refused:
            applying.apply(world.store, made, now=world.now, by="test", accept=said)
        assert '--accept "leave=40"' in refused.value.fix
    applying.apply(world.store, made, now=world.now, by="test", accept={"leave": 40})


def test_a_renamed_step_is_not_done_again(world: World) -> None:
    world.people([("s1", 8)])
    world.run("plan", "send")
    world.run("plan", "send")
    world.apply(draft(campaign_file([DRIP[0], DRIP[2], S("r1", 1, was="s1"), DRIP[3]])))
    for _ in range(6):
        world.now += timedelta(days=4)
        world.run("rebase", "plan", "send")
    assert [content for _, _, content in world.sent()] == ["s1", "s2"]
    with world.store.read() as conn:
        done = set(conn.execute(select(StepDoneRow.__table__.c.step_id)).scalars())
    assert "r1" not in done


def test_a_click_on_a_mail_counts_under_the_new_name_of_its_step(world: World) -> None:
    """Sent and clicked as `s1`; then the step is called `r1`, and at last the file forgets that it was."""
    world.people([("s1", 8)], purposes=[Purpose.NURTURE_EMAIL, Purpose.CLICK_TRACKING])
    world.run("plan", "send")
    waits = (
        "  - { step: asked, wait_for: { clicked: r1 }, within: 9 days, if_unknown: skip,\n"
        "      then: [{ step: told, send: t/s5 }] }\n"
    )
    world.apply(draft(campaign_file([DRIP[0], S("r1", 1, was="s1", template="s1"), S("s2", 1, "score")]) + waits))
    world.apply(draft(campaign_file([DRIP[0], S("r1", 1, template="s1"), S("s2", 1, "score")]) + waits))
    clicked_at = world.now + timedelta(hours=1)
    click = NewEvent(EventKind.CLICK, clicked_at, 1, key="c", campaign="drip", step="s1", link="read")
    with world.store.begin() as conn:
        events.record(conn, [click], now=world.now)
    for _ in range(3):
        world.now += timedelta(days=1)
        world.run("rebase", "plan", "send")
    assert [content for _, _, content in world.sent()] == ["s1", "s5"]


def test_leave_rules_and_goals_know_every_name_a_step_ever_had(world: World) -> None:
    """Clicked as `s1`; then the step was called `r1`, then `r2`, and the files no longer say so."""
    world.people([("s2", 1), ("s2", 2)], purposes=[Purpose.NURTURE_EMAIL, Purpose.CLICK_TRACKING])
    click = NewEvent(EventKind.CLICK, world.now, 2, key="c", campaign="drip", step="s1", link="read")
    with world.store.begin() as conn:
        events.record(conn, [click], now=world.now)

    def file(name: str, was: str | None, rules: str = "") -> Draft:
        return draft(campaign_file([DRIP[0], S(name, 7, was=was, template="s1"), *DRIP[2:]], extra=rules))

    world.apply(file("r1", "s1"))
    world.apply(file("r2", "r1"))
    world.apply(file("r2", None))
    rules = "goal: { reached_when: { clicked: r2 }, within: 30 days }\nleave_when:\n  - { clicked: r2 }"
    last = file("r2", None, rules)
    assert world.plan(last).campaigns[0].leaving == (2,), "a plan counts what apply will do"
    world.apply(last)
    world.run("rebase", "advance")
    with world.store.read() as conn:
        rows = conn.execute(text("select lead_id, state, goal_at from enrollment order by id")).all()
    assert [(row.lead_id, row.state, row.goal_at is not None) for row in rows] == [
        (1, "active", False), (2, "left", True),
    ]  # fmt: skip
    world.rollback(1)
    assert world.parts.library.campaigns["drip"].former == (("r1", "s1"), ("r2", "s1")), "and back"


def test_a_mail_planned_for_a_step_that_was_taken_out_does_not_leave(world: World) -> None:
    world.people([("s1", 8)])
    world.run("plan")
    world.apply(draft(campaign_file([DRIP[0], *DRIP[2:]])))
    world.run("rebase", "plan", "send")
    assert world.sent() == []
    assert next(iter(world.positions().values()))[0] == "s2"


# -- finish -------------------------------------------------------------------------------------------------------


def test_who_stood_on_the_last_step_when_it_was_taken_out_leaves_and_completed_nothing(world: World) -> None:
    world.people([("s3", 0)])
    world.apply(draft(campaign_file(DRIP[:-1])))
    world.run("rebase", "plan")
    with world.store.read() as conn:
        run = conn.execute(text("select state, end_reason from enrollment")).one()
        assert conn.execute(text("select count(*) from event where kind = 'track_completed'")).scalar_one() == 0
    assert run.state == "left"
    assert "taken out" in run.end_reason


def test_finish_pins_people_inside_and_new_people_take_the_new_version(world: World) -> None:
    world.people([("s1", 8), ("s2", 1)])
    edited = draft(
        campaign_file([DRIP[0], S("s6", 1)], top="in_flight: finish"),
        **{"templates/t/s1.en.md": template_file("s1", "new words")},
    )
    plan = world.plan(edited)
    assert plan.campaigns[0].effect.counts()["pinned"] == 2
    world.apply(edited)
    assert set(world.parts.pinned) == {("drip", 1)}
    world.run("rebase", "plan", "send")
    assert world.sent() == [(1, 1, "s1")]
    assert b"new words" not in world.transport.sent[0].raw, "their copy is pinned, too"
    assert {version for *_, version in world.positions().values()} == {1}
    follow = draft(campaign_file([DRIP[0], S("s6", 1)]))
    world.apply(follow)
    world.run("rebase", "plan")
    assert {version for *_, version in world.positions().values()} == {3}
    assert not world.parts.pinned


def test_at_most_five_versions_are_followed_at_once(world: World) -> None:
    for n in range(2, 6):
        world.people_at(n - 1, version=n - 1)
        world.apply(draft(campaign_file([*DRIP, S(f"s{n + 2}", n)], top="in_flight: finish")))
    world.people_at(5, version=5)
    with pytest.raises(Refused, match="6 versions at once"):
        world.apply(draft(campaign_file([*DRIP, S("s4", 9)], top="in_flight: finish")))


# -- leave rules, files that go ------------------------------------------------------------------------------------


def test_a_new_leave_rule_is_counted_and_reaches_people_inside(world: World) -> None:
    world.people([("s1", 1), ("s2", 1)])
    world.tag(2, "partner")
    made = draft(campaign_file(DRIP, extra="leave_when: [{ tag: partner }]"))
    plan = world.plan(made)
    assert plan.campaigns[0].leaving == (2,)
    assert plan.campaigns[0].effect.by_rules == 1
    world.apply(made)
    world.run("advance")
    with world.store.read() as conn:
        rows = conn.execute(select(EnrollmentRow.__table__.c.lead_id, EnrollmentRow.__table__.c.state)).all()
    assert sorted(map(tuple, rows)) == [(1, "active"), (2, "left")]


def test_a_deleted_file_never_stops_a_campaign(world: World) -> None:
    world.people([("s1", 8)])
    whole = draft(campaign_file(DRIP))
    sources = {path: text for path, text in whole.sources.items() if path != "campaigns/drip.yaml"}
    without = Draft(replace(whole.library, campaigns={}), sources)
    plan = world.plan(without)
    assert plan.gone == ("drip",)
    world.apply(without)
    world.run("plan", "send")
    assert world.sent() == [(1, 1, "s1")]


@pytest.mark.parametrize("how", ["finish", "leave"])
def test_retiring(world: World, how: applying.Retire) -> None:
    world.people([("s1", 8)])
    with world.store.read() as conn:
        made = applying.retirement(conn, "drip", how)
    world.apply(made)
    with world.store.read() as conn:
        assert campaigns.running(conn)["drip"].state == "retired"
    world.run("plan", "send")
    assert len(world.sent()) == (how == "finish")
    with world.store.read() as conn, pytest.raises(UsageError, match="is running"):
        applying.retirement(conn, "drip", "leave")


def test_files_that_do_not_read_are_never_applied(world: World) -> None:
    with pytest.raises(Refused, match="nothing was applied"):
        draft(campaign_file(DRIP).replace("send:", "sned:"))


# -- rollback, pause, resume --------------------------------------------------------------------------------------


def test_rolling_back_is_a_new_version_with_the_old_copy(world: World) -> None:
    world.apply(draft(campaign_file([DRIP[0]]), **{"templates/t/s0.en.md": template_file("s0", "new words")}))
    world.people([("s0", 1)])
    world.rollback(1)
    assert world.parts.versions == {"drip": 3}
    assert [s.id for s in world.parts.library.campaigns["drip"].steps] == ["s0", "s1", "s2", "s3"]
    world.run("plan", "send")
    assert b"new words" not in world.transport.sent[0].raw


def test_there_must_be_something_to_go_back_to(world: World) -> None:
    for n in (None, 1, 7):
        with world.store.read() as conn, pytest.raises(UsageError, match="no version"):
            applying.rollback(conn, "drip", n)
    with world.store.read() as conn, pytest.raises(UsageError, match="ever applied"):
        applying.rollback(conn, "other")


def test_t4_a_pause_holds_everything_and_resuming_spreads_the_backlog(world: World) -> None:
    world.people([("s1", 8)] * 30)
    world.run("plan")
    assert applying.pause(world.store, ["drip"], now=world.now, by="ines") == ["drip"]
    world.run("plan", "send")
    assert world.sent() == []
    world.apply(draft(campaign_file([*DRIP, S("s5")])))
    with world.store.read() as conn:
        assert campaigns.running(conn)["drip"].state == "paused", "applying does not end a pause"
    world.now += timedelta(days=2)
    world.refresh()
    world.run("plan", "send")
    assert world.sent() == []
    assert applying.resume(world.store, ["drip"], now=world.now) == {"drip": 30}
    world.refresh()
    world.run("plan", "send")
    first = len(world.sent())
    world.now += timedelta(hours=3)
    world.run("plan", "send")
    half = len(world.sent())
    world.now += timedelta(hours=3)
    world.run("plan", "send")
    assert first < half < len(world.sent()) == 30, "nobody lost a place"


def test_a_backlog_is_spread_over_as_long_as_one_says(world: World) -> None:
    world.people([("s1", 8)] * 30)
    applying.pause(world.store, ["drip"], now=world.now, by="ines")
    assert applying.resume(world.store, ["drip"], now=world.now, over=timedelta(hours=1)) == {"drip": 30}
    world.refresh()
    world.now += timedelta(hours=1)
    world.run("plan", "send")
    assert len(world.sent()) == 30


def test_a_plan_asks_whether_a_new_step_is_an_old_one_under_another_name(world: World) -> None:
    edited = campaign_file([DRIP[0], S("s1b", 2, template="s1"), *DRIP[2:]])
    assert world.plan(draft(edited)).campaigns[0].renames == (("s1b", "s1"),)
    said = campaign_file([DRIP[0], S("s1b", 2, was="s1", template="s1"), *DRIP[2:]])
    assert world.plan(draft(said)).campaigns[0].renames == ()


def test_pausing_what_is_not_there_is_a_mistake(world: World) -> None:
    with pytest.raises(UsageError, match="no campaign"):
        applying.pause(world.store, ["nothing"], now=world.now, by="ines")
    assert applying.resume(world.store, [], now=world.now) == {}


def test_a_plan_says_what_nobody_signed_and_blocks_where_the_agreement_does(world: World) -> None:
    path = "campaigns/agreement.yaml"
    before = world.parts.library.agreement
    text = BASE[path].replace("  version: 1\n", "  version: 1\n  bant_required: { min: 3, must: [need] }\n", 1)
    silent = draft(campaign_file(DRIP), **{path: text})
    assert [r.code for r in world.plan(silent).remarks] == ["agreement-same-version"]
    world.apply(silent)
    assert world.parts.library.agreement.bant_min == 3
    more = f"version: {before.version + 1}\n  enforce: block\n"
    blocks = text.replace(f"version: {before.version}\n", more, 1)
    unsigned = draft(campaign_file(DRIP), **{path: blocks})
    with pytest.raises(Refused, match="enforce: block") as no:
        world.apply(unsigned)
    assert no.value.code == "agreement-old-signature"
    for role in before.signatories:
        blocks = add_signature(blocks, role=role, name=f"{role} again", on=world.now.date())
    world.apply(draft(campaign_file(DRIP), **{path: blocks}))
    assert world.parts.library.agreement.version == before.version + 1
    world.apply(draft(campaign_file([*DRIP, S("s4")]), **{path: blocks}))  # a campaign alone needs no new signature


def test_of_two_who_apply_at_once_one_is_told(world: World) -> None:
    edits = [draft(campaign_file([*DRIP, S(name)])) for name in ("s4", "s5", "s6", "s7")]
    told: list[str] = []

    def apply(made: Draft) -> None:
        try:
            applying.apply(world.store, made, now=world.now, by="test")
        except Conflict as stale:
            told.append(stale.message)

    threads = [Thread(target=apply, args=(made,)) for made in edits]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with world.store.read() as conn:
        versions = [v.n for v in campaigns.history(conn, "drip")]
    assert len(versions) - 1 + len(told) == 4, "everybody either applied or was told"
    assert versions == list(range(len(versions), 0, -1))
