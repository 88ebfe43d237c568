"""Calibration as a whole: learn, judge honestly, say what it would mean for sales, and propose."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from nurture.decide import bins, calibrate
from nurture.decide.bins import Value
from nurture.decide.calibrate import PointModel, Validated
from nurture.decide.interval import Cut, Decile, auc, auc_interval, deciles, drift, for_capacity, sweep, wilson
from nurture.insight.proposal import About, model_yaml, won

BANDS: Final = {"A": 0.2, "B": 0.4, "C": 0.6}
"""Share of leads that reaches each band; a fifth is what is usually ready for sales (S3-11)."""
CHANCE: Final = 0.5
TOO_GOOD: Final = 0.98
"""An AUC that nothing known before sales worked a lead has been seen to reach."""


@dataclass(frozen=True, slots=True)
class Columns:
    """What is learnt from: columns by field name, what became of each row, and what to know about the columns."""

    values: Mapping[str, Sequence[Value]]
    outcomes: Sequence[bool]
    labels: Mapping[str, str]
    leak_risk: Sequence[str] = ()
    yes_no: Sequence[str] = ()
    not_used: Mapping[str, str] | None = None
    counts: Collection[str] = ()
    """Columns that count something, however few their values."""


@dataclass(frozen=True, slots=True)
class Judged:
    """How a model ranks leads it has not seen."""

    auc: float
    low: float
    high: float
    rows: int
    good: int
    deciles: tuple[Decile, ...]
    drift: float
    """Of its scores against those the model learnt from."""


@dataclass(frozen=True, slots=True)
class Calibration:
    model: PointModel
    validated: Validated
    judged: Judged
    cuts: tuple[Cut, ...]
    chosen: Cut | None
    """The lowest threshold that sales can take, where the places were said."""
    bands: Mapping[str, int]
    block: str
    """The proposed model as YAML."""


def learn(
    columns: Columns, *, name: str, now: datetime, places: int | None = None, fields: Collection[str] | None = None
) -> Calibration | str:
    """Learn from `columns`; a text instead says why there is not enough to learn from.

    `places` is how many of these leads sales could have taken; `fields` are the columns that a fit criterion can name
    (default: all).
    """
    lacking = calibrate.enough(columns.outcomes)
    if lacking:
        return lacking
    numeric = {field: field in columns.counts or bins.is_number(values) for field, values in columns.values.items()}
    model = calibrate.learn(columns.values, columns.outcomes, numeric=numeric)
    if not model.lines:
        return "not enough data: no column makes a difference that could not be chance"
    validated = calibrate.cross_validate(columns.values, columns.outcomes, numeric=numeric)
    judged = _judged(validated.pooled, columns.outcomes, validated.auc)
    if judged.low <= CHANCE:
        # Cut where outcomes change, pure noise looks like something on the leads it was cut on, and on no others.
        return (f"not enough data: what was learnt ranks unseen leads no better than chance (AUC {judged.auc:.3f}, "
                f"{judged.low:.3f} to {judged.high:.3f})")
    cuts = sweep(validated.pooled, columns.outcomes)
    bands = _bands(model.scores(columns.values, len(columns.outcomes)))
    about = About(
        name=name, rows=len(columns.outcomes), good=sum(columns.outcomes), day=f"{now:%Y-%m-%d}",
        quality=quality(judged, validated), labels=columns.labels,
        leak_risk=[field for field in columns.leak_risk if field in model.columns], yes_no=columns.yes_no,
    )
    block = model_yaml(model, about, bands, fields=fields)
    chosen = for_capacity(cuts, places) if places is not None else None
    return Calibration(model, validated, judged, tuple(cuts), chosen, bands, block)


def judge(model: PointModel, columns: Columns, against: Columns | None = None) -> Judged:
    """How `model` ranks the leads of `columns`; `against` is what it learnt from, for the drift."""
    scores = model.scores(columns.values, len(columns.outcomes))
    before = model.scores(against.values, len(against.outcomes)) if against is not None else scores
    return _judged(scores, columns.outcomes, auc(scores, columns.outcomes), before)


def _judged(
    scores: Sequence[int], outcomes: Sequence[bool], value: float, before: Sequence[int] | None = None
) -> Judged:
    good = sum(outcomes)
    low, high = auc_interval(value, good, len(outcomes) - good)
    moved = score_drift(before, scores) if before is not None else 0.0
    return Judged(value, low, high, len(outcomes), good, tuple(deciles(scores, outcomes)), moved)


def score_drift(before: Sequence[int], after: Sequence[int]) -> float:
    """Whether `after` spreads over the tenths of `before` as `before` did."""
    ordered = sorted(before)
    edges = sorted({ordered[len(ordered) * k // 10] for k in range(1, 10)}) if ordered else []

    def counts(scores: Sequence[int]) -> list[int]:
        found = [0] * (len(edges) + 1)
        for score in scores:
            found[sum(score >= edge for edge in edges)] += 1
        return found

    return drift(counts(before), counts(after))


def quality(judged: Judged, validated: Validated) -> str:
    """How well it ranks leads it has not seen, in a sentence; and another where that is too good to be true."""
    folds = len(validated.folds)
    warned = " That is too good to be true: a column may have been written after the outcome was known."
    return (
        f"Ranks unseen leads with an AUC of {judged.auc:.3f} ({judged.low:.3f} to {judged.high:.3f}; {folds}-fold "
        f"cross-validation); {max(validated.memorised, 0.0):.3f} more on those it learnt from."
        f"{warned if judged.auc >= TOO_GOOD else ''}"
    )


def _bands(scores: Sequence[int]) -> dict[str, int]:
    """Where the bands begin, so that about the wanted share of leads reaches each; each below the one before."""
    ordered = sorted(scores, reverse=True)
    bands: dict[str, int] = {}
    last = 101
    for band, share in BANDS.items():
        at = ordered[min(int(len(ordered) * share), len(ordered) - 1)]
        last = bands[band] = max(0, min(at, last - 1, 100))
    return bands


def as_document(found: Calibration, columns: Columns) -> dict[str, Any]:
    """Everything about a calibration, for programs."""
    model = found.model
    return {
        "rows": found.judged.rows, "won": found.judged.good, "auc": round(found.judged.auc, 4),
        "auc_interval": [round(found.judged.low, 4), round(found.judged.high, 4)],
        "folds": [round(value, 4) for value in found.validated.folds],
        "memorised": round(found.validated.memorised, 4),
        "leak_risk": [field for field in columns.leak_risk if field in model.columns],
        "rules": [rule_document(line, columns.labels) for line in model.lines],
        "not_used": {**(columns.not_used or {}), **model.left_out},
        "bands": dict(found.bands),
        "deciles": [decile_document(one) for one in found.judged.deciles],
        "thresholds": [cut_document(cut) for cut in found.cuts],
        "threshold_for_capacity": cut_document(found.chosen) if found.chosen else None,
        "proposal": found.block,
    }


def rule_document(line: calibrate.Line, labels: Mapping[str, str]) -> dict[str, Any]:
    values: dict[str, Any] = {"one_of": list(line.one_of)} if line.one_of else {}
    if line.at_least is not None:
        values["at_least"] = line.at_least
    if line.at_most is not None:
        values["at_most"] = line.at_most
    return {
        "field": line.column, "column": labels.get(line.column, line.column), **values, "points": line.points,
        "interval": [line.low, line.high], "certain": line.certain, "reason": won(line.share),
    }


def decile_document(one: Decile) -> dict[str, Any]:
    return {
        "decile": one.number, "from": one.highest, "to": one.lowest, "leads": one.share.n, "won": one.share.hits,
        "rate": round(one.share.rate, 4), "interval": [round(one.share.low, 4), round(one.share.high, 4)],
        "lift": round(one.lift, 3), "captured": round(one.captured, 4),
    }


def cut_document(cut: Cut) -> dict[str, Any]:
    return {
        "threshold": cut.threshold, "handed": cut.handed, "handed_share": round(cut.handed_share, 4),
        "rate": round(cut.won.rate, 4), "interval": [round(cut.won.low, 4), round(cut.won.high, 4)],
        "found": round(cut.found, 4),
    }


__all__ = ["Calibration", "Columns", "Judged", "as_document", "judge", "learn", "quality", "score_drift", "wilson"]
