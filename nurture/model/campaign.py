"""A campaign as plain data: what a YAML file says once it has been read and checked.

Frozen, hashable where that is cheap, no I/O. `authoring` builds these; `decide` reads them. Durations and
windows keep the marketer's words so that plans and explanations can say them back.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from nurture.model.problem import Place
from nurture.model.words import CampaignStatus, FunnelStage

Unit = Literal["minutes", "hours", "days", "business_days", "weeks", "months", "years"]
IfUnknown = Literal["then", "otherwise", "skip"]


@dataclass(frozen=True, slots=True)
class Duration:
    """`3 days`, `4 hours`, `5 business days`. Days and longer are calendar steps in a zone, hours are exact."""

    amount: int
    unit: Unit

    def __str__(self) -> str:
        unit = self.unit.replace("_", " ")
        return f"{self.amount} {unit[:-1] if self.amount == 1 else unit}"


@dataclass(frozen=True, slots=True)
class Window:
    """When sending is allowed: weekdays (0 = Monday) and minutes of the local day.

    `start > end` crosses midnight; the part after midnight belongs to the day it began on.
    `zone` is `lead` (the lead's, else the campaign's, else the company's) or an IANA name.
    """

    days: frozenset[int] = frozenset(range(7))
    start: int = 0
    end: int = 24 * 60
    zone: str = "lead"


@dataclass(frozen=True, slots=True)
class Cap:
    """At most `count` emails per `per`, over a sliding period ending now."""

    count: int
    per: Literal["day", "week", "month"]


@dataclass(frozen=True, slots=True)
class Condition:
    """A structured condition: `op` is `all`, `any`, `not` (with `parts`) or a fact's name (with `value`).

    Facts: consent engagement_at_least engagement_below fit_at_least cell clicked opened replied visited did
    attended bounced tag field in_track lifecycle_is list form. Extra keys of a fact (`link`, `is`, `one_of`,
    `at_least`, `at_most`, `min_minutes` ...) stand in `args`. A block with several keys becomes `all`.
    """

    op: str
    value: Any = None
    parts: tuple[Condition, ...] = ()
    args: Mapping[str, Any] = field(default_factory=dict)
    in_last: Duration | None = None
    place: Place = Place()


@dataclass(frozen=True, slots=True)
class Variant:
    name: str
    share: int
    """Percent; the shares of a test sum to 100."""
    subject: str | None = None
    template: str | None = None


@dataclass(frozen=True, slots=True)
class Winner:
    by: Literal["clicks", "replies", "goal"]
    after: Duration
    at_least: int
    otherwise: str = "keep both"


@dataclass(frozen=True, slots=True)
class Test:
    name: str
    variants: tuple[Variant, ...]
    winner: Winner | None = None
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Send:
    template: str
    test: Test | None = None


@dataclass(frozen=True, slots=True)
class WaitFor:
    condition: Condition
    within: Duration
    then: tuple[Step, ...] = ()
    otherwise: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True)
class Branch:
    condition: Condition
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Choose:
    branches: tuple[Branch, ...]
    otherwise: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True)
class Score:
    points: int
    """Milli-points."""
    because: str


@dataclass(frozen=True, slots=True)
class SetField:
    field: str
    value: Any


@dataclass(frozen=True, slots=True)
class Notify:
    to: str
    message: str


@dataclass(frozen=True, slots=True)
class MoveTo:
    track: str


@dataclass(frozen=True, slots=True)
class End:
    reason: str
    rest_for: Duration | None = None


@dataclass(frozen=True, slots=True)
class HandOff:
    queue: str
    note: str = ""
    only_when: Condition | None = None
    try_for: Duration | None = None
    if_not: MoveTo | End | None = None


Action = Send | WaitFor | Choose | Score | SetField | Notify | MoveTo | HandOff | End


@dataclass(frozen=True, slots=True)
class Until:
    """Wait until the date in the lead's `field`, or until `or_after` since the anchor when it is empty or later."""

    field: str
    or_after: Duration


@dataclass(frozen=True, slots=True)
class Step:
    id: str
    action: Action
    was: str | None = None
    after: Duration | None = None
    until: Until | None = None
    send_on: str | None = None
    """A local date and time in the lead's zone, ISO text without offset."""
    condition: Condition | None = None
    if_unknown: IfUnknown | None = None
    place: Place = Place()


@dataclass(frozen=True, slots=True)
class Trigger:
    """One way into a campaign: `form`, `tag_added`, `list`, `did`, `engagement_at_least`, `recycled`, `track` ..."""

    kind: str
    value: Any
    args: Mapping[str, Any] = field(default_factory=dict)
    place: Place = Place()


@dataclass(frozen=True, slots=True)
class Enter:
    when: tuple[Trigger, ...]
    only_if: Condition | None = None
    again: Duration | Literal["never", "always"] = "never"


@dataclass(frozen=True, slots=True)
class LeaveRule:
    condition: Condition
    move_to: str | None = None


@dataclass(frozen=True, slots=True)
class Goal:
    reached_when: Condition
    within: Duration


@dataclass(frozen=True, slots=True)
class Sending:
    topic: str
    sender: str
    reply_to: str | None = None
    window: Window | None = None
    at_most: Cap | None = None
    if_unknown_delivery: Literal["assume_sent", "resend_same_id"] = "assume_sent"
    route: str | None = None


@dataclass(frozen=True, slots=True)
class Campaign:
    id: str
    name: str
    funnel_stage: FunnelStage
    track: str
    owner: str
    status: CampaignStatus
    enter: Enter
    sending: Sending
    steps: tuple[Step, ...]
    priority: int = 100
    in_flight: Literal["follow", "finish"] = "follow"
    leave_when: tuple[LeaveRule, ...] = ()
    goal: Goal | None = None
    control_group: int = 0
    """Percent, decided by a stable hash of lead and campaign."""
    language: str | None = None
    timezone: str | None = None
    digest: str = ""
    """Content address of the file as applied."""
    former: tuple[tuple[str, str], ...] = ()
    """(a name a step once had, its name now), of every rename that was ever applied: the store knows, no file does."""
    place: Place = Place()

    def walk(self) -> Iterator[Step]:
        """Every step, in reading order, branches included."""
        yield from _walk(self.steps)

    def step(self, step_id: str) -> Step | None:
        return next((s for s in self.walk() if s.id == step_id), None)


def _walk(steps: tuple[Step, ...]) -> Iterator[Step]:
    for step in steps:
        yield step
        match step.action:
            case WaitFor(then=then, otherwise=otherwise):
                yield from _walk(then)
                yield from _walk(otherwise)
            case Choose(branches=branches, otherwise=otherwise):
                for branch in branches:
                    yield from _walk(branch.steps)
                yield from _walk(otherwise)
