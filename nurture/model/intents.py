"""What a rule wants done. Rules return these; one runner (`stages/`) carries them out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from nurture.model.campaign import Duration, Send
from nurture.model.words import MessageState


@dataclass(frozen=True, slots=True)
class Position:
    """Where an enrollment stands: *on* `step_id`, which has not been done yet.

    `anchor_at` is when the step before was done (a send: when it really left; a step that waits for nothing: when it
    was due); waits count from it.
    `waiting_since` is set once the step's action has begun to wait (wait_for, hand_off with try_for, a send
    whose message is on its way).
    """

    step_id: str | None
    anchor_at: datetime
    waiting_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class StepSend:
    """The message a step already has. `at`: when it left, or when it was refused or failed; None while on its way.

    `step` is the name the step had when the message was made: clicks on it are known by that name.
    """

    state: MessageState
    at: datetime | None
    content: str
    step: str | None = None
    why: str | None = None
    """What was last written down about it: why it was held back, refused or tried again."""


@dataclass(frozen=True, slots=True)
class SendIntent:
    step_id: str
    send: Send
    variant: str | None
    due_at: datetime


@dataclass(frozen=True, slots=True)
class ScoreIntent:
    step_id: str
    points: int
    because: str


@dataclass(frozen=True, slots=True)
class SetFieldIntent:
    step_id: str
    field: str
    value: Any


@dataclass(frozen=True, slots=True)
class NotifyIntent:
    step_id: str
    to: str
    message: str


@dataclass(frozen=True, slots=True)
class MoveIntent:
    step_id: str
    track: str


@dataclass(frozen=True, slots=True)
class HandOffIntent:
    """Ask the gate now, with the step's own `only_when` already true."""

    step_id: str
    queue: str
    note: str


@dataclass(frozen=True, slots=True)
class EndIntent:
    step_id: str
    reason: str
    rest_for: Duration | None


Intent = SendIntent | ScoreIntent | SetFieldIntent | NotifyIntent | MoveIntent | HandOffIntent | EndIntent


@dataclass(frozen=True, slots=True)
class Done:
    """One step that was passed, and in a marketer's words how (`wait_for: yes`, `skipped: condition was no`)."""

    step_id: str
    outcome: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one look at an enrollment leads to.

    `position` is where it stands afterwards (None: the campaign is over), `due_at` when to look again (None: only
    an event, or the message's own end, wakes it). After a SendIntent the walk stops: the next step's clock starts
    at the real send.
    """

    done: tuple[Done, ...]
    intents: tuple[Intent, ...]
    position: Position | None
    due_at: datetime | None
    why: str = ""
    """Why it waits, as a marketer reads it."""


@dataclass(frozen=True, slots=True)
class Permit:
    """The sending guard's yes."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """The guard's no, for good."""

    code: str
    text: str


@dataclass(frozen=True, slots=True)
class Postpone:
    """The guard's not yet: ask again at `until`."""

    code: str
    text: str
    until: datetime


Answer = Permit | Refusal | Postpone


@dataclass(slots=True)
class Tally:
    """The books of one run. due = sent + refused + postponed + deferred + failed + unknown + in_flight."""

    due: int = 0
    sent: int = 0
    refused: int = 0
    postponed: int = 0
    deferred: int = 0
    failed: int = 0
    unknown: int = 0
    in_flight: int = 0
    other: dict[str, int] | None = None
    """Counts of stages that send nothing (enrolled, moved, handed_off ...)."""

    def balanced(self) -> bool:
        parts = (self.sent, self.refused, self.postponed, self.deferred, self.failed, self.unknown, self.in_flight)
        return self.due == sum(parts)

    def count(self, what: str, n: int = 1) -> None:
        if self.other is None:
            self.other = {}
        self.other[what] = self.other.get(what, 0) + n

    def add(self, more: Tally) -> None:
        for name in ("due", "sent", "refused", "postponed", "deferred", "failed", "unknown", "in_flight"):
            setattr(self, name, getattr(self, name) + getattr(more, name))
        for what, n in (more.other or {}).items():
            self.count(what, n)

    def touched(self) -> int:
        """How many rows this run did something to; zero means that nothing was due."""
        return self.due + sum((self.other or {}).values())

    def as_dict(self) -> dict[str, int]:
        books = {
            n: getattr(self, n)
            for n in ("due", "sent", "refused", "postponed", "deferred", "failed", "unknown", "in_flight")
        }
        return {**books, **(self.other or {})}

    @classmethod
    def from_dict(cls, books: Mapping[str, int]) -> Tally:
        """Read back what `as_dict` wrote."""
        tally = cls()
        for what, n in books.items():
            if what != "other" and what in cls.__slots__:
                setattr(tally, what, n)
            else:
                tally.count(what, n)
        return tally
