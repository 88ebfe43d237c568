"""Counts and lists for the pages of marketing and sales."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, case, func, or_, select, union

from nurture.model.tokens import normal_address
from nurture.model.words import Stage
from nurture.store.sales import timers
from nurture.store.tables import (
    AlertRow,
    CampaignRow,
    EnrollmentRow,
    EventRow,
    HandoffRow,
    LeadRow,
    MessageRow,
    RunRow,
    TransitionRow,
)
from nurture.store.tables.columns import core

_lead = core(LeadRow)
_message = core(MessageRow)
_campaign = core(CampaignRow)
_enrollment = core(EnrollmentRow)
_handoff = core(HandoffRow)
_event = core(EventRow)
_alert = core(AlertRow)
_run = core(RunRow)
_move = core(TransitionRow)

SHOWN: Final = tuple(s for s in Stage if s is not Stage.ERASED)
PAGE: Final = 50


def funnel(conn: Connection) -> list[tuple[str, int]]:
    """(stage, leads in it now), in the order of the way."""
    query = select(_lead.c.stage, func.count()).where(_lead.c.merged_into.is_(None)).group_by(_lead.c.stage)
    counts = {str(row[0]): int(row[1]) for row in conn.execute(query)}
    return [(stage.value, counts.get(stage.value, 0)) for stage in SHOWN]


_TOLD: Final = {"crm_mql": "mql", "crm_sql": "sql", "crm_won": "customer"}
"""What a CRM told about leads that our own desk did not work, and the stage it stands for."""


def reached(conn: Connection) -> dict[str, int]:
    """How many people, once per cycle, ever reached each stage of sales, and how many there are (`acquired`)."""
    stages = (Stage.MQL, Stage.SAL, Stage.SQL, Stage.CUSTOMER)
    ours = select(_move.c.lead_id, _move.c.cycle, _move.c.to_stage.label("stage")).where(_move.c.to_stage.in_(stages))
    stage = case(_TOLD, value=_event.c.kind)
    theirs = select(_event.c.lead_id, _event.c.cycle, stage).where(
        _event.c.kind.in_(list(_TOLD)), _event.c.lead_id.is_not(None), _event.c.void.is_(False)
    )
    both = union(ours, theirs).subquery()
    counted = conn.execute(select(both.c.stage, func.count()).group_by(both.c.stage))
    people = conn.execute(select(func.coalesce(func.sum(_lead.c.cycle), 0)).where(_lead.c.merged_into.is_(None)))
    return {"acquired": int(people.scalar_one()), **{str(stage): int(n) for stage, n in counted}}


def mailable(conn: Connection) -> int:
    return int(conn.execute(select(func.count()).where(_lead.c.email_key.is_not(None))).scalar_one())


def alerts(conn: Connection, *, limit: int = 20) -> list[dict[str, Any]]:
    """What somebody should see, newest first."""
    query = select(_alert).where(_alert.c.resolved_at.is_(None)).order_by(_alert.c.at.desc(), _alert.c.id.desc())
    return [dict(row._mapping) for row in conn.execute(query.limit(limit))]


def campaigns(conn: Connection) -> list[dict[str, Any]]:
    """Each campaign with its people and mails."""
    people = _grouped(conn, _enrollment.c.campaign, _enrollment.c.state, func.count())
    mails = _grouped(conn, _message.c.campaign, _message.c.state, func.count())
    rows = conn.execute(select(_campaign).order_by(_campaign.c.funnel_stage, _campaign.c.priority, _campaign.c.id))
    return [{**dict(row._mapping), "people": people.get(row.id, {}), "mails": mails.get(row.id, {})} for row in rows]


def _grouped(conn: Connection, one: Any, two: Any, what: Any) -> dict[Any, dict[Any, int]]:
    found: dict[Any, dict[Any, int]] = {}
    for first, second, n in conn.execute(select(one, two, what).group_by(one, two)):
        found.setdefault(first, {})[second] = n
    return found


def steps(conn: Connection, campaign: str) -> dict[str, dict[str, int]]:
    """Step -> mails per state, people who clicked and people who stand on it now."""
    found: dict[str, dict[str, int]] = {}
    states = select(_message.c.step_id, _message.c.state, func.count()).where(_message.c.campaign == campaign)
    for step, state, n in conn.execute(states.group_by(_message.c.step_id, _message.c.state)):
        found.setdefault(step or "", {})[state] = n
    human = case((_event.c.machine.is_(False), _event.c.lead_id))
    clicked = select(_event.c.step, func.count(func.distinct(human))).where(
        _event.c.campaign == campaign, _event.c.kind == "email_click", _event.c.void.is_(False)
    )
    for step, n in conn.execute(clicked.group_by(_event.c.step)):
        found.setdefault(step or "", {})["clicked"] = n
    here = select(_enrollment.c.step_id, func.count()).where(
        _enrollment.c.campaign == campaign, _enrollment.c.state.in_(("active", "paused"))
    )
    for step, n in conn.execute(here.group_by(_enrollment.c.step_id)):
        found.setdefault(step or "", {})["here"] = n
    return found


def refusals(conn: Connection, campaign: str) -> list[tuple[str, str, int]]:
    """(reason, in words, how many) of mails that were refused: C22, a marketer sees why."""
    query = (
        select(_message.c.reason, func.min(_message.c.reason_text), func.count())
        .where(_message.c.campaign == campaign, _message.c.state == "refused")
        .group_by(_message.c.reason)
        .order_by(func.count().desc())
    )
    return [(reason or "", text or "", n) for reason, text, n in conn.execute(query)]


def queue(conn: Connection, *, queues: Collection[str] | None, owner: str | None, done: bool) -> list[dict[str, Any]]:
    """Hand-offs with their lead's name, the most urgent first. `queues` None: all of them."""
    deadline = timers.next_of(_handoff.c.id).label("deadline")
    query = select(_handoff, _lead.c.fields, _lead.c.stage.label("lead_stage"), deadline)
    closed = _handoff.c.closed_at.is_not(None)
    query = query.join(_lead, _lead.c.id == _handoff.c.lead_id).where(closed if done else ~closed)
    if queues is not None:
        mine = _handoff.c.queue.in_(list(queues))
        query = query.where(or_(mine, _handoff.c.owner == owner) if owner else mine)
    urgent = (_handoff.c.priority.desc(), _handoff.c.opened_at)
    order = (_handoff.c.closed_at.desc(),) if done else urgent
    rows = conn.execute(query.order_by(*order, _handoff.c.id).limit(200))
    return [{**dict(row._mapping), "who": name_of(row.fields, row.lead_id)} for row in rows]


