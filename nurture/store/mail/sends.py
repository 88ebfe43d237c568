"""Looking at messages from outside: who got what, what waits and why, and sending failed ones again."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, case, false, func, or_, select, update
from sqlalchemy.orm import aliased

from nurture.model.delivery import Blame
from nurture.model.words import MESSAGE_WAITING, SIGNS, USES_CONTENT, MessageState, RefusalCode
from nurture.store.mail.messages import flying
from nurture.store.tables import BrakeRow, CampaignRow, EventRow, LeadRow, MessageRow
from nurture.store.tables.columns import core

_t = core(MessageRow)
_lead = core(LeadRow)
_brake = core(BrakeRow)
_campaign = core(CampaignRow)
_event = core(EventRow)
_sign = (_event.c.lead_id == _t.c.lead_id, _event.c.message_id == _t.c.id, _event.c.kind.in_(SIGNS))


def listing(
    conn: Connection, *, campaign: str | None = None, states: Collection[str] = (), lead_id: int | None = None,
    step: str | None = None, limit: int = 100,
) -> list[dict[str, Any]]:
    """Messages, newest first, with what a marketer asks: who, what, when, how it ended and why."""
    moment = func.coalesce(_t.c.sent_at, _t.c.ended_at, _t.c.due_at)
    query = (
        select(
            _t.c.id, _t.c.lead_id, _lead.c.email, _t.c.campaign, _t.c.step_id, _t.c.template, _t.c.variant, _t.c.state,
            moment.label("at"), _t.c.attempt, _t.c.reason, _t.c.reason_text, _t.c.reply, _t.c.route,
        )
        .join_from(_t, _lead, _lead.c.id == _t.c.lead_id, isouter=True)
        .order_by(_t.c.id.desc())
        .limit(limit)
    )  # fmt: skip
    if campaign is not None:
        query = query.where(_t.c.campaign == campaign)
    if states:
        query = query.where(_t.c.state.in_(sorted(states)))
    if lead_id is not None:
        query = query.where(_t.c.lead_id == lead_id)
    if step is not None:
        query = query.where(_t.c.step_id == step)
    return [dict(row._mapping) for row in conn.execute(query)]


def other_campaigns(conn: Connection, name: str) -> list[str] | None:
    """None where `name` is a campaign, applied or mailed from; else those that are applied, by name."""
    applied = sorted(conn.execute(select(_campaign.c.id)).scalars())
    mailed = select(_t.c.id).where(_t.c.campaign == name).limit(1)
    return None if name in applied or conn.execute(mailed).first() else applied


def signs(conn: Connection, ids: Collection[int]) -> dict[int, str | None]:
    """Those of these messages that are unknown -> what came of it since (a click, a bounce: it arrived), or None."""
    first = select(_event.c.kind).where(*_sign).order_by(_event.c.id).limit(1).scalar_subquery()
    query = select(_t.c.id, first.label("sign")).where(_t.c.id.in_(list(ids)), _t.c.state == MessageState.UNKNOWN)
    return {row.id: row.sign for row in conn.execute(query)}


def resend(conn: Connection, ids: Iterable[int], *, now: datetime, unknown: bool = False) -> set[int]:
    """Plan failed messages again, under their own Message-ID; with `unknown` also those that may have arrived and of
    which no sign came. Left alone: all others, and what the lead has been given otherwise since. Returns the ids that
    will go."""
    silent = and_(_t.c.state == MessageState.UNKNOWN, ~select(_event.c.id).where(*_sign).exists())
    other = aliased(_t)
    given = (
        select(other.c.id)
        .where(
            other.c.lead_id == _t.c.lead_id, other.c.content == _t.c.content, other.c.edition == _t.c.edition,
            other.c.id != _t.c.id, other.c.state.in_(sorted(USES_CONTENT)),
        )
        .exists()
    )  # fmt: skip
    statement = (
        update(_t)
        .where(_t.c.id.in_(list(ids)), or_(_t.c.state == MessageState.FAILED, silent if unknown else false()), ~given)
        .values(
            state=MessageState.PLANNED, due_at=now, planned_at=now, attempt=0, first_tried_at=None, ended_at=None,
            reason="resend", reason_text="sent again by hand",
        )
        .returning(_t.c.id)
    )  # fmt: skip
    return set(conn.execute(statement).scalars())


def hurry(conn: Connection, keys: Collection[str], *, now: datetime) -> int:
    """What a route or a receiving group was not ready for, and that waits for another try, is due now. `keys` as
    `brakes.release` returns them. Returns how many."""
    groups = [key.removeprefix("domain:") for key in keys if key.startswith("domain:")]
    ours = _t.c.reason == Blame.SENDER if any(key.startswith("route:") for key in keys) else false()
    theirs = and_(_t.c.reason.in_((Blame.POLICY, RefusalCode.DOMAIN_PAUSED)), _t.c.domain_group.in_(groups))
    statement = (
        update(_t)
        .where(_t.c.state.in_(sorted(MESSAGE_WAITING)), _t.c.due_at > now, or_(ours, theirs))
        .values(due_at=now)
    )
    return conn.execute(statement).rowcount


def queue(conn: Connection, *, now: datetime) -> list[dict[str, Any]]:
    """What is not finished, by campaign and reason: how many, how many of them are due, when the next one is."""
    waiting = _t.c.state.in_(sorted(MESSAGE_WAITING))
    due = func.sum(case((and_(waiting, _t.c.due_at <= now), 1), else_=0))
    query = (
        select(
            _t.c.campaign, _t.c.state, _t.c.reason, func.count().label("messages"), due.label("due"),
            func.min(case((waiting, _t.c.due_at))).label("next"),
        )
        .where(_t.c.state.in_(("planned", "claimed", "deferred", "unknown")))
        .group_by(_t.c.campaign, _t.c.state, _t.c.reason)
        .order_by(_t.c.campaign, _t.c.state, _t.c.reason)
    )  # fmt: skip
    rows = [dict(row._mapping) for row in conn.execute(query)]
    up = flying(conn)
    if up:
        wire = {"campaign": "(all)", "state": "on the wire", "reason": None}
        rows.append({**wire, "messages": len(up), "due": 0, "next": None})
    return rows


def halts(conn: Connection, *, now: datetime) -> list[dict[str, Any]]:
    """What may not send now and why: paused campaigns, resting routes and receiving groups."""
    paused = select(_campaign.c.id, _campaign.c.paused_at, _campaign.c.paused_by).where(_campaign.c.state == "paused")
    rows: list[dict[str, Any]] = [
        {"what": f"campaign {row.id}", "until": None, "why": f"paused by {row.paused_by or 'its file'}"}
        for row in conn.execute(paused)
    ]
    brakes = select(_brake).where((_brake.c.until.is_(None)) | (_brake.c.until > now)).order_by(_brake.c.key)
    rows += [{"what": row.key, "until": row.until, "why": row.why} for row in conn.execute(brakes)]
    return rows
