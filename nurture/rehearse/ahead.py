"""What will come to one lead: the real pipeline over a copy of its rows, with mail that goes nowhere."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

from nurture.decide.window import named_zone
from nurture.model.outside import Outside
from nurture.parts import Parts
from nurture.rehearse import timeline
from nurture.rehearse.timeline import Moment
from nurture.rehearse.world import World, fresh_store
from nurture.store.audience import snapshots
from nurture.store.programs import enrollments
from nurture.store.running import rehearsals


def ahead(
    parts: Parts, lead_id: int, *, now: datetime, until: datetime, campaign: str | None = None
) -> tuple[list[Moment], ZoneInfo]:
    """What happens to this lead until then if nobody does anything: moments, and the zone its days are counted in.

    The lead is alone in its copy of the world, so a rate limit that others share is not felt.
    """
    world = World(parts.library, start=now, store=fresh_store())
    world.parts = replace(parts, store=world.store, transport=world.mailbox, outside=Outside(), applied="")
    try:
        with parts.store.read() as source, world.store.begin() as copy:
            rehearsals.copy_of(source, copy, lead_id, keys=parts.keys)
        world.run_until(until)
        with world.store.read() as conn:
            lead = snapshots.load(conn, [lead_id], now=now, with_events=False)[lead_id].lead
            runs = enrollments.all_of(conn, [lead_id]).get(lead_id, [])
        zone = named_zone(lead.timezone or parts.library.company.timezone) or ZoneInfo("UTC")
        names = sorted({run.campaign for run in runs if campaign in (None, run.campaign)})
        told = [moment for name in names for moment in timeline.of(world, lead_id, name, since=now)]
        # A move or a hand-off is told with every campaign.
        return sorted(dict.fromkeys(m for m in told if m.at > now), key=lambda m: m.at), zone
    finally:
        world.close()
