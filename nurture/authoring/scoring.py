"""`scoring.yaml` -> `Scoring`: models, fit criteria, engagement rules, matrix."""

from __future__ import annotations

import re
from typing import Any, Final

from nurture.authoring import values as v
from nurture.authoring.block import Block, Word, Words
from nurture.authoring.conditions import read_condition
from nurture.authoring.desk import Desk
from nurture.authoring.shapes import SCALAR, SLUG, TEXT, YES_NO, array, choice, ref, several, table, whole
from nurture.authoring.tree import Node
from nurture.model.scoring import (
    Cell,
    Criterion,
    Decay,
    Inactivity,
    Model,
    Rule,
    Scoring,
    Subtraction,
    ValueRule,
)
from nurture.model.words import Depth

CELLS: Final = tuple(f"{fit}{engagement}" for fit in "ABCD" for engagement in "1234")
HANDED: Final = ("A1", "A2", "A3", "B1", "B2")
CELL_ACTIONS: Final = ("handoff", "nurture", "profile_first", "hold")
DEDUPE: Final = ("none", "asset", "message", "day")
MATCHERS: Final = ("topic", "depth", "url", "content", "link", "form", "min_minutes")

SCORING: Final[Words] = {
    "version": Word("Goes up with every change that sales heard of.", whole(1, 100_000)),
    "models": Word("The first whose applies_if holds is the lead's model; the last has none.", array(ref("model"), 1),
                   True),
}
MODEL: Final[Words] = {
    "model": Word("Its name.", SLUG, True, ("default",)),
    "segment": Word("What the agreement calls these leads.", SLUG),
    "applies_if": Word("For which leads; the last model has none.", ref("condition")),
    "offered": Word("Events this segment is invited to; empty: everything.", array(SLUG)),
    "shadow": Word("Computed and shown, decides nothing.", YES_NO),
    "fit": Word("Who the lead is: criteria with weights.", array(ref("criterion"))),
    "subtract": Word("Taken off the fit after the weighted mean.", array(ref("subtraction"))),
    "fit_bands": Word("From how many points A, B and C begin.", table(whole(0, 100))),
    "engagement": Word("What the lead does.", ref("engagement")),
    "inactivity": Word("Points for silence.", array(ref("inactivity"))),
    "matrix": Word("Cell A1 ... D4 -> what happens there.", table({"oneOf": [choice(CELL_ACTIONS),
                                                                             ref("matrix_cell")]})),
}
CRITERION: Final[Words] = {
    "field": Word("A field of the lead.", SLUG, True, ("role",)),
    "weight": Word("How much it counts against the others.", whole(1, 1000), True, (30,)),
    "rules": Word("The first that matches gives 0..100 points.", array(ref("value_rule"), 1), True),
    "exclude": Word("Values that are outside, whatever the sum.", several(SCALAR)),
    "min_confidence": Word("Below it a value counts as unknown.", {"type": "number", "minimum": 0, "maximum": 1}),
    "max_age": Word("Older values count as unknown.", ref("duration")),
}
VALUE_RULE: Final[Words] = {
    "is": Word("Exactly this.", SCALAR), "one_of": Word("Any of these.", array(SCALAR, 1)),
    "at_least": Word("This or more.", SCALAR), "at_most": Word("This or less.", SCALAR),
    "contains": Word("Holds any of these texts.", several(TEXT)),
    "points": Word("0..100.", whole(0, 100)), "otherwise": Word("The points of everything else.", whole(0, 100)),
}
SUBTRACTION: Final[Words] = {
    "field": Word("A field of the lead.", SLUG, True), "points": Word("Taken off.", whole(0, 100), True),
    "because": Word("As the score says it.", TEXT),
    **{key: VALUE_RULE[key] for key in ("is", "one_of", "at_least", "at_most", "contains")},
}
ENGAGEMENT: Final[Words] = {
    "max": Word("The most there can be.", whole(1, 1000)),
    "bands": Word("From how many points 1, 2 and 3 begin.", table(whole(0, 1000))),
    "groups": Word("Group -> its cap in points.", table(whole(1, 1000))),
    "rules": Word("What gives how many points.", array(ref("engagement_rule")), True),
}
ENGAGEMENT_RULE: Final[Words] = {
    "rule": Word("Its name, as the score says it.", SLUG, True, ("webinar",)),
    "event": Word("The kind of event.", SLUG, False, ("webinar_attended",)),
    "points": Word("May be negative.", whole(-1000, 1000), True, (30,)),
    "decay": Word("none, 60 days, half-life 30 days, 50% per 30 days.", TEXT, False, ("half-life 30 days",)),
    "dedupe": Word("Count once per asset, message or day of the company's time zone.", choice(DEDUPE)),
    "per_day": Word("At most so many a day of the company's time zone.", whole(1, 1000)),
    "cap": Word("At most so many points from this rule.", whole(1, 1000)),
    "group": Word("Shares this group's cap.", SLUG),
    "depth_counts": Word("Multiply by depth: awareness 1, consideration 1.5, decision 2.", YES_NO),
    "sequence": Word("An ordered pattern of events.", array({"type": "object"}, 2)),
    "within": Word("With sequence: all of it in this time.", ref("duration")),
    "topic": Word("Only about this topic.", several(SLUG)), "depth": Word("Only this deep.", several(choice(Depth))),
    "url": Word("Only this page; `*` stands for anything.", several(TEXT)),
    "content": Word("Only this content.", several(SLUG)),
    "link": Word("Only this named link.", several(SLUG)), "form": Word("Only this form.", several(SLUG)),
    "min_minutes": Word("Only from so many minutes.", whole(1, 1440)),
}
INACTIVITY: Final[Words] = {
    "after": Word("Silent for so long.", ref("duration"), True), "points": Word("Negative.", whole(-1000, 0), True),
}
CELL: Final[Words] = {
    "action": Word("What happens in this cell.", choice(CELL_ACTIONS), True),
    "track": Word("Where its leads are nurtured.", SLUG), "priority": Word("1 goes first to sales.", whole(0, 100)),
}

