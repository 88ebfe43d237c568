"""YAML -> `Condition`. A block's keys are facts, all of which must hold; `all`, `any` and `not` nest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from nurture.authoring import values as v
from nurture.authoring.desk import Desk, did_you_mean
from nurture.authoring.tree import Node
from nurture.authoring.words import CONNECTIVES, FACT_ARGS, FACTS
from nurture.model.campaign import Condition, Duration
from nurture.model.words import Purpose, Stage

DATED: Final = frozenset({"clicked", "opened", "replied", "visited", "did", "attended", "bounced", "form"})
"""Facts that happen at a moment, so that `in_last` says something about them."""

CLICKS: Final = frozenset({"clicked", "visited", "opened"})
"""Facts nobody can know of a lead who does not allow tracking."""

FACT_READERS: Final[Mapping[str, v.Reader[Any]]] = {
    "consent": v.one_or_many(v.one_of(Purpose)),
    "engagement_at_least": v.whole(0, 100),
    "engagement_below": v.whole(1, 100),
    "fit_at_least": v.choice("A", "B", "C", "D"),
    "cell": v.one_or_many(v.choice(*(f"{f}{e}" for f in "ABCD" for e in "1234"))),
    "clicked": v.one_or_many(v.slug), "opened": v.one_or_many(v.slug), "replied": v.one_or_many(v.slug),
    "visited": v.one_or_many(v.line), "did": v.one_or_many(v.slug), "attended": v.one_or_many(v.slug),
    "bounced": v.one_or_many(v.choice("hard", "soft", "any")),
    "tag": v.one_or_many(v.slug), "list": v.one_or_many(v.slug), "form": v.one_or_many(v.slug),
    "field": v.slug, "in_track": v.one_or_many(v.slug), "lifecycle_is": v.one_or_many(v.one_of(Stage)),
}

ARG_READERS: Final[Mapping[str, v.Reader[Any]]] = {
    "link": v.slug, "min_minutes": v.whole(1, 1440),
    "is": v.scalar, "one_of": v.many(v.scalar), "at_least": v.scalar, "at_most": v.scalar,
}

ARGS_OF: Final[Mapping[str, tuple[str, ...]]] = {
    "clicked": ("link",), "attended": ("min_minutes",),
    "field": ("is", "one_of", "at_least", "at_most"),
}

NEVER: Final = Condition("any")
"""Stands in for a condition that could not be read, so that the rest of the file is still checked."""


def read_condition(node: Node, desk: Desk) -> Condition | None:
    """A block of facts. Notes unknown facts, facts without a value and arguments without a fact."""
    if node.kind != "map" or not node.pairs:
        hint = "; several conditions are written as `all:` or `any:` and a list" if node.kind == "list" else ""
        desk.find("bad-form", node.place, f"a condition reads as for example `consent: nurture_email`{hint}")
        return None
    return condition_of(dict(node.pairs), node, desk)


def condition_of(pairs: dict[str, tuple[Node, Node]], node: Node, desk: Desk) -> Condition | None:
    """The condition in these entries of a block (a leave rule keeps `move_to` beside its condition)."""
    parts = [part for key, (key_node, value) in pairs.items() if (part := _part(key, key_node, value, pairs, desk))]
    _strays(pairs, desk)
    if not parts:
        return None
    return parts[0] if len(parts) == 1 else Condition("all", parts=tuple(parts), place=node.place)


def _part(key: str, key_node: Node, value: Node, pairs: dict[str, tuple[Node, Node]], desk: Desk) -> Condition | None:
    if key in CONNECTIVES:
        return _connective(key, key_node, value, desk)
    if key in FACTS:
        return _fact(key, value, pairs, desk)
    if key not in FACT_ARGS:
        hint = did_you_mean(key, [*FACTS, *CONNECTIVES, *FACT_ARGS])
        desk.find("unknown-fact", key_node.place, f"`{key[:60]}` is not something that can be asked.{hint}")
    return None


def _connective(op: str, key_node: Node, value: Node, desk: Desk) -> Condition | None:
    if op == "not":
        inner = read_condition(value, desk)
        return None if inner is None else Condition("not", parts=(inner,), place=key_node.place)
    if value.kind != "list" or not value.items:
        v.not_like(value, desk, f"{op}: [{{ consent: sales_contact }}, {{ fit_at_least: B }}]")
        return None
    parts = [part for n in value.items if (part := read_condition(n, desk)) is not None]
    return Condition(op, parts=tuple(parts), place=key_node.place) if parts else None


def _fact(op: str, value: Node, pairs: dict[str, tuple[Node, Node]], desk: Desk) -> Condition | None:
    if value.empty:
        desk.find("bad-form", value.place, f"`{op}` needs a value", f"for example `{op}: {_example(op)}`")
        return None
    found = FACT_READERS[op](value, desk)
    args: dict[str, Any] = {}
    for name in ARGS_OF.get(op, ()):
        if name in pairs:
            read = ARG_READERS[name](pairs[name][1], desk)
            desk.spots[(value.place, name)] = pairs[name][1].place
            if read is not None:
                args[name] = read
    if op == "field" and not args:
        desk.find("bad-form", value.place, f"`field: {v.short(value.text)}` says nothing about the field",
                  "add one of `is:`, `one_of:`, `at_least:`, `at_most:`")
    if found is None:
        return None
    return Condition(op, found, args=args, in_last=_in_last(op, pairs, desk), place=value.place)


def _in_last(op: str, pairs: dict[str, tuple[Node, Node]], desk: Desk) -> Duration | None:
    return v.duration(pairs["in_last"][1], desk) if op in DATED and "in_last" in pairs else None


def _strays(pairs: dict[str, tuple[Node, Node]], desk: Desk) -> None:
    """Arguments no fact of this block takes."""
    taken = {name for op in pairs for name in ARGS_OF.get(op, ())}
    if any(op in DATED for op in pairs):
        taken.add("in_last")
    for name in FACT_ARGS:
        if name in pairs and name not in taken:
            owners = [op for op, args in ARGS_OF.items() if name in args] or sorted(DATED)
            desk.find("stray-word", pairs[name][0].place,
                      f"`{name}` belongs to {' or '.join(f'`{o}`' for o in owners)}",
                      "put them into one block")


def _example(op: str) -> str:
    return str(FACTS[op].examples[0]) if FACTS[op].examples else "..."
