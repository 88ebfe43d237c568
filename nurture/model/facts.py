"""What is known about one lead at one moment: the only thing rules get to see.

`store.snapshots` loads these in batches; `rehearse` makes them from a story. All moments are aware UTC datetimes,
all points are integer milli-points.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, NamedTuple

from nurture.model.words import Channel, ConsentStatus, Depth, Purpose, Stage


@dataclass(frozen=True, slots=True)
class Event:
    """A touchpoint. `at` is when it happened, `recorded_at` when we learnt of it; late events are normal."""

    id: int
    kind: str
    at: datetime
    recorded_at: datetime | None = None
    channel: str | None = None
    touchpoint: str | None = None
    content: str | None = None
    topic: str | None = None
    depth: Depth | None = None
    link: str | None = None
    path: str | None = None
    minutes: int | None = None
    campaign: str | None = None
    step: str | None = None
    message_id: int | None = None
    points: int | None = None
    """Milli-points, only on kind `points` (a campaign's `score:` step)."""
    machine: bool = False
    void: bool = False
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Value:
    """One profile value with where it came from. `origin`: sales > declared > enriched > inferred."""

    value: Any
    origin: str = "declared"
    confidence: float = 1.0
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ConsentState:
    """The fold of the ledger for one purpose and channel, with the entry it rests on."""

    status: ConsentStatus = ConsentStatus.NONE
    basis: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    entry_id: int | None = None
    wording: str | None = None

    def valid(self, now: datetime) -> bool:
        return self.status is ConsentStatus.GRANTED and (self.until is None or now < self.until)


Consents = Mapping[tuple[Purpose, Channel], ConsentState]


WANTED: Final = "wanted_fields"
"""The field that holds what sales said is missing of a lead: for the gate, not for people."""


@dataclass(frozen=True, slots=True)
class Lead:
    id: int
    stage: Stage
    email: str | None = None
    external_id: str | None = None
    fields: Mapping[str, Value] = field(default_factory=dict)
    tags: frozenset[str] = frozenset()
    lists: frozenset[str] = frozenset()
    track: str | None = None
    track_since: datetime | None = None
    language: str | None = None
    country: str | None = None
    timezone: str | None = None
    cycle: int = 1
    version: int = 0
    account_id: int | None = None
    source: str | None = None
    created_at: datetime | None = None
    stage_since: datetime | None = None
    engaged_at: datetime | None = None
    baseline_at: datetime | None = None
    carryover: float = 0.0
    cool_off_until: datetime | None = None
    cool_off_mode: str | None = None
    recycle_reason: str | None = None
    recycles: int = 0
    rest_until: datetime | None = None
    mail_paused_until: datetime | None = None
    mails_per_month: int | None = None
    """The person's own limit from the preference page."""
    topics_off: frozenset[str] = frozenset()
    objected: bool = False
    contact_blocked: bool = False
    passive_recycles: int = 0
    previous_track: str | None = None

    def get(self, name: str) -> Any:
        """The value of a profile field, or None where it is unknown."""
        found = self.fields.get(name)
        return None if found is None else found.value


class Sent(NamedTuple):
    """One message of the content ledger."""

    message_id: int
    content: str
    edition: int
    at: datetime
    campaign: str | None
    track: str | None
    step: str | None
    run: int = 1
    kind: str = "educational"
    state: str = "sent"
    clicks_visible: bool = True


@dataclass(frozen=True, slots=True)
class Scores:
    """The score as computed at `at`. Milli-points; fit 0..100_000, engagement 0..100_000."""

    model: str
    at: datetime
    engagement: int
    fit_low: int
    fit_high: int
    coverage: float
    fit_band: str
    engagement_band: int
    cell: str
    action: str
    """handoff | nurture | profile_first | hold | poor_fit"""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything a rule may ask about one lead. `events` are sorted by (at, id), oldest first, all kinds."""

    lead: Lead
    events: Sequence[Event] = ()
    consents: Consents = field(default_factory=dict)
    sent: Sequence[Sent] = ()
    scores: Scores | None = None
    suppressions: frozenset[str] = frozenset()
    open_handoff: int | None = None
    customer: bool = False
    open_opportunity: bool = False

    def consents_to(self, purpose: Purpose, now: datetime, channel: Channel = Channel.EMAIL) -> bool:
        state = self.consents.get((purpose, channel))
        return state is not None and state.valid(now)
