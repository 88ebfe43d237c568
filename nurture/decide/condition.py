"""Conditions, three-valued: an unseen click is unknown, never no.

A fact counts since `since` (the lead's entry into the campaign) unless `in_last` says otherwise. Machine events and
voided events never count. Kleene's logic joins facts: unknown gives way only to what decides the whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from fnmatch import fnmatchcase
from typing import Any
from zoneinfo import ZoneInfo

from nurture.decide.calendar import add, closed_days
from nurture.decide.window import zone_of
from nurture.model.campaign import Campaign, Condition, Duration, Send
from nurture.model.company import Company
from nurture.model.facts import Event, Snapshot
from nurture.model.intents import StepSend
from nurture.model.words import Channel, EventKind, MessageState, Purpose, Stage, Truth

ALWAYS = datetime(1, 1, 2, tzinfo=UTC)
"""A `since` that leaves nothing out."""
_MILLI = 1000
_BANDS = "ABCD"


@dataclass(frozen=True, slots=True)
class _Asked:
    """One question: about whom, since when, at what moment."""

    snapshot: Snapshot
    since: datetime
    now: datetime
    zone: ZoneInfo
    country: str | None
    extra_closed: tuple[str, ...]
    campaign: Campaign | None = None
    sends: Mapping[str, StepSend] = field(default_factory=dict)

    def counts(self, at: datetime, in_last: Duration | None) -> bool:
        if at > self.now:
            return False
        return at >= self.since if in_last is None else self.leaves(at, in_last) > self.now

    def leaves(self, at: datetime, in_last: Duration) -> datetime:
        """When something that happened at `at` falls out of the last so-and-so-long."""
        return add(at, in_last, self.zone, closed=closed_days(self.country, self.extra_closed))


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
) -> _Asked:
    country = snapshot.lead.country or company.country
    extra = tuple(company.holidays.get(country, ()))
    zone = zone_of(snapshot.lead, campaign, company)
    return _Asked(snapshot, since, now, zone, country, extra, campaign, sends or {})


def _evaluate(condition: Condition, asked: _Asked) -> Truth:
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


def _changes(condition: Condition, asked: _Asked) -> Iterator[datetime]:
    for part in condition.parts:
        yield from _changes(part, asked)
    if condition.op == "consent":
        for word in _words(condition.value):
            for channel in _channels(condition, Purpose(word)):
                state = asked.snapshot.consents.get((Purpose(word), channel))
                if state is not None and state.until is not None:
                    yield state.until
    finder = _EVENT_FACTS.get(condition.op)
    if finder is not None and condition.in_last is not None:
        for event in finder(condition, asked):
            if event.at <= asked.now:
                yield asked.leaves(event.at, condition.in_last)


def _words(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, (list, tuple, set, frozenset)) else (value,)


def _truth(yes: bool) -> Truth:
    return Truth.YES if yes else Truth.NO


# -- what the lead is ---------------------------------------------------------------------------------------------


def _channels(condition: Condition, purpose: Purpose) -> tuple[Channel, ...]:
    named = condition.args.get("channel")
    if named:
        return (Channel(named),)
    return (Channel.EMAIL, Channel.PHONE) if purpose is Purpose.SALES_CONTACT else (Channel.EMAIL,)


def _consent(condition: Condition, asked: _Asked) -> Truth:
    purposes = [Purpose(word) for word in _words(condition.value)]
    return _truth(any(
        asked.snapshot.consents_to(purpose, asked.now, channel)
        for purpose in purposes for channel in _channels(condition, purpose)
    ))


def _engagement_at_least(condition: Condition, asked: _Asked) -> Truth:
    scores = asked.snapshot.scores
    return Truth.UNKNOWN if scores is None else _truth(scores.engagement >= float(condition.value) * _MILLI)


def _engagement_below(condition: Condition, asked: _Asked) -> Truth:
    return negate(_engagement_at_least(condition, asked))


def _fit_at_least(condition: Condition, asked: _Asked) -> Truth:
    scores = asked.snapshot.scores
    if scores is None:
        return Truth.UNKNOWN
    return _truth(_BANDS.find(scores.fit_band) <= _BANDS.find(str(condition.value)))


def _cell(condition: Condition, asked: _Asked) -> Truth:
    scores = asked.snapshot.scores
    return Truth.UNKNOWN if scores is None else _truth(scores.cell in _words(condition.value))


def _tag(condition: Condition, asked: _Asked) -> Truth:
    return _truth(any(word in asked.snapshot.lead.tags for word in _words(condition.value)))


def _list(condition: Condition, asked: _Asked) -> Truth:
    return _truth(any(word in asked.snapshot.lead.lists for word in _words(condition.value)))


def _in_track(condition: Condition, asked: _Asked) -> Truth:
    return _truth(asked.snapshot.lead.track in _words(condition.value))


def _lifecycle_is(condition: Condition, asked: _Asked) -> Truth:
    return _truth(asked.snapshot.lead.stage.value in {str(word) for word in _words(condition.value)})


def _field(condition: Condition, asked: _Asked) -> Truth:
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
        checks.append(_plain(value) in {_plain(word) for word in _words(args["one_of"])})
    if "at_least" in args:
        checks.append(_compare(value, args["at_least"]) in (0, 1))
    if "at_most" in args:
        checks.append(_compare(value, args["at_most"]) in (0, -1))
    return _truth(all(checks))


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


# -- what the lead did --------------------------------------------------------------------------------------------


def _real(asked: _Asked, *kinds: str) -> Iterator[Event]:
    return (e for e in asked.snapshot.events if not e.machine and not e.void and (not kinds or e.kind in kinds))


def _any(value: Any) -> bool:
    return value is None or value is True or value == "any"


def _steps_named(condition: Condition, asked: _Asked) -> frozenset[str]:
    """The steps of this campaign that `clicked: <step or template>` names."""
    if asked.campaign is None:
        return frozenset()
    words = {str(word) for word in _words(condition.value)}
    return frozenset(
        step.id for step in asked.campaign.walk()
        if isinstance(step.action, Send) and (step.id in words or step.action.template in words)
    )


def _on_mail(condition: Condition, asked: _Asked, kind: str) -> Iterator[Event]:
    words = {str(word) for word in _words(condition.value)}
    anything = _any(condition.value)
    steps = _steps_named(condition, asked)
    repeats = _repeats(asked, steps)
    link = condition.args.get("link")
    for event in _real(asked, kind):
        if link is not None and event.link != link:
            continue
        if asked.campaign is None:
            ours = event.step in words
        else:
            ours = event.campaign == asked.campaign.id and event.step in steps
        if anything or ours or event.content in repeats | words or event.data.get("template") in words:
            yield event


def _repeats(asked: _Asked, steps: frozenset[str]) -> frozenset[str]:
    """Contents that these steps did not send because the lead had them already."""
    sends = (asked.sends.get(step) for step in steps)
    return frozenset(s.content for s in sends if s is not None and s.state is MessageState.REFUSED and s.content)


def _clicks(condition: Condition, asked: _Asked) -> Iterator[Event]:
    return _on_mail(condition, asked, EventKind.CLICK)


def _opens(condition: Condition, asked: _Asked) -> Iterator[Event]:
    return _on_mail(condition, asked, EventKind.OPEN)


def _replies(condition: Condition, asked: _Asked) -> Iterator[Event]:
    return _on_mail(condition, asked, EventKind.REPLY)


def _visits(condition: Condition, asked: _Asked) -> Iterator[Event]:
    words = [str(word) for word in _words(condition.value)]
    for event in _real(asked, EventKind.PAGE_VIEW):
        if _any(condition.value) or any(_is_page(event.path or "", word) for word in words):
            yield event


def _is_page(path: str, word: str) -> bool:
    """`/pricing` is that page and what lies under it; `*` stands for anything."""
    bare = path.split("?", 1)[0].split("#", 1)[0].rstrip("/") or "/"
    want = word.rstrip("/") or "/"
    return fnmatchcase(bare, want) or (want != "/" and bare.startswith(f"{want}/"))


def _deeds(condition: Condition, asked: _Asked) -> Iterator[Event]:
    wanted = {_same(word) for word in _words(condition.value)}
    for event in _real(asked):
        if _same(event.kind) in wanted and _fits(event, condition):
            yield event


def _same(word: Any) -> str:
    return str(word).replace("_", "-").casefold()


def _attendances(condition: Condition, asked: _Asked) -> Iterator[Event]:
    words = {_same(word) for word in _words(condition.value)}
    for event in _real(asked, EventKind.WEBINAR_ATTENDED, EventKind.EVENT_ATTENDED):
        names = {_same(name) for name in (event.touchpoint, event.content, event.topic, event.kind) if name}
        if (_any(condition.value) or names & words) and _fits(event, condition):
            yield event


def _fits(event: Event, condition: Condition) -> bool:
    least, topic, depth = (condition.args.get(name) for name in ("min_minutes", "topic", "depth"))
    long_enough = least is None or (event.minutes is not None and event.minutes >= least)
    return long_enough and topic in (None, event.topic) and depth in (None, event.depth)


def _bounces(condition: Condition, asked: _Asked) -> Iterator[Event]:
    """A bounce is told by a machine about the lead's address; it counts all the same."""
    words = {str(word) for word in _words(condition.value)}
    for event in asked.snapshot.events:
        if event.kind != EventKind.BOUNCE or event.void:
            continue
        if _any(condition.value) or words & {str(event.data.get(key)) for key in ("kind", "class", "bounce")}:
            yield event


