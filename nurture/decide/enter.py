"""Who may enter a campaign, which one takes a lead, and when a lead leaves in the middle.

Triggers of two kinds: something happened since the last look (`form`, `tag_added`, `did` ...), or something is so
(`list`, `engagement_at_least`, `recycled`, `track` ...). The second kind is asked on every look, so a threshold that is
jumped over still counts, and `again` keeps it from starting twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from nurture.decide.calendar import add
from nurture.decide.condition import ALWAYS, evaluate
from nurture.decide.resolver import in_holdout
from nurture.decide.variant import in_control
from nurture.decide.window import zone_of
from nurture.model.campaign import Campaign, Condition, Duration, LeaveRule, Trigger
from nurture.model.company import Company, Tracks
from nurture.model.facts import Event, Snapshot
from nurture.model.words import (
    BEYOND_MARKETING,
    ENROLLMENT_OPEN,
    MAIL_PURPOSES,
    CampaignStatus,
    ConsentStatus,
    EnrollmentState,
    EventKind,
    Stage,
    Truth,
)

CONFIRM_WITHIN = timedelta(days=14)
"""How long after a form its consent may be confirmed and still start what the form starts."""

_HAPPENED = frozenset({"form", "did", "attended", "clicked", "visited", "replied"})
"""Triggers that are facts about events: only those since the last look count."""
_IS_SO = frozenset({"list", "engagement_at_least", "fit_at_least", "cell", "tag", "in_track", "consent"})


@dataclass(frozen=True, slots=True)
class PastRun:
    """One earlier or open run of this lead, through this campaign or another."""

    campaign: str
    run: int
    entered_at: datetime
    ended_at: datetime | None
    state: EnrollmentState
    track: str | None = None


@dataclass(frozen=True, slots=True)
class EntryDecision:
    """`enters` with what started it, or the reason why not, as a marketer reads it.

    `control`: in the control group, so the run is recorded and nothing is sent. `anchor_at`: where the first wait
    starts. `leaves`: campaigns of another track whose open run ends by this. `run`: its number for this lead.
    """

    enters: bool
    reason: str
    campaign: str
    trigger: Trigger | None = None
    control: bool = False
    anchor_at: datetime | None = None
    leaves: tuple[str, ...] = ()
    run: int = 1


def may_enter(
    campaign: Campaign,
    snapshot: Snapshot,
    *,
    past: Sequence[PastRun],
    trigger_events: Iterable[Event],
    company: Company,
    now: datetime,
    tracks: Tracks | None = None,
    by_hand: str | None = None,
) -> EntryDecision:
    """Whether the lead enters now.

    `past`: its runs through any campaign; `trigger_events`: what happened since the last look.
    `by_hand` names who or what enrolls the lead without a trigger; every other rule holds all the same.
    """
    trigger = Trigger("by hand", by_hand) if by_hand else None
    trigger = trigger or _triggered(campaign, snapshot, past, trigger_events, company, now)
    if trigger is None:
        return EntryDecision(False, "nothing that starts this campaign has happened", campaign.id)
    own = [run for run in past if run.campaign == campaign.id]
    no = (
        _barred(campaign, snapshot, now)
        or _again(campaign, snapshot, own, company, now)
        or _conditions(campaign, snapshot, company, now)
    )
    if no:
        return EntryDecision(False, no, campaign.id, trigger)
    busy, leaves = _tracks(campaign, snapshot, [run for run in past if run.campaign != campaign.id], tracks, now)
    if busy:
        return EntryDecision(False, busy, campaign.id, trigger)
    held_out = _held_out(campaign, snapshot, tracks)
    control = held_out is not None or in_control(snapshot.lead.id, campaign)
    return EntryDecision(
        True,
        held_out or (f"in the control group ({campaign.control_group} %)" if control else say(trigger)),
        campaign.id,
        trigger,
        control,
        _starts(snapshot, now),
        leaves,
        max((run.run for run in own), default=0) + 1,
    )


def _held_out(campaign: Campaign, snapshot: Snapshot, tracks: Tracks | None) -> str | None:
    """Whether this lead belongs to the share that gets nothing of the track, to measure what the track is worth."""
    track = tracks.tracks.get(campaign.track) if tracks else None
    if track is None or not in_holdout(snapshot.lead.id, track.id, track.holdout):
        return None
    return f"in the holdout of the track {track.id} ({track.holdout} %)"


def choose(
    campaigns: Iterable[Campaign],
    snapshot: Snapshot,
    *,
    past: Sequence[PastRun],
    trigger_events: Sequence[Event],
    company: Company,
    now: datetime,
    tracks: Tracks | None = None,
) -> tuple[EntryDecision | None, tuple[EntryDecision, ...]]:
    """The campaign that takes the lead (lowest `priority` number first), and every decision that was a no.

    Campaigns that nothing started are left out of the second part.
    """
    refused: list[EntryDecision] = []
    for campaign in sorted(campaigns, key=lambda c: (c.priority, c.id)):
        decision = may_enter(
            campaign, snapshot, past=past, trigger_events=trigger_events, company=company, now=now, tracks=tracks
        )
        if decision.enters:
            return decision, tuple(refused)
        if decision.trigger is not None:
            refused.append(decision)
    return None, tuple(refused)


def waited_for_consent(event: Event, snapshot: Snapshot, past: Iterable[PastRun]) -> bool:
    """Whether `event` came before the consent it had to wait for, and nothing has come of it yet.

    A form is sent first and its double opt-in confirmed days later: what the form starts, it starts then.
    """
    agreed = (
        state.since
        for (purpose, _), state in snapshot.consents.items()
        if purpose in MAIL_PURPOSES and state.status is ConsentStatus.GRANTED and state.since is not None
    )
    in_time = any(event.at < since <= event.at + CONFIRM_WITHIN for since in agreed)
    return in_time and not any(run.entered_at >= event.at for run in past)


def leave(
    campaign: Campaign, snapshot: Snapshot, *, entered_at: datetime, company: Company, now: datetime
) -> LeaveRule | None:
    """The first leave rule that holds for certain; asked on every event and before each send."""
    for rule in campaign.leave_when:
        if _holds(rule.condition, campaign, snapshot, entered_at, company, now):
            return rule
    return None


def goal_reached(
    campaign: Campaign, snapshot: Snapshot, *, entered_at: datetime, company: Company, now: datetime
) -> bool:
    """Whether the campaign's goal was met in time."""
    goal = campaign.goal
    if goal is None or now > add(entered_at, goal.within, zone_of(snapshot.lead, campaign, company)):
        return False
    return _holds(goal.reached_when, campaign, snapshot, entered_at, company, now)


