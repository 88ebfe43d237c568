"""Single facts about single people: finding one, learning a value, resting, what is due for a second look."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from nurture.model.tokens import normal_address
from nurture.store.audience.leads import ORIGINS
from nurture.store.facts import wakeups
from nurture.store.tables import LeadRow, LeadTagRow, LeadValueRow
from nurture.store.tables.columns import core

_t = core(LeadRow)
_tags = core(LeadTagRow)
_values = core(LeadValueRow)


def find(conn: Connection, who: str) -> int | None:
    """A lead's id by number, address or external id; a merged lead's is that of whom it was merged into."""
    query = select(_t.c.id, _t.c.merged_into)
    asked = [_t.c.external_id == who]
    if "@" in who:
        asked.append(_t.c.email_key == normal_address(who))
    if who.isascii() and who.isdigit() and len(who) < 19:
        asked.append(_t.c.id == int(who))
    row = conn.execute(query.where(or_(*asked)).order_by(_t.c.id).limit(1)).first()
    return None if row is None else int(row.merged_into or row.id)


def census(conn: Connection) -> tuple[int, int]:
    """How many people are known, and how many of them have an address."""
    row = conn.execute(select(func.count(_t.c.id), func.count(_t.c.email_key))).one()
    return int(row[0]), int(row[1])


def learn(
    conn: Connection, lead_id: int, values: Mapping[str, Any], *, origin: str, source: str, now: datetime
) -> bool:
    """Write values with where they came from; a better origin's value stands. Returns whether any changed."""
    held = conn.execute(select(_t.c.fields).where(_t.c.id == lead_id)).scalar()
    if held is None:
        return False
    fields = dict(held)
    new = []
    for name, value in values.items():
        old = fields.get(name)
        if old is not None and (old["v"] == value or ORIGINS.get(old.get("o", ""), 0) > ORIGINS.get(origin, 0)):
            continue
        fields[name] = {"v": value, "o": origin, "c": 1.0, "at": now.isoformat()}
        new.append(
            {
                "lead_id": lead_id,
                "field": name,
                "value": {"v": value},
                "origin": origin,
                "confidence": 1.0,
                "source": source,
                "at": now,
            }
        )
    if not new:
        return False
    conn.execute(_values.insert(), new)
    conn.execute(update(_t).where(_t.c.id == lead_id).values(fields=fields, updated_at=now))
    wakeups.wake(conn, [lead_id], now=now)
    return True


def rest(conn: Connection, lead_id: int, *, until: datetime) -> None:
    """No campaign takes the lead before `until` (`rest_for:`)."""
    conn.execute(update(_t).where(_t.c.id == lead_id).values(rest_until=until))
    review_by(conn, lead_id, until)


def review_by(conn: Connection, lead_id: int, at: datetime) -> None:
    """Look at the lead again at `at`, or sooner if something sooner is noted."""
    conn.execute(
        update(_t).where(_t.c.id == lead_id, or_(_t.c.review_at.is_(None), _t.c.review_at > at)).values(review_at=at)
    )


def wake_due(conn: Connection, *, now: datetime, limit: int) -> int:
    """Leads for whom time alone may have changed something join the queue. Returns how many."""
    due = (
        conn.execute(
            select(_t.c.id)
            .where(_t.c.review_at.is_not(None), _t.c.review_at <= now)
            .order_by(_t.c.review_at)
            .limit(limit)
        )
        .scalars()
        .all()
    )
    if due:
        conn.execute(update(_t).where(_t.c.id.in_(due)).values(review_at=None))
        wakeups.wake(conn, due, now=now)
    return len(due)


def next_review(conn: Connection) -> datetime | None:
    return conn.execute(select(func.min(_t.c.review_at))).scalar()


def names(conn: Connection, lead_ids: Iterable[int]) -> dict[int, str]:
    """How staff see a lead in a list: name and company where known, else its address or number."""
    found: dict[int, str] = {}
    for row in conn.execute(
        select(_t.c.id, _t.c.fields, _t.c.email, _t.c.external_id).where(_t.c.id.in_(list(lead_ids)))
    ):
        field = {name: held["v"] for name, held in row.fields.items()}
        name = " ".join(str(field[part]) for part in ("first_name", "last_name") if field.get(part))
        who = name or row.email or row.external_id or f"lead {row.id}"
        found[row.id] = f"{who}, {field['company']}" if field.get("company") else who
    return found


def tag(conn: Connection, lead_id: int, word: str, *, now: datetime) -> None:
    """Give a lead a tag; one it has already stays as it is."""
    insert = sqlite.insert if conn.dialect.name == "sqlite" else postgresql.insert
    conn.execute(insert(_tags).on_conflict_do_nothing(), [{"lead_id": lead_id, "tag": word, "at": now}])


def everyone(conn: Connection) -> list[int]:
    """Every lead's id; for rehearsals and exports, never for a tick."""
    return list(conn.execute(select(_t.c.id).where(_t.c.erased_at.is_(None)).order_by(_t.c.id)).scalars())
