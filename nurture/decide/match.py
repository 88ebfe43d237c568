"""Does an event fit a matcher? One reading of `{type, topic, depth, url, content, min_minutes, within_days ...}`.

Scoring rules, required events, intent and ordered patterns all match events this way.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any, Protocol
from urllib.parse import urlsplit

from nurture.model.words import EventKind

NOT_A_FILTER = frozenset({"type", "event", "within_days", "label"})
OPERATIONAL = "operational"


class Touch(Protocol):
    """What matching and scoring read of an event: `model.facts.Event`, or a raw row with the same names."""

    @property
    def id(self) -> int: ...
    @property
    def kind(self) -> str: ...
    @property
    def at(self) -> datetime: ...
    @property
    def content(self) -> str | None: ...
    @property
    def topic(self) -> str | None: ...
    @property
    def depth(self) -> Any: ...
    @property
    def link(self) -> str | None: ...
    @property
    def path(self) -> str | None: ...
    @property
    def minutes(self) -> int | None: ...
    @property
    def message_id(self) -> int | None: ...
    @property
    def campaign(self) -> str | None: ...
    @property
    def step(self) -> str | None: ...
    @property
    def points(self) -> int | None: ...
    @property
    def machine(self) -> bool: ...
    @property
    def void(self) -> bool: ...
    @property
    def data(self) -> Mapping[str, Any]: ...


def counts(event: Touch) -> bool:
    """A person did it and it is about the subject: not a machine, not voided, not operational mail."""
    return not (event.machine or event.void or event.data.get("kind") == OPERATIONAL)


def fits(event: Touch, matcher: Mapping[str, Any], at: datetime | None = None) -> bool:
    """Whether `event` is of the matcher's type and passes its filters (`within_days` counts back from `at`)."""
    kind = matcher.get("type", matcher.get("event"))
    if kind is not None and event.kind != kind:
        return False
    days = matcher.get("within_days")
    if days is not None and at is not None and not timedelta(0) <= at - event.at <= timedelta(days=float(days)):
        return False
    return passes(event, matcher)


def passes(event: Touch, filters: Mapping[str, Any]) -> bool:
    """Whether `event` passes every filter besides its type. An unknown filter name reads the event's data."""
    return all(_passes_one(event, name, wanted) for name, wanted in filters.items() if name not in NOT_A_FILTER)


def _passes_one(event: Touch, name: str, wanted: Any) -> bool:
    if name == "min_minutes":
        return event.minutes is not None and event.minutes >= wanted
    if name == "url":
        return any(_address_fits(address, wanted) for address in (event.path, *_addresses(event.link)) if address)
    if name in ("content", "topic", "depth", "campaign", "step", "link", "path"):
        return _one_of(getattr(event, name), wanted)
    return _one_of(event.data.get(name), wanted)


def _one_of(value: Any, wanted: Any) -> bool:
    if isinstance(wanted, list | tuple | set | frozenset):
        return value in wanted
    return bool(value == wanted)


def _addresses(link: str | None) -> tuple[str, ...]:
    """A link as it is and, for a whole address, its path: `/pricing*` means the page wherever it was reached from."""
    if link is None or "://" not in link:
        return (link or "",)
    return link, urlsplit(link).path


def _address_fits(address: str, wanted: Any) -> bool:
    """A `*` is a wild card; without one the pattern may stand anywhere in the address."""
    patterns: Iterable[Any] = wanted if isinstance(wanted, list | tuple) else (wanted,)
    return any(
        fnmatchcase(address, text) if "*" in text else text in address for text in (str(p) for p in patterns)
    )


def latest(events: Sequence[Touch], matcher: Mapping[str, Any], at: datetime) -> Touch | None:
    """The newest event up to `at` that counts and fits, or None."""
    found = [e for e in events if e.at <= at and counts(e) and fits(e, matcher, at)]
    return max(found, key=lambda e: (e.at, e.id), default=None)


def ordered(
    events: Sequence[Touch], matchers: Sequence[Mapping[str, Any]], at: datetime, within_days: float | None
) -> tuple[Touch, ...]:
    """The latest run of events that fits the matchers in order inside `within_days`, or `()`.

    Walks backwards from the newest possible last event and takes for each earlier matcher the newest event
    before it: if any run fits, the tightest one ending there does.
    """
    if not matchers:
        return ()
    past = sorted((e for e in events if e.at <= at and counts(e)), key=lambda e: (e.at, e.id))
    for end in range(len(past) - 1, -1, -1):
        if not fits(past[end], matchers[-1], at):
            continue
        run = _run_back(past[: end + 1], matchers, at)
        if run and (within_days is None or run[-1].at - run[0].at <= timedelta(days=within_days)):
            return run
    return ()


def _run_back(past: Sequence[Touch], matchers: Sequence[Mapping[str, Any]], at: datetime) -> tuple[Touch, ...]:
    run = [past[-1]]
    place = len(past) - 1
    for matcher in reversed(matchers[:-1]):
        place -= 1
        while place >= 0 and not fits(past[place], matcher, at):
            place -= 1
        if place < 0:
            return ()
        run.append(past[place])
    return tuple(reversed(run))


def hand_raise(events: Sequence[Touch], since: datetime | None, at: datetime) -> Touch | None:
    """The newest request for contact up to `at` and after `since` (the last decision of sales)."""
    asked = [
        e
        for e in events
        if (e.kind == EventKind.HAND_RAISE or e.data.get("hand_raise"))
        and not (e.machine or e.void)
        and e.at <= at
        and (since is None or e.at > since)
    ]
    return max(asked, key=lambda e: (e.at, e.id), default=None)