def say(trigger: Trigger) -> str:
    """`form buyers-guide`, `engagement at least 40`."""
    value = ", ".join(map(str, trigger.value)) if isinstance(trigger.value, (list, tuple)) else trigger.value
    return f"{trigger.kind.replace('_', ' ')} {value}"


def _holds(
    condition: Condition, campaign: Campaign, snapshot: Snapshot, since: datetime, company: Company, now: datetime
) -> bool:
    truth = evaluate(condition, snapshot, since=since, company=company, now=now, campaign=campaign)
    return truth is Truth.YES


def _triggered(
    campaign: Campaign,
    snapshot: Snapshot,
    past: Sequence[PastRun],
    events: Iterable[Event],
    company: Company,
    now: datetime,
) -> Trigger | None:
    fresh = replace(snapshot, events=tuple(events))
    last = max((run.entered_at for run in past if run.campaign == campaign.id), default=None)
    for trigger in campaign.enter.when:
        if _starts_it(trigger, campaign, snapshot, fresh, last, company, now):
            return trigger
    return None


def _starts_it(
    trigger: Trigger,
    campaign: Campaign,
    snapshot: Snapshot,
    fresh: Snapshot,
    last: datetime | None,
    company: Company,
    now: datetime,
) -> bool:
    lead = snapshot.lead
    if trigger.kind in _HAPPENED:
        asked = Condition(trigger.kind, trigger.value, args=trigger.args)
        return evaluate(asked, fresh, since=ALWAYS, company=company, now=now) is Truth.YES
    if trigger.kind == "list" and last is not None:
        # Who was here and is still on the list is no news; who was put on it again is.
        return _added(trigger, fresh)
    if trigger.kind in _IS_SO:
        asked = Condition(trigger.kind, trigger.value, args=trigger.args)
        return evaluate(asked, snapshot, since=ALWAYS, company=company, now=now) is Truth.YES
    match trigger.kind:
        case "tag_added" | "list_added":
            return _added(trigger, fresh)
        case "recycled":
            since = lead.baseline_at or lead.stage_since
            back = lead.stage in (Stage.RECYCLED, Stage.NURTURING) and lead.recycle_reason in _words(trigger.value)
            return back and (last is None or since is None or last < since)
        case "track":
            return lead.track in _words(trigger.value) and (
                last is None or lead.track_since is None or last < lead.track_since
            )
        case "lifecycle_is" | "stage":
            return lead.stage.value in _words(trigger.value) and (
                last is None or lead.stage_since is None or last < lead.stage_since
            )
        case "imported":
            return any(e.kind == EventKind.IMPORTED for e in fresh.events)
    raise ValueError(f"`{trigger.kind}` is not a way into a campaign")


