"""Finding people as somebody at a desk does: by a piece of a name, a company, an address, a number."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Connection, func, or_, select

from nurture.model.tokens import normal_address
from nurture.store.sales.board import name_of
from nurture.store.tables import LeadRow
from nurture.store.tables.columns import core

_lead = core(LeadRow)
PAGE: Final = 50
NAMED: Final = ("first_name", "last_name", "company")


def find(
    conn: Connection, *, search: str, stage: str | None, track: str | None, page: int
) -> tuple[list[dict[str, Any]], bool]:
    """One page of leads, the most engaged first, and whether there are more. Every word of `search` has to fit.

    A word is the beginning of a name or company, an address, `@domain`, a number or an external id.
    """
    query = select(_lead).where(_lead.c.merged_into.is_(None), _lead.c.erased_at.is_(None))
    for word in search.split()[:4]:
        query = query.where(or_(*_fits(conn, word)))
    if stage:
        query = query.where(_lead.c.stage == stage)
    if track:
        query = query.where(_lead.c.track == track)
    rows = conn.execute(query.order_by(_lead.c.engagement.desc(), _lead.c.id).offset(page * PAGE).limit(PAGE + 1)).all()
    found = [{**dict(row._mapping), "who": name_of(row.fields, row.id)} for row in rows[:PAGE]]
    return found, len(rows) > PAGE


def _fits(conn: Connection, word: str) -> list[Any]:
    plain = _escaped(word)
    if "@" in word:
        key = normal_address(word)
        ends = _lead.c.email_key.like(f"%{_escaped(key)}", escape="\\") if word.startswith("@") else None
        return [_lead.c.email_key == key, *([] if ends is None else [ends])]
    asked: list[Any] = [_lead.c.external_id == word]
    if word.isascii() and word.isdigit() and len(word) < 19:
        asked.append(_lead.c.id == int(word))
    for name in NAMED:
        value = _lead.c.fields[(name, "v")].as_string()
        # SQLite folds ASCII only; both the word as typed and with a capital are tried.
        for spelling in {plain, plain.capitalize()}:
            asked += [value.like(f"{spelling}%", escape="\\"), value.like(f"% {spelling}%", escape="\\")]
        asked.append(func.lower(value).like(f"{plain.lower()}%", escape="\\"))
    return asked


def _escaped(word: str) -> str:
    return word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
