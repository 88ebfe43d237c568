"""domains: receiving domains that sending has met are looked up, a few at a time, aside from every mail."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Final

from nurture.mail.domain import Unreachable
from nurture.mail.exchangers import behind
from nurture.model.intents import Tally
from nurture.parts import Parts
from nurture.store.mail import domains

AT_ONCE: Final = 16
"""Domains per run; as many questions at a time, so that silence costs a run one time-out and not sixteen."""
AGAIN: Final = timedelta(days=14)
SILENCE: Final = timedelta(hours=1)
Ask = Callable[[str], Sequence[str]]


def run(parts: Parts, *, now: datetime, limit: int, owner: str) -> Tally:
    """Counts: looked_up. The network is asked between two transactions."""
    tally = Tally()
    ask = parts.outside.mail_servers
    with parts.store.read() as conn:
        wanted = domains.due(conn, now=now, limit=min(limit, AT_ONCE))
    if not wanted:
        return tally
    found = _look(ask, wanted) if ask is not None else {}
    with parts.store.begin() as conn:
        domains.learned(conn, found, now=now, next_look_at=now + AGAIN)
        # One that nobody answers for makes room for the others; all of them silent means the network is away.
        domains.later(conn, set(wanted) - set(found), at=now + SILENCE)
    tally.count("looked_up", len(wanted))
    return tally


def _look(ask: Ask, wanted: Sequence[str]) -> dict[str, str | None]:
    def one(domain: str) -> tuple[str, str | None] | None:
        try:
            return domain, behind(domain, ask(domain))
        except Unreachable:
            return None

    with ThreadPoolExecutor(len(wanted)) as pool:
        return dict(answer for answer in pool.map(one, wanted) if answer is not None)
