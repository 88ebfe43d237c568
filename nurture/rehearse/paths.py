"""Every way through a campaign: how long it is, how many mails it sends, and its hardest week against the cap."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from nurture.decide.calendar import add
from nurture.decide.flow import flow_of
from nurture.model.campaign import Campaign, Choose, End, HandOff, MoveTo, Send, Step, WaitFor

_MONDAY: Final = datetime(2026, 6, 1, 9, tzinfo=UTC)
"""A start without clock changes near it; a path's length is in whole days anyway."""
_ZONE: Final = ZoneInfo("UTC")
WEEK: Final = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Path:
    """`choices` are the forks taken (`read-it: yes`), `ends` how it ends, `days` its length at the longest waits."""

    steps: tuple[str, ...]
    choices: tuple[str, ...]
    mails: tuple[str, ...]
    days: float
    hardest_week: int
    ends: str


@dataclass(frozen=True, slots=True)
class _Way:
    at: datetime
    steps: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()
    sends: tuple[tuple[str, datetime], ...] = ()

    def on(self, step: Step, *, at: datetime | None = None, choice: str = "", sent: bool = False) -> _Way:
        when = at or self.at
        return _Way(
            when,
            (*self.steps, step.id),
            (*self.choices, choice) if choice else self.choices,
            (*self.sends, (step.id, when)) if sent else self.sends,
        )


def paths(campaign: Campaign, *, most: int = 500) -> tuple[list[Path], bool]:
    """The paths in reading order, at most `most` of them, and whether there are more."""
    found: list[Path] = []
    if campaign.steps:
        for path in _from(campaign, campaign.steps[0].id, _Way(_MONDAY)):
            if len(found) == most:
                return found, True
            found.append(path)
    return found, False


def _from(campaign: Campaign, step_id: str | None, way: _Way) -> Iterator[Path]:
    if step_id is None:
        yield _path(way, "goes through every step")
        return
    node = flow_of(campaign)[step_id]
    step, after = node.step, node.next_id
    way = _Way(_due(step, way.at), way.steps, way.choices, way.sends)
    if step.condition is not None:
        yield from _from(campaign, after, _Way(way.at, way.steps, (*way.choices, f"{step.id}: skipped"), way.sends))
    match step.action:
        case Send():
            yield from _from(campaign, after, way.on(step, sent=True))
        case End(reason=reason):
            yield _path(way.on(step), f"ends: {reason}")
        case MoveTo(track=track):
            yield _path(way.on(step), f"moves to {track}")
        case WaitFor():
            yield from _waits(campaign, step, after, way)
        case Choose(branches=branches, otherwise=otherwise):
            for branch in branches:
                first = branch.steps[0].id if branch.steps else after
                yield from _from(campaign, first, way.on(step, choice=f"{step.id}: {first or 'the end'}"))
            first = otherwise[0].id if otherwise else after
            yield from _from(campaign, first, way.on(step, choice=f"{step.id}: {first if otherwise else 'none'}"))
        case HandOff():
            yield from _hands(campaign, step, after, way)
        case _:
            yield from _from(campaign, after, way.on(step))


def _hands(campaign: Campaign, step: Step, after: str | None, way: _Way) -> Iterator[Path]:
    assert isinstance(step.action, HandOff)
    yield _path(way.on(step), f"is handed to {step.action.queue}")
    until = add(way.at, step.action.try_for, _ZONE) if step.action.try_for else way.at
    late = way.on(step, at=until, choice=f"{step.id}: no")
    match step.action.if_not:
        case MoveTo(track=track):
            yield _path(late, f"moves to {track}")
        case End(reason=reason):
            yield _path(late, f"ends: {reason}")
        case None:
            yield from _from(campaign, after, late)


def _waits(campaign: Campaign, step: Step, after: str | None, way: _Way) -> Iterator[Path]:
    assert isinstance(step.action, WaitFor)
    then, otherwise = step.action.then, step.action.otherwise
    end = add(way.at, step.action.within, _ZONE)
    yield from _from(campaign, then[0].id if then else after, way.on(step, choice=f"{step.id}: yes"))
    yield from _from(campaign, otherwise[0].id if otherwise else after, way.on(step, at=end, choice=f"{step.id}: no"))
    if step.if_unknown == "skip" and (then or otherwise):
        yield from _from(campaign, after, way.on(step, at=end, choice=f"{step.id}: unknown"))


def _due(step: Step, at: datetime) -> datetime:
    if step.after is not None:
        at = add(at, step.after, _ZONE)
    if step.until is not None:
        at = max(at, add(at, step.until.or_after, _ZONE))
    return at


def _path(way: _Way, ends: str) -> Path:
    moments = [at for _, at in way.sends]
    hardest = max((sum(start <= at < start + WEEK for at in moments) for start in moments), default=0)
    return Path(
        way.steps,
        way.choices,
        tuple(step for step, _ in way.sends),
        (way.at - _MONDAY) / timedelta(days=1),
        hardest,
        ends,
    )


def allowed_per_week(campaign: Campaign) -> int | None:
    """What the campaign's own cap allows in a week; None without one."""
    cap = campaign.sending.at_most
    if cap is None:
        return None
    return {"day": cap.count * 7, "week": cap.count, "month": cap.count}[cap.per]
