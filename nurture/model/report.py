"""The plain facts that reports are computed from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Journey:
    """One person in one cycle: when each step was entered first, and which detours were taken."""

    lead_id: int
    cycle: int
    acquired: datetime
    reached: Mapping[str, datetime]
    detours: frozenset[str] = frozenset()
    source: str | None = None


@dataclass(frozen=True, slots=True)
class Level:
    """One move of a lead to a level of the company's own, between accepted and qualified."""

    lead_id: int
    cycle: int
    level: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Stay:
    """One stay of one lead in one stage; `left` None: still there."""

    lead_id: int
    cycle: int
    stage: str
    entered: datetime
    left: datetime | None


@dataclass(frozen=True, slots=True)
class Timer:
    kind: str
    owner: str | None
    started: datetime
    due: datetime
    met: datetime | None
    breached: datetime | None
    closed: datetime | None = None


@dataclass(frozen=True, slots=True)
class Trip:
    """One hand-off and how it went: `outcome` is accepted, rejected, recycled, expired, revoked, converted or open."""

    lead_id: int
    outcome: str
    owner: str | None = None
    cell: str | None = None
    source: str | None = None
    segment: str | None = None
    reason: str | None = None
    accepted: bool = False
    rework: bool = False
    """The person had been recycled before."""


@dataclass(frozen=True, slots=True)
class Past:
    """One handed-over lead as it was at hand-off, and how it ended: `won`, `lost`, `rejected`, `recycled`, `open`."""

    lead_id: int
    end: str
    cell: str | None
    engagement: float | None
    level: int | None
    first_touch: str | None
    touches: tuple[str, ...] = ()
    """What happened before the hand-off, oldest first."""
    contents: tuple[str, ...] = ()
    days: float = 0.0
    """From the first touch to the hand-off."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """One hand-off to learn from: the lead as it was then, and how it ended.

    `end`: won, lost, sql, or the state of the hand-off (rejected, recycled, expired, open ...).
    """

    lead_id: int
    at: datetime
    end: str
    reason: str | None
    cell: str | None
    model: str | None
    engagement: int
    fit: int
    """Milli-points of both axes."""
    fields: Mapping[str, Any]
    events: Sequence[str]
    """Kinds of what happened before, oldest first."""
    marked: str | None = None
