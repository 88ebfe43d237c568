"""A `*.test.yaml` file as plain data: given a lead, when this happens, then these mails and moves, and never those.

`rehearse` runs it through the real pipeline on a virtual clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from nurture.model.campaign import Duration
from nurture.model.problem import Place


@dataclass(frozen=True, slots=True)
class StoryLead:
    """Who walks through. `fields` are profile values; `score` is engagement in whole points before the story begins."""

    fields: Mapping[str, Any] = field(default_factory=dict)
    consents: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    lists: tuple[str, ...] = ()
    score: int | None = None
    fit: str | None = None
    """A fit band `A` ... `D` to assume instead of computing it."""
    stage: str | None = None
    track: str | None = None
    timezone: str | None = None
    language: str | None = None
    country: str | None = None
    recycle_reason: str | None = None


@dataclass(frozen=True, slots=True)
class Happening:
    """One thing that happens `after` the start. `what` is the fact's word, `value` its value, `args` the rest."""

    after: Duration
    what: str
    value: Any
    args: Mapping[str, Any] = field(default_factory=dict)
    place: Place = Place()


@dataclass(frozen=True, slots=True)
class Expectation:
    """What must (or must never) come about. `sent`, `refused`, `postponed` and `reached` hold step ids."""

    sent: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    postponed: tuple[str, ...] = ()
    reached: tuple[str, ...] = ()
    handed_off: str | None = None
    moved_to: str | None = None
    ended: str | None = None
    """The step that ended the campaign, or `any`."""
    left: bool | None = None
    stage: str | None = None
    score_at_least: int | None = None
    within: Duration | None = None
    places: Mapping[str, Place] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Story:
    name: str
    campaign: str
    lead: StoryLead
    starts: datetime
    """Local, without zone: in the lead's zone, else the campaign's, else the company's."""
    happens: tuple[Happening, ...] = ()
    expect: Expectation = Expectation()
    never: Expectation = Expectation()
    place: Place = Place()
    named: Place = Place()
    """Where its campaign is named."""
