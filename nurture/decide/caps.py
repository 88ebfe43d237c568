"""Frequency caps: at most so many mails in any period of a day, a week or a month."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from nurture.model.campaign import Cap

PERIODS = {"day": timedelta(days=1), "week": timedelta(days=7), "month": timedelta(days=30)}
"""Sliding periods of exact length: a week is 168 hours, also across a clock change."""


def next_free(history: Iterable[datetime], caps: Sequence[Cap], *, at: datetime) -> datetime:
    """The first moment from `at` on when one more mail keeps every cap, as aware UTC.

    `history` are the moments of mails that count, in any order; one lying ahead counts too, so that a planned mail
    keeps its place. A mail exactly one period old no longer counts. ValueError: a cap of none at all.
    """
    if any(cap.count < 1 for cap in caps):
        raise ValueError("a cap of no mails at all has no free moment")
    sent = sorted(history)
    moment = at if at.tzinfo is UTC else at.astimezone(UTC)
    if not sent:
        return moment
    moved = True
    while moved:
        moved = False
        for cap in caps:
            period = PERIODS[cap.per]
            if len(sent) >= cap.count and sent[-cap.count] > moment - period:
                moment, moved = sent[-cap.count] + period, True
    return moment.astimezone(UTC)
