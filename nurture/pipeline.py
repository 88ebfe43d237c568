"""START HERE: a lead's whole way, in the order of the work.

    enroll -> plan -> send -> record -> score -> advance -> hand off -> recycle
       ^                                                                   |
       +------------- back only as a row: a new enrollment ----------------+

Each stage takes a batch of due rows, decides with pure rules (`decide/`), acts, and writes the outcome in bulk. Any
backlog is one COUNT. Anybody may call this at any time: rows are claimed, writes are keyed, and what is not due is
not touched; whoever calls is only a clock.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime
from typing import Final

from nurture.model.intents import Tally
from nurture.parts import Parts
from nurture.stages import (
    advance,
    deliver,
    domains,
    enroll,
    hand_off,
    plan,
    rebase,
    record,
    recycle,
    rescore,
    score,
    send,
    sweep,
)
from nurture.store.facts import backlog

Stage = Callable[..., Tally]

STAGES: Final[dict[str, Stage]] = {
    "rebase": rebase.run,  # an edited campaign -> people inside whose due time it moved
    "sweep": sweep.run,  # what time alone has changed: decay, cool-off over, silence
    "enroll": enroll.run,  # a lead that something happened to -> a campaign takes it
    "plan": plan.run,  # an enrollment whose time has come -> the next steps, a message
    "send": send.run,  # a planned message -> guard, render, SMTP, the books
    "record": record.run,  # a held hit -> person or machine -> an event
    "score": score.run,  # a woken lead -> lines, cell, lifecycle
    "advance": advance.run,  # leave rules, goals, waits that came true
    "hand_off": hand_off.run,  # the gate -> a packet for sales
    "recycle": recycle.run,  # SLA timers, cool-offs that end, the way back
    "domains": domains.run,  # a domain that mail went to -> whose servers take it
    "deliver": deliver.run,  # packets, reminders, confirmations -> staff, leads, systems
}

DRIP: Final = frozenset({"plan", "send"})
"""Stages that work campaign by campaign, and so can run for one funnel stage alone."""

BATCH: Final = 2000
MOST_ROUNDS: Final = 100
"""A fuse, not a limit: work that still makes work after so many rounds is a loop somebody wrote by mistake."""


def run_due(
    parts: Parts,
    *,
    now: datetime,
    owner: str,
    stages: Collection[str] | None = None,
    funnel_stage: str | None = None,
    limit: int = BATCH,
) -> dict[str, Tally]:
    """Run the stages in order, again and again, until nothing is due at `now`. Returns the books by stage.

    `stages` picks some of them; `funnel_stage` keeps plan and send to the campaigns of that stage of the funnel.
    """
    books: dict[str, Tally] = {}
    wanted = [name for name in STAGES if stages is None or name in stages]
    for _ in range(MOST_ROUNDS):
        waiting = due_now(parts, now=now, funnel_stage=funnel_stage)
        moved = 0
        for name in wanted:
            if name in waiting:
                tally = run_stage(parts, name, now=now, owner=owner, funnel_stage=funnel_stage, limit=limit)
                moved += tally.touched()
                books.setdefault(name, Tally()).add(tally)
        if not moved:
            break
    return books


def run_stage(
    parts: Parts, name: str, *, now: datetime, owner: str, funnel_stage: str | None = None, limit: int = BATCH
) -> Tally:
    """One batch of one stage."""
    if name in DRIP:
        return STAGES[name](parts, now=now, limit=limit, owner=owner, only=_campaigns_of(parts, funnel_stage))
    return STAGES[name](parts, now=now, limit=limit, owner=owner)


def due_now(parts: Parts, *, now: datetime, funnel_stage: str | None = None) -> dict[str, int]:
    """Stage -> how much waits for it at `now`; a stage with nothing is left out. `funnel_stage` as for `run_due`."""
    with parts.store.read() as conn:
        found = backlog.due(conn, now=now, only=_campaigns_of(parts, funnel_stage))
        found["score"] += rescore.waiting(parts, conn)
        found["recycle"] += len(recycle.waiting_with_room(parts, conn, now=now))
        found["recycle"] += recycle.review_unsaid(parts, conn, now=now)
    return {stage: n for stage, n in found.items() if n}


def next_due(parts: Parts) -> datetime | None:
    """When the next thing comes due (or came, if it waits already); None where nothing ever will by itself."""
    with parts.store.read() as conn:
        return backlog.next_due(conn)


def _campaigns_of(parts: Parts, funnel_stage: str | None) -> frozenset[str] | None:
    if funnel_stage is None:
        return None
    return frozenset(c.id for c in parts.library.campaigns.values() if c.funnel_stage == funnel_stage)