def _added(trigger: Trigger, fresh: Snapshot) -> bool:
    kind = EventKind.TAG_ADDED if trigger.kind == "tag_added" else EventKind.LIST_ADDED
    words = _words(trigger.value)
    return any(
        e.kind == kind and (e.touchpoint in words or e.data.get("tag") in words or e.data.get("list") in words)
        for e in fresh.events
    )


def _words(value: object) -> tuple[object, ...]:
    return tuple(value) if isinstance(value, (list, tuple, set, frozenset)) else (value,)


def _barred(campaign: Campaign, snapshot: Snapshot, now: datetime) -> str | None:
    lead = snapshot.lead
    if campaign.status not in (CampaignStatus.LIVE, CampaignStatus.REHEARSE):
        return f"the campaign is {campaign.status.value}"
    if lead.stage in BEYOND_MARKETING:
        return f"the lead is {lead.stage.value}: marketing does not write to it"
    if snapshot.suppressions:
        return "the address is suppressed (" + ", ".join(sorted(snapshot.suppressions)) + ")"
    if lead.rest_until is not None and now < lead.rest_until:
        return f"the lead rests until {lead.rest_until:%d %b %Y}"
    return None


def _again(
    campaign: Campaign, snapshot: Snapshot, own: Sequence[PastRun], company: Company, now: datetime
) -> str | None:
    if any(run.state in ENROLLMENT_OPEN for run in own):
        return "the lead is in this campaign already"
    if not own or campaign.enter.again == "always":
        return None
    if isinstance(campaign.enter.again, Duration):
        ended = max(run.ended_at or run.entered_at for run in own)
        free = add(ended, campaign.enter.again, zone_of(snapshot.lead, campaign, company))
        return None if free <= now else f"was in it before; may enter again from {free:%d %b %Y}"
    return "was in it before, and the campaign says `again: never`"


def _conditions(campaign: Campaign, snapshot: Snapshot, company: Company, now: datetime) -> str | None:
    if campaign.enter.only_if is not None:
        truth = evaluate(campaign.enter.only_if, snapshot, since=ALWAYS, company=company, now=now, campaign=campaign)
        if truth is Truth.UNKNOWN:
            return "`only_if` cannot be decided for this lead"
        if truth is Truth.NO:
            return "`only_if` does not hold"
    rule = leave(campaign, snapshot, entered_at=now, company=company, now=now)
    if rule is not None:
        return f"would leave again at once (`leave_when: {rule.condition.op}`)"
    return None


def _tracks(
    campaign: Campaign, snapshot: Snapshot, others: Sequence[PastRun], tracks: Tracks | None, now: datetime
) -> tuple[str | None, tuple[str, ...]]:
    """Why the lead's open runs keep it out, or the runs that end by entering.

    One active marketing track per lead: a higher class takes the lead at once, an equal one after the stay that
    `tracks.yaml` grants, a lower one not while the other runs.
    """
    known = tracks.tracks if tracks else {}
    mine = known.get(campaign.track)
    if mine is not None and mine.kind == "operational":
        return None, ()
    leaves: list[str] = []
    for run in others:
        theirs = known.get(run.track or "")
        if run.state not in ENROLLMENT_OPEN or (theirs is not None and theirs.kind == "operational"):
            continue
        if run.track == campaign.track or mine is None or theirs is None:
            return f"the lead is in the campaign `{run.campaign}`", ()
        stays = (snapshot.lead.track_since or run.entered_at) + timedelta(days=theirs.min_stay_days)
        if mine.priority > theirs.priority:
            return f"the track `{run.track}` of `{run.campaign}` comes first", ()
        if mine.priority == theirs.priority and now < stays:
            return f"stays on the track `{run.track}` until {stays:%d %b %Y}", ()
        leaves.append(run.campaign)
    return None, tuple(leaves)


def _starts(snapshot: Snapshot, now: datetime) -> datetime:
    """A campaign's clock starts when a silent cool-off ends."""
    lead = snapshot.lead
    if lead.cool_off_mode == "silent" and lead.cool_off_until is not None:
        return max(now, lead.cool_off_until)
    return now
