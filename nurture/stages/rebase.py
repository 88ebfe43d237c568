"""rebase: people inside an edited campaign follow it, when they wake or, where the edit moved their time, at once.

Both ways give the same place and the same anchor; the sweep only spares nobody a wake-up that lies too far ahead.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from nurture.decide import change
from nurture.decide.effect import due_of
from nurture.decide.flow import flow_of
from nurture.model.campaign import Campaign, HandOff, WaitFor
from nurture.model.change import Redirect
from nurture.model.intents import Position, Tally
from nurture.parts import Parts
from nurture.store import Connection
from nurture.store.audience import snapshots
from nurture.store.mail import messages
from nurture.store.programs import campaigns, enrollments, inside
from nurture.store.programs.campaigns import Version
from nurture.store.programs.enrollments import Enrolled

BATCH = 500


def place(parts: Parts, conn: Connection, enrolled: Enrolled, campaign: Campaign) -> tuple[Position, int]:
    """Where an enrollment stands in the version it follows, and that version's number.

    `campaign` is what `parts.campaign` gave for it: an older version where the file says `in_flight: finish`.
    """
    position = Position(enrolled.step_id, enrolled.anchor_at, enrolled.waiting_since)
    live = parts.versions.get(enrolled.campaign, enrolled.version_now)
    if enrolled.version_now >= live or (enrolled.campaign, enrolled.version_now) in parts.pinned:
        return position, enrolled.version_now
    if position.step_id in flow_of(campaign):
        return position, live
    return change.rebase(position, campaign, campaigns.redirects(conn, campaign.id)), live


def run(parts: Parts, *, now: datetime, limit: int, owner: str) -> Tally:
    """Look at up to `limit` people whose due time an edit may have moved. Counts: rebased, left."""
    tally = Tally()
    with parts.store.read() as conn:
        open_versions = campaigns.unswept(conn)
    for version in open_versions:
        campaign = parts.library.campaigns.get(version.campaign)
        while campaign is not None and parts.versions.get(version.campaign) == version.n and limit > 0:
            with parts.store.begin() as conn:
                if campaigns.versions(conn).get(version.campaign) != version.n:
                    break
                found = sweep(parts, conn, campaign, version, now=now, limit=min(limit, BATCH), tally=tally)
            limit -= found
            if not found:
                break
    return tally


def sweep(
    parts: Parts, conn: Connection, campaign: Campaign, version: Version, *, now: datetime, limit: int, tally: Tally
) -> int:
    """One batch of people on moved steps, in one transaction. Marks the version when nobody is left; resumable."""
    moved = list(version.sweep) if version.in_flight == "follow" else []
    ids = inside.behind(conn, version.campaign, version.n, moved, limit=limit)
    if not ids:
        # Rows that another worker holds are not seen above, and are not done either.
        if not inside.behind(conn, version.campaign, version.n, moved, limit=1, lock=False):
            campaigns.mark_swept(conn, version.campaign, version.n, now=now)
        return 0
    found = enrollments.by_ids(conn, ids)
    leads = snapshots.load(conn, {e.lead_id for e in found}, now=now, with_events=False)
    redirects = campaigns.redirects(conn, version.campaign)
    moves: list[Mapping[str, Any]] = []
    gone: list[int] = []
    for enrolled in found:
        snapshot = leads.get(enrolled.lead_id)
        position = change.rebase(
            Position(enrolled.step_id, enrolled.anchor_at, enrolled.waiting_since), campaign, redirects
        )
        if position.step_id != enrolled.step_id and not _renamed(enrolled, redirects):
            gone.append(enrolled.id)
        due: datetime | None = now
        if snapshot is not None and position.step_id is not None:
            company = parts.library.company
            due = _due(enrolled, campaign, position, version, now,
                       due_of(campaign, position, snapshot.lead, company), over=company.spread)
        moves.append({
            "b_id": enrolled.id, "step_id": position.step_id, "anchor_at": position.anchor_at,
            "waiting_since": position.waiting_since, "due_at": due, "version_now": version.n,
            "why": f"the campaign changed (version {version.n})",
        })
    messages.withdraw(conn, gone, text="its step was taken out of the campaign", now=now)
    enrollments.move(conn, moves)
    tally.count("rebased", len(moves))
    return len(ids)


def _due(
    enrolled: Enrolled, campaign: Campaign, position: Position, version: Version, now: datetime, due: datetime | None,
    *, over: timedelta,
) -> datetime | None:
    """The new due time; what is due already is spread over the hours after the edit, but never put off by that."""
    step = flow_of(campaign)[position.step_id or ""].step
    asked = position.waiting_since is not None and isinstance(step.action, WaitFor | HandOff)
    if due is None:
        return enrolled.due_at
    if due <= now or asked:
        soon = change.spread(enrolled.id, version.n, start=version.applied_at, over=over)
        soon = max(now, min(soon, enrolled.due_at or soon))
        return soon if due <= now else min(due, soon)
    return due


def _renamed(enrolled: Enrolled, redirects: Mapping[str, Redirect]) -> bool:
    redirect = redirects.get(enrolled.step_id or "")
    return redirect is not None and redirect.renamed
