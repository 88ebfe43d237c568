"""A/B tests and control groups by stable hash: no dice, no table, the same answer in every process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from math import sqrt
from zoneinfo import ZoneInfo

from nurture.decide.calendar import add
from nurture.model.campaign import Campaign, Test, Winner

_CERTAIN = 1.96
"""Two-sided 95 %."""
_FEWEST = 20
"""Fewer visible mails than this say nothing about a variant."""
_NO_ZONE = ZoneInfo("UTC")
"""A test spans many zones; its days are plain days."""


@dataclass(frozen=True, slots=True)
class Arm:
    """One variant's result: mails whose result can be seen, and how many of them won.

    `enough_at` is when the test as a whole reached the winner's `at_least` sends.
    """

    sends: int
    wins: int
    enough_at: datetime | None


def draw(lead_id: int, test: Test, epoch: str) -> str:
    """The variant of a lead. Sticky: only the lead, the test's name and its epoch matter, and the shares.

    An edit of the variants starts a new epoch (`Test.digest`); who was drawn before keeps what was stored.
    """
    point = _percent(f"{lead_id}|{test.name}|{epoch}")
    reached = 0
    for variant in test.variants:
        reached += variant.share
        if point < reached:
            return variant.name
    return test.variants[-1].name


def drawn_or_draw(lead_id: int, test: Test, drawn: Mapping[str, str]) -> str:
    """What was drawn, unless that variant is gone; else a draw in the test's present epoch."""
    before = drawn.get(test.name)
    if before is not None and any(v.name == before for v in test.variants):
        return before
    return draw(lead_id, test, test.digest)


def is_over(rule: Winner, enough_at: datetime | None, now: datetime) -> bool:
    """Whether a test has had its number of sends and, from the send that made it full, its time.

    Counted from there so that early time zones cannot end a test before the others have the mail.
    """
    return enough_at is not None and now >= add(enough_at, rule.after, _NO_ZONE)


def winner(results: Mapping[str, Arm], rule: Winner, now: datetime) -> str | None:
    """The variant that won, or None: keep all. Needs sends AND time AND a difference.

    The difference between best and second must be one that chance makes in fewer than one of twenty tests.
    """
    arms = sorted(results.items(), key=lambda item: (-_rate(item[1]), item[0]))
    if len(arms) < 2 or not all(is_over(rule, arm.enough_at, now) for _, arm in arms):
        return None
    (name, best), (_, second) = arms[0], arms[1]
    return name if min(best.sends, second.sends) >= _FEWEST and _differ(best, second) else None


def in_control(lead_id: int, campaign: Campaign) -> bool:
    """Whether the lead is in the share that gets nothing, for comparison. Stable for lead and campaign."""
    return _percent(f"{lead_id}|control|{campaign.id}") < campaign.control_group


def _percent(text: str) -> float:
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big") / 2**64 * 100


def _rate(arm: Arm) -> float:
    return arm.wins / arm.sends if arm.sends else 0.0


def _differ(best: Arm, second: Arm) -> bool:
    """Two-proportion z test with pooled variance."""
    if not best.sends or not second.sends:
        return False
    pooled = (best.wins + second.wins) / (best.sends + second.sends)
    spread = sqrt(pooled * (1 - pooled) * (1 / best.sends + 1 / second.sends))
    return spread > 0 and (_rate(best) - _rate(second)) / spread > _CERTAIN
