"""Moving a lead between nurture tracks, and what happens when a track has nothing more to say."""

from __future__ import annotations

from datetime import datetime

from nurture.model.campaign import Campaign
from nurture.model.company import Tracks
from nurture.model.facts import Snapshot
from nurture.model.words import EnrollmentState
from nurture.parts import Parts
from nurture.store import Connection
from nurture.store.facts import wakeups
from nurture.store.programs import enrollments


def move(
    lanes: Tracks, conn: Connection, lead_id: int, track: str, *, now: datetime, reason: str, rule: str = ""
) -> None:
    """Put the lead on `track`: its other campaigns end, and the campaigns of the new track may take it.

    What runs beside the marketing track (mails around a webinar) goes on.
    """
    inside = enrollments.open_of(conn, [lead_id]).get(lead_id, [])
    elsewhere = [e.id for e in inside if e.track != track and not _beside(lanes, e.track)]
    enrollments.end(conn, elsewhere, state=EnrollmentState.LEFT, reason=f"moved to {track}", now=now)
    enrollments.change_track(conn, lead_id, track, now=now, reason=reason, rule=rule)
    enrollments.journal(
        conn, [{"lead_id": lead_id, "at": now, "kind": "moved", "text": f"moved to track {track}", "code": reason}]
    )
    wakeups.wake(conn, [lead_id], now=now)


def exhausted(parts: Parts, conn: Connection, snapshot: Snapshot, campaign: Campaign, *, now: datetime) -> None:
    """A campaign ended by itself. The lead goes where its track's `on_exhausted` says, once no campaign has it."""
    lead_id = snapshot.lead.id
    lanes = parts.library.tracks
    inside = [
        e
        for e in enrollments.open_of(conn, [lead_id]).get(lead_id, [])
        if e.campaign != campaign.id and not _beside(lanes, e.track)
    ]
    track = lanes.tracks.get(campaign.track)
    if inside or track is None or _beside(lanes, track.id):
        return
    wakeups.wake(conn, [lead_id], now=now)
    if track.on_exhausted.startswith("move_to "):
        move(
            lanes,
            conn,
            lead_id,
            track.on_exhausted.removeprefix("move_to ").strip(),
            now=now,
            reason=f"{track.id} has nothing more",
            rule="on_exhausted",
        )
    else:
        enrollments.mark_membership(conn, lead_id, status="exhausted", reason=f"went through {campaign.id}")


def _beside(lanes: Tracks, track: str | None) -> bool:
    """Whether this track runs beside the one marketing track of a lead."""
    return track in lanes.beside
