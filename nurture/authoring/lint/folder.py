"""What the rules look at: everything that was read, and questions several rules ask."""

from __future__ import annotations

import functools
import operator
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from nurture.authoring import fallback
from nurture.authoring.brought import Brought
from nurture.authoring.desk import did_you_mean, problem
from nurture.authoring.reading import COMPANY_FILES, File, Reading, kind_of
from nurture.authoring.template import template_name
from nurture.model.agreement import Agreement
from nurture.model.campaign import Campaign, Choose, Condition, End, HandOff, MoveTo, Send, Step, WaitFor
from nurture.model.company import BUILT_IN_FIELDS
from nurture.model.library import Library
from nurture.model.problem import Place, Problem
from nurture.model.template import Template
from nurture.model.words import EventKind

OURS = frozenset(k.value for k in EventKind) | {"became_customer"}
"""Events the product itself emits."""
MOST_NAMED = 8
"""Names that are listed where a word is like none of them; of more, a list helps nobody."""


@dataclass(frozen=True)
class Folder:
    """One reading, with mistakes and all."""

    reading: Reading

    @cached_property
    def library(self) -> Library:
        found = self.reading.draft
        assert found is not None
        return found

    @cached_property
    def has(self) -> frozenset[str]:
        """The company files that are there."""
        return frozenset(kind for kind in COMPANY_FILES if self.reading.of(kind))

    @cached_property
    def lost(self) -> frozenset[str]:
        """Kinds of which a file could not be read in full: then nothing may be said about what is missing."""
        half = {f.kind for f in self.reading.files.values() if not f.whole}
        gone = {kind_of(p.place.file) for p in self.reading.problems if p.place.file not in self.reading.files}
        return frozenset(str(kind) for kind in half | gone)

    @cached_property
    def unread_templates(self) -> frozenset[str]:
        """Templates that are there and could not be read."""
        named = (template_name(name) for name in (*self.reading.files, *(p.place.file for p in self.reading.problems)))
        return frozenset(found[0] for found in named if found is not None) - frozenset(self.library.templates)

    @cached_property
    def campaigns(self) -> tuple[tuple[Campaign, File], ...]:
        return tuple((f.noun, f) for f in self.reading.of("campaign") if f.noun is not None)

    @cached_property
    def fields(self) -> frozenset[str]:
        """Every field a lead can hold."""
        return frozenset(BUILT_IN_FIELDS) | frozenset(self.library.company.lead_fields)

    @cached_property
    def brought(self) -> Brought:
        """What the import maps bring, as far as they can be read."""
        maps = [file.noun for file in self.reading.of("import") if file.noun is not None]
        return functools.reduce(operator.or_, maps, Brought())

    @cached_property
    def emitted(self) -> frozenset[str]:
        """Every kind of event that can come, with `_` and `-` made one."""
        return frozenset(same(kind) for kind in OURS | self.library.company.emits | self.brought.events)

    @cached_property
    def contents(self) -> frozenset[str]:
        """Every content a lead can receive."""
        found = {t.content for t in self.library.templates.values()}
        found |= {f.content for f in self.library.forms.values() if f.content}
        return frozenset(found | {str(a.get("content")) for a in self.library.sales.assist})

    @cached_property
    def agreement(self) -> Agreement:
        return self.library.agreement if "agreement" in self.has else fallback.agreement()

    def template_of(self, step: Step) -> list[Template]:
        """The templates a step may send; unknown ones are left out."""
        return [self.library.templates[name] for name in templates_named(step) if name in self.library.templates]

    def company_file(self, kind: str) -> File | None:
        return next((f for f in self.reading.files.values() if f.kind == kind), None)


def same(word: object) -> str:
    return str(word).replace("-", "_").casefold()


def words(value: Any) -> tuple[Any, ...]:
    """One value or several, as several."""
    return tuple(value) if isinstance(value, (tuple, list, frozenset)) else (value,)


def templates_named(step: Step) -> list[str]:
    if not isinstance(step.action, Send):
        return []
    test = step.action.test
    named = [step.action.template, *(v.template for v in (test.variants if test else ()) if v.template)]
    return list(dict.fromkeys(named))


