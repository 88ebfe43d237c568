"""trials: A/B tests whose time and number of sends are full are decided, once: a winner, or all are kept.

Asked when people are about to draw: a test nobody draws from any more needs no decision.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from nurture.decide.variant import Arm, is_over, winner
from nurture.model.campaign import Campaign, Send, Test
from nurture.model.intents import Tally
from nurture.parts import Parts
from nurture.store import Connection
from nurture.store.programs import trials


def run(parts: Parts, conn: Connection, *, now: datetime, tally: Tally) -> None:
    """Look at every undecided test of the campaigns that run. Counts: decided."""
    over: set[tuple[str, str]] | None = None
    for campaign, step, test in _tests(parts):
        over = trials.decided(conn) if over is None else over
        if test.winner is None or (test.name, test.digest) in over:
            continue
        full = trials.enough_at(conn, campaign.id, step, test.digest, test.winner.at_least)
        if not is_over(test.winner, full, now):
            continue
        found = trials.results(conn, campaign.id, step, test.digest, test.winner.by)
        arms = {v.name: Arm(*found.get(v.name, (0, 0)), full) for v in test.variants}
        evidence = {name: {"sends": arm.sends, "wins": arm.wins} for name, arm in arms.items()}
        chosen = winner(arms, test.winner, now)
        trials.decide(conn, test.name, test.digest, variant=chosen, evidence=evidence, now=now)
        tally.count("decided")


def _tests(parts: Parts) -> Iterator[tuple[Campaign, str, Test]]:
    for campaign in parts.library.campaigns.values():
        for step in campaign.walk():
            if isinstance(step.action, Send) and step.action.test is not None:
                yield campaign, step.id, step.action.test
