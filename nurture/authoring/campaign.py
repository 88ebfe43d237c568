"""YAML -> `Campaign`. Where something is wrong a harmless value stands in, so that everything else is checked too."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final, Literal

from nurture.authoring import addresses
from nurture.authoring import values as v
from nurture.authoring.block import Block
from nurture.authoring.conditions import NEVER, condition_of, read_condition
from nurture.authoring.desk import Desk, did_you_mean
from nurture.authoring.steps import NOWHERE, read_steps
from nurture.authoring.tree import Node
from nurture.authoring.words import CAMPAIGN, ENTER, GOAL, SENDING, TRIGGER_ARGS, TRIGGERS, WINDOW
from nurture.model.campaign import Campaign, Condition, Duration, Enter, Goal, LeaveRule, Sending, Trigger, Window
from nurture.model.words import CampaignStatus, FunnelStage, Stage

TRIGGER_READERS: Final[Mapping[str, v.Reader[Any]]] = {
    "form": v.one_or_many(v.slug), "tag_added": v.one_or_many(v.slug), "list": v.one_or_many(v.slug),
    "did": v.one_or_many(v.slug), "attended": v.one_or_many(v.slug), "visited": v.one_or_many(v.line),
    "engagement_at_least": v.whole(1, 100), "recycled": v.one_or_many(v.line), "track": v.one_or_many(v.slug),
    "lifecycle_is": v.one_or_many(v.one_of(Stage)),
}


def read_campaign(root: Node, desk: Desk, text: str) -> Campaign:
    """The campaign a file says. `desk` holds what is wrong with it; then it may only be checked, never run."""
    block = Block(root, desk, CAMPAIGN)
    for key in CAMPAIGN:
        desk.spots[(key,)] = block.place(key)
    leave = tuple(rule for node in block.items("leave_when") if (rule := _leave(node, desk)) is not None)
    return Campaign(
        id=block.get("campaign", v.slug, _stem(desk.file)),
        name=block.get("name", v.line, ""),
        funnel_stage=block.get("funnel_stage", v.one_of(FunnelStage), FunnelStage.AWARENESS),
        track=block.get("track", v.slug, ""),
        owner=block.get("owner", addresses.email, ""),
        status=block.get("status", v.one_of(CampaignStatus), CampaignStatus.DRAFT),
        enter=block.get("enter", _enter, Enter(())),
        sending=block.get("sending", _sending, Sending("", "")),
        steps=read_steps(block.items("steps"), desk),
        priority=block.get("priority", v.whole(1, 1000), 100),
        in_flight=block.get("in_flight", v.choice("follow", "finish"), "follow"),
        leave_when=leave,
        goal=block.get("goal", _goal),
        control_group=block.get("control_group", v.part, 0),
        language=block.get("language", v.language),
        timezone=block.get("timezone", v.zone),
        digest=hashlib.sha256(text.encode()).hexdigest(),
        place=block.place("campaign"),
    )


def _stem(file: str) -> str:
    return file.rsplit("/", 1)[-1].removesuffix(".yaml")


def _enter(node: Node, desk: Desk) -> Enter:
    block = Block(node, desk, ENTER)
    desk.spots["enter", "when"] = block.place("when")
    desk.spots["enter", "only_if"] = block.place("only_if")
    if block.has("only_if"):
        desk.spots["enter", "asks"] = block.place("only_if")
    when = tuple(t for n in block.items("when") if (t := _trigger(n, desk)) is not None)
    return Enter(when, block.get("only_if", read_condition), block.get("again", _again, "never"))


def _again(node: Node, desk: Desk) -> Duration | Literal["never", "always"] | None:
    match node.text if node.kind == "text" else "":
        case "never":
            return "never"
        case "always":
            return "always"
        case said if said.startswith("after ") and (found := v.as_duration(said.removeprefix("after "))):
            return found
    v.not_like(node, desk, "never", "always", "after 180 days")
    return None


def _trigger(node: Node, desk: Desk) -> Trigger | None:
    if node.kind != "map":
        v.not_like(node, desk, "form: buyers-guide", "engagement_at_least: 40")
        return None
    kinds = [key for key in node.pairs if key not in TRIGGER_ARGS]
    for key in kinds:
        if key not in TRIGGERS:
            hint = did_you_mean(key, TRIGGERS)
            desk.find("unknown-trigger", node.pairs[key][0].place, f"`{key[:60]}` cannot start a campaign.{hint}",
                      f"one of {', '.join(TRIGGERS)}")
    if len(kinds) > 1:
        desk.find("two-triggers", node.pairs[kinds[1]][0].place,
                  "two triggers stand in one entry; any one of a list starts it",
                  "make two entries of it; what must also hold belongs under `only_if`")
    kind = next((k for k in kinds if k in TRIGGERS), None)
    if kind is None:
        return None
    value = node.pairs[kind][1]
    if value.empty:
        v.not_like(value, desk, f"{kind}: {TRIGGERS[kind].examples[0]}")
        return None
    found = TRIGGER_READERS[kind](value, desk)
    args: dict[str, Any] = {}
    if "min_minutes" in node.pairs and kind == "attended":
        args["min_minutes"] = v.whole(1, 1440)(node.pairs["min_minutes"][1], desk)
    for key in TRIGGER_ARGS:
        if key in node.pairs and key not in args:
            desk.find("stray-word", node.pairs[key][0].place, f"`{key}` says nothing about `{kind}`", "remove it")
    return None if found is None else Trigger(kind, found, {k: x for k, x in args.items() if x is not None},
                                              value.place)


def _leave(node: Node, desk: Desk) -> LeaveRule | None:
    if node.kind != "map":
        v.not_like(node, desk, "did: booked-demo")
        return None
    pairs = dict(node.pairs)
    move = pairs.pop("move_to", None)
    if not pairs:
        v.not_like(node, desk, "did: booked-demo")
        return None
    condition: Condition | None = condition_of(pairs, node, desk)
    track = None if move is None else v.slug(move[1], desk)
    if move is not None:
        desk.spots["leave", condition.place if condition else node.place] = move[1].place
    return None if condition is None else LeaveRule(condition, track)


def _goal(node: Node, desk: Desk) -> Goal:
    block = Block(node, desk, GOAL)
    return Goal(block.get("reached_when", read_condition, NEVER), block.get("within", v.some_time, NOWHERE))


def _sending(node: Node, desk: Desk) -> Sending:
    block = Block(node, desk, SENDING)
    for key in SENDING:
        desk.spots["sending", key] = block.place(key)
    return Sending(
        topic=block.get("topic", v.slug, ""),
        sender=block.get("sender", addresses.address, ""),
        reply_to=block.get("reply_to", addresses.address),
        window=block.get("window", read_window),
        at_most=block.get("at_most", v.cap),
        if_unknown_delivery=block.get("if_unknown_delivery", v.choice("assume_sent", "resend_same_id"), "assume_sent"),
        route=block.get("route", v.slug),
    )


def read_window(node: Node, desk: Desk) -> Window:
    """`{ days: mon-thu, from: 08:30, until: 17:30, timezone: lead }`; what is left out is open."""
    block = Block(node, desk, WINDOW)
    start, end = block.get("from", v.clock, 0), block.get("until", v.clock, 24 * 60)
    if start == end or start == 24 * 60:
        desk.find("window-never-opens", block.place("until"), "this window never opens: `from` is not before `until`",
                  "for example `from: 08:30, until: 17:30`; an `until` before `from` means over midnight")
    return Window(block.get("days", v.weekdays, frozenset(range(7))), start, end,
                  block.get("timezone", v.zone_or_lead, "lead"))
