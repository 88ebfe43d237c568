"""Facts about what a lead did: found among its events, counted since it entered or in the last so-and-so-long."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

from nurture.decide.asked import Asked, truth_of, words_of
from nurture.model.campaign import Condition, Send
from nurture.model.facts import Event
from nurture.model.words import EventKind, MessageState, Purpose, Stage, Truth


def _real(asked: Asked, *kinds: str) -> Iterator[Event]:
    return (e for e in asked.snapshot.events if not e.machine and not e.void and (not kinds or e.kind in kinds))


def _any(value: Any) -> bool:
    return value is None or value is True or value == "any"


def _steps_named(condition: Condition, asked: Asked) -> frozenset[str]:
    """The steps of this campaign that `clicked: <step or template>` names, under the names they had before, too."""
    if asked.campaign is None:
        return frozenset()
    words = {str(word) for word in words_of(condition.value)}
    every = list(asked.campaign.walk())
    named = [
        step for step in every
        if isinstance(step.action, Send) and (step.id in words or step.action.template in words)
    ]
    now = {step.id for step in every}
    ids = {step.id for step in named}
    before = {step.was for step in named if step.was is not None and step.was not in now}
    before |= {old for old, new in asked.campaign.former if new in ids and old not in now}
    before |= {s.step for step in named if (s := asked.sends.get(step.id)) is not None and s.step is not None}
    return frozenset(before | ids)


def _on_mail(condition: Condition, asked: Asked, kind: str) -> Iterator[Event]:
    words = {str(word) for word in words_of(condition.value)}
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


def _repeats(asked: Asked, steps: frozenset[str]) -> frozenset[str]:
    """Contents that these steps did not send because the lead had them already."""
    sends = (asked.sends.get(step) for step in steps)
    return frozenset(s.content for s in sends if s is not None and s.state is MessageState.REFUSED and s.content)


def _clicks(condition: Condition, asked: Asked) -> Iterator[Event]:
    return _on_mail(condition, asked, EventKind.CLICK)


def _opens(condition: Condition, asked: Asked) -> Iterator[Event]:
    return _on_mail(condition, asked, EventKind.OPEN)


def _replies(condition: Condition, asked: Asked) -> Iterator[Event]:
    return _on_mail(condition, asked, EventKind.REPLY)


def _visits(condition: Condition, asked: Asked) -> Iterator[Event]:
    words = [str(word) for word in words_of(condition.value)]
    for event in _real(asked, EventKind.PAGE_VIEW):
        if _any(condition.value) or any(_is_page(event.path or "", word) for word in words):
            yield event


def _is_page(path: str, word: str) -> bool:
    """`/pricing` is that page and what lies under it; `*` stands for anything."""
    bare = path.split("?", 1)[0].split("#", 1)[0].rstrip("/") or "/"
    want = word.rstrip("/") or "/"
    return fnmatchcase(bare, want) or (want != "/" and bare.startswith(f"{want}/"))


def _deeds(condition: Condition, asked: Asked) -> Iterator[Event]:
    wanted = {_same(word) for word in words_of(condition.value)}
    for event in _real(asked):
        if _same(event.kind) in wanted and _fits(event, condition):
            yield event


def _same(word: Any) -> str:
    return str(word).replace("_", "-").casefold()


def _attendances(condition: Condition, asked: Asked) -> Iterator[Event]:
    words = {_same(word) for word in words_of(condition.value)}
    for event in _real(asked, EventKind.WEBINAR_ATTENDED, EventKind.EVENT_ATTENDED):
        names = {_same(name) for name in (event.touchpoint, event.content, event.topic, event.kind) if name}
        if (_any(condition.value) or names & words) and _fits(event, condition):
            yield event


def _fits(event: Event, condition: Condition) -> bool:
    least, topic, depth = (condition.args.get(name) for name in ("min_minutes", "topic", "depth"))
    long_enough = least is None or (event.minutes is not None and event.minutes >= least)
    return long_enough and topic in (None, event.topic) and depth in (None, event.depth)


def _bounces(condition: Condition, asked: Asked) -> Iterator[Event]:
    """A bounce is told by a machine about the lead's address; it counts all the same."""
    words = {str(word) for word in words_of(condition.value)}
    for event in asked.snapshot.events:
        if event.kind != EventKind.BOUNCE or event.void:
            continue
        if _any(condition.value) or words & {str(event.data.get(key)) for key in ("kind", "class", "bounce")}:
            yield event


def _forms(condition: Condition, asked: Asked) -> Iterator[Event]:
    words = {str(word) for word in words_of(condition.value)}
    for event in _real(asked, EventKind.FORM):
        if _any(condition.value) or event.touchpoint in words or event.data.get("form") in words:
            yield event


FINDERS: Mapping[str, Callable[[Condition, Asked], Iterator[Event]]] = {
    "clicked": _clicks, "opened": _opens, "replied": _replies, "visited": _visits, "did": _deeds,
    "attended": _attendances, "bounced": _bounces, "form": _forms,
}


def _happened(condition: Condition, asked: Asked) -> Truth:
    events = FINDERS[condition.op](condition, asked)
    in_time = sum(1 for event in events if asked.counts(event.at, condition.in_last))
    return truth_of(in_time >= int(condition.args.get("times", 1)))


def _clicked(condition: Condition, asked: Asked) -> Truth:
    """No click seen means no only where every click would have been seen."""
    steps = _steps_named(condition, asked)
    repeats = _repeats(asked, steps)
    for event in _clicks(condition, asked):
        if asked.counts(event.at, condition.in_last) or event.content in repeats:
            return Truth.YES
    if not asked.snapshot.consents_to(Purpose.CLICK_TRACKING, asked.now):
        return Truth.UNKNOWN
    for sent in asked.snapshot.sent:
        named = _any(condition.value) or sent.step in steps or sent.content in words_of(condition.value)
        if named and not sent.clicks_visible and asked.counts(sent.at, condition.in_last):
            return Truth.UNKNOWN
    return Truth.NO


def _opened(condition: Condition, asked: Asked) -> Truth:
    if _happened(condition, asked) is Truth.YES:
        return Truth.YES
    return truth_of(False) if asked.snapshot.consents_to(Purpose.OPEN_TRACKING, asked.now) else Truth.UNKNOWN


def _visited(condition: Condition, asked: Asked) -> Truth:
    if _happened(condition, asked) is Truth.YES:
        return Truth.YES
    return truth_of(False) if asked.snapshot.consents_to(Purpose.CLICK_TRACKING, asked.now) else Truth.UNKNOWN


def _did(condition: Condition, asked: Asked) -> Truth:
    customer = asked.snapshot.customer or asked.snapshot.lead.stage is Stage.CUSTOMER
    if customer and "became-customer" in {_same(word) for word in words_of(condition.value)}:
        return Truth.YES
    return _happened(condition, asked)


def _bounced(condition: Condition, asked: Asked) -> Truth:
    dead = any(word.split(":")[0] == "hard_bounce" for word in asked.snapshot.suppressions)
    if dead and condition.in_last is None and (_any(condition.value) or "hard" in words_of(condition.value)):
        return Truth.YES
    return _happened(condition, asked)


DEEDS: Mapping[str, Callable[[Condition, Asked], Truth]] = {
    "clicked": _clicked, "opened": _opened, "replied": _happened, "visited": _visited, "did": _did,
    "attended": _happened, "bounced": _bounced, "form": _happened,
}
