"""What a person may see, set, take along and have deleted about themselves."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select, update

from nurture.store.audience import same_person
from nurture.store.facts import wakeups
from nurture.store.tables import LeadRow
from nurture.store.tables.columns import core

_lead = core(LeadRow)


PLAIN_FIELDS = ("first_name", "last_name", "company", "role", "phone", "industry", "employees")
"""Fields every installation keeps, besides those `company.yaml` declares."""


@dataclass(frozen=True, slots=True)
class Person:
    """A lead as their own pages show them. `fields` are plain values by name."""

    id: int
    email: str | None
    language: str | None
    country: str | None
    timezone: str | None
    topics_off: frozenset[str] = frozenset()
    mail_paused_until: datetime | None = None
    mails_per_month: int | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)

    @property
    def masked(self) -> str:
        """The address so that its owner knows it and nobody else learns it: `j…@example.com`."""
        local, at, domain = (self.email or "").partition("@")
        return f"{local[:1]}…@{domain}" if at else ""


def person(conn: Connection, lead_id: int) -> Person | None:
    """The person behind a lead id, followed through merges; None for somebody unknown or erased."""
    for _ in range(5):
        row = conn.execute(select(_lead).where(_lead.c.id == lead_id)).one_or_none()
        if row is None or row.erased_at is not None:
            return None
        if row.merged_into is None:
            return Person(
                row.id,
                row.email,
                row.language,
                row.country,
                row.timezone,
                frozenset(row.topics_off or ()),
                row.mail_paused_until,
                row.mails_per_month,
                {name: cell["v"] for name, cell in row.fields.items()},
            )
        lead_id = row.merged_into
    return None


def joined(conn: Connection, known: Person) -> list[Person]:
    """The same person under other addresses."""
    ids = [i for i in standing(conn, same_person.records(conn, known.id)) if i != known.id]
    return [other for i in ids if (other := person(conn, i)) is not None]


def standing(conn: Connection, lead_ids: Collection[int]) -> list[int]:
    """Those of these records that were not merged into another."""
    query = select(_lead.c.id).where(_lead.c.id.in_(list(lead_ids)), _lead.c.merged_into.is_(None))
    return list(conn.execute(query.order_by(_lead.c.id)).scalars())


def addresses(conn: Connection, lead_ids: Collection[int]) -> list[str]:
    """The addresses of these records, as far as they have one."""
    query = select(_lead.c.email).where(_lead.c.id.in_(list(lead_ids)), _lead.c.email.is_not(None))
    return list(conn.execute(query.order_by(_lead.c.id)).scalars())


def set_preferences(
    conn: Connection,
    lead_id: int,
    *,
    topics_off: Collection[str],
    mail_paused_until: datetime | None,
    mails_per_month: int | None,
    language: str | None,
    now: datetime,
) -> None:
    """What the person wants to hear about, how often, and in which language. Wakes the lead."""
    conn.execute(
        update(_lead)
        .where(_lead.c.id == lead_id)
        .values(
            topics_off=sorted(topics_off),
            mail_paused_until=mail_paused_until,
            mails_per_month=mails_per_month,
            language=language,
            updated_at=now,
        )
    )
    wakeups.wake(conn, [lead_id], now=now)
