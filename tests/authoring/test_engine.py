"""What the files can say, the engine can do: no fact, trigger or action that is read and then not understood."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import pytest

from nurture.authoring import read_sources
from nurture.authoring.conditions import ARG_READERS, FACT_READERS
from nurture.authoring.lint.folder import OURS
from nurture.authoring.scoring import CELL_ACTIONS, CELLS
from nurture.authoring.story import HAPPENINGS
from nurture.authoring.words import ACTIONS, FACT_ARGS, FACTS, TRIGGERS
from nurture.decide import condition as decide_condition
from nurture.decide.condition import evaluate
from nurture.decide.enter import may_enter
from nurture.model import campaign as nouns
from nurture.model.campaign import Condition, Trigger
from nurture.model.facts import Lead, Snapshot
from nurture.model.scoring import Cell
from nurture.model.words import EventKind, Stage, Truth
from tests.authoring.folders import good

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


def library() -> Any:
    return read_sources(good()).library


@pytest.mark.parametrize("fact", FACTS)
def test_every_fact_that_is_read_is_answered(fact: str) -> None:
    assert fact in FACT_READERS
    example = FACTS[fact].examples[0] if FACTS[fact].examples else "any"
    args = {"is": "x"} if fact == "field" else {}
    snapshot = Snapshot(Lead(1, Stage.NURTURING, "a@example.com"))
    answer = evaluate(Condition(fact, example, args=args), snapshot, since=NOW - timedelta(days=9),
                      company=library().company,
                      now=NOW)
    assert answer in set(Truth)


def test_the_engine_knows_no_fact_the_language_has_not() -> None:
    assert frozenset(FACTS) == decide_condition.FACTS
    assert {a for a in FACT_ARGS if a != "in_last"} == set(ARG_READERS)


@pytest.mark.parametrize("kind", TRIGGERS)
def test_every_trigger_that_is_read_starts_a_campaign(kind: str) -> None:
    campaign = library().campaigns["awareness-buyers-guide"]
    value = TRIGGERS[kind].examples[0] if TRIGGERS[kind].examples else "any"
    value = tuple(value) if isinstance(value, list) else value
    asked = replace(campaign, enter=replace(campaign.enter, when=(Trigger(kind, value),)))
    lead = Lead(1, Stage.NURTURING, "a@example.com")
    decision = may_enter(asked, Snapshot(lead), past=(), trigger_events=(), company=library().company, now=NOW)
    assert decision.reason


def test_every_action_has_its_noun() -> None:
    named = {a.__name__ for a in get_args(nouns.Action)}
    assert {"".join(p.capitalize() for p in word.split("_")) for word in ACTIONS} == {n.replace("SetField",
                                                                                                "Set") for n in named}


def test_the_matrix_speaks_the_engines_words() -> None:
    assert len(CELLS) == 16
    assert all(Cell(action).action == action for action in CELL_ACTIONS)


def test_events_of_ours_are_the_products() -> None:
    assert {k.value for k in EventKind} < OURS
    assert len(HAPPENINGS) >= 15
