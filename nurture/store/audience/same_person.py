"""Which records stand for one person: joined by sales at a conversion, or merged one into the other."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, select, union, union_all

from nurture.store.tables import LeadRow, SamePersonRow
from nurture.store.tables.columns import core

_lead = core(LeadRow)
_same = core(SamePersonRow)


def others(conn: Connection, lead_ids: Iterable[int]) -> dict[int, list[int]]:
    """Lead -> every other record of that person, by way of any number of records between; only leads that have one.

    A record that was merged away leads to where it went, and not back: nothing is sent to it any more.
    """
    asked = sorted(set(lead_ids))
    links: dict[int, set[int]] = {}
    new = asked
    while new:
        joined = select(_same.c.lead_id, _same.c.other_id).where(_same.c.lead_id.in_(new))
        merged = select(_lead.c.id, _lead.c.merged_into).where(_lead.c.id.in_(new), _lead.c.merged_into.is_not(None))
        links |= {lead: set() for lead in new}
        for lead, other in conn.execute(union_all(joined, merged)):
            links[lead].add(other)
        new = sorted({other for reached in links.values() for other in reached} - links.keys())
    found = {lead: _reached(lead, links) for lead in asked}
    return {lead: reached for lead, reached in found.items() if reached}


def records(conn: Connection, lead_id: int) -> list[int]:
    """Every record that stands for this person, this one and those merged away included, in the order of numbers.

    What somebody asks for about themselves (to see, to be forgotten) is about all of them. Erased ones are not named.
    """
    found: set[int] = set()
    new = {lead_id}
    while new:
        found |= new
        reached = union(
            select(_same.c.other_id).where(_same.c.lead_id.in_(new)),
            select(_lead.c.merged_into).where(_lead.c.id.in_(new), _lead.c.merged_into.is_not(None)),
            select(_lead.c.id).where(_lead.c.merged_into.in_(new)),
        )
        new = set(conn.execute(reached).scalars()) - found
    there = select(_lead.c.id).where(_lead.c.id.in_(found), _lead.c.erased_at.is_(None))
    return list(conn.execute(there.order_by(_lead.c.id)).scalars())


def _reached(lead: int, links: dict[int, set[int]]) -> list[int]:
    seen, todo = {lead}, [lead]
    while todo:
        new = links[todo.pop()] - seen
        seen |= new
        todo += new
    return sorted(seen - {lead})


def hold(conn: Connection, lead_ids: Iterable[int]) -> set[int]:
    """Lock these records, in the order of their numbers, and say which of them are still there (not erased)."""
    query = select(_lead.c.id).where(_lead.c.id.in_(sorted(set(lead_ids))), _lead.c.erased_at.is_(None))
    return set(conn.execute(query.order_by(_lead.c.id).with_for_update()).scalars())
