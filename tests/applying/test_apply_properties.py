"""P1 to P7, P9 and P10 of the campaign language, on real databases.

P8 (a simulation tells what production does) is in `tests/applying/test_simulated.py`.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import event, update

from nurture.acts import apply as applying
from nurture.errors import NurtureError
from nurture.model.words import Purpose
from nurture.store import Store
from nurture.store.tables import ConsentStateRow
from tests.applying.world import POOL, S, World, campaign_file, draft, template_file

consent = ConsentStateRow.__table__
MANY = 10 if os.environ.get("NURTURE_TEST_ALL") else 1
QUIET = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
QUICK = settings(max_examples=8 * MANY, deadline=None, suppress_health_check=QUIET)
SLOW = settings(QUICK, max_examples=4 * MANY)
LATER_ON_POSTGRES = pytest.mark.parametrize(
    "store_url", ["sqlite", pytest.param("postgres", marks=pytest.mark.slow)], indirect=True
)
"""P1, P2, P4 and P10 hold whatever the database does, so they are tried on both every time; these are about rules."""

days = st.integers(0, 9)
kinds = st.sampled_from(["send", "send", "send", "score", "fork"])


@st.composite
def files(draw: st.DrawFn, names: tuple[str, ...] = POOL) -> list[S]:
    """A campaign: some of the names, in any order, each with a wait and an action."""
    chosen = draw(st.lists(st.sampled_from(names), unique=True, min_size=1, max_size=6))
    return [S(name, draw(days), draw(kinds)) for name in chosen]


@st.composite
def edits(draw: st.DrawFn, old: list[S]) -> list[S]:
    """Steps taken out, put in, renamed, moved, waits changed: any of them at once."""
    kept = [replace(s, was=None, days=draw(st.one_of(st.just(s.days), days))) for s in old if draw(st.integers(0, 3))]
    fresh = [name for name in (*POOL, *(f"r{n}" for n in range(8))) if name not in {s.name for s in old}]
    for place in range(len(kept)):
        if draw(st.integers(0, 4)) == 0 and fresh:
            new, gone = fresh.pop(0), kept[place]
            template = gone.template or gone.name
            kept[place] = S(new, gone.days, gone.kind, gone.name, template if gone.kind == "send" else None)
    for name in fresh[: draw(st.integers(0, 2))]:
        kept.insert(draw(st.integers(0, len(kept))), S(name, draw(days), draw(kinds)))
    if draw(st.booleans()):
        kept = draw(st.permutations(kept))
    return list(kept) or [S(old[0].name, old[0].days, old[0].kind)]


@st.composite
def histories(draw: st.DrawFn) -> list[list[S]]:
    """A campaign and up to four edits of it."""
    found = [draw(files())]
    for _ in range(draw(st.integers(1, 4))):
        found.append(draw(edits(found[-1])))
    return found


@st.composite
def crowds(draw: st.DrawFn) -> list[tuple[int, float]]:
    """People: which step (by place, wrapped around) and for how many days."""
    return draw(st.lists(st.tuples(st.integers(0, 9), st.floats(0, 12, width=16)), min_size=1, max_size=12))


def names_of(file: list[S]) -> list[str]:
    found = []
    for s in file:
        found += [s.name, f"{s.name}-yes", f"{s.name}-no"] if s.kind == "fork" else [s.name]
    return found


def stand(world: World, file: list[S], crowd: list[tuple[int, float]]) -> None:
    names = names_of(file)
    world.people([(names[place % len(names)], spent) for place, spent in crowd])


# -- where people stand -------------------------------------------------------------------------------------------


@LATER_ON_POSTGRES
@QUICK
@given(histories(), crowds())
def test_p3_every_position_is_a_step_or_the_end(
    store: Store, history: list[list[S]], crowd: list[tuple[int, float]]
) -> None:
    world = World(store, used=True)
    world.apply(draft(campaign_file(history[0])))
    stand(world, history[0], crowd)
    for file in history[1:]:
        world.apply(draft(campaign_file(file)))
        here = {None, *names_of(file)}
        assert {step for step, _ in world.lazily().values()} <= here
    world.run("rebase")
    assert {step for step, _ in world.lazily().values()} <= here


@QUICK
@given(files(), st.data(), crowds())
def test_p4_the_plan_says_what_apply_does(
    store: Store, file: list[S], data: st.DataObject, crowd: list[tuple[int, float]]
) -> None:
    world = World(store, used=True)
    world.apply(draft(campaign_file(file)))
    stand(world, file, crowd)
    edited = data.draw(edits(file))
    made = draft(campaign_file(edited))
    promised = world.plan(made).counts().get("drip", {})
    before = world.positions()
    world.apply(made)
    world.run("rebase")
    after, places = world.positions(), world.lazily()
    renames = {s.was: s.name for s in edited if s.was}
    found: Counter[str] = Counter(people=len(before) if promised else 0)
    for i, (step, anchor, due, _) in before.items():
        place, kept = places[i]
        assert kept == anchor, "the anchor never moves"
        if place == step:
            found["stays"] += bool(promised)
        elif place is None:
            found["leaves"] += 1
        else:
            found["renamed" if renames.get(step or "") == place else "moved"] += 1
        new_due = after[i][2]
        if place is not None and due is not None and new_due is not None:
            found["earlier"] += max(new_due, world.now) < max(due, world.now)
            found["later"] += new_due > max(due, world.now)
    keys = ("people", "stays", "leaves", "renamed", "moved", "earlier", "later")
    said = {name: promised.get(name, 0) for name in keys}
    # A burst is spread, but nobody is put off by that: someone due within hours may keep their moment.
    assert said["earlier"] >= found["earlier"] >= said["earlier"] - promised.get("at_once", 0)
    assert {**said, "earlier": 0} == {**{name: found[name] for name in keys}, "earlier": 0}


@LATER_ON_POSTGRES
@QUICK
@given(histories(), crowds())
def test_p5_following_late_is_following_at_once(
    store: Store, history: list[list[S]], crowd: list[tuple[int, float]]
) -> None:
    """For edits that do not bring back a name that was taken out; those return people to where they stood (P7)."""
    seen: set[str] = set()
    for before, after in pairwise(history):
        seen |= set(names_of(before)) - set(names_of(after))
        assume(not seen & set(names_of(after)))
    places = []
    for eager in (False, True):
        world = World(store, used=True)
        world.apply(draft(campaign_file(history[0])))
        stand(world, history[0], crowd)
        for file in history[1:]:
            world.apply(draft(campaign_file(file)))
            if eager:
                world.run("rebase")
        places.append(world.lazily())
    assert places[0] == places[1]


@LATER_ON_POSTGRES
@QUICK
@given(files(), st.lists(days, min_size=6, max_size=6), crowds())
def test_p6_a_longer_wait_makes_nobody_earlier(
    store: Store, file: list[S], more: list[int], crowd: list[tuple[int, float]]
) -> None:
    world = World(store, used=True)
    world.apply(draft(campaign_file(file)))
    stand(world, file, crowd)
    before = world.positions()
    world.apply(draft(campaign_file([replace(s, days=s.days + more[i]) for i, s in enumerate(file)])))
    world.run("rebase")
    for i, (step, _, due, _) in world.positions().items():
        old = before[i]
        assert step == old[0]
        assert due is not None
        assert old[2] is not None
        assert due >= min(old[2], world.now)


@LATER_ON_POSTGRES
@QUICK
@given(histories(), crowds())
@example([[S("s0"), S("s1", 3)], [S("s0"), S("r0", 3, was="s1")], [S("s0"), S("r0", 2)]], [(1, 1.0)])
def test_p7_an_edit_taken_back_before_anybody_woke_never_was(
    store: Store, history: list[list[S]], crowd: list[tuple[int, float]]
) -> None:
    world = World(store, used=True)
    world.apply(draft(campaign_file(history[0])))
    stand(world, history[0], crowd)
    before = world.lazily()
    applied = 1
    for file in history[1:]:
        applied += not world.apply(draft(campaign_file(file))).empty
    if applied > 1 and campaign_file(history[-1]) != campaign_file(history[0]):
        world.rollback(1)
    assert world.lazily() == before


# -- what is sent -------------------------------------------------------------------------------------------------


@SLOW
@given(histories(), crowds(), st.lists(st.integers(1, 5), min_size=8, max_size=8), st.booleans())
def test_p1_nothing_is_sent_twice_under_any_edits(
    store: Store, history: list[list[S]], crowd: list[tuple[int, float]], gaps: list[int], back: bool
) -> None:
    world = World(store, used=True)
    world.apply(draft(campaign_file(history[0])))
    stand(world, history[0], crowd)
    for turn, gap in enumerate(gaps):
        world.now += timedelta(days=gap)
        world.run("rebase", "plan", "send", "record", "score", "advance")
        if turn + 1 < len(history):
            world.apply(draft(campaign_file(history[turn + 1])))
        elif back and turn == len(history) and len(history) > 2:
            with pytest.MonkeyPatch.context():
                try:
                    world.rollback(1)
                except NurtureError:
                    back = False
    twice = {what: n for what, n in Counter(world.sent()).items() if n > 1}
    assert not twice
    assert len(world.transport.sent) == len(world.sent()), "what left is what the books say"


@SLOW
@given(histories(), crowds(), st.integers(0, 3))
def test_p2_nothing_is_sent_after_consent_ends(
    store: Store, history: list[list[S]], crowd: list[tuple[int, float]], until: int
) -> None:
    world = World(store, used=True)
    world.apply(draft(campaign_file(history[0])))
    stand(world, history[0], crowd)
    allowed = 0
    for turn, file in enumerate([*history[1:], *history[1:]]):
        world.now += timedelta(days=3)
        world.run()
        if turn == until:
            allowed = len(world.transport.sent)
            with store.begin() as conn:
                mails = consent.c.purpose == Purpose.NURTURE_EMAIL
                conn.execute(update(consent).where(mails).values(status="withdrawn"))
        world.apply(draft(campaign_file(file)))
        if turn >= until:
            world.run()
            assert len(world.transport.sent) == allowed


# -- applying -----------------------------------------------------------------------------------------------------


@LATER_ON_POSTGRES
@QUICK
@given(files(), st.data(), crowds())
def test_p9_applying_twice_is_applying_once(
    store: Store, file: list[S], data: st.DataObject, crowd: list[tuple[int, float]]
) -> None:
    world = World(store, used=True)
    world.apply(draft(campaign_file(file)))
    stand(world, file, crowd)
    made = draft(campaign_file(data.draw(edits(file))))
    world.apply(made)
    once = world.dump()
    world.now += timedelta(hours=1)
    assert world.plan(made).empty
    assert applying.apply(store, made, now=world.now, by="test").empty
    assert world.dump() == once


class Crash(Exception):
    """The process dies here."""


@contextmanager
def dying_at(store: Store, statement: int) -> Iterator[dict[str, int]]:
    """Every statement counts; at this one the process dies."""
    seen = {"n": 0}

    def count(*_: Any) -> None:
        seen["n"] += 1
        if seen["n"] == statement:
            raise Crash

    event.listen(store.engine, "before_cursor_execute", count)
    try:
        yield seen
    finally:
        event.remove(store.engine, "before_cursor_execute", count)


def test_p10_a_crash_at_any_statement_leaves_old_or_new_and_nothing_between(store: Store) -> None:
    world = World(store, used=True)
    world.apply(draft(campaign_file([S("s0", 0), S("s1", 3), S("s2", 5)], extra="leave_when: [{ did: booked-demo }]")))
    world.people([("s1", 1), ("s2", 2), ("s0", 0)])
    made = draft(
        campaign_file(
            [S("s0", 0), S("r1", 2, was="s1", template="s1"), S("s3", 5)],
            extra="leave_when: [{ did: became-customer }]",
        ),
        **{"templates/t/s0.en.md": template_file("s0", "other words")},
    )
    plan = world.plan(made)
    applying.keep(store, plan, made, now=world.now, by="test")
    old = world.dump()
    crashed, statement = 0, 1
    while True:
        try:
            with dying_at(store, statement):
                applying.apply(store, made, now=world.now, by="test", plan_id=plan.id, accept=plan.asks)
        except Crash:
            crashed += 1
            assert world.dump() == old, f"something is left of a crash at statement {statement}"
            statement += 1
            continue
        break
    assert crashed > 20
    new: Mapping[str, Any] = world.dump()
    assert new != old
    assert world.plan(made).empty
