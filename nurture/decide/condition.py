"""Conditions, three-valued: an unseen click is unknown, never no.

A fact counts since `since` (the lead's entry into the campaign) unless `in_last` says otherwise. Machine events and
voided events never count. Kleene's logic joins facts: unknown gives way only to what decides the whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, date, datetime
from typing import Any

from nurture.decide.asked import Asked, truth_of, words_of
from nurture.decide.deeds import DEEDS, FINDERS
from nurture.decide.window import zone_of
from nurture.model.campaign import Campaign, Choose, Condition, HandOff, Step, WaitFor
from nurture.model.company import Company
from nurture.model.facts import Snapshot
from nurture.model.intents import StepSend
from nurture.model.words import Channel, Purpose, Truth

ALWAYS = datetime(1, 1, 2, tzinfo=UTC)
"""A `since` that leaves nothing out."""
_MILLI = 1000
_BANDS = "ABCD"


def evaluate(
    condition: Condition, snapshot: Snapshot, *, since: datetime, company: Company, now: datetime,
    campaign: Campaign | None = None, sends: Mapping[str, StepSend] | None = None,
) -> Truth:
    """Whether `condition` holds for the lead at `now`.

    `campaign` lets `clicked:` name a step or a template of it; `sends` are its steps' messages: where one was refused
    as a repeat, clicks on the earlier mail with the same content count.
    """
    return _evaluate(condition, _asked(snapshot, since, company, now, campaign, sends))


def next_change(
    condition: Condition, snapshot: Snapshot, *, since: datetime, company: Company, now: datetime,
    campaign: Campaign | None = None, sends: Mapping[str, StepSend] | None = None,
) -> datetime | None:
    """The earliest moment after `now` when time alone may change the answer, or None.

    Scores are not in it: decay is looked at when the lead is scored, which wakes the lead.
    """
    asked = _asked(snapshot, since, company, now, campaign, sends)
    return min((at for at in _changes(condition, asked) if at > now), default=None)


def asks_unseen(step: Step) -> bool:
    """Whether a step asks for something that cannot be seen of everybody: clicks, visits, opens."""
    asked = [step.condition]
    match step.action:
        case WaitFor(condition=found):
            asked.append(found)
        case Choose(branches=branches):
            asked += [branch.condition for branch in branches]
        case HandOff(only_when=found):
            asked.append(found)
    return any(condition is not None and _unseen(condition) for condition in asked)


def _unseen(condition: Condition) -> bool:
    return condition.op in ("clicked", "visited", "opened") or any(map(_unseen, condition.parts))


def negate(truth: Truth) -> Truth:
    return {Truth.YES: Truth.NO, Truth.NO: Truth.YES}.get(truth, Truth.UNKNOWN)


def every(truths: Iterable[Truth]) -> Truth:
    found = list(truths)
    if Truth.NO in found:
        return Truth.NO
    return Truth.UNKNOWN if Truth.UNKNOWN in found else Truth.YES


def some(truths: Iterable[Truth]) -> Truth:
    return negate(every(negate(truth) for truth in truths))


def _asked(
    snapshot: Snapshot, since: datetime, company: Company, now: datetime,
    campaign: Campaign | None, sends: Mapping[str, StepSend] | None,
) -> Asked:
    country = snapshot.lead.country or company.country
    extra = tuple(company.holidays.get(country, ()))
    zone = zone_of(snapshot.lead, campaign, company)
    return Asked(snapshot, since, now, zone, country, extra, campaign, sends or {})


def _evaluate(condition: Condition, asked: Asked) -> Truth:
    match condition.op:
        case "all":
            return every(_evaluate(part, asked) for part in condition.parts)
        case "any":
            return some(_evaluate(part, asked) for part in condition.parts)
        case "not":
            return negate(every(_evaluate(part, asked) for part in condition.parts))
    fact = _FACTS.get(condition.op)
    if fact is None:
        raise ValueError(f"`{condition.op}` is not a fact that conditions know")
    return fact(condition, asked)


def _changes(condition: Condition, asked: Asked) -> Iterator[datetime]:
    for part in condition.parts:
        yield from _changes(part, asked)
    if condition.op == "consent":
        for word in words_of(condition.value):
            for channel in _channels(condition, Purpose(word)):
                state = asked.snapshot.consents.get((Purpose(word), channel))
                if state is not None and state.until is not None:
                    yield state.until
    finder = FINDERS.get(condition.op)
    if finder is not None and condition.in_last is not None:
        for event in finder(condition, asked):
            if event.at <= asked.now:
                yield asked.leaves(event.at, condition.in_last)


# -- what the lead is ---------------------------------------------------------------------------------------------


def _channels(condition: Condition, purpose: Purpose) -> tuple[Channel, ...]:
    named = condition.args.get("channel")
    if named:
        return (Channel(named),)
    return (Channel.EMAIL, Channel.PHONE) if purpose is Purpose.SALES_CONTACT else (Channel.EMAIL,)


def _consent(condition: Condition, asked: Asked) -> Truth:
    purposes = [Purpose(word) for word in words_of(condition.value)]
    return truth_of(any(
        asked.snapshot.consents_to(purpose, asked.now, channel)
        for purpose in purposes for channel in _channels(condition, purpose)
    ))


def _engagement_at_least(condition: Condition, asked: Asked) -> Truth:
    scores = asked.snapshot.scores
    return Truth.UNKNOWN if scores is None else truth_of(scores.engagement >= float(condition.value) * _MILLI)


def _engagement_below(condition: Condition, asked: Asked) -> Truth:
    return negate(_engagement_at_least(condition, asked))


def _fit_at_least(condition: Condition, asked: Asked) -> Truth:
    scores = asked.snapshot.scores
    if scores is None:
        return Truth.UNKNOWN
    return truth_of(_BANDS.find(scores.fit_band) <= _BANDS.find(str(condition.value)))


def _cell(condition: Condition, asked: Asked) -> Truth:
    scores = asked.snapshot.scores
    return Truth.UNKNOWN if scores is None else truth_of(scores.cell in words_of(condition.value))


def _tag(condition: Condition, asked: Asked) -> Truth:
    return truth_of(any(word in asked.snapshot.lead.tags for word in words_of(condition.value)))


def _list(condition: Condition, asked: Asked) -> Truth:
    return truth_of(any(word in asked.snapshot.lead.lists for word in words_of(condition.value)))


def _in_track(condition: Condition, asked: Asked) -> Truth:
    return truth_of(asked.snapshot.lead.track in words_of(condition.value))


def _lifecycle_is(condition: Condition, asked: Asked) -> Truth:
    return truth_of(asked.snapshot.lead.stage.value in {str(word) for word in words_of(condition.value)})


def _field(condition: Condition, asked: Asked) -> Truth:
    """A field nobody filled in is nothing of what is asked: the answer is no, also to `at_most`."""
    name, lead, args = str(condition.value), asked.snapshot.lead, condition.args
    value = lead.get(name)
    if value is None and name in ("country", "language", "timezone", "source", "email"):
        value = getattr(lead, name)
    if value is None or value == "":
        return Truth.NO
    checks: list[bool] = []
    if "is" in args:
        checks.append(_plain(value) == _plain(args["is"]))
    if "one_of" in args:
        checks.append(_plain(value) in {_plain(word) for word in words_of(args["one_of"])})
    if "at_least" in args:
        checks.append(_compare(value, args["at_least"]) in (0, 1))
    if "at_most" in args:
        checks.append(_compare(value, args["at_most"]) in (0, -1))
    return truth_of(all(checks))


def _plain(value: Any) -> Any:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (int, float)):
        return float(value)
    if isinstance(value, date):
        return value.isoformat()[:10]
    text = str(value).strip().casefold()
    return text if _number(text) is None else _number(text)


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if number == number else None


def _compare(value: Any, bound: Any) -> int | None:
    """-1, 0 or 1; None where the two cannot be compared. Numbers as numbers, dates and the rest as ISO text."""
    left, right = _number(value), _number(bound)
    if left is not None and right is not None:
        return (left > right) - (left < right)
    if left is not None or right is not None:
        return None
    one, other = str(_plain(value)), str(_plain(bound))
    return (one > other) - (one < other)


_FACTS: Mapping[str, Callable[[Condition, Asked], Truth]] = {
    "consent": _consent, "engagement_at_least": _engagement_at_least, "engagement_below": _engagement_below,
    "fit_at_least": _fit_at_least, "cell": _cell, "tag": _tag, "list": _list, "in_track": _in_track,
    "lifecycle_is": _lifecycle_is, "field": _field, **DEEDS,
}
FACTS = frozenset(_FACTS)
"""Every fact a condition may name."""
