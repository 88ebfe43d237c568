"""Engagement as lines that sum to the score, at any instant.

Integer milli-points throughout: decay is Decimal, age is floored to whole hours, rounding is half-even per line,
so the same input gives the same score on any machine. Nothing is counted up anywhere: a score is computed from
events, which is why decay needs no job and the past can be asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from nurture.decide.match import Touch, counts, ordered, passes
from nurture.model.scoring import Decay, Model, Rule
from nurture.model.words import ENGAGED, Depth, EventKind

DEPTH_TIMES: Final = {Depth.AWARENESS: 1000, Depth.CONSIDERATION: 1500, Depth.DECISION: 2000}
"""Milli-points that one point is worth at a depth."""
EDITION: Final = 2
"""Goes up when the same files and events give another score than before, so that everybody is scored again.
2: days are the company's, where they had been those of UTC."""
_HOUR: Final = timedelta(hours=1)
_KEPT_MODELS: Final = 64


@dataclass(frozen=True, slots=True)
class Line:
    """One line of an explanation.

    `kind`: event, pattern, campaign, inactivity (they add or subtract); duplicate, per_day, before_baseline
    (0 points: why an event does not count); rule_cap, group_cap, clamp (what a limit took off or gave back).
    """

    kind: str
    points: int
    rule: str | None = None
    event_id: int | None = None
    at: datetime | None = None
    text: str = ""


@dataclass(frozen=True, slots=True)
class ScoreLines:
    """`score == sum(line.points for line in lines)`, milli-points."""

    score: int
    lines: tuple[Line, ...]


Emit = Callable[..., None]


@lru_cache(maxsize=200_000)
def decayed(milli: int, kind: str, days: int, percent: int, hours: int, carry: Decimal) -> int:
    """`milli` milli-points after `hours` whole hours, times `carry`, rounded half-even."""
    return int((milli * _factor(kind, days, percent, hours) * carry).quantize(Decimal(1), ROUND_HALF_EVEN))


def _factor(kind: str, days: int, percent: int, hours: int) -> Decimal:
    if kind == "window":
        return Decimal(1) if hours <= days * 24 else Decimal(0)
    if kind == "half_life":
        halvings, rest = divmod(hours, days * 24)
        return _part_of_half(rest, days * 24) / (1 << halvings)
    if kind == "linear":
        return max(Decimal(0), 1 - Decimal(percent * hours) / Decimal(100 * days * 24))
    return Decimal(1)


@lru_cache(maxsize=100_000)
def _part_of_half(hours: int, half_life: int) -> Decimal:
    """What is left after less than one half-life. A power costs a hundred times a division, and these repeat."""
    return Decimal(2) ** (Decimal(-hours) / Decimal(half_life))


def factor(decay: Decay, hours: int) -> Decimal:
    """What is left of a point after `hours` whole hours, 0..1."""
    return _factor(decay.kind, decay.days, decay.percent, hours)


class Compiled:
    """A model laid out for scoring many leads: rules by event kind, carry factors ready."""

    __slots__ = ("caps", "groups", "inactivity", "model", "patterns", "rules", "zone")

    def __init__(self, model: Model) -> None:
        self.model = model
        self.zone = ZoneInfo(model.zone)
        self.rules: dict[str, tuple[Rule, ...]] = {}
        for rule in model.rules:
            if not rule.sequence:
                self.rules[rule.event] = (*self.rules.get(rule.event, ()), rule)
        self.patterns = tuple(rule for rule in model.rules if rule.sequence)
        self.inactivity = tuple(sorted(model.inactivity, key=lambda i: -i.after_days))
        self.groups = {rule.id: rule.group for rule in model.rules if rule.group}
        self.caps = {rule.id: abs(rule.cap) * 1000 for rule in model.rules if rule.cap is not None}


_compiled: dict[int, Compiled] = {}


def compiled(model: Model) -> Compiled:
    """The layout of `model`, kept for the last few models seen (they are frozen)."""
    found = _compiled.get(id(model))
    if found is None or found.model is not model:
        if len(_compiled) >= _KEPT_MODELS:
            _compiled.clear()
        found = _compiled[id(model)] = Compiled(model)
    return found


