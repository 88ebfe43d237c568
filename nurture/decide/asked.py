"""One question about one lead: since when, at what moment, in which campaign."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from nurture.decide.calendar import add, closed_days
from nurture.model.campaign import Campaign, Duration
from nurture.model.facts import Snapshot
from nurture.model.intents import StepSend
from nurture.model.words import Truth


@dataclass(frozen=True, slots=True)
class Asked:
    """One question: about whom, since when, at what moment."""

    snapshot: Snapshot
    since: datetime
    now: datetime
    zone: ZoneInfo
    country: str | None
    extra_closed: tuple[str, ...]
    campaign: Campaign | None = None
    sends: Mapping[str, StepSend] = field(default_factory=dict)

    def counts(self, at: datetime, in_last: Duration | None) -> bool:
        if at > self.now:
            return False
        return at >= self.since if in_last is None else self.leaves(at, in_last) > self.now

    def leaves(self, at: datetime, in_last: Duration) -> datetime:
        """When something that happened at `at` falls out of the last so-and-so-long."""
        return add(at, in_last, self.zone, closed=closed_days(self.country, self.extra_closed))


def words_of(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, (list, tuple, set, frozenset)) else (value,)


def truth_of(yes: bool) -> Truth:
    return Truth.YES if yes else Truth.NO
