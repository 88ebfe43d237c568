"""sweep: leads for whom time alone may have changed something are woken."""

from __future__ import annotations

from datetime import datetime

from nurture.model.intents import Tally
from nurture.parts import Parts
from nurture.store import people


def run(parts: Parts, *, now: datetime, limit: int, owner: str) -> Tally:
    """Counts: woken."""
    tally = Tally()
    with parts.store.begin() as conn:
        woken = people.wake_due(conn, now=now, limit=limit)
    if woken:
        tally.count("woken", woken)
    return tally
