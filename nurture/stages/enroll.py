"""enroll: leads that something happened to enter the campaign whose rules take them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from nurture.decide import enter
from nurture.decide.enter import EntryDecision, PastRun
from nurture.decide.flow import first_step
from nurture.model.campaign import Campaign
from nurture.model.facts import Snapshot
from nurture.model.intents import Tally
from nurture.model.words import CampaignStatus, EnrollmentState
from nurture.parts import Parts
from nurture.store import Connection
from nurture.store.audience import snapshots
from nurture.store.facts import wakeups
from nurture.store.programs import campaigns, enrollments
from nurture.store.programs.enrollments import Enrolled

BATCH = 500


def run(parts: Parts, *, now: datetime, limit: int, owner: str) -> Tally:
    """Look at up to `limit` woken leads. Counts: looked_at, entered, control, not_entered."""
    tally = Tally()
    while limit > 0:
        with parts.store.begin() as conn:
            woken = wakeups.claim(conn, "enroll", now=now, limit=min(limit, BATCH), owner=owner)
            if not woken:
                return tally
            _batch(parts, conn, [w.lead_id for w in woken], now, tally)
            wakeups.hand_on(conn, woken, "enroll")
        tally.count("looked_at", len(woken))
        limit -= len(woken)
    return tally


def _batch(parts: Parts, conn: Connection, lead_ids: Sequence[int], now: datetime, tally: Tally) -> None:
    found = snapshots.load(conn, lead_ids, now=now)
    runs = enrollments.all_of(conn, lead_ids)
    seen = enrollments.seen(conn, lead_ids)
    told = enrollments.told(conn, lead_ids, "not_entered")
    stopped = campaigns.stopped(conn)
    open_to = [c for c in parts.library.campaigns.values() if c.id not in stopped]
    for lead_id, snapshot in found.items():
        decision, refused = _choose(parts, open_to, snapshot, runs.get(lead_id, []), seen.get(lead_id, 0), now)
        if decision is not None:
            enter_lead(parts, conn, snapshot, decision, runs.get(lead_id, []), now=now, by="rules", tally=tally)
        _tell_refusals(conn, lead_id, refused, told, now, tally)
    enrollments.see(conn, {i: max((e.id for e in s.events), default=seen.get(i, 0)) for i, s in found.items()})


def _choose(
    parts: Parts, open_to: Sequence[Campaign], snapshot: Snapshot, runs: Sequence[Enrolled], seen: int, now: datetime
) -> tuple[EntryDecision | None, tuple[EntryDecision, ...]]:
    past = [past_run(run) for run in runs]
    fresh = [e for e in snapshot.events if e.id > seen or enter.waited_for_consent(e, snapshot, past)]
    company, tracks = parts.library.company, parts.library.tracks
    decision, refused = enter.choose(
        open_to, snapshot, past=past, trigger_events=fresh, company=company, now=now, tracks=tracks
    )
    if decision is not None or not _has_just_arrived(snapshot, runs):
        return decision, refused
    # Who was moved to a track is taken by the first of its campaigns whose conditions hold, whatever its triggers say.
    here = sorted((c for c in open_to if c.track == snapshot.lead.track), key=lambda c: (c.priority, c.id))
    arrived = f"moved to track {snapshot.lead.track}"
    for campaign in here:
        decision = enter.may_enter(
            campaign,
            snapshot,
            past=past,
            trigger_events=fresh,
            company=company,
            now=now,
            tracks=tracks,
            by_hand=arrived,
        )
        if decision.enters:
            return decision, refused
        refused = (*refused, decision)
    return None, refused


def _has_just_arrived(snapshot: Snapshot, runs: Sequence[Enrolled]) -> bool:
    since = snapshot.lead.track_since
    if snapshot.lead.track is None or since is None or any(run.ended_at is None for run in runs):
        return False
    return not any(run.track == snapshot.lead.track and run.entered_at >= since for run in runs)


def past_run(run: Enrolled) -> PastRun:
    return PastRun(run.campaign, run.run, run.entered_at, run.ended_at, EnrollmentState(run.state), run.track)


def enter_lead(
    parts: Parts,
    conn: Connection,
    snapshot: Snapshot,
    decision: EntryDecision,
    runs: Sequence[Enrolled],
    *,
    now: datetime,
    by: str,
    tally: Tally,
) -> int | None:
    """Start the run that `decision` allows. Returns the enrollment's id, or None when somebody else was first."""
    campaign = parts.library.campaigns[decision.campaign]
    lead_id = snapshot.lead.id
    leaving = [run.id for run in runs if run.campaign in decision.leaves and run.ended_at is None]
    enrollments.end(conn, leaving, state=EnrollmentState.LEFT, reason=f"{campaign.id} took over", now=now)
    started = enrollments.start(conn, [_row(parts, snapshot, campaign, decision, now, by)])
    if not started:
        return None
    track = parts.library.tracks.tracks.get(campaign.track)
    if snapshot.lead.track != campaign.track and (track is None or track.kind == "marketing"):
        enrollments.change_track(conn, lead_id, campaign.track, now=now, reason=f"entered {campaign.id}")
    enrollments.mark_membership(conn, lead_id, status="active", reason=f"in {campaign.id}")
    enrollments.journal(
        conn,
        [
            {
                "lead_id": lead_id,
                "at": now,
                "kind": "entered",
                "campaign": campaign.id,
                "enrollment_id": started[0][0],
                "text": decision.reason,
            }
        ],
    )
    tally.count("control" if decision.control else "entered")
    return started[0][0]


def _row(
    parts: Parts, snapshot: Snapshot, campaign: Campaign, decision: EntryDecision, now: datetime, by: str
) -> Mapping[str, Any]:
    version = parts.versions.get(campaign.id, 1)
    rehearsed = " (rehearsal)" if campaign.status is CampaignStatus.REHEARSE else ""
    return {
        "lead_id": snapshot.lead.id,
        "campaign": campaign.id,
        "track": campaign.track,
        "run": decision.run,
        "cycle": snapshot.lead.cycle,
        "version_entered": version,
        "version_now": version,
        "state": EnrollmentState.CONTROL if decision.control else EnrollmentState.ACTIVE,
        "step_id": first_step(campaign),
        "anchor_at": decision.anchor_at or now,
        "waiting_since": None,
        "due_at": None if decision.control else decision.anchor_at or now,
        "why": "",
        "entered_at": now,
        "entered_by": f"{by}: {decision.reason}{rehearsed}",
    }


def _tell_refusals(
    conn: Connection,
    lead_id: int,
    refused: Sequence[EntryDecision],
    told: set[tuple[int, str | None, str]],
    now: datetime,
    tally: Tally,
) -> None:
    """Write down why a campaign that wanted the lead did not get it, once per reason."""
    rows = []
    for decision in refused:
        if (lead_id, decision.campaign, decision.reason) not in told:
            told.add((lead_id, decision.campaign, decision.reason))
            rows.append(
                {
                    "lead_id": lead_id,
                    "at": now,
                    "kind": "not_entered",
                    "campaign": decision.campaign,
                    "text": decision.reason,
                }
            )
    enrollments.journal(conn, rows)
    if rows:
        tally.count("not_entered", len(rows))
