"""Time and numbers: caps that cannot hold, windows that never open, points nobody reaches."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from nurture.authoring.desk import problem
from nurture.authoring.lint.folder import Folder, branches, conditions, facts
from nurture.authoring.lint.points import most_engagement
from nurture.authoring.reading import File
from nurture.model.campaign import Campaign, Cap, Duration, Send, Step, WaitFor, Window
from nurture.model.problem import Place, Problem

PERIODS: Final = {"day": 1.0, "week": 7.0, "month": 30.0}
_DAYS: Final = {"minutes": 1 / 1440, "hours": 1 / 24, "days": 1.0, "business_days": 1.0, "weeks": 7.0, "months": 30.0,
                "years": 365.0}
_PATHS: Final = 64
"""Ways through a campaign that are looked at; more only repeat each other's ends."""


def pace(folder: Folder) -> Iterator[Problem]:
    most = max((most_engagement(m, folder.emitted) for m in folder.library.scoring.models), default=100)
    for campaign, file in folder.campaigns:
        yield from _caps(folder, campaign, file)
        yield from _windows(folder, campaign, file)
        for condition, _ in conditions(campaign):
            for fact in facts(condition):
                if fact.op == "engagement_at_least" and "scoring" in folder.has:
                    yield from _too_high(fact.value, most, fact.place)
        for trigger in campaign.enter.when:
            if trigger.kind == "engagement_at_least" and "scoring" in folder.has:
                yield from _too_high(trigger.value, most, trigger.place)


def _too_high(asked: int, most: int, place: Place) -> Iterator[Problem]:
    if asked > most:
        yield problem("threshold-too-high", place,
                      f"nobody can reach {asked} points: scoring.yaml gives {most} at most",
                      f"ask for {most} or less")


def days_of(duration: Duration | None) -> float:
    return 0.0 if duration is None else duration.amount * _DAYS[duration.unit]


def _wait(step: Step) -> float:
    """A date in a field is mostly unknown, so `or_after` is the usual wait."""
    return max(days_of(step.after), days_of(step.until.or_after if step.until else None))


def _sends(steps: tuple[Step, ...], start: float) -> list[tuple[tuple[float, ...], float]]:
    """The shortest ways through: when each sends, in days from `start`, and when it comes out."""
    ways: list[tuple[tuple[float, ...], float]] = [((), start)]
    for step in steps:
        grown: list[tuple[tuple[float, ...], float]] = []
        for sent, at in ways:
            grown += [((*sent, *more), out) for more, out in _step_sends(step, at + _wait(step))]
        ways = _few(grown)
    return ways


def _step_sends(step: Step, at: float) -> list[tuple[tuple[float, ...], float]]:
    if isinstance(step.action, Send):
        return [((at,), at)]
    found: list[tuple[tuple[float, ...], float]] = []
    for i, (_, inner) in enumerate(branches(step)):
        late = isinstance(step.action, WaitFor) and i == 1
        found += _sends(inner, at + days_of(step.action.within) if late and isinstance(step.action, WaitFor) else at)
    return found or [((), at)]


def _few(ways: list[tuple[tuple[float, ...], float]]) -> list[tuple[tuple[float, ...], float]]:
    unique = list(dict.fromkeys(ways))
    return sorted(unique, key=lambda way: -len(way[0]))[:_PATHS]


def hardest(sends: tuple[float, ...], period: float) -> int:
    """The most mails in any sliding period."""
    ordered = sorted(sends)
    return max((sum(1 for other in ordered if at - period < other <= at) for at in ordered), default=0)


def _caps(folder: Folder, campaign: Campaign, file: File) -> Iterator[Problem]:
    track = folder.library.tracks.tracks.get(campaign.track)
    caps: list[tuple[Cap, str]] = [(campaign.sending.at_most,
                                    "the campaign allows")] if campaign.sending.at_most else []
    caps += [(track.at_most, f"the track `{track.id}` allows")] if track and track.at_most else []
    caps += [(cap, "company.yaml allows") for cap in folder.library.company.at_most]
    if not caps:
        return
    ways = _sends(campaign.steps, 0.0)
    for cap, who in caps:
        most = max(hardest(sent, PERIODS[cap.per]) for sent, _ in ways)
        if most > cap.count:
            yield problem("cap-impossible", file.spot("sending", "at_most"),
                          f"the shortest way sends {most} emails in a {cap.per}, and {who} {cap.count}",
                          "lengthen the waits, or raise the cap")
            return


def _windows(folder: Folder, campaign: Campaign, file: File) -> Iterator[Problem]:
    window, quiet = campaign.sending.window, folder.library.company.quiet
    if window is not None and quiet is not None and not _open_minutes(window, quiet):
        yield problem("quiet-covers-window", file.spot("sending", "window"),
                      "company.yaml's quiet time covers this whole window", "move one of the two")
    if window is None or window.days & {5, 6}:
        for step in campaign.walk():
            if step.after is not None and step.after.unit == "business_days":
                yield problem("business-days-in-all-days", file.spot("step", step.id, "after"),
                              f"`{step.id}` waits in business days, and the window is open at weekends",
                              "add `days: mon-fri` to the window, or wait in days")
                return


@lru_cache(maxsize=256)
def _open_minutes(window: Window, quiet: Window) -> int:
    """Minutes of the week that the window allows and the quiet time does not forbid, both in one zone."""
    if window.zone != quiet.zone:
        return 1
    return len(_minutes(window) - _minutes(quiet))


def _minutes(window: Window) -> set[int]:
    """Minutes of the week; what crosses midnight belongs to the day it began on."""
    length = (window.end - window.start) % 1440 or 1440
    return {(day * 1440 + window.start + m) % 10080 for day in window.days for m in range(length)}