def facts(condition: Condition | None) -> Iterator[Condition]:
    """Every fact in a condition, without the `all`, `any` and `not` around it."""
    if condition is None:
        return
    if condition.op in ("all", "any", "not"):
        for part in condition.parts:
            yield from facts(part)
    else:
        yield condition


def guaranteed(condition: Condition | None, op: str) -> frozenset[Any]:
    """The values of `op` that surely hold where the condition holds (`consent` -> purposes)."""
    if condition is None:
        return frozenset()
    match condition.op:
        case "all":
            return frozenset().union(*(guaranteed(p, op) for p in condition.parts))
        case "any":
            sets = [guaranteed(p, op) for p in condition.parts]
            return frozenset.intersection(*sets) if sets else frozenset()
        case found if found == op:
            values = words(condition.value)
            return frozenset(values) if len(values) == 1 else frozenset()
    return frozenset()


@dataclass(frozen=True, slots=True)
class Visit:
    """A step with what surely was before it on the way: conditions that held and steps that may have been done."""

    step: Step
    given: tuple[Condition, ...]
    before: frozenset[str]


def visits(steps: tuple[Step, ...], given: tuple[Condition, ...], before: frozenset[str]) -> Iterator[Visit]:
    """Every step in reading order. Sibling branches do not see each other's steps; what follows them sees all."""
    for step in steps:
        yield Visit(step, given, before)
        inside = before | {step.id}
        after = inside
        for condition, branch in branches(step):
            yield from visits(branch, (*given, *condition), inside)
            after |= {s.id for s in _walk(branch)}
        before = after


def branches(step: Step) -> list[tuple[tuple[Condition, ...], tuple[Step, ...]]]:
    """The branches of a step, each with what holds in it."""
    own = (step.condition,) if step.condition else ()
    match step.action:
        case WaitFor(condition=condition, then=then, otherwise=otherwise):
            return [((*own, condition), then), (own, otherwise)]
        case Choose(branches=several, otherwise=otherwise):
            return [*(((*own, b.condition), b.steps) for b in several), (own, otherwise)]
    return []


def _walk(steps: tuple[Step, ...]) -> Iterator[Step]:
    for step in steps:
        yield step
        for _, branch in branches(step):
            yield from _walk(branch)


def conditions(campaign: Campaign) -> Iterator[tuple[Condition, Step | None]]:
    """Every condition of a campaign with the step it stands on (None: outside the steps)."""
    for condition in (campaign.enter.only_if, *(r.condition for r in campaign.leave_when),
                      campaign.goal.reached_when if campaign.goal else None):
        if condition is not None:
            yield condition, None
    for step in campaign.walk():
        if step.condition is not None:
            yield step.condition, step
        match step.action:
            case WaitFor(condition=condition):
                yield condition, step
            case Choose(branches=several):
                for branch in several:
                    yield branch.condition, step
            case HandOff(only_when=Condition() as condition):
                yield condition, step


def tracks_named(campaign: Campaign, file: File) -> Iterator[tuple[str, Place]]:
    """Every track a campaign names, with its place."""
    yield campaign.track, file.spot("track")
    for rule in campaign.leave_when:
        if rule.move_to:
            yield rule.move_to, file.spot("leave", rule.condition.place)
    for step in campaign.walk():
        match step.action:
            case MoveTo(track=track):
                yield track, file.spot("step", step.id, "move_to")
            case HandOff(if_not=MoveTo(track=track)):
                yield track, file.spot("step", step.id, "if_not")


def unknown(code: str, what: str, word: str, place: Place, known: Any, fix: str = "") -> Problem:
    """`no template `x`. Did you mean `y`?`; where nothing is like it, the few there are."""
    hint = did_you_mean(word, known)
    if not hint and 0 < len(known) <= MOST_NAMED:
        hint = f" Known: {', '.join(sorted(map(str, known)))}."
    return problem(code, place, f"no {what} `{word}`.{hint}", fix)


def ends(step: Step) -> bool:
    return isinstance(step.action, (End, MoveTo))
