"""Organisations, their people and their deals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from itertools import permutations
from typing import Any

from sqlalchemy import Connection, func, or_, select, update

from nurture.store.audience.same_person import records
from nurture.store.privacy import rights
from nurture.store.tables import (
    AccountDomainRow,
    AccountRow,
    ContactRow,
    HandoffRow,
    LeadRow,
    OpportunityRow,
    SamePersonRow,
)
from nurture.store.tables.columns import core

_t = core(AccountRow)
_domain = core(AccountDomainRow)
_contact = core(ContactRow)
_same = core(SamePersonRow)
_deal = core(OpportunityRow)
_lead = core(LeadRow)
_handoff = core(HandoffRow)


@dataclass(frozen=True, slots=True)
class Account:
    id: int
    external_id: str | None
    name: str
    name_key: str
    country: str | None
    owner: str | None
    customer_since: datetime | None


_COLUMNS = tuple(_t.c[name] for name in Account.__dataclass_fields__)


def get(conn: Connection, account_id: int) -> Account | None:
    row = conn.execute(select(*_COLUMNS).where(_t.c.id == account_id)).first()
    return None if row is None else Account(*row)


def many(conn: Connection, ids: Iterable[int]) -> dict[int, Account]:
    wanted = list(ids)
    if not wanted:
        return {}
    return {row.id: Account(*row) for row in conn.execute(select(*_COLUMNS).where(_t.c.id.in_(wanted)))}


def create(
    conn: Connection, *, name: str, name_key: str, country: str | None, owner: str | None, domains: Iterable[str],
    now: datetime, external_id: str | None = None,
) -> int:
    """A new organisation. Domains that another one has already stay with it."""
    values = {"name": name, "name_key": name_key, "country": country, "owner": owner, "created_at": now,
              "external_id": external_id}
    account_id = int(conn.execute(_t.insert().values(**values).returning(_t.c.id)).scalar_one())
    for domain in domains:
        held = conn.execute(select(_domain.c.account_id).where(_domain.c.domain == domain)).scalar()
        if held is None:
            conn.execute(_domain.insert().values(domain=domain, account_id=account_id))
    return account_id


def find(
    conn: Connection, *, external_id: str | None, domain: str | None, name_key: str | None, country: str | None
) -> list[tuple[str, Account]]:
    """Organisations that may be meant, surest first: by the CRM's id, by domain, by name and country."""
    found: list[tuple[str, Account]] = []
    if external_id:
        found += [
            ("crm id", Account(*r)) for r in conn.execute(select(*_COLUMNS).where(_t.c.external_id == external_id))
        ]
    if domain:
        query = select(*_COLUMNS).join(_domain, _domain.c.account_id == _t.c.id).where(_domain.c.domain == domain)
        found += [("domain", Account(*r)) for r in conn.execute(query)]
    if name_key:
        query = select(*_COLUMNS).where(_t.c.name_key == name_key)
        if country:
            query = query.where(or_(_t.c.country == country, _t.c.country.is_(None)))
        found += [("name", Account(*r)) for r in conn.execute(query.order_by(_t.c.id))]
    kept: dict[int, tuple[str, Account]] = {}
    for how, account in found:
        kept.setdefault(account.id, (how, account))
    return list(kept.values())


def by_domain(conn: Connection, domains: Iterable[str]) -> dict[str, int]:
    """Domain -> account."""
    wanted = sorted(set(domains))
    if not wanted:
        return {}
    rows = conn.execute(select(_domain.c.domain, _domain.c.account_id).where(_domain.c.domain.in_(wanted)))
    return {row.domain: row.account_id for row in rows}


def link(conn: Connection, lead_id: int, account_id: int, *, now: datetime) -> None:
    conn.execute(update(_lead).where(_lead.c.id == lead_id).values(account_id=account_id, updated_at=now))


def make_customer(conn: Connection, account_id: int, *, now: datetime) -> None:
    """The first won deal makes an organisation a customer."""
    conn.execute(update(_t).where(_t.c.id == account_id, _t.c.customer_since.is_(None)).values(customer_since=now))


def end_customer(conn: Connection, account_id: int) -> None:
    conn.execute(update(_t).where(_t.c.id == account_id).values(customer_since=None))


def contacts_by_email(conn: Connection, email_key: str) -> list[dict[str, Any]]:
    rows = conn.execute(select(_contact).where(_contact.c.email_key == email_key).order_by(_contact.c.id))
    return [dict(row._mapping) for row in rows]


def contacts_of(conn: Connection, account_id: int) -> list[dict[str, Any]]:
    rows = conn.execute(select(_contact).where(_contact.c.account_id == account_id).order_by(_contact.c.id))
    return [dict(row._mapping) for row in rows]


