"""YAML -> `Step`s: one wait, one condition and exactly one action each; branches nest."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from typing import Final, cast

from nurture.authoring import addresses
from nurture.authoring import values as v
from nurture.authoring.block import Block
from nurture.authoring.conditions import NEVER, read_condition
from nurture.authoring.desk import Desk, listing
from nurture.authoring.tree import Node
from nurture.authoring.words import (
    ACTIONS,
    BRANCH,
    COMPANIONS,
    IF_NOT,
    IF_UNKNOWN,
    SEND,
    STEP,
    TEST,
    UNTIL,
    VARIANT,
    WINNER,
)
from nurture.model.campaign import (
    Action,
    Branch,
    Choose,
    Duration,
    End,
    HandOff,
    IfUnknown,
    MoveTo,
    Notify,
    Score,
    Send,
    SetField,
    Step,
    Test,
    Until,
    Variant,
    WaitFor,
    Winner,
)

NOWHERE: Final = Duration(0, "days")


def read_steps(nodes: list[Node], desk: Desk) -> tuple[Step, ...]:
    """Every step that has a name; what is wrong with it has been noted."""
    return tuple(step for node in nodes if (step := read_step(node, desk)) is not None)


def read_step(node: Node, desk: Desk) -> Step | None:
    block = Block(node, desk, STEP)
    step_id = block.get("step", v.slug)
    name = step_id or "this step"
    _remember(step_id, block)
    action = _action(name, block)
    _companions(name, block)
    _one_wait(name, block)
    read = Step(
        id=step_id or "",
        action=action,
        was=block.get("was", v.slug),
        after=block.get("after", v.duration),
        until=block.get("until", _until),
        send_on=block.get("send_on", v.moment),
        condition=block.get("if", read_condition),
        if_unknown=cast("IfUnknown | None", block.get("if_unknown", v.choice(*IF_UNKNOWN))),
        place=block.place("step"),
    )
    # A step without a name is read like any other, so that whatever else is wrong with it is told as well.
    return read if step_id else None


def _remember(step_id: str | None, block: Block) -> None:
    """Note where the step's words stand, and that no two steps have one name."""
    if step_id is None:
        return
    spots, place = block.desk.spots, block.place("step")
    if ("step", step_id, "step") in spots:
        first = spots["step", step_id, "step"].line
        block.desk.find("same-id", place, f"step id `{step_id}` is used twice; first on line {first}",
                        "give one of them another name")
        return
    spots["step", step_id] = block.node.place
    for key, (_, value) in block.node.pairs.items():
        spots["step", step_id, key] = value.place


def _one_wait(name: str, block: Block) -> None:
    if block.has("send_on") and (block.has("after") or block.has("until")):
        block.desk.find("two-waits", block.place("send_on"), f"`{name}` waits for a date and for a time",
                        "keep `send_on` or the other one")


def _companions(name: str, block: Block) -> None:
    for key, owners in COMPANIONS.items():
        if block.has(key) and not any(block.has(o) or o in block.guessed for o in owners):
            owner = " or ".join(f"`{o}`" for o in owners)
            block.desk.find("stray-word", block.node.pairs[key][0].place,
                            f"`{key}` belongs to {owner}, which `{name}` has not",
                            f"remove it, or add {owner}")


def _action(name: str, block: Block) -> Action:
    """The step's one action; a harmless one stands in where it could not be read."""
    found = [key for key in ACTIONS if block.has(key)]
    if not found and not block.guessed & set(ACTIONS):
        block.desk.find("one-action", block.node.place, f"`{name}` does nothing",
                        f"add one of {listing(ACTIONS)}")
    if len(found) > 1:
        second = block.node.pairs[found[1]][0].place
        block.desk.find("one-action", second, f"`{name}` does two things: {' and '.join(f'`{f}`' for f in found)}",
                        "make two steps of it")
    if not found:
        return Score(0, "")
    return _READERS[found[0]](block) or Score(0, "")