_MATCH_READERS: Final[dict[str, v.Reader[Any]]] = {
    "topic": v.one_or_many(v.slug), "depth": v.one_or_many(v.choice(*Depth)), "url": v.one_or_many(v.line),
    "content": v.one_or_many(v.slug), "link": v.one_or_many(v.slug), "form": v.one_or_many(v.slug),
    "min_minutes": v.whole(1, 1440),
}


def read_scoring(root: Node, desk: Desk) -> Scoring:
    """The models in the order they are asked."""
    block = Block(root, desk, SCORING)
    models = tuple(_model(node, desk) for node in block.items("models"))
    return Scoring(models, block.get("version", v.whole(1, 100_000), 1))


def _model(node: Node, desk: Desk) -> Model:
    block = Block(node, desk, MODEL)
    name = block.get("model", v.slug, "")
    if ("model", name) in desk.spots:
        desk.find("same-id", block.place("model"), f"model `{name}` stands here twice", "give one of them another name")
    desk.spots["model", name] = block.place("model")
    for key in MODEL:
        desk.spots["model", name, key] = block.place(key)
    engagement = Block(block.at("engagement") or Node("map", node.at), desk,
                       ENGAGEMENT if block.has("engagement") else {})
    return Model(
        id=name,
        applies_if=block.get("applies_if", read_condition),
        shadow=block.get("shadow", v.yes_no, False),
        fit=tuple(_criterion(n, name, desk) for n in block.items("fit")),
        subtract=tuple(_subtraction(n, desk) for n in block.items("subtract")),
        fit_bands={"A": 75, "B": 50, "C": 25} | _numbers(block, "fit_bands", ("A", "B", "C")),
        rules=tuple(_rule(n, name, desk) for n in engagement.items("rules")),
        inactivity=tuple(_inactivity(n, desk) for n in block.items("inactivity")),
        groups=_numbers(engagement, "groups"),
        engagement_max=engagement.get("max", v.whole(1, 1000), 100),
        engagement_bands={1: 75, 2: 50, 3: 25} | {int(k): x for k,
                                                  x in _numbers(engagement, "bands", ("1", "2", "3")).items()},
        matrix=_matrix(block, name),
        segment=block.get("segment", v.slug),
        offered=block.get("offered", v.many(v.slug), ()),
        place=block.place("model"),
    )


def _numbers(block: Block, key: str, names: tuple[str, ...] = ()) -> dict[str, int]:
    made = {}
    for name, name_node, value in block.pairs(key):
        if names and v.choice(*names)(name_node, block.desk) is None:
            continue
        found = v.whole(0, 1000)(value, block.desk)
        if found is not None:
            made[name] = found
    return made


def _criterion(node: Node, model: str, desk: Desk) -> Criterion:
    block = Block(node, desk, CRITERION)
    name = block.get("field", v.slug, "")
    return Criterion(
        field=name,
        weight=block.get("weight", v.whole(1, 1000), 1),
        rules=tuple(_value_rule(n, desk) for n in block.items("rules")),
        exclude=block.get("exclude", v.many(v.scalar), ()),
        min_confidence=block.get("min_confidence", v.number(0, 1), 0.0),
        max_age_days=block.get("max_age", v.days),
        place=block.place("field"),
    )


def _value_rule(node: Node, desk: Desk) -> ValueRule:
    block = Block(node, desk, VALUE_RULE)
    otherwise = block.get("otherwise", v.whole(0, 100))
    if otherwise is not None:
        return ValueRule(otherwise, otherwise=True)
    if not block.has("points") and not block.guessed:
        desk.find("missing-key", node.place, "this rule gives no points", "add `points: 50`")
    return _asks(block, block.get("points", v.whole(0, 100), 0))


def _asks(block: Block, points: int) -> ValueRule:
    asked = ("is", "one_of", "at_least", "at_most", "contains")
    if not any(block.has(key) for key in asked) and not block.guessed & {*asked, "otherwise"}:
        block.desk.find("missing-key", block.node.place, "this rule asks nothing",
                        "add `is:`, `one_of:`, `at_least:` or `contains:`")
    return ValueRule(
        points, block.get("is", v.scalar), block.get("one_of", v.many(v.scalar), ()),
        block.get("at_least", v.number(-1e9, 1e9)), block.get("at_most", v.number(-1e9, 1e9)),
        tuple(str(t) for t in block.get("contains", v.many(v.scalar), ())),
    )