def _forms(condition: Condition, asked: _Asked) -> Iterator[Event]:
    words = {str(word) for word in _words(condition.value)}
    for event in _real(asked, EventKind.FORM):
        if _any(condition.value) or event.touchpoint in words or event.data.get("form") in words:
            yield event


_EVENT_FACTS: Mapping[str, Callable[[Condition, _Asked], Iterator[Event]]] = {
    "clicked": _clicks, "opened": _opens, "replied": _replies, "visited": _visits, "did": _deeds,
    "attended": _attendances, "bounced": _bounces, "form": _forms,
}


def _happened(condition: Condition, asked: _Asked) -> Truth:
    events = _EVENT_FACTS[condition.op](condition, asked)
    in_time = sum(1 for event in events if asked.counts(event.at, condition.in_last))
    return _truth(in_time >= int(condition.args.get("times", 1)))


def _clicked(condition: Condition, asked: _Asked) -> Truth:
    """No click seen means no only where every click would have been seen."""
    steps = _steps_named(condition, asked)
    repeats = _repeats(asked, steps)
    for event in _clicks(condition, asked):
        if asked.counts(event.at, condition.in_last) or event.content in repeats:
            return Truth.YES
    if not asked.snapshot.consents_to(Purpose.CLICK_TRACKING, asked.now):
        return Truth.UNKNOWN
    for sent in asked.snapshot.sent:
        named = _any(condition.value) or sent.step in steps or sent.content in _words(condition.value)
        if named and not sent.clicks_visible and asked.counts(sent.at, condition.in_last):
            return Truth.UNKNOWN
    return Truth.NO