def _send(block: Block) -> Action | None:
    node = block.at("send")
    assert node is not None
    if node.kind == "text":
        template = v.path(node, block.desk)
        return None if template is None else Send(template)
    inner = Block(node, block.desk, SEND)
    template = inner.get("template", v.path)
    test = inner.get("test", _test)
    if template is not None:
        step_id = block.get("step", v.slug) if block.has("step") else None
        block.desk.spots["step", step_id, "send"] = inner.place("template")
    return None if template is None else Send(template, test)


def _test(node: Node, desk: Desk) -> Test | None:
    block = Block(node, desk, TEST)
    variants = tuple(_variant(name, value, desk) for name, _, value in block.pairs("variants"))
    name = block.get("name", v.slug)
    _shares(variants, block)
    if not block.has("winner"):
        desk.find("test-without-winner", node.place, "this test never ends: it has no `winner`",
                  "add `winner: { by: clicks, after: 7 days, at_least: 400 sends, else: keep both }`")
    winner = block.get("winner", _winner)
    for key in ("name", "variants"):
        desk.spots[(name, "test", key)] = block.place(key)
    empty = block.at("variants")
    if not variants and empty is not None and not desk.problems:
        v.not_like(empty, desk, "plain: { share: 50% }, short: { share: 50%, subject: In short }")
    if name is None or not variants:
        return None
    named = {"keep both", *(x.name for x in variants)}
    if winner is not None and winner.otherwise not in named:
        desk.find("bad-form", block.place("winner"),
                  f"`else: {v.short(winner.otherwise)}` is neither `keep both` nor a variant")
    return Test(name, variants, winner, _digest(name, variants))


def _shares(variants: tuple[Variant, ...], block: Block) -> None:
    total = sum(x.share for x in variants)
    if variants and total != 100:
        block.desk.find("shares", block.place("variants"), f"the shares of this test sum to {total}%, not 100%",
                        "every lead must draw one variant")
    if len(variants) == 1:
        block.desk.find("shares", block.place("variants"), "a test with one variant compares nothing",
                        "add a second variant or remove the test")


def _variant(name: str, node: Node, desk: Desk) -> Variant:
    block = Block(node, desk, VARIANT)
    subject = block.get("subject", v.line)
    if subject is not None:
        desk.spots["variant", name, subject] = block.place("subject")
    if not block.has("subject") and not block.has("template"):
        desk.spots.setdefault(("variant", name, "plain"), node.place)
    return Variant(name, block.get("share", v.share, 0), subject, block.get("template", v.path))


def _digest(name: str, variants: tuple[Variant, ...]) -> str:
    """A test's epoch: shares may change without a new one, names and texts may not."""
    what = [name, sorted([x.name, x.subject, x.template] for x in variants)]
    return hashlib.sha256(json.dumps(what, ensure_ascii=False).encode()).hexdigest()[:16]


def _winner(node: Node, desk: Desk) -> Winner | None:
    block = Block(node, desk, WINNER)
    by = block.get("by", v.choice("clicks", "replies", "goal"))
    after = block.get("after", v.duration)
    at_least = block.get("at_least", _sends)
    if by is None or after is None or at_least is None:
        return None
    return Winner(by, after, at_least, block.get("else", v.line, "keep both"))


def _sends(node: Node, desk: Desk) -> int | None:
    found = re.fullmatch(r"([0-9]{1,7})( sends)?", node.text) if node.kind == "text" else None
    if not found or int(found.group(1)) == 0:
        v.not_like(node, desk, "400 sends")
        return None
    return int(found.group(1))


def _wait_for(block: Block) -> Action | None:
    name = block.get("step", v.slug, "this step")
    if not block.has("within") and "within" not in block.guessed:
        block.desk.find("waits-forever", block.node.place,
                        f"`{name}` can wait forever: a lead who never does this stays here", "add `within: 7 days`")
    return WaitFor(
        block.get("wait_for", read_condition, NEVER),
        block.get("within", v.some_time, NOWHERE),
        read_steps(block.items("then"), block.desk),
        read_steps(block.items("otherwise"), block.desk),
    )