def _subtraction(node: Node, desk: Desk) -> Subtraction:
    block = Block(node, desk, SUBTRACTION)
    points = block.get("points", v.whole(0, 100), 0)
    name = block.get("field", v.slug, "")
    desk.spots["subtract", name] = block.place("field")
    return Subtraction(name, points, _asks(block, points), block.get("because", v.line, ""))


def _rule(node: Node, model: str, desk: Desk) -> Rule:
    block = Block(node, desk, ENGAGEMENT_RULE)
    name = block.get("rule", v.slug, "")
    if ("rule", model, name) in desk.spots:
        desk.find("same-id", block.place("rule"), f"rule `{name}` stands here twice", "give one of them another name")
    for key in ENGAGEMENT_RULE:
        desk.spots["rule", model, name, key] = block.place(key)
    desk.spots["rule", model, name] = block.place("rule")
    if block.has("event") == block.has("sequence") and "event" not in block.guessed:
        desk.find("one-action", node.place, f"rule `{name}` needs one of `event` and `sequence`",
                  "add `event: page_view`")
    match = {key: found for key in MATCHERS if (found := block.get(key, _MATCH_READERS[key])) is not None}
    within = block.get("within", v.days)
    if within is not None:
        match["within_days"] = within
    return Rule(
        id=name, event=block.get("event", v.slug, ""), points=block.get("points", v.whole(-1000, 1000), 0),
        decay=block.get("decay", read_decay, Decay()), dedupe=block.get("dedupe", v.choice(*DEDUPE), "none"),
        per_day=block.get("per_day", v.whole(1, 1000)), cap=block.get("cap", v.whole(1, 1000)),
        group=block.get("group", v.slug), match=match,
        depth_counts=block.get("depth_counts", v.yes_no, False),
        sequence=tuple(read_matcher(n, desk, "event") for n in block.items("sequence")),
        place=block.place("rule"),
    )


def read_matcher(node: Node, desk: Desk, kind: str) -> dict[str, Any]:
    """`{ type: webinar_attended, min_minutes: 30, within_days: 365 }`; `kind` is the word for the event's kind."""
    words: Words = {
        kind: Word("The kind of event.", SLUG), **{key: ENGAGEMENT_RULE[key] for key in MATCHERS},
        "within_days": Word("Not longer ago.", whole(1, 3650)), "label": Word("As sales reads it.", TEXT),
    }
    block = Block(node, desk, words)
    readers = {**_MATCH_READERS, kind: v.slug, "within_days": v.whole(1, 3650), "label": v.line}
    made = {key: found for key in words if (found := block.get(key, readers[key])) is not None}
    if kind in made:
        desk.spots["event", made[kind], block.place(kind)] = block.place(kind)
    return made


def read_decay(node: Node, desk: Desk) -> Decay | None:
    """`none`, `60 days`, `half-life 30 days`, `50% per 30 days`."""
    said = node.text if node.kind == "text" else ""
    if said == "none":
        return Decay()
    if found := re.fullmatch(r"half-life ([1-9][0-9]{0,3}) days?", said):
        return Decay("half_life", int(found.group(1)))
    if found := re.fullmatch(r"([1-9][0-9]?|100)% per ([1-9][0-9]{0,3}) days?", said):
        return Decay("linear", int(found.group(2)), int(found.group(1)))
    if found := re.fullmatch(r"([1-9][0-9]{0,3}) days?", said):
        return Decay("window", int(found.group(1)))
    v.not_like(node, desk, "half-life 30 days", "60 days", "50% per 30 days", "none")
    return None


def _inactivity(node: Node, desk: Desk) -> Inactivity:
    block = Block(node, desk, INACTIVITY)
    return Inactivity(block.get("after", v.days, 0), block.get("points", v.whole(-1000, 0), 0))


def _matrix(block: Block, model: str) -> dict[str, Cell]:
    if not block.has("matrix"):
        return default_matrix()
    made: dict[str, Cell] = {}
    for name, name_node, value in block.pairs("matrix"):
        if v.choice(*CELLS)(name_node, block.desk) is None:
            continue
        block.desk.spots["cell", model, name] = name_node.place
        if value.kind == "text":
            action = v.choice(*CELL_ACTIONS)(value, block.desk)
            made[name] = Cell(action or "hold")
            continue
        inner = Block(value, block.desk, CELL)
        block.desk.spots["cell", model, name, "track"] = inner.place("track")
        made[name] = Cell(inner.get("action", v.choice(*CELL_ACTIONS), "hold"), inner.get("track", v.slug),
                          inner.get("priority", v.whole(0, 100), 0))
    return made


def default_matrix() -> dict[str, Cell]:
    """Hand over where both axes are strong, nurture everywhere else."""
    return {cell: Cell("handoff" if cell in HANDED else "nurture") for cell in CELLS}


