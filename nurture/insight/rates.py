"""The few rates a company has to know about itself, first thing: each with its denominator and its viewpoint."""

from __future__ import annotations

from typing import Final, NamedTuple

from nurture.decide.interval import Share, wilson
from nurture.store import Connection
from nurture.store.sales import board

RATES: Final = (
    ("handed over to sales", "mql", "acquired", "all acquired", "marketing"),
    ("accepted by sales", "sal", "mql", "those handed over", "sales"),
    ("sales qualified", "sql", "mql", "those handed over", "sales"),
    ("won", "customer", "mql", "those handed over", "both"),
    ("won", "customer", "acquired", "all acquired", "both"),
)


class Rate(NamedTuple):
    """`view`: marketing, sales or both."""

    what: str
    share: Share
    of: str
    view: str


def rates(conn: Connection) -> list[Rate]:
    """The rates of everybody ever; people count once per cycle."""
    reached = board.reached(conn)
    return [
        Rate(what, wilson(reached.get(stage, 0), reached.get(base, 0)), of, view)
        for what, stage, base, of, view in RATES
    ]