def contact(conn: Connection, contact_id: int) -> dict[str, Any] | None:
    row = conn.execute(select(_contact).where(_contact.c.id == contact_id)).first()
    return None if row is None else dict(row._mapping)


def contact_of(conn: Connection, lead_id: int, account_id: int) -> dict[str, Any] | None:
    row = conn.execute(
        select(_contact).where(_contact.c.lead_id == lead_id, _contact.c.account_id == account_id)
    ).first()
    return None if row is None else dict(row._mapping)


def add_contact(conn: Connection, row: Mapping[str, Any]) -> int:
    return int(conn.execute(_contact.insert().values(**row).returning(_contact.c.id)).scalar_one())


def change_contact(conn: Connection, contact_id: int, **values: Any) -> None:
    conn.execute(update(_contact).where(_contact.c.id == contact_id).values(**values))


def same_person(conn: Connection, one: int, other: int, *, by: str, now: datetime) -> None:
    """Note that two leads are one person: what one has read, the other is not sent again. Whoever was the same person
    as one of them is so to the other from now on, so that nobody has to walk from record to record."""
    together = rights.standing(conn, [*records(conn, one), *records(conn, other)])
    known = set(conn.execute(select(_same.c.lead_id, _same.c.other_id).where(_same.c.lead_id.in_(together))).tuples())
    new = sorted(set(permutations(together, 2)) - known)
    if new:
        conn.execute(_same.insert(), [{"lead_id": a, "other_id": b, "at": now, "said_by": by} for a, b in new])


def deal(conn: Connection, deal_id: int) -> dict[str, Any] | None:
    row = conn.execute(select(_deal).where(_deal.c.id == deal_id)).first()
    return None if row is None else dict(row._mapping)


def deal_by_external(conn: Connection, external_id: str) -> dict[str, Any] | None:
    row = conn.execute(select(_deal).where(_deal.c.external_id == external_id)).first()
    return None if row is None else dict(row._mapping)


def deals_of_lead(conn: Connection, lead_id: int) -> list[dict[str, Any]]:
    rows = conn.execute(select(_deal).where(_deal.c.lead_id == lead_id).order_by(_deal.c.id.desc()))
    return [dict(row._mapping) for row in rows]


def open_deal(conn: Connection, account_id: int) -> dict[str, Any] | None:
    query = select(_deal).where(_deal.c.account_id == account_id, _deal.c.state == "open").order_by(_deal.c.id)
    row = conn.execute(query.limit(1)).first()
    return None if row is None else dict(row._mapping)


def add_deal(conn: Connection, row: Mapping[str, Any]) -> int:
    return int(conn.execute(_deal.insert().values(**row).returning(_deal.c.id)).scalar_one())


def close_deal(
    conn: Connection, deal_id: int, *, state: str, reason: str | None, now: datetime, amount: int | None = None,
    currency: str | None = None, closed_on: date | None = None,
) -> bool:
    """End a deal as won or lost; False where it has ended already."""
    values: dict[str, Any] = {"state": state, "loss_reason": reason, "closed_at": now}
    if amount is not None:
        values |= {"amount": amount, "currency": currency}
    if closed_on is not None:
        values["close_on"] = closed_on
    return (
        conn.execute(update(_deal).where(_deal.c.id == deal_id, _deal.c.state == "open").values(**values)).rowcount == 1
    )


def committee(conn: Connection, account_id: int) -> list[dict[str, Any]]:
    """Everybody we know at an organisation: lead, role, stage, engagement, open hand-off."""
    open_ones = (
        select(_handoff.c.lead_id, _handoff.c.id, _handoff.c.owner).where(_handoff.c.closed_at.is_(None)).subquery()
    )
    query = (
        select(
            _lead.c.id,
            _lead.c.fields,
            _lead.c.email,
            _lead.c.stage,
            _lead.c.engagement,
            _lead.c.fit_low,
            _lead.c.cell,
            _lead.c.engaged_at,
            open_ones.c.id.label("handoff"),
            open_ones.c.owner,
        )
        .outerjoin(open_ones, open_ones.c.lead_id == _lead.c.id)
        .where(_lead.c.account_id == account_id, _lead.c.erased_at.is_(None), _lead.c.merged_into.is_(None))
        .order_by(_lead.c.engagement.desc(), _lead.c.id)
    )
    return [dict(row._mapping) for row in conn.execute(query)]


def listing(conn: Connection, *, limit: int = 200) -> list[dict[str, Any]]:
    """Organisations with how many people we know there."""
    people = func.count(_lead.c.id).label("people")
    query = select(*_COLUMNS, people).outerjoin(_lead, _lead.c.account_id == _t.c.id).group_by(*_COLUMNS)
    return [dict(row._mapping) for row in conn.execute(query.order_by(people.desc(), _t.c.id).limit(limit))]
