"""Properties that must hold on the table of moves, and what it refuses."""

from __future__ import annotations

import itertools

import pytest

from nurture.errors import Refused
from nurture.model.lifecycle import PREVIOUS, STAGES, TABLE, TRIGGERS, listing, mermaid, next_state
from nurture.model.words import ActorKind, Stage

EDGES = {(source, Stage(move.to)) for move in TABLE if move.to != PREVIOUS for source in move.sources}


def reach(start: Stage) -> set[Stage]:
    found, left = {start}, [start]
    while left:
        here = left.pop()
        for a, b in EDGES:
            if a is here and b not in found:
                found.add(b)
                left.append(b)
    return found


def test_every_stage_is_described_and_reachable() -> None:
    assert set(STAGES) == set(Stage)
    assert reach(Stage.IDENTIFIED) == set(Stage)


@pytest.mark.parametrize("stage", [s for s in Stage if s is not Stage.ERASED])
def test_every_stage_has_a_way_out_and_a_way_to_customer(stage: Stage) -> None:
    assert any(a is stage and b is not Stage.ERASED for a, b in EDGES)
    assert Stage.CUSTOMER in reach(stage)


def test_no_stage_and_trigger_is_ambiguous() -> None:
    seen = [(source, trigger) for move in TABLE for source in move.sources for trigger in move.triggers]
    assert len(seen) == len(set(seen))
    assert len({move.id for move in TABLE}) == len(TABLE)


def test_sal_sql_and_converted_are_entered_by_a_named_seller_only() -> None:
    """S4-09, S1-13."""
    for move in TABLE:
        if move.to in (Stage.SAL, Stage.SQL, Stage.CONVERTED):
            assert move.actors == {ActorKind.SALES} and move.human


def test_mql_is_entered_from_marketing_only() -> None:
    sources = set(itertools.chain.from_iterable(move.sources for move in TABLE if move.to is Stage.MQL))
    assert sources == {Stage.NURTURING, Stage.RECYCLED, Stage.DORMANT}, "early goes through nurturing (S0-09)"


def test_erased_is_the_end_and_only_the_person_leads_there() -> None:
    assert not any(Stage.ERASED in move.sources for move in TABLE)
    assert {a for move in TABLE if move.to is Stage.ERASED for a in move.actors} == {ActorKind.PERSON}


@pytest.mark.parametrize(("stage", "trigger", "actor", "code"), [
    (Stage.MQL, "accept", ActorKind.SYSTEM, "needs_human"),
    (Stage.MQL, "convert", ActorKind.SALES, "not_from_here"),
    (Stage.NURTURING, "accept", ActorKind.SALES, "not_from_here"),
    (Stage.SAL, "qualify", ActorKind.MARKETING, "needs_human"),
    (Stage.NURTURING, "gate_pass", ActorKind.SALES, "not_yours"),
    (Stage.ERASED, "reopen", ActorKind.SALES, "not_from_here"),
    (Stage.MQL, "becomes_rich", ActorKind.SYSTEM, "unknown_trigger"),
])
def test_what_is_refused_says_why(stage: Stage, trigger: str, actor: ActorKind, code: str) -> None:
    """V20."""
    with pytest.raises(Refused) as no:
        next_state(stage, trigger, actor)
    assert no.value.code == code


def test_a_nameless_seller_decides_nothing() -> None:
    with pytest.raises(Refused) as no:
        next_state(Stage.MQL, "accept", ActorKind.SALES, named=False)
    assert no.value.code == "needs_human"


@pytest.mark.parametrize("stage", list(Stage))
@pytest.mark.parametrize("trigger", sorted(TRIGGERS))
@pytest.mark.parametrize("actor", list(ActorKind))
def test_anything_else_is_refused_and_never_a_crash(stage: Stage, trigger: str, actor: ActorKind) -> None:
    try:
        move = next_state(stage, trigger, actor)
    except Refused as no:
        assert no.code
    else:
        assert stage in move.sources and trigger in move.triggers and actor in move.actors


def test_the_drawing_shows_every_move() -> None:
    drawn = mermaid()
    assert all(move.id in drawn for move in TABLE if move.to not in (PREVIOUS, Stage.ERASED))
    assert len(listing()) == len(TABLE)