def _choose(block: Block) -> Action | None:
    node = block.at("choose")
    if node is None or node.kind != "list":
        v.not_like(cast(Node, node), block.desk, "- if: { fit_at_least: B }, then a list of steps")
        return None
    branches = []
    for entry in node.items:
        inner = Block(entry, block.desk, BRANCH)
        steps = read_steps(inner.items("then"), block.desk)
        branches.append(Branch(inner.get("if", read_condition, NEVER), steps))
    return Choose(tuple(branches), read_steps(block.items("otherwise"), block.desk))


def _score(block: Block) -> Action | None:
    points = block.get("score", v.points)
    because = _needs(block, "because", "score: +15", "because: read the case study")
    return None if points is None or because is None else Score(points, because)


def _set(block: Block) -> Action | None:
    pairs = block.pairs("set")
    if len(pairs) != 1:
        if pairs:
            block.desk.find("one-action", pairs[1][1].place, "`set` sets one field", "make two steps of it")
        return None
    name, name_node, value = pairs[0]
    block.desk.spots["set", name, block.place("step")] = name_node.place
    found = v.scalar(value, block.desk)
    return None if found is None else SetField(name, found)


def _notify(block: Block) -> Action | None:
    to = block.get("notify", addresses.email)
    message = _needs(block, "message", "notify: omar@example.com", "message: \"{{ lead.company }} is back\"")
    return None if to is None or message is None else Notify(to, message)


def _needs(block: Block, key: str, beside: str, example: str) -> str | None:
    if not block.has(key) and key not in block.guessed:
        block.desk.find("missing-key", block.node.place, f"`{beside.split(':')[0]}` needs `{key}`", f"add `{example}`")
    return block.get(key, v.text)


def _move_to(block: Block) -> Action | None:
    track = block.get("move_to", v.slug)
    return None if track is None else MoveTo(track)


def _hand_off(block: Block) -> Action | None:
    queue = block.get("hand_off", v.slug)
    if queue is None:
        return None
    if block.has("if_not") and not block.has("try_for"):
        block.desk.find("stray-word", block.node.pairs["if_not"][0].place,
                        "`if_not` never comes: there is no `try_for`",
                        "add `try_for: 30 days`, or put the action into the next step")
    otherwise = _if_not(node, block.desk) if (node := block.at("if_not")) is not None else None
    return HandOff(
        queue, block.get("note", v.text, ""), block.get("only_when", read_condition), block.get("try_for", v.duration),
        otherwise,
    )


def _if_not(node: Node, desk: Desk) -> MoveTo | End | None:
    block = Block(node, desk, IF_NOT)
    if block.has("move_to") == block.has("end"):
        v.not_like(node, desk, "{ move_to: education }", "{ end: Not ready, rest_for: 90 days }")
        return None
    track = block.get("move_to", v.slug)
    if block.has("move_to"):
        return None if track is None else MoveTo(track)
    reason = block.get("end", v.line)
    return None if reason is None else End(reason, block.get("rest_for", v.duration))


def _end(block: Block) -> Action | None:
    reason = block.get("end", v.line)
    return None if reason is None else End(reason, block.get("rest_for", v.duration))


def _until(node: Node, desk: Desk) -> Until | None:
    block = Block(node, desk, UNTIL)
    name, or_after = block.get("field", v.slug), block.get("or_after", v.duration)
    if name is None or or_after is None:
        return None
    desk.spots["until", name, node.place] = block.place("field")
    return Until(name, or_after)


_READERS: Final[Mapping[str, Callable[[Block], Action | None]]] = {
    "send": _send, "wait_for": _wait_for, "choose": _choose, "score": _score, "set": _set, "notify": _notify,
    "move_to": _move_to, "hand_off": _hand_off, "end": _end,
}
