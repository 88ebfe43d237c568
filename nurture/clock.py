"""The one place where the time is read. Everything below the pipeline gets `now` as an argument."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Protocol

from nurture.errors import Unavailable, UsageError

SMALL_STEP = timedelta(minutes=1)
"""Time servers nudge clocks by fractions of a second; more than this backwards is a fault somebody has to look at."""


class Clock(Protocol):
    def now(self) -> datetime:
        """The moment, aware and in UTC. Never earlier than what this clock said before."""


class ClockJumpedBack(Unavailable):
    """The machine's clock went back. Work waits until it has caught up; nothing is lost and nothing is done twice."""


class SystemClock:
    """The machine's clock, kept from running backwards.

    `latest` is the last moment the store has seen (its `clock_owner` row), so that a machine that wakes up in the
    past notices it too. A small step back returns the latest moment again; a big one raises `ClockJumpedBack`.
    """

    def __init__(self, latest: datetime | None = None) -> None:
        self._latest = latest
        self._lock = threading.Lock()

    def read(self) -> datetime:
        """What the machine says, unguarded."""
        return datetime.now(UTC)

    def now(self) -> datetime:
        with self._lock:
            seen = self.read()
            if self._latest is not None and seen < self._latest:
                if self._latest - seen > SMALL_STEP:
                    raise _jumped_back(seen, self._latest)
                return self._latest
            self._latest = seen
            return seen

    def accept(self) -> datetime:
        """Take the machine's time as it is, after somebody has looked at it (`nurture up --accept-clock`)."""
        with self._lock:
            self._latest = self.read()
            return self._latest


class FixedClock:
    """A clock that stands still (`NURTURE_NOW`): what would be due then?"""

    def __init__(self, at: datetime) -> None:
        self._at = aware(at)

    def now(self) -> datetime:
        return self._at


class VirtualClock:
    """A clock that moves only when it is told to; any number of threads may read it."""

    def __init__(self, start: datetime) -> None:
        self._at = aware(start)
        self._lock = threading.Lock()

    def now(self) -> datetime:
        with self._lock:
            return self._at

    def jump(self, to: datetime) -> datetime:
        """Move to `to`. Raises `ClockJumpedBack` when that lies in the past."""
        to = aware(to)
        with self._lock:
            if to < self._at:
                raise _jumped_back(to, self._at)
            self._at = to
            return to

    def advance(self, by: timedelta) -> datetime:
        with self._lock:
            target = self._at + by
        return self.jump(target)


def aware(moment: datetime) -> datetime:
    """`moment` in UTC. Raises UsageError for a moment without an offset: nobody can know which hour it means."""
    if moment.tzinfo is None:
        raise UsageError(f"The moment {moment.isoformat()} has no offset.", fix="Write it as 2027-01-04T09:00:00Z.")
    return moment.astimezone(UTC)


def _jumped_back(seen: datetime, latest: datetime) -> ClockJumpedBack:
    return ClockJumpedBack(
        f"The clock jumped back: it says {seen:%Y-%m-%d %H:%M:%S} UTC, but work was already done at "
        f"{latest:%Y-%m-%d %H:%M:%S} UTC. Nothing is sent until it has caught up.",
        fix="Check the machine's date. If the later moment was the wrong one, start again with --accept-clock.",
    )