def lines(
    events: Sequence[Touch], model: Model, *, at: datetime, baseline_at: datetime | None = None, carryover: float = 0.0
) -> ScoreLines:
    """Explain the engagement score at `at`.

    Events in any order, repeats by id allowed. Events up to `baseline_at` (the last recycle) count `carryover`
    times. Lines that weigh nothing say why an event does not count.
    """
    found: list[Line] = []

    def emit(kind: str, points: int, rule: str | None = None, event: Touch | None = None, text: str = "") -> None:
        if event is None:
            found.append(Line(kind, points, rule, None, None, text))
        else:
            found.append(Line(kind, points, rule, event.id, event.at, text))

    score = _sum(events, compiled(model), at, baseline_at, Decimal(str(carryover)), emit)
    return ScoreLines(score, tuple(found))


def total(
    events: Sequence[Touch], model: Model, *, at: datetime, baseline_at: datetime | None = None, carryover: float = 0.0
) -> int:
    """The score alone, for rescoring in bulk: the same arithmetic as `lines`, without the words."""
    return _sum(events, compiled(model), at, baseline_at, Decimal(str(carryover)), None)


def _sum(
    events: Sequence[Touch], plan: Compiled, at: datetime, baseline: datetime | None, carry: Decimal, emit: Emit | None
) -> int:
    matched: dict[str, list[tuple[int, Touch]]] = {}
    rules, seen, campaign, engaged = plan.rules, set(), 0, None
    for event in events:
        if event.at > at or event.machine or event.void or event.id in seen:
            continue
        seen.add(event.id)
        if event.data and not counts(event):
            continue
        kind = event.kind
        if plan.inactivity and kind in ENGAGED and (engaged is None or event.at > engaged):
            engaged = event.at
        if kind == EventKind.POINTS:
            campaign += _campaign_line(event, baseline, carry, emit)
        for rule in rules.get(kind, ()):
            if not rule.match or passes(event, rule.match):
                worth = rule.points * (DEPTH_TIMES.get(event.depth, 1000) if rule.depth_counts else 1000)
                matched.setdefault(rule.id, []).append((worth, event))
    per_rule = {
        rule.id: _rule_sum(rule, matched[rule.id], plan.zone, at, baseline, carry, emit)
        for rules_of_kind in rules.values() for rule in rules_of_kind if rule.id in matched
    }
    for rule in plan.patterns:
        per_rule[rule.id] = _pattern_line(rule, events, at, baseline, carry, emit)
    score = _capped(per_rule, plan, emit) + campaign + _inactivity_line(plan, engaged, at, emit)
    return _clamped(score, plan.model.engagement_max * 1000, emit)


def _rule_sum(
    rule: Rule, matched: list[tuple[int, Touch]], zone: ZoneInfo, at: datetime,
    baseline: datetime | None, carry: Decimal, emit: Emit | None,
) -> int:
    if len(matched) > 1:
        # Points before id in the key: what arrives later must not change the score, whatever id it gets.
        matched.sort(key=lambda m: (m[1].at, m[0], m[1].id), reverse=True)
    taken: set[object] = set()
    days: dict[date, int] = {}
    decay, points = rule.decay, 0
    for worth, event in matched:
        if rule.dedupe != "none":
            key = _dedupe_key(rule, event, zone)
            if key in taken:
                if emit:
                    emit("duplicate", 0, rule.id, event, _counted_once(rule, zone))
                continue
            taken.add(key)
        if rule.per_day is not None:
            day = _day(event, zone)
            days[day] = days.get(day, 0) + 1
            if days[day] > rule.per_day:
                if emit:
                    emit("per_day", 0, rule.id, event, f"only {rule.per_day} count per day in {zone.key}")
                continue
        old = baseline is not None and event.at <= baseline
        hours = (at - event.at) // _HOUR
        line = decayed(worth, decay.kind, decay.days, decay.percent, hours, carry if old else _ONE)
        points += line
        if emit:
            emit("before_baseline" if old else "event", line, rule.id, event, _event_text(event, hours))
    return points


_ONE: Final = Decimal(1)


def _day(event: Touch, zone: ZoneInfo) -> date:
    return event.at.astimezone(zone).date()


