"""Both axes together: which model, which cell, what to do, how far along, how hot."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from nurture.decide import score
from nurture.decide.condition import ALWAYS, evaluate
from nurture.decide.fit import Fit, Verdict, fit
from nurture.decide.match import counts, ordered
from nurture.decide.score import ScoreLines
from nurture.model.campaign import Condition
from nurture.model.company import Company
from nurture.model.facts import Scores, Snapshot, Value
from nurture.model.scoring import Cell, Model, Scoring
from nurture.model.words import Truth

HANDOFF: Final = "handoff"
DEFAULT_HANDOFF: Final = frozenset({"A1", "A2", "A3", "B1", "B2"})
RANKS: Final = ("A1", "A2", "B1", "A3", "B2", "B3", "C1", "C2", "A4", "B4", "C3", "D1", "C4", "D2", "D3", "D4")
"""Cells best first, for the queue of sales."""
HOT_DAYS: Final = 14

Holds = Callable[[Condition, Snapshot, datetime], bool]
"""Whether a condition holds for a lead at a moment (see `holding`)."""


def holding(company: Company) -> Holds:
    """Conditions as the campaign language reads them, over the whole history of a lead."""
    def holds(condition: Condition, snapshot: Snapshot, now: datetime) -> bool:
        return evaluate(condition, snapshot, since=ALWAYS, company=company, now=now) is Truth.YES
    return holds


@dataclass(frozen=True, slots=True)
class Scored:
    """The result for one model, with everything needed to explain it.

    `since` is what the gate reads (events since the last recycle), `lifetime` the whole history.
    """

    scores: Scores
    since: ScoreLines
    lifetime: ScoreLines
    fit: Fit
    model: Model
    hot_signal: bool = False

    @property
    def cell(self) -> Cell:
        return cell_of(self.model, self.scores.fit_band, self.scores.engagement_band)


def choose_model(snapshot: Snapshot, scoring: Scoring, *, now: datetime, holds: Holds | None = None) -> Model:
    """The first model (no shadow) that applies; the last one where none does."""
    live = [model for model in scoring.models if not model.shadow]
    for model in live:
        if model.applies_if is None or (holds is not None and holds(model.applies_if, snapshot, now)):
            return model
    return live[-1] if live else Model("default")


def shadows(snapshot: Snapshot, scoring: Scoring, *, now: datetime, holds: Holds | None = None) -> list[Model]:
    """Shadow models that apply: computed and kept, deciding nothing."""
    return [
        m for m in scoring.models
        if m.shadow and (m.applies_if is None or (holds is not None and holds(m.applies_if, snapshot, now)))
    ]


def scored(snapshot: Snapshot, model: Model, *, now: datetime) -> Scored:
    """Score one lead with one model at `now`."""
    lead = snapshot.lead
    since = score.lines(snapshot.events, model, at=now, baseline_at=lead.baseline_at, carryover=lead.carryover)
    lifetime = since if lead.baseline_at is None else score.lines(snapshot.events, model, at=now)
    fitted = fit(profile(lead.email, lead.country, lead.fields), model, at=now)
    engagement_band = score.engagement_band(since.score, model)
    return Scored(
        scores=Scores(
            model=model.id, at=now, engagement=since.score, fit_low=fitted.low, fit_high=fitted.high,
            coverage=fitted.coverage, fit_band=fitted.band, engagement_band=engagement_band,
            cell=f"{fitted.band}{engagement_band}", action=action(fitted, engagement_band, model),
        ),
        since=since, lifetime=lifetime, fit=fitted, model=model, hot_signal=hot_signal(snapshot, model, now),
    )


def profile(email: str | None, country: str | None, fields: Mapping[str, Value]) -> Mapping[str, Value]:
    """The fields of a lead, and what its address and its country say where no field does."""
    extra: dict[str, Value] = {}
    if email and "@" in email:
        extra["domain"] = Value(email.rpartition("@")[2].casefold(), "inferred")
    if country:
        extra["country"] = Value(country, "inferred")
    return {**extra, **fields}


def scores(snapshot: Snapshot, scoring: Scoring, *, now: datetime, holds: Holds | None = None) -> Scored:
    """Score one lead with the model that applies to it."""
    return scored(snapshot, choose_model(snapshot, scoring, now=now, holds=holds), now=now)


def action(fitted: Fit | Verdict, engagement_band: int, model: Model) -> str:
    """What the matrix says, `poor_fit` outside the picture, `profile_first` where only unknowns stand in the way."""
    if fitted.excluded or fitted.band_high == "D":
        return "poor_fit"
    here = cell_of(model, fitted.band, engagement_band).action
    if here != HANDOFF and fitted.band_high != fitted.band:
        best = cell_of(model, fitted.band_high, engagement_band).action
        if best == HANDOFF:
            return "profile_first"
    return here


def cell_of(model: Model, band: str, engagement_band: int) -> Cell:
    """The cell of the matrix; neither axis alone reaches sales, whatever the file says."""
    name = f"{band}{engagement_band}"
    cell = model.matrix.get(name)
    if cell is None:
        cell = Cell(HANDOFF if not model.matrix and name in DEFAULT_HANDOFF else "nurture")
    if cell.action == HANDOFF and (band == "D" or engagement_band == 4):
        return replace(cell, action="nurture")
    return cell


def missing_points(result: Scored) -> tuple[str, int] | None:
    """The smallest way into a hand-off cell: `("engagement" | "fit", milli-points short)`, or None if there."""
    model, now = result.model, result.scores
    if now.action == HANDOFF:
        return None
    ways = [
        ("engagement", least * 1000 - now.engagement)
        for band, least in model.engagement_bands.items()
        if cell_of(model, now.fit_band, band).action == HANDOFF and least * 1000 > now.engagement
    ]
    ways += [
        ("fit", least * 1000 - now.fit_low)
        for band, least in model.fit_bands.items()
        if cell_of(model, band, now.engagement_band).action == HANDOFF and least * 1000 > now.fit_low
    ]
    return min(ways, key=lambda way: way[1], default=None)


def hot_signal(snapshot: Snapshot, model: Model, now: datetime) -> bool:
    """A pattern of the model (case study, then price list) that was completed in the last two weeks."""
    for rule in model.rules:
        if rule.sequence:
            run = ordered(snapshot.events, rule.sequence, now, rule.match.get("within_days"))
            if run and (now - run[-1].at).days < HOT_DAYS:
                return True
    return False


def urgency(gained: int) -> int:
    """0..3 for the milli-points gained in the last seven days."""
    return sum(gained >= least for least in (5_000, 15_000, 30_000))


def relative_rank(points: int, tiers: Sequence[int]) -> int:
    """0..3 for where a lead stands among all: above the tiers of the better half, quarter and tenth."""
    return sum(points >= least for least in tiers) if points > 0 else 0


def priority(*, fast: bool, cell: str, urgent: int, rank: int) -> int:
    """One number with the same order (higher is sooner), for an index."""
    place = len(RANKS) - (RANKS.index(cell) if cell in RANKS else len(RANKS))
    return (1000 if fast else 0) + place * 16 + urgent * 4 + rank


def gained(snapshot: Snapshot, model: Model, *, now: datetime, before: datetime) -> int:
    """Milli-points that events after `before` added: what is there now against what would be without them."""
    lead = snapshot.lead
    then = [e for e in snapshot.events if e.at <= before]
    have = score.total(snapshot.events, model, at=now, baseline_at=lead.baseline_at, carryover=lead.carryover)
    without = score.total(then, model, at=now, baseline_at=lead.baseline_at, carryover=lead.carryover)
    return max(0, have - without)


def next_change(snapshot: Snapshot, model: Model, *, now: datetime, horizon_days: int = 400) -> datetime | None:
    """The first whole day after `now` on which decay alone changes the engagement band, or None within the horizon."""
    lead = snapshot.lead
    if not any(counts(e) for e in snapshot.events):
        return None

    def band(day: int) -> int:
        at = now + timedelta(days=day)
        got = score.total(snapshot.events, model, at=at, baseline_at=lead.baseline_at, carryover=lead.carryover)
        return score.engagement_band(got, model)

    here = band(0)
    if here == 4 or band(horizon_days) == here:
        return None
    low, high = 0, horizon_days
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if band(middle) == here else (low, middle)
    return now + timedelta(days=high)


def level(
    passed: Mapping[str, bool], *, band: str, action_: str, bant_set: bool = False, opportunity: bool = False
) -> int:
    """Qualification level 0..6, cumulative. `passed`: gate predicate -> outcome; `contactable` for level 0."""
    steps = (
        passed.get("G01", False) and passed.get("marketing_consent", False),
        band in ("A", "B"),
        action_ == HANDOFF,
        passed.get("G09", False) and passed.get("G10", False),
        bant_set,
        opportunity,
    )
    reached = 0
    for number, holds in enumerate(steps, 1):
        if not holds:
            break
        reached = number
    return reached