def leads(conn: Connection, *, search: str, stage: str | None, page: int) -> tuple[list[dict[str, Any]], bool]:
    """One page of leads, and whether there are more. `search` is an address, a number, an external id, or empty."""
    query = select(_lead).where(_lead.c.merged_into.is_(None), _lead.c.erased_at.is_(None))
    if search:
        asked = [_lead.c.email_key == normal_address(search), _lead.c.external_id == search]
        if search.isascii() and search.isdigit() and len(search) < 19:
            asked.append(_lead.c.id == int(search))
        query = query.where(or_(*asked))
    if stage:
        query = query.where(_lead.c.stage == stage)
    rows = conn.execute(query.order_by(_lead.c.engagement.desc(), _lead.c.id).offset(page * PAGE).limit(PAGE + 1)).all()
    found = [{**dict(row._mapping), "who": name_of(row.fields, row.id)} for row in rows[:PAGE]]
    return found, len(rows) > PAGE


def lead_head(conn: Connection, lead_id: int) -> dict[str, Any]:
    """Name, stage and version of one lead; empty words for one that is not there."""
    row = conn.execute(select(_lead).where(_lead.c.id == lead_id)).first()
    if row is None:
        return {"who": f"lead {lead_id}", "stage": "", "version": 0, "blocked": False}
    return {"who": name_of(row.fields, lead_id), "stage": row.stage, "version": row.version,
            "blocked": row.contact_blocked}


def with_handoff_in(conn: Connection, lead_id: int, *, queues: Collection[str], owner: str) -> bool:
    """Whether this seller has, or ever had, to do with the lead."""
    query = select(_handoff.c.id).where(
        _handoff.c.lead_id == lead_id, or_(_handoff.c.queue.in_(list(queues)), _handoff.c.owner == owner)
    )
    return conn.execute(query.limit(1)).first() is not None


def last_run(conn: Connection) -> datetime | None:
    return conn.execute(select(func.max(_run.c.now))).scalar()


def name_of(fields: dict[str, Any], lead_id: int) -> str:
    """How a lead is called in lists; never by address alone."""
    said = [str(fields[n]["v"]) for n in ("first_name", "last_name") if fields.get(n, {}).get("v")]
    company = fields.get("company", {}).get("v")
    return ", ".join(part for part in (" ".join(said) or f"lead {lead_id}", str(company) if company else "") if part)
