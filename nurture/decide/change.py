"""A campaign file changed while people are inside: what differs, where they go, when they are due, who must be asked.

One rule for names: a step's id is its name, so whoever stands on a step that still exists stays. `was:` renames. Who
stands on a step that is gone goes to the next surviving step on the unconditional path and keeps the anchor.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass, replace
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Any

from nurture.decide.flow import Node, flow_of
from nurture.model.campaign import Campaign, Choose, Duration, HandOff, Send, Step, WaitFor
from nurture.model.change import Change, Redirect, StepChange
from nurture.model.intents import Position

MOST_LIVE_VERSIONS = 5
_SETTINGS = {
    "enter": "enter rules (for people who come from now on)", "leave_when": "leave rules (for everyone inside)",
    "goal": "goal", "control_group": "control group", "priority": "priority", "track": "track", "name": "name",
    "funnel_stage": "funnel stage", "status": "status", "in_flight": "in_flight", "language": "language",
    "timezone": "time zone", "owner": "owner",
}
_SENDING = {
    "window": "sending window (for everyone inside)", "at_most": "cap (for everyone inside)",
    "topic": "topic (for everyone inside)", "sender": "sender", "reply_to": "reply address", "route": "route",
    "if_unknown_delivery": "unknown deliveries",
}


# -- what differs -------------------------------------------------------------------------------------------------


def diff(
    old: Campaign | None, new: Campaign, *, known: Mapping[str, Redirect] | None = None,
    templates: frozenset[str] = frozenset(), quiet_changed: bool = False,
) -> Change:
    """The edit from `old` (None: a new campaign) to `new`.

    `known` are the redirects so far (they tell what earlier edits renamed), `templates` the names of templates whose
    copy changed, `quiet_changed` says that the company's quiet hours did.
    """
    if old is None:
        return Change(new.id, tuple(StepChange(step.id, ("new",)) for step in new.walk()))
    before, after = flow_of(old), flow_of(new)
    redirects = _redirects(before, after, known or {})
    came_from = {r.to_step: r.step for r in redirects.values() if r.renamed and r.step in before}
    moved_window = quiet_changed or bare(old.sending.window) != bare(new.sending.window) or old.timezone != new.timezone
    timing, asked, copy, told = set(), set(), set(), []
    for name, node in after.items():
        origin = name if name in before else came_from.get(name)
        if origin is None:
            told.append(StepChange(name, ("inserted",)))
            continue
        was = before[origin].step
        what = [f"renamed from {origin}"] if origin != name else []
        what += _compare(was, node.step, templates)
        if _timing(was, node.step) or (moved_window and isinstance(node.step.action, Send)):
            timing.add(origin)
        if _asks(was) != _asks(node.step):
            asked.add(origin)
        if _copy_changed(was, node.step, templates):
            copy.add(origin)
        if what:
            told.append(StepChange(name, tuple(what)))
    for name in before:
        if name not in after and not (name in redirects and redirects[name].renamed):
            goes = redirects[name].to_step
            told.append(
                StepChange(name, (f"removed; people on it go to {goes}" if goes else "removed; people on it leave",))
            )
    return Change(
        new.id, tuple(told), redirects, frozenset(timing), frozenset(asked), frozenset(copy),
        _settings(old, new), _epochs(old, new),
    )


def _redirects(
    before: Mapping[str, Node], after: Mapping[str, Node], known: Mapping[str, Redirect]
) -> dict[str, Redirect]:
    renames = {node.step.was: name for name, node in after.items() if node.step.was and node.step.was not in after}
    for name, node in before.items():
        # Rolled back: the step goes by the name it had before.
        if name not in after and node.step.was in after and node.step.was not in before:
            renames.setdefault(name, str(node.step.was))
    for redirect in known.values():
        back = redirect.to_step in before and redirect.to_step not in after and redirect.step in after
        if redirect.renamed and back and redirect.step not in before and redirect.to_step is not None:
            renames.setdefault(redirect.to_step, redirect.step)
    found = {was: Redirect(was, name, True) for was, name in renames.items()}
    for name in before:
        if name not in after and name not in found:
            found[name] = Redirect(name, _survivor(name, before, after, renames))
    return found


def _survivor(
    name: str, before: Mapping[str, Node], after: Mapping[str, Node], renames: Mapping[str, str]
) -> str | None:
    """The next step on the unconditional path that is still there."""
    at = before[name].next_id
    while at is not None:
        if at in after:
            return at
        if at in renames:
            return renames[at]
        at = before[at].next_id
    return None


def bare(value: Any) -> Any:
    """A value without places, for comparing what was meant and not where it stands."""
    if is_dataclass(value) and not isinstance(value, type):
        return (
            type(value).__name__,
            *((f.name, bare(getattr(value, f.name))) for f in fields(value) if f.name != "place"),
        )
    if isinstance(value, Mapping):
        return tuple(sorted((str(key), bare(item)) for key, item in value.items()))
    if isinstance(value, list | tuple):
        return tuple(bare(item) for item in value)
    return value


def _timing(old: Step, new: Step) -> bool:
    return type(old.action) is not type(new.action) or _waits(old) != _waits(new)


def _waits(step: Step) -> Any:
    match step.action:
        case WaitFor(within=within):
            limit: Duration | None = within
        case HandOff(try_for=limit):
            pass
        case _:
            limit = None
    return bare((step.after, step.until, step.send_on, limit))


def _asks(step: Step) -> Any:
    """What a step that waits is asked again when it changes."""
    match step.action:
        case WaitFor(condition=condition):
            return bare(condition)
        case HandOff(only_when=condition):
            return ("hand_off", bare(condition))
    return None


def _copy_changed(old: Step, new: Step, templates: frozenset[str]) -> bool:
    if not isinstance(old.action, Send) or not isinstance(new.action, Send):
        return False
    used = {new.action.template} | {
        v.template for v in (new.action.test.variants if new.action.test else ()) if v.template
    }
    return (
        old.action.template != new.action.template
        or bool(used & templates)
        or _words_of(old.action) != _words_of(new.action)
    )


def _words_of(send: Send) -> Any:
    return tuple((v.name, v.subject, v.template) for v in send.test.variants) if send.test else ()


def _compare(old: Step, new: Step, templates: frozenset[str]) -> list[str]:
    what: list[str] = []
    if type(old.action) is not type(new.action):
        what.append(f"{_kind(old)} became {_kind(new)}")
    elif _waits(old) != _waits(new):
        what.append(_say_wait(old, new))
    if _copy_changed(old, new, templates):
        what.append("new copy")
    if bare(old.condition) != bare(new.condition) or old.if_unknown != new.if_unknown:
        what.append("condition, asked on arrival")
    if _asks(old) != _asks(new) and type(old.action) is type(new.action):
        what.append("condition, asked again at once")
    rest_old, rest_new = _rest(old), _rest(new)
    if rest_old != rest_new and type(old.action) is type(new.action):
        what.append(f"{_kind(new)} changed")
    return what


def _rest(step: Step) -> Any:
    """What is left of an action once waits, copy, asked conditions and inner steps are taken away."""
    match step.action:
        case Send(test=test):
            return bare([(v.name, v.share) for v in test.variants] + [test.winner]) if test else None
        case WaitFor():
            return None
        case Choose(branches=branches):
            return bare([branch.condition for branch in branches])
        case HandOff() as hand_off:
            return bare(replace(hand_off, only_when=None, try_for=None))
    return bare(step.action)


def _kind(step: Step) -> str:
    names = {"Send": "send", "WaitFor": "wait_for", "Choose": "choose", "Score": "score", "SetField": "set",
             "Notify": "notify", "MoveTo": "move_to", "HandOff": "hand_off", "End": "end"}
    return names[type(step.action).__name__]


def _say_wait(old: Step, new: Step) -> str:
    if old.after is not None and new.after is not None and old.after != new.after:
        return f"wait {old.after} -> {new.after}"
    if isinstance(old.action, WaitFor) and isinstance(new.action, WaitFor) and old.action.within != new.action.within:
        return f"within {old.action.within} -> {new.action.within}"
    if old.after != new.after:
        return f"wait {old.after or 'none'} -> {new.after or 'none'}"
    return "wait changed"


def _settings(old: Campaign, new: Campaign) -> tuple[str, ...]:
    said = [word for name, word in _SETTINGS.items() if bare(getattr(old, name)) != bare(getattr(new, name))]
    return (*said, *(w for n, w in _SENDING.items() if bare(getattr(old.sending, n)) != bare(getattr(new.sending, n))))


def _epochs(old: Campaign, new: Campaign) -> tuple[str, ...]:
    before = {
        s.action.test.name: s.action.test.digest for s in old.walk() if isinstance(s.action, Send) and s.action.test
    }
    after = {
        s.action.test.name: s.action.test.digest for s in new.walk() if isinstance(s.action, Send) and s.action.test
    }
    return tuple(sorted(name for name, digest in after.items() if before.get(name, digest) != digest))


# -- where people go ----------------------------------------------------------------------------------------------


def normalise(known: Mapping[str, Redirect], change: Change, new: Campaign) -> dict[str, Redirect]:
    """All redirects after an edit: each leads straight to a step of `new` or out, so that one look-up is enough.

    A rename is kept even where its old name is used again: what was done under it stays done.
    """
    here = flow_of(new)
    found: dict[str, Redirect] = {}
    for step, redirect in {**known, **change.redirects}.items():
        on = change.redirects.get(redirect.to_step or "")
        if step not in change.redirects and on is not None:
            redirect = Redirect(step, on.to_step, redirect.renamed and on.renamed)
        if redirect.to_step == step or (step in here and not redirect.renamed):
            continue
        if redirect.to_step is not None and redirect.to_step not in here:
            redirect = Redirect(step, None)
        found[step] = redirect
    return found


def former(redirects: Iterable[Redirect]) -> tuple[tuple[str, str], ...]:
    """(old name, name now) of the renames among them, as `Campaign.former` keeps them."""
    return tuple(sorted((r.step, r.to_step) for r in redirects if r.renamed and r.to_step is not None))


def rebase(position: Position, new: Campaign, redirects: Mapping[str, Redirect]) -> Position:
    """Where a lead stands under `new`. The anchor never changes; only a rename keeps a wait that has begun."""
    here = flow_of(new)
    if position.step_id is None or position.step_id in here:
        return position
    redirect = redirects.get(position.step_id)
    if redirect is None or redirect.to_step not in here:
        return Position(None, position.anchor_at)
    return Position(redirect.to_step, position.anchor_at, position.waiting_since if redirect.renamed else None)


def effective(pinned: Campaign, live: Campaign) -> Campaign:
    """An old version as its people follow it: its own steps, waits and copy, today's rules for leaving and sending."""
    return replace(
        pinned, leave_when=live.leave_when, sending=live.sending, status=live.status, in_flight=live.in_flight
    )


def spread(enrollment_id: int, version: int, *, start: datetime, over: timedelta) -> datetime:
    """A stable moment of its own for each enrollment, even over the whole span."""
    point = int.from_bytes(blake2b(f"{enrollment_id}|{version}".encode(), digest_size=8).digest(), "big") / 2**64
    return start + timedelta(seconds=int(over.total_seconds() * point))
