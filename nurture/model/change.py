"""What an edit of a campaign is, and what it does to the people inside, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Redirect:
    """Where people who stand on a step go once it is gone.

    `to_step` None: they leave. `renamed`: it is the same step under a new name.
    """

    step: str
    to_step: str | None
    renamed: bool = False


@dataclass(frozen=True, slots=True)
class StepChange:
    """What became of one step. `step` is its new name, or the old one of a removed step."""

    step: str
    what: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """One edit of one campaign, without the people. Step names are the old ones, where people stand.

    `timing`: steps whose due time may differ; `asked`: steps whose condition is asked again at once; `copy`: steps
    with new copy. `settings`: what else changed, in words of the file. `epochs`: A/B tests that start anew.
    """

    campaign: str
    steps: tuple[StepChange, ...] = ()
    redirects: Mapping[str, Redirect] = field(default_factory=dict)
    timing: frozenset[str] = frozenset()
    asked: frozenset[str] = frozenset()
    copy: frozenset[str] = frozenset()
    settings: tuple[str, ...] = ()
    epochs: tuple[str, ...] = ()

    def moves_people(self) -> frozenset[str]:
        """The steps whose people have to be looked at one by one."""
        return self.timing | self.asked | frozenset(self.redirects)


@dataclass(frozen=True, slots=True)
class Standing:
    """People on one step: `count` of them with nothing to compute, or one with an anchor."""

    step_id: str | None
    count: int = 1
    anchor_at: datetime | None = None
    waiting_since: datetime | None = None
    timezone: str | None = None
    country: str | None = None
    fields: Mapping[str, str] = field(default_factory=dict)
    """The date fields that `until` asks for, as ISO text."""


@dataclass(slots=True)
class StepEffect:
    """What the edit does to the people on one step. people = stays + renamed + moved + leaves."""

    step: str
    people: int = 0
    stays: int = 0
    renamed: int = 0
    to_step: str | None = None
    moved: int = 0
    leaves: int = 0
    new_copy: int = 0
    earlier: int = 0
    at_once: int = 0
    """Of those earlier: due within an hour, and so spread."""
    later: int = 0
    asked: int = 0


@dataclass(slots=True)
class Effect:
    """The people's side of an edit, per step and in all."""

    steps: list[StepEffect] = field(default_factory=list)
    by_rules: int = 0
    """People who leave because a leave rule changed."""
    handed: int = 0
    """People who come to stand on a hand-off that is asked at once."""
    pinned: int = 0
    """People who stay on their version (`in_flight: finish`)."""

    def total(self, name: str) -> int:
        return sum(getattr(step, name) for step in self.steps)

    @property
    def people(self) -> int:
        return self.total("people") + self.pinned

    def counts(self) -> dict[str, int]:
        """The numbers a plan promises."""
        names = ("stays", "renamed", "moved", "leaves", "new_copy", "earlier", "at_once", "later", "asked")
        found = {name: self.total(name) for name in names}
        return {"people": self.people, **found, "by_rules": self.by_rules, "handed": self.handed, "pinned": self.pinned}


@dataclass(frozen=True, slots=True)
class Ask:
    """A number that must be said back before an edit is applied: `leave=640`."""

    what: str
    count: int
    of: int