def _dedupe_key(rule: Rule, event: Touch, zone: ZoneInfo) -> object:
    """What counts once. Without a message or an asset to go by, that is a day."""
    if rule.dedupe == "day":
        return _day(event, zone)
    if rule.dedupe == "message":
        sent = event.message_id or event.data.get("message") or (event.campaign and (event.campaign, event.step))
        return sent or _day(event, zone)
    named = event.content or event.data.get("asset") or event.path or event.link or event.topic
    return named or _day(event, zone)


def _counted_once(rule: Rule, zone: ZoneInfo) -> str:
    return f"the same {rule.dedupe} counts once" + (f" in {zone.key}" if rule.dedupe == "day" else "")


def _campaign_line(event: Touch, baseline: datetime | None, carry: Decimal, emit: Emit | None) -> int:
    points = event.points or 0
    old = baseline is not None and event.at <= baseline
    if old:
        points = int((points * carry).quantize(_ONE, ROUND_HALF_EVEN))
    if emit:
        emit("campaign", points, None, event, str(event.data.get("because") or event.campaign or "campaign"))
    return points


def _pattern_line(
    rule: Rule, events: Sequence[Touch], at: datetime, baseline: datetime | None, carry: Decimal, emit: Emit | None
) -> int:
    run = ordered(events, rule.sequence, at, rule.match.get("within_days"))
    if not run:
        return 0
    last = run[-1]
    old = baseline is not None and last.at <= baseline
    hours = (at - last.at) // _HOUR
    decay = rule.decay
    points = decayed(rule.points * 1000, decay.kind, decay.days, decay.percent, hours, carry if old else _ONE)
    if emit:
        emit("pattern", points, rule.id, last, " then ".join(e.kind.replace("_", " ") for e in run))
    return points


def _inactivity_line(plan: Compiled, engaged: datetime | None, at: datetime, emit: Emit | None) -> int:
    """The heaviest tier reached. Somebody who never did anything has no points to lose."""
    if engaged is None:
        return 0
    days = (at - engaged).days
    tier = next((t for t in plan.inactivity if days >= t.after_days), None)
    if tier is None:
        return 0
    points = -abs(tier.points) * 1000
    if emit:
        emit("inactivity", points, None, None, f"nothing done for {days} days")
    return points


def _capped(per_rule: dict[str, int], plan: Compiled, emit: Emit | None) -> int:
    score, per_group = 0, dict.fromkeys(plan.model.groups, 0)
    for rule_id, points in per_rule.items():
        capped = _limit(points, plan.caps.get(rule_id))
        if emit and capped != points:
            emit("rule_cap", capped - points, rule_id, None, f"{rule_id} counts at most {plan.caps[rule_id] // 1000}")
        group = plan.groups.get(rule_id)
        if group is not None and group in per_group:
            per_group[group] += capped
        else:
            score += capped
    for group, points in per_group.items():
        cap = abs(plan.model.groups[group]) * 1000
        capped = _limit(points, cap)
        if emit and capped != points:
            emit("group_cap", capped - points, None, None, f"group {group} counts at most {cap // 1000}")
        score += capped
    return score


def _limit(points: int, cap: int | None) -> int:
    return points if cap is None else max(-cap, min(cap, points))


def _clamped(score: int, most: int, emit: Emit | None) -> int:
    kept = max(0, min(most, score))
    if emit and kept != score:
        emit("clamp", kept - score, None, None, f"a score stays between 0 and {most // 1000}")
    return kept


def _event_text(event: Touch, hours: int) -> str:
    what = event.content or event.topic or event.path or event.link or ""
    age = f"{hours // 24} days ago" if hours >= 48 else f"{hours} hours ago"
    return f"{event.kind.replace('_', ' ')}{' ' + str(what) if what else ''}, {age}"


def engagement_band(points: int, model: Model) -> int:
    """1 ... 3 by the thresholds of the model, 4 below all of them. Level-checked (at least), never `equals`."""
    for band, least in sorted(model.engagement_bands.items(), key=lambda item: -item[1]):
        if points >= least * 1000:
            return band
    return 4


def account_engagement(points: Iterable[int]) -> int:
    """Milli-points of an organisation: the most engaged person, and a quarter of everybody else, at most 100."""
    people = sorted(points, reverse=True)
    if not people:
        return 0
    return min(100_000, people[0] + round(Decimal(sum(people[1:])) / 4))
