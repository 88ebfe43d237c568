"""The books of mail: every message whose time has come stands in exactly one column, and the columns add up."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, and_, case, func, or_, select

from nurture.model.intents import Tally
from nurture.model.words import MessageState, RefusalCode
from nurture.store.tables import MessageRow
from nurture.store.tables.columns import core

_t = core(MessageRow)
_ANEW = "resend"
"""Planned again by hand: its time is still to come, as if nothing had been tried."""
_UNTOUCHED = and_(_t.c.state == "planned", or_(_t.c.reason.is_(None), _t.c.reason == _ANEW))
_COLUMNS = {
    MessageState.SENT: "sent", MessageState.REHEARSED: "sent", MessageState.REFUSED: "refused",
    MessageState.DEFERRED: "deferred", MessageState.FAILED: "failed", MessageState.UNKNOWN: "unknown",
    MessageState.CLAIMED: "in_flight", MessageState.STARTED: "in_flight",
}  # fmt: skip


def by_campaign(conn: Connection, *, campaign: str | None = None) -> dict[str, Tally]:
    """Campaign (empty: none) -> its books. `due` is counted apart from the columns, so `balanced()` says something.

    `other["planned"]` are messages whose time has not come yet. A rehearsed mail counts as sent.
    """
    held = case((_t.c.reason.in_([code.value for code in RefusalCode]), 1), else_=0)
    waits = case((_UNTOUCHED, 2), (_t.c.state == "planned", held), else_=0)
    query = select(_t.c.campaign, _t.c.state, waits.label("waits"), func.count().label("n"))
    due = select(_t.c.campaign, func.count().label("n")).where(~_UNTOUCHED)
    if campaign is not None:
        query, due = query.where(_t.c.campaign == campaign), due.where(_t.c.campaign == campaign)
    books: dict[str, Tally] = {}
    for row in conn.execute(due.group_by(_t.c.campaign)):
        books.setdefault(row.campaign or "", Tally()).due = row.n
    for row in conn.execute(query.group_by(_t.c.campaign, _t.c.state, waits)):
        _enter(books.setdefault(row.campaign or "", Tally()), row)
    return books


def _enter(tally: Tally, row: Any) -> None:
    if row.state == MessageState.PLANNED:
        if row.waits == 2:
            tally.count("planned", row.n)
            return
        column = "postponed" if row.waits == 1 else "deferred"
    else:
        column = _COLUMNS.get(row.state, "")
    if column:
        setattr(tally, column, getattr(tally, column) + row.n)
