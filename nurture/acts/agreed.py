"""What a draft says about the agreement and about the people who sell, told before it is applied."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Final

from nurture.decide import agreement as rules
from nurture.decide.agreement import Remark
from nurture.decide.gate_facts import day_of
from nurture.model.library import Library
from nurture.store import Connection
from nurture.store.sales import handoffs

UNSIGNED: Final = frozenset({
    "agreement-missing", "agreement-unsigned", "agreement-old-signature", "agreement-same-version", "agreement-older",
    "scoring-not-signed",
})
"""Remarks on rules that somebody has not agreed to."""


def remarks(conn: Connection, library: Library, applied: Library | None, *, now: datetime) -> tuple[Remark, ...]:
    """Everything to say: the agreement against the one in force, and hand-offs of people who leave sales.yaml."""
    found = rules.remarks(
        library.agreement, today=day_of(library.agreement, now), applied=applied.agreement if applied else None,
        scoring=library.scoring, applied_scoring=applied.scoring if applied else None,
    )
    return (*found, *_left_behind(conn, library))


def touched(config: Iterable[str]) -> bool:
    """Whether one of these changed files holds what marketing and sales agreed on."""
    return any(path.endswith(("agreement.yaml", "scoring.yaml")) for path in config)


def unsigned(found: Iterable[Remark], library: Library, applied: Library | None) -> Remark | None:
    """With `enforce: block`, before or after, what those who sign have not signed; else None."""
    blocks = "block" in (library.agreement.enforce, applied.agreement.enforce if applied else "")
    return next((r for r in found if blocks and r.code in UNSIGNED), None)


def _left_behind(conn: Connection, library: Library) -> Iterator[Remark]:
    for who, n in sorted(handoffs.open_counts(conn).items()):
        if who not in library.sales.sellers:
            yield Remark("warning", "seller-has-handoffs", f"{who} is not in sales.yaml and has {n} open hand-offs",
                         f"nurture sales list --owner {who}; undecided ones go to somebody else, of the others the "
                         "manager is told")
