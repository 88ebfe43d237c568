"""How well a lead fits the picture of a customer: an interval, because unknown is not bad.

All points are integer milli-points, 0..100_000.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any, Final, NamedTuple

from nurture.model.facts import Value
from nurture.model.scoring import Criterion, Model, Subtraction, ValueRule

ORIGINS = ("inferred", "enriched", "declared", "sales")
FULL = 100_000


class FitLine(NamedTuple):
    """One criterion or subtraction. `low` and `high` are its parts of the whole in milli-points, rounded for people."""

    field: str
    value: Any
    known: bool
    low: int
    high: int
    points: int = 0
    because: str = ""

    @property
    def text(self) -> str:
        if self.because:
            return self.because
        return f"{self.field} is {self.value}: {self.points} of 100" if self.known else f"{self.field} is not known"


@dataclass(frozen=True, slots=True)
class Fit:
    """`low` decides, `high` is what it could become once `unknown` (heaviest first) is known."""

    low: int
    high: int
    coverage: float
    band: str
    band_high: str
    unknown: tuple[str, ...]
    excluded: tuple[str, ...]
    """Fields whose value puts the lead outside the picture altogether."""
    lines: tuple[FitLine, ...]


def fit(values: Mapping[str, Value], model: Model, *, at: datetime) -> Fit:
    """Judge profile `values` at one instant. Values dated later than `at` are not known yet."""
    weight = sum(c.weight for c in model.fit) or 1
    low = high = known_weight = 0
    lines: list[FitLine] = []
    excluded: list[str] = []
    unknown: list[Criterion] = []
    for criterion in model.fit:
        value = known(values.get(criterion.field), criterion, at=at)
        name, share = criterion.field, criterion.weight * 1000
        if value is None:
            best = share * max((rule.points for rule in criterion.rules), default=0)
            high += best
            unknown.append(criterion)
            lines.append(FitLine(name, None, False, 0, best // weight))
            continue
        points = _points(criterion, value)
        low, high, known_weight = low + share * points, high + share * points, known_weight + criterion.weight
        part = share * points // weight
        lines.append(FitLine(name, value, True, part, part, points))
        if _listed(value, criterion.exclude):
            excluded.append(name)
    for line in _subtractions(values, model.subtract, at):
        lines.append(line)
        low, high = low + line.low * weight, high + line.high * weight
    low, high = _clamp(Fraction(low, weight)), _clamp(Fraction(high, weight))
    return Fit(
        low=low, high=high, coverage=known_weight / weight if model.fit else 1.0, band=fit_band(low, model),
        band_high=fit_band(high, model), excluded=tuple(excluded), lines=tuple(lines),
        unknown=tuple(c.field for c in sorted(unknown, key=lambda c: -c.weight)),
    )


class Verdict(NamedTuple):
    """What `fit` decides, without the lines that explain it: the same names, the same numbers."""

    low: int
    high: int
    coverage: float
    band: str
    band_high: str
    excluded: tuple[str, ...]


_verdicts: dict[tuple[Any, ...], tuple[Model, Verdict]] = {}


def verdict(values: Mapping[str, Value], model: Model, *, at: datetime) -> Verdict:
    """`fit` for rescoring in bulk. Leads that get the same points per criterion get the same verdict, and there are
    few such patterns, so the arithmetic is done once for each.
    """
    pattern: list[Any] = [id(model)]
    for criterion in model.fit:
        value = known(values.get(criterion.field), criterion, at=at)
        if value is None:
            pattern.append(None)
        else:
            points = _points(criterion, value)
            pattern.append(~points if criterion.exclude and _listed(value, criterion.exclude) else points)
    for taken in model.subtract:
        value = known(values.get(taken.field), None, at=at)
        pattern.append(value is not None and matches(value, taken.rule))
    key = tuple(pattern)
    held = _verdicts.get(key)
    if held is not None and held[0] is model:
        return held[1]
    whole = fit(values, model, at=at)
    found = Verdict(whole.low, whole.high, whole.coverage, whole.band, whole.band_high, whole.excluded)
    if len(_verdicts) >= _SEEN_AT_MOST:
        _verdicts.clear()
    _verdicts[key] = (model, found)
    return found


_seen: dict[tuple[int, type, Any], tuple[Criterion, int]] = {}
_SEEN_AT_MOST: Final = 50_000


def _points(criterion: Criterion, value: Any) -> int:
    """Points of one value. Titles and countries repeat, and a rule list is read a million times in a rescore."""
    try:
        held = _seen.get((id(criterion), type(value), value))
    except TypeError:
        return _first_match(criterion, value)
    if held is not None and held[0] is criterion:
        return held[1]
    points = _first_match(criterion, value)
    if len(_seen) >= _SEEN_AT_MOST:
        _seen.clear()
    _seen[id(criterion), type(value), value] = (criterion, points)
    return points


def _first_match(criterion: Criterion, value: Any) -> int:
    return next((rule.points for rule in criterion.rules if matches(value, rule)), 0)


def known(value: Value | None, criterion: Criterion | None, *, at: datetime) -> Any:
    """The value as a rule may use it, or None: empty, not yet known at `at`, too old, or not sure enough."""
    if value is None or value.value is None or value.value == "":
        return None
    if value.at is not None and value.at > at:
        return None
    if criterion is None:
        return value.value
    if value.confidence < criterion.min_confidence:
        return None
    old = criterion.max_age_days
    if old is not None and value.at is not None and at - value.at > timedelta(days=old):
        return None
    return value.value


def better(new: Value, old: Value | None) -> bool:
    """Whether `new` replaces `old`: sales over declared over enriched over inferred, then the newer one."""
    if old is None or old.value in (None, ""):
        return True
    ranks = (_rank(new.origin), _rank(old.origin))
    if ranks[0] != ranks[1]:
        return ranks[0] > ranks[1]
    return new.at is None or old.at is None or new.at >= old.at


def fit_band(points: int, model: Model) -> str:
    """`A` ... `C` by the thresholds of the model, `D` below all of them."""
    for band, least in sorted(model.fit_bands.items(), key=lambda item: -item[1]):
        if points >= least * 1000:
            return band
    return "D"


def matches(value: Any, rule: ValueRule) -> bool:
    """Whether one value rule takes `value`. Text compares without case; numbers written as text are numbers."""
    if rule.otherwise:
        return True
    if rule.is_ is not None:
        return _same(value, rule.is_)
    if rule.one_of:
        return _listed(value, rule.one_of)
    if rule.contains:
        text = str(value).casefold()
        return any(str(part).casefold() in text for part in rule.contains)
    if rule.at_least is None and rule.at_most is None:
        return False
    number = as_number(value)
    if number is None:
        return False
    return (rule.at_least is None or number >= rule.at_least) and (rule.at_most is None or number <= rule.at_most)


def as_number(value: Any) -> float | None:
    """`250`, `"250"` and `"1 200"` as a number; None for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return float(value)
    try:
        return float(str(value).replace("\u00a0", "").replace(" ", "").replace(",", "."))
    except ValueError:
        return None


def _rank(origin: str) -> int:
    return ORIGINS.index(origin) if origin in ORIGINS else 0


def _subtractions(values: Mapping[str, Value], subtractions: Iterable[Subtraction], at: datetime) -> list[FitLine]:
    lines = []
    for taken in subtractions:
        value = known(values.get(taken.field), None, at=at)
        if value is not None and matches(value, taken.rule):
            off = -abs(taken.points) * 1000
            because = taken.because or f"{taken.field} is {value}"
            lines.append(FitLine(taken.field, value, True, off, off, taken.points, because))
    return lines


def _clamp(points: Fraction) -> int:
    return max(0, min(FULL, round(points)))


def _listed(value: Any, wanted: Iterable[Any]) -> bool:
    return any(_same(value, one) for one in wanted)


def _same(value: Any, wanted: Any) -> bool:
    if isinstance(value, str) and isinstance(wanted, str):
        return value.strip().casefold() == wanted.strip().casefold()
    if value == wanted and isinstance(value, bool) == isinstance(wanted, bool):
        return True
    numbers = (as_number(value), as_number(wanted))
    return numbers[0] is not None and numbers[0] == numbers[1]