def _opened(condition: Condition, asked: _Asked) -> Truth:
    if _happened(condition, asked) is Truth.YES:
        return Truth.YES
    return _truth(False) if asked.snapshot.consents_to(Purpose.OPEN_TRACKING, asked.now) else Truth.UNKNOWN


def _visited(condition: Condition, asked: _Asked) -> Truth:
    if _happened(condition, asked) is Truth.YES:
        return Truth.YES
    return _truth(False) if asked.snapshot.consents_to(Purpose.CLICK_TRACKING, asked.now) else Truth.UNKNOWN


def _did(condition: Condition, asked: _Asked) -> Truth:
    customer = asked.snapshot.customer or asked.snapshot.lead.stage is Stage.CUSTOMER
    if customer and "became-customer" in {_same(word) for word in _words(condition.value)}:
        return Truth.YES
    return _happened(condition, asked)


def _bounced(condition: Condition, asked: _Asked) -> Truth:
    dead = any(word.split(":")[0] == "hard_bounce" for word in asked.snapshot.suppressions)
    if dead and condition.in_last is None and (_any(condition.value) or "hard" in _words(condition.value)):
        return Truth.YES
    return _happened(condition, asked)


_FACTS: Mapping[str, Callable[[Condition, _Asked], Truth]] = {
    "consent": _consent, "engagement_at_least": _engagement_at_least, "engagement_below": _engagement_below,
    "fit_at_least": _fit_at_least, "cell": _cell, "tag": _tag, "list": _list, "in_track": _in_track,
    "lifecycle_is": _lifecycle_is, "field": _field, "clicked": _clicked, "opened": _opened, "replied": _happened,
    "visited": _visited, "did": _did, "attended": _happened, "bounced": _bounced, "form": _happened,
}
FACTS = frozenset(_FACTS)
"""Every fact a condition may name."""
