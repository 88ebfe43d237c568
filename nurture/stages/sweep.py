"""sweep: leads for whom time alone may have changed something are woken; A/B tests whose time is over are decided."""

from __future__ import annotations

from datetime import datetime

from nurture.model.intents import Tally
from nurture.parts import Parts
from nurture.stages import trials
from nurture.store import people


def run(parts: Parts, *, now: datetime, limit: int, owner: str) -> Tally:
    """Counts: woken, decided."""
    tally = Tally()
    with parts.store.begin() as conn:
        woken = people.wake_due(conn, now=now, limit=limit)
        trials.run(parts, conn, now=now, tally=tally)
    if woken:
        tally.count("woken", woken)
    return tally
