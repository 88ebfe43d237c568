"""The order of a campaign's steps: which one comes after which, out of branches too."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

from nurture.model.campaign import Campaign, Choose, Step, WaitFor


@dataclass(frozen=True, slots=True)
class Node:
    """A step and what comes after it: the next one in its list, else what comes after the branch it stands in."""

    step: Step
    next_id: str | None
    inside: str | None = None
    """The step whose branch this one stands in."""


_KEPT = 2048
_flows: OrderedDict[int, tuple[Campaign, Mapping[str, Node]]] = OrderedDict()


def flow_of(campaign: Campaign) -> Mapping[str, Node]:
    """Step id -> node, in reading order. Kept per campaign object, because every look at a lead asks for it."""
    found = _flows.get(id(campaign))
    if found is None or found[0] is not campaign:
        nodes: dict[str, Node] = {}
        _fill(nodes, campaign.steps, None, None)
        found = (campaign, nodes)
        _flows[id(campaign)] = found
        while len(_flows) > _KEPT:
            _flows.popitem(last=False)
    return found[1]


def first_step(campaign: Campaign) -> str | None:
    return campaign.steps[0].id if campaign.steps else None


def led_from(campaign: Campaign, step_id: str) -> list[str]:
    """The steps from which a lead may come to this one, in reading order."""
    return [
        name for name, node in flow_of(campaign).items()
        if node.next_id == step_id or any(branch and branch[0].id == step_id for branch in branches(node.step))
    ]


def branches(step: Step) -> tuple[tuple[Step, ...], ...]:
    """The lists of steps that stand inside a step."""
    match step.action:
        case WaitFor(then=then, otherwise=otherwise):
            return (then, otherwise)
        case Choose(branches=found, otherwise=otherwise):
            return (*(branch.steps for branch in found), otherwise)
    return ()


def _fill(nodes: dict[str, Node], steps: tuple[Step, ...], after: str | None, inside: str | None) -> None:
    for place, step in enumerate(steps):
        next_id = steps[place + 1].id if place + 1 < len(steps) else after
        nodes[step.id] = Node(step, next_id, inside)
        for branch in branches(step):
            _fill(nodes, branch, next_id, step.id)
