"""What a tick costs where much is stored and little is due: the same 10,000 due of 10,000 leads, and of 1,000,000."""

from __future__ import annotations

import tempfile
from datetime import timedelta
from typing import Any

from sqlalchemy import insert

from nurture import pipeline
from nurture.store.tables import EnrollmentRow, LeadRow, MessageRow
from tests.bench.crowd import cpu, drain, fill, world
from tests.bench.sink import sink
from tests.mail.world import NOW, World

DUE = 10_000
CHUNK = 20_000


def store_more(made: World, people: int, first: int) -> None:
    """Leads to whom nothing is due: each stands in a campaign until next month and had a mail last month."""
    later, before = NOW + timedelta(days=30), NOW - timedelta(days=30)
    for start in range(first, first + people, CHUNK):
        ids = range(start, min(start + CHUNK, first + people))
        with made.store.begin() as conn:
            conn.execute(
                insert(LeadRow),
                [{"id": i, "email": f"s{i}@example.org", "email_key": f"s{i}@example.org", "email_hash": f"h{i}",
                  "created_at": before, "updated_at": before} for i in ids],
            )  # fmt: skip
            conn.execute(
                insert(EnrollmentRow),
                [{"lead_id": i, "campaign": "drip", "track": "education", "version_entered": 1, "version_now": 1,
                  "step_id": "later", "anchor_at": before, "due_at": later, "entered_at": before} for i in ids],
            )  # fmt: skip
            conn.execute(
                insert(MessageRow),
                [{"lead_id": i, "template": "old", "template_digest": "old", "content": "old", "kind": "educational",
                  "state": "sent", "due_at": before, "planned_at": before, "sent_at": before} for i in ids],
            )  # fmt: skip


def cost(stored: int) -> float:
    """CPU microseconds per due lead of one tick: what is due is sent, and the last look finds nothing more."""
    with tempfile.TemporaryDirectory() as folder, sink() as port:
        made = world(f"sqlite:///{folder}/tick.db", port)
        fill(made, 200, first=1)
        drain(made.parts)
        fill(made, DUE, first=1001)
        store_more(made, max(stored - DUE, 0), first=1_000_001)
        began = cpu()
        pipeline.due_now(made.parts, now=NOW)
        sent = drain(made.parts)
        pipeline.due_now(made.parts, now=NOW)
        used = cpu() - began
        made.transport.close()
        assert sent == DUE
    return used / DUE * 1e6


def entry(stored: int = 1_000_000) -> dict[str, Any]:
    small, large = cost(DUE), cost(stored)
    return {
        "name": "tick_cost_1m_vs_10k", "ratio": round(large / small, 2), "n": DUE, "target": 1.3,
        "unit": "times the CPU per due lead (less is better)",
        "detail": f"{large:.0f} us per due lead with {stored:,} stored, {small:.0f} us with {DUE:,}",
    }  # fmt: skip
