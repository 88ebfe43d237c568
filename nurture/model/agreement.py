"""`agreement.yaml` as plain data: what marketing and sales signed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal

STAGNATION_DAYS: Mapping[str, int] = {
    "early": 90, "nurturing": 180, "mql": 3, "sal": 21, "sql": 14, "recycled": 200, "converted": 180,
}


@dataclass(frozen=True, slots=True)
class Signature:
    role: str
    name: str
    on_date: date


@dataclass(frozen=True, slots=True)
class RequiredEvents:
    """`any_of` / `all_of` / `ordered` matchers: `{type, min_minutes, within_days, topic ...}`."""

    any_of: tuple[Mapping[str, Any], ...] = ()
    all_of: tuple[Mapping[str, Any], ...] = ()
    ordered: tuple[Mapping[str, Any], ...] = ()
    counts_as_intent: bool = True


@dataclass(frozen=True, slots=True)
class RecycleReason:
    id: str
    label: str
    kind: Literal["active", "passive", "crm"] = "active"
    cool_off_days: int = 0
    cool_off_before_revisit_days: int = 0
    """With a revisit date: the cool-off ends this many days before it."""
    mode: Literal["silent", "low_touch", "normal"] = "normal"
    track: str | None = None
    """None: resume the previous track."""
    carryover: float = 0.0
    note_required: bool = False
    training: str = "neutral"
    other_owner_next: bool = False


@dataclass(frozen=True, slots=True)
class RejectReason:
    id: str
    label: str
    terminal: bool = False
    note_required: bool = False
    suppress: bool = False


@dataclass(frozen=True, slots=True)
class Calendar:
    zone: str = "UTC"
    open: int = 9 * 60
    """Minutes of the day."""
    close: int = 17 * 60
    days: frozenset[int] = frozenset(range(5))
    country: str | None = None
    """Public holidays of this country are closed, besides `holidays`."""
    holidays: frozenset[date] = frozenset()


@dataclass(frozen=True, slots=True)
class Sla:
    decision_minutes: Mapping[str, int] = field(
        default_factory=lambda: {"fast": 60, "A1": 240, "A2": 240, "default": 480}
    )
    first_touch_minutes: int = 240
    qualification_days: int = 21
    conversion_days: int = 5
    expire: bool | None = None
    """Automatic return after a missed SLA; None: on from three sellers upwards."""


@dataclass(frozen=True, slots=True)
class Agreement:
    version: int
    effective_from: date
    next_review: date
    review_every: Literal["monthly", "quarterly"] = "quarterly"
    grace_days: int = 30
    enforce: Literal["warn", "block"] = "warn"
    signatories: tuple[str, ...] = ("marketing", "sdr", "account_executive")
    signed: tuple[Signature, ...] = ()
    definitions: Mapping[str, str] = field(default_factory=dict)
    bounds: Mapping[str, Any] = field(default_factory=dict)
    """Firmographic bounds: `{employees: [50, 5000], countries: [...], industries: [...]}`."""
    exceptions: tuple[Mapping[str, Any], ...] = ()
    excluded: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """`{employees: [domain], partners: [...], competitors: [...], tests: [...]}` for G05."""
    conversion_point: Literal["sal", "sql"] = "sql"
    bant_min: int = 2
    bant_must: tuple[str, ...] = ("need",)
    offers_from: Literal["nurturing", "mql"] = "nurturing"
    required_fields: tuple[str, ...] = ("first_name", "last_name", "company", "role")
    required_events: Mapping[str, RequiredEvents] = field(default_factory=dict)
    """Segment -> what must have happened; `default` for everybody else."""
    intent: tuple[Mapping[str, Any], ...] = ()
    fresh_after_recycle: bool = False
    max_recycles: int = 3
    max_passive: int = 2
    recycle_reasons: Mapping[str, RecycleReason] = field(default_factory=lambda: RECYCLE_REASONS)
    reject_reasons: Mapping[str, RejectReason] = field(default_factory=lambda: REJECT_REASONS)
    sla: Sla = Sla()
    calendar: Calendar = Calendar()
    max_new_handoffs_per_day: int = 40
    per_owner_open: int = 25
    benchmarks: Mapping[str, Any] = field(default_factory=dict)
    exploration_percent: float = 0.0
    levels: Mapping[str, str] = field(default_factory=dict)
    """The company's own levels between accepted and qualified, in order: id -> label. A seller says how far one is."""
    stagnation_days: Mapping[str, int] = field(default_factory=lambda: dict(STAGNATION_DAYS))
    """Stage -> days after which a lead that is still in it has been forgotten."""
    channels: tuple[str, ...] = ("email", "phone")
    """Channels sales will use; G02 wants consent for at least one."""
    sha: str = ""


def _recycle(reason: str, label: str, **rest: Any) -> tuple[str, RecycleReason]:
    return reason, RecycleReason(reason, label, **rest)


RECYCLE_REASONS: Mapping[str, RecycleReason] = dict(
    (
        _recycle(
            "bad_timing",
            "Not now",
            cool_off_days=90,
            cool_off_before_revisit_days=30,
            mode="low_touch",
            track="long_cycle",
        ),
        _recycle("no_budget", "No budget", cool_off_days=180, mode="low_touch", track="business_case"),
        _recycle("not_decision_maker", "Does not decide", cool_off_days=14, track="champion", training="fit_negative"),
        _recycle(
            "still_researching", "Still reading up", cool_off_days=7, track="education", training="engagement_negative"
        ),
        _recycle("score_too_early", "Handed over too early", cool_off_days=14, training="negative"),
        _recycle("unresponsive", "No answer", cool_off_days=30, mode="silent", track="reengage", training="negative"),
        _recycle("missing_data", "Data is missing", track="profiling", carryover=1.0),
        _recycle(
            "chose_competitor",
            "Bought elsewhere",
            cool_off_days=270,
            cool_off_before_revisit_days=90,
            mode="silent",
            track="switch",
            training="negative",
        ),
        _recycle("wrong_product", "Needs another product"),
        _recycle(
            "sla_expired",
            "Nobody decided in time",
            kind="passive",
            carryover=1.0,
            training="excluded",
            other_owner_next=True,
        ),
        _recycle("opp_lost", "Deal lost", kind="crm", cool_off_days=120, mode="low_touch", training="lost"),
        _recycle(
            "churned",
            "Customer left",
            kind="crm",
            cool_off_days=180,
            mode="silent",
            track="win_back",
            training="excluded",
        ),
        _recycle("other", "Something else", cool_off_days=30, track="education", note_required=True),
    )
)
"""The built-in reasons of sales' "not yet"; `agreement.yaml` changes them word by word and adds its own."""

REJECT_REASONS: Mapping[str, RejectReason] = {
    r.id: r
    for r in (
        RejectReason("not_icp", "Outside our market"),
        RejectReason("competitor", "Works for a competitor", terminal=True, suppress=True),
        RejectReason("student_or_jobseeker", "Student or looking for a job", terminal=True),
        RejectReason("fake_data", "Made-up data", terminal=True),
        RejectReason("duplicate", "The same person twice", terminal=True),
        RejectReason("existing_customer", "Already a customer"),
        RejectReason("opted_out", "Wants no contact", terminal=True, suppress=True),
        RejectReason("no_longer_there", "Left the company"),
        RejectReason("other", "Something else", note_required=True),
    )
}
"""The built-in reasons of sales' "no"."""
