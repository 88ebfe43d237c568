"""Steps that are new by name and old by what they do: probably a rename that forgot its `was:`."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import Any

from nurture.authoring.desk import nearest
from nurture.model.campaign import Campaign, Step
from nurture.model.problem import Place


def alike(old: Campaign, new: Campaign) -> list[tuple[Step, Step]]:
    """(new step, the old step it looks like), for steps without `was`."""
    gone = _only_in(old, new)
    found: list[tuple[Step, Step]] = []
    for step in _only_in(new, old):
        left = [g for g in gone if all(g is not taken for _, taken in found)]
        same = next((g for g in left if _bare(g.action) == _bare(step.action)), None)
        kin = {g.id: g for g in left if type(g.action) is type(step.action)}
        name = next((g for g in kin if g.startswith(step.id) or step.id.startswith(g)), None) or nearest(step.id, kin)
        twin = same or (kin[name] if name else None)
        if step.was is None and twin is not None:
            found.append((step, twin))
    return found


def _only_in(campaign: Campaign, other: Campaign) -> list[Step]:
    names = {step.id for step in other.walk()} | {step.was for step in other.walk()}
    return [step for step in campaign.walk() if step.id not in names]


def _bare(found: Any) -> Any:
    """What a step does, wherever it stands in its file."""
    if isinstance(found, Place):
        return None
    if is_dataclass(found) and not isinstance(found, type):
        return (type(found).__name__, *(_bare(getattr(found, f.name)) for f in fields(found)))
    if isinstance(found, (tuple, list)):
        return tuple(_bare(one) for one in found)
    return found
