"""How many points the models can give: what `check` needs to see thresholds nobody reaches."""

from __future__ import annotations

from collections.abc import Collection

from nurture.authoring.lint.folder import same
from nurture.model.scoring import Criterion, Model, Rule


def most_engagement(model: Model, emitted: Collection[str]) -> int:
    """The most points a lead of this model can gather with what it is offered; never more than the model's maximum."""
    offered = {same(kind) for kind in model.offered} or set(emitted)
    grouped: dict[str, int] = {}
    alone = 0
    for rule in model.rules:
        if rule.points <= 0 or not _possible(rule, offered):
            continue
        most = rule.cap if rule.cap is not None else _uncapped(rule, model)
        if rule.group is not None and rule.group in model.groups:
            grouped[rule.group] = grouped.get(rule.group, 0) + most
        else:
            alone += most
    total = alone + sum(min(points, model.groups[group]) for group, points in grouped.items())
    return min(total, model.engagement_max)


def _uncapped(rule: Rule, model: Model) -> int:
    """A rule without a cap can be met again and again; an ordered pattern is met once."""
    return rule.points if rule.sequence else model.engagement_max


def _possible(rule: Rule, offered: set[str]) -> bool:
    kinds = [matcher.get("event") for matcher in rule.sequence] if rule.sequence else [rule.event]
    return all(kind is None or same(kind) in offered for kind in kinds)


def best(criterion: Criterion) -> int:
    return max((rule.points for rule in criterion.rules), default=0)


def most_fit(model: Model) -> float:
    """The fit of a lead with the best value everywhere; 100 for a model that asks nothing."""
    weight = sum(c.weight for c in model.fit)
    return 100.0 if not weight else sum(c.weight * best(c) for c in model.fit) / weight
