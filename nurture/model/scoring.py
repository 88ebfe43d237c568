"""`scoring.yaml` as plain data: models, fit criteria, engagement rules, matrix (semantics of `decide.score`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from nurture.model.campaign import Condition
from nurture.model.problem import Place


@dataclass(frozen=True, slots=True)
class ValueRule:
    """First rule that matches gives the points (0..100)."""

    points: int
    is_: Any = None
    one_of: tuple[Any, ...] = ()
    at_least: float | None = None
    at_most: float | None = None
    contains: tuple[str, ...] = ()
    otherwise: bool = False


@dataclass(frozen=True, slots=True)
class Criterion:
    field: str
    weight: int
    rules: tuple[ValueRule, ...]
    exclude: tuple[Any, ...] = ()
    min_confidence: float = 0.0
    max_age_days: int | None = None
    place: Place = Place()


@dataclass(frozen=True, slots=True)
class Subtraction:
    """A negative criterion, taken off after the weighted mean (competitor domain, student title)."""

    field: str
    points: int
    rule: ValueRule
    because: str = ""


@dataclass(frozen=True, slots=True)
class Decay:
    kind: Literal["none", "window", "half_life", "linear"] = "none"
    days: int = 0
    percent: int = 0


@dataclass(frozen=True, slots=True)
class Rule:
    """One engagement rule. `points` are whole points and may be negative."""

    id: str
    event: str
    points: int
    decay: Decay = Decay()
    dedupe: Literal["none", "asset", "message", "day"] = "none"
    per_day: int | None = None
    cap: int | None = None
    group: str | None = None
    match: Mapping[str, Any] = field(default_factory=dict)
    """topic, depth, url, content, min_minutes ..."""
    depth_counts: bool = False
    """Multiply by content depth: awareness 1, consideration 1.5, decision 2."""
    sequence: tuple[Mapping[str, Any], ...] = ()
    """For an ordered pattern (`case study then price list`): matchers in order; `within_days` in `match`."""
    place: Place = Place()


@dataclass(frozen=True, slots=True)
class Inactivity:
    after_days: int
    points: int


@dataclass(frozen=True, slots=True)
class Cell:
    action: Literal["handoff", "nurture", "profile_first", "hold"]
    track: str | None = None
    priority: int = 0


@dataclass(frozen=True, slots=True)
class Model:
    id: str
    applies_if: Condition | None = None
    shadow: bool = False
    fit: tuple[Criterion, ...] = ()
    subtract: tuple[Subtraction, ...] = ()
    fit_bands: Mapping[str, int] = field(default_factory=lambda: {"A": 75, "B": 50, "C": 25})
    rules: tuple[Rule, ...] = ()
    inactivity: tuple[Inactivity, ...] = ()
    groups: Mapping[str, int] = field(default_factory=dict)
    """Group -> cap in points."""
    engagement_max: int = 100
    engagement_bands: Mapping[int, int] = field(default_factory=lambda: {1: 75, 2: 50, 3: 25})
    matrix: Mapping[str, Cell] = field(default_factory=dict)
    """`A1` ... `D4` -> cell."""
    segment: str | None = None
    offered: tuple[str, ...] = ()
    """Event kinds this segment is offered; for the reachability check. Empty: everything emitted."""
    zone: str = "UTC"
    """Whose days `per_day` and `dedupe: day` count: the company's time zone, put here when the files are read."""
    place: Place = Place()


@dataclass(frozen=True, slots=True)
class Scoring:
    models: tuple[Model, ...] = ()
    version: int = 1
    sha: str = ""
