"""The edition of a content for one lead: it rises only by the template's own `repeat_after`."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Final

from nurture.model.facts import Snapshot
from nurture.model.template import Template

_DAYS: Final = {"day": 1, "week": 7, "month": 30, "year": 365}


def edition(template: Template, snapshot: Snapshot, *, now: datetime) -> int:
    """1 for a first time; the edition sent last while it still counts (a repeat the guard refuses); one more after
    `repeat_after` has passed since."""
    before = [s for s in snapshot.sent if s.content == template.content]
    if not before:
        return 1
    last = max(before, key=lambda s: s.edition)
    rest = repeat_after(template.repeat_after)
    return last.edition + 1 if rest is not None and last.at + rest <= now else last.edition


def repeat_after(words: str | None) -> timedelta | None:
    """`365 days` as a span; None for `never`."""
    found = re.fullmatch(r"(\d+) (day|week|month|year)s?", (words or "never").strip())
    return timedelta(days=int(found.group(1)) * _DAYS[found.group(2)]) if found else None
