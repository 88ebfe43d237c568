"""advance: what happened to a lead ends, redirects or wakes its campaigns, whatever wait it is in the middle of."""

from __future__ import annotations

from datetime import datetime

from nurture.decide import enter
from nurture.model.campaign import Campaign, HandOff, LeaveRule, WaitFor
from nurture.model.facts import Snapshot
from nurture.model.intents import Tally
from nurture.model.words import BEYOND_MARKETING, WITH_SALES, EnrollmentState
from nurture.parts import Parts
from nurture.stages import tracks
from nurture.store import Connection
from nurture.store.audience import snapshots
from nurture.store.facts import wakeups
from nurture.store.mail import messages
from nurture.store.programs import enrollments
from nurture.store.programs.enrollments import Enrolled

BATCH = 500


def run(parts: Parts, *, now: datetime, limit: int, owner: str) -> Tally:
    """Look at up to `limit` woken leads. Counts: looked_at, left, goals, woken."""
    tally = Tally()
    while limit > 0:
        with parts.store.begin() as conn:
            woken = wakeups.claim(conn, "advance", now=now, limit=min(limit, BATCH), owner=owner)
            if not woken:
                return tally
            ids = [w.lead_id for w in woken]
            inside = enrollments.open_of(conn, ids)
            for lead_id, snapshot in snapshots.load(conn, inside, now=now).items():
                for enrolled in inside[lead_id]:
                    _one(parts, conn, snapshot, enrolled, now, tally)
            # Woken again by a move made here, a lead starts over; then this older wake-up ends by its `seq`.
            wakeups.hand_on(conn, woken, "advance")
        tally.count("looked_at", len(woken))
        limit -= len(woken)
    return tally


def _one(parts: Parts, conn: Connection, snapshot: Snapshot, enrolled: Enrolled, now: datetime, tally: Tally) -> None:
    campaign = parts.campaign(enrolled.campaign, enrolled.version_now)
    live = parts.library.campaigns.get(enrolled.campaign)
    if campaign is None:
        return
    company = parts.library.company
    if enrolled.goal_at is None and enter.goal_reached(
        campaign, snapshot, entered_at=enrolled.entered_at, company=company, now=now
    ):
        enrollments.reach_goal(conn, [enrolled.id], now=now)
        tally.count("goals")
    gone = snapshot.lead.stage in BEYOND_MARKETING - WITH_SALES
    rule = enter.leave(live or campaign, snapshot, entered_at=enrolled.entered_at, company=company, now=now)
    if gone or rule is not None:
        _leave(parts, conn, snapshot, enrolled, rule, now)
        tally.count("left")
    elif enrolled.state == EnrollmentState.ACTIVE and _waits_for_facts(campaign, enrolled):
        enrollments.wake(conn, [enrolled.id], now=now)
        tally.count("woken")


def _leave(
    parts: Parts, conn: Connection, snapshot: Snapshot, enrolled: Enrolled, rule: LeaveRule | None, now: datetime
) -> None:
    reason = f"the lead is {snapshot.lead.stage}" if rule is None else f"leave_when: {say(rule)}"
    enrollments.end(conn, [enrolled.id], state=EnrollmentState.LEFT, reason=reason, now=now)
    messages.withdraw(conn, [enrolled.id], text=f"the lead left the campaign ({reason})", now=now)
    enrollments.journal(
        conn,
        [
            {
                "lead_id": enrolled.lead_id,
                "at": now,
                "kind": "left",
                "campaign": enrolled.campaign,
                "enrollment_id": enrolled.id,
                "step": enrolled.step_id,
                "text": reason,
            }
        ],
    )
    if rule is not None and rule.move_to is not None and enrolled.state != EnrollmentState.CONTROL:
        tracks.move(
            parts.library.tracks,
            conn,
            enrolled.lead_id,
            rule.move_to,
            now=now,
            reason=f"{enrolled.campaign}: {reason}",
            rule="leave_when",
        )
    else:
        wakeups.wake(conn, [enrolled.lead_id], now=now, stage="hand_off")


def _waits_for_facts(campaign: Campaign, enrolled: Enrolled) -> bool:
    step = campaign.step(enrolled.step_id) if enrolled.step_id else None
    return step is not None and enrolled.waiting_since is not None and isinstance(step.action, WaitFor | HandOff)


def say(rule: LeaveRule) -> str:
    """`engagement_at_least 40` as a marketer wrote it."""
    condition = rule.condition
    value = "" if condition.value is None else f" {condition.value}"
    return f"{condition.op}{value}" if not condition.parts else f"{condition.op} of {len(condition.parts)}"
