"""What opening and closing a hand-off consists of: row, packet, timer, delivery. In the caller's transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from nurture.decide import score, sla
from nurture.decide.calendar import public_holidays
from nurture.decide.gate import GateResult
from nurture.decide.recycle import changed_since, day_start
from nurture.decide.scored import Scored
from nurture.model.agreement import Agreement
from nurture.model.company import Queue, Seller
from nurture.model.facts import Snapshot
from nurture.model.words import ActorKind, Stage
from nurture.parts import Parts
from nurture.sales import assign, packet
from nurture.sales.delivery import handoff_link, rows_for
from nurture.sales.delivery import who as who_of
from nurture.store import Connection
from nurture.store.mail import outbox
from nurture.store.sales import accounts, handoffs, lifecycle, timers
from nurture.store.sales.handoffs import Handoff
from nurture.store.sales.lifecycle import SYSTEM, Actor

EVERYBODY: Final = "*"
LINES: Final = 12


@dataclass(frozen=True, slots=True)
class Order:
    """How a hand-off was asked for."""

    queue: str | None = None
    note: str = ""
    campaign: str | None = None
    step_id: str | None = None
    by: str | None = None
    reason: str | None = None
    evaluation_id: int | None = None
    priority: int = 0


def day_of(agreement: Agreement, now: datetime) -> str:
    """The day of the agreement's calendar, as the counters of capacity name it."""
    return now.astimezone(ZoneInfo(agreement.calendar.zone)).date().isoformat()


def load_of(conn: Connection, queue: Queue, agreement: Agreement) -> assign.Load:
    return assign.Load(handoffs.open_counts(conn), handoffs.turns(conn, queue.id), agreement.per_owner_open)


def hand_over(
    parts: Parts,
    conn: Connection,
    snapshot: Snapshot,
    result: Scored,
    judged: GateResult,
    *,
    now: datetime,
    order: Order,
) -> int | None:
    """Open the hand-off of a lead whose gate passed. None where it has one, or the last place was just taken."""
    agreement, lead = parts.library.agreement, snapshot.lead
    queue = assign.queue_named(parts.library.sales, order.queue)
    unlimited = judged.fast or judged.via == "manual_pull"
    most = None if unlimited else agreement.max_new_handoffs_per_day
    if not handoffs.take(conn, day_of(agreement, now), EVERYBODY, most=most):
        handoffs.queue_for_sales(conn, lead.id, order.priority)
        return None
    earlier = handoffs.of_lead(conn, lead.id)
    owner = order.by or _owner(parts, conn, snapshot, queue, earlier, now).owner
    timer = sla.start("decision", on_days_of(parts, owner), now=now, cell=result.scores.cell, fast=judged.fast)
    row = _row(parts, snapshot, result, judged, order, queue, owner, earlier, now) | {"due_at": timer.due_at}
    row["packet"] = packet.build(
        snapshot, _case(conn, snapshot, result, judged, order, earlier, timer.due_at, agreement, now),
        parts.library.sales, now=now,
    )
    handoff_id = handoffs.open_new(conn, row)
    if handoff_id is None:
        return None
    _enter(parts, conn, snapshot, judged, order, handoff_id, now)
    handoffs.queue_for_sales(conn, lead.id, None)
    timers.start(conn, "decision", lead_id=lead.id, handoff_id=handoff_id, owner=owner, started_at=now,
                 due_at=timer.due_at, minutes=timer.minutes, agreement_version=agreement.version)
    deliver(parts, conn, handoffs.get(conn, handoff_id), now=now)
    return handoff_id


def _row(
    parts: Parts, snapshot: Snapshot, result: Scored, judged: GateResult, order: Order, queue: Queue, owner: str | None,
    earlier: list[Handoff], now: datetime,
) -> dict[str, Any]:
    agreement = parts.library.agreement
    marked = "exploration" if judged.via == "exploration" else "override" if judged.overridden else None
    if judged.via == "manual_pull" and marked is None:
        marked = "manual_pull"
    return {
        "lead_id": snapshot.lead.id,
        "cycle": snapshot.lead.cycle,
        "state": "open",
        "via": judged.via,
        "queue": queue.id,
        "owner": owner,
        "previous_owner": earlier[0].owner if earlier else None,
        "cell": result.scores.cell,
        "priority": order.priority,
        "fast": judged.fast,
        "note": order.note or order.reason or "",
        "gate_evaluation_id": order.evaluation_id,
        "agreement_version": agreement.version,
        "agreement_sha": agreement.sha,
        "opened_at": now,
        "marked": marked,
        "campaign": order.campaign,
        "step_id": order.step_id,
        "version": 0,
        "packet": {},
    }


def on_days_of(parts: Parts, owner: str | None) -> Agreement:
    """The agreement with the owner's public holidays."""
    seller = parts.library.sales.sellers.get(owner or "")
    return sla.on_days_of(parts.library.agreement, seller.country if seller else None)


def on_holiday(parts: Parts, *, now: datetime) -> frozenset[str]:
    """Sellers abroad for whom today is a public holiday."""
    zone = parts.library.agreement.calendar.zone
    abroad = [seller for seller in parts.library.sales.sellers.values() if seller.country]
    days = {seller.id: now.astimezone(ZoneInfo(seller.timezone or zone)).date() for seller in abroad}
    return frozenset(s.id for s in abroad if days[s.id] in public_holidays(s.country or "", days[s.id].year))


def _owner(
    parts: Parts, conn: Connection, snapshot: Snapshot, queue: Queue, earlier: list[Handoff], now: datetime
) -> assign.Assignment:
    agreement = parts.library.agreement
    last = earlier[0] if earlier else None
    reasons = agreement.recycle_reasons.get(last.reason or "") if last is not None else None
    elsewhere = last is not None and (last.state == "expired" or (reasons is not None and reasons.other_owner_next))
    not_to = (last.owner,) if last is not None and elsewhere and last.owner else ()
    country = snapshot.lead.country or snapshot.lead.get("country")
    return assign.assign(
        queue, parts.library.sales, load_of(conn, queue, agreement), now=now, calendar=agreement.calendar,
        country=str(country) if country else None, before=None if elsewhere or last is None else last.owner,
        refusals=handoffs.rejections_by(conn, snapshot.lead.id), not_to=not_to, off=on_holiday(parts, now=now),
    )


def _enter(
    parts: Parts, conn: Connection, snapshot: Snapshot, judged: GateResult, order: Order, handoff_id: int, now: datetime
) -> None:
    """The moves into `mql`; an early lead goes through nurturing, in the same transaction."""
    lead = snapshot.lead
    pulled = judged.via == "manual_pull"
    actor = Actor(ActorKind.SALES, order.by) if pulled else SYSTEM
    trigger = "manual_pull" if pulled else "gate_pass"
    reason = order.reason or f"gate passed by {judged.via}"
    columns: dict[str, Any] = {"cool_off_until": None, "cool_off_mode": None}
    for round_ in (1, 2):
        moved = lifecycle.apply(
            conn, lead.id, trigger, actor=actor, key=f"handoff/{handoff_id}/{round_}", now=now, reason=reason,
            columns=columns, gate_evaluation_id=order.evaluation_id, config_sha=parts.library.config_sha,
            agreement_version=parts.library.agreement.version,
        )
        if moved.after is Stage.MQL:
            return


def _case(
    conn: Connection, snapshot: Snapshot, result: Scored, judged: GateResult, order: Order, earlier: list[Handoff],
    due_at: datetime, agreement: Agreement, now: datetime,
) -> packet.Case:
    lead = snapshot.lead
    told = [line for line in result.since.lines if line.points]
    weighed = sorted(told, key=lambda line: line.points, reverse=True)
    account = accounts.get(conn, lead.account_id) if lead.account_id is not None else None
    people = accounts.committee(conn, lead.account_id) if lead.account_id is not None else []
    since = next((h.closed_at for h in earlier if h.closed_at is not None), None)
    return packet.Case(
        cell={
            "model": result.scores.model,
            "cell": result.scores.cell,
            "engagement": result.scores.engagement,
            "lifetime": result.lifetime.score,
            "fit": result.scores.fit_low,
            "fit_high": result.scores.fit_high,
            "coverage": result.scores.coverage,
            "unknown": list(result.fit.unknown),
            "hot_signal": result.hot_signal,
            "fit_lines": [line.text for line in result.fit.lines],
        },
        lines=[{"points": line.points, "text": line.text, "event": line.event_id} for line in weighed],
        gate=judged.as_list(),
        via=judged.via,
        note=order.note or order.reason or "",
        account={}
        if account is None
        else {
            "id": account.id,
            "name": account.name,
            "owner": account.owner,
            "country": account.country,
            "engagement": account_points(people),
        },
        colleagues=[person_row(p) for p in people if p["id"] != lead.id][:LINES],
        earlier=[_trip(conn, h) for h in earlier[:LINES]],
        changed=changed_since(snapshot, since, now) if since is not None else (),
        due_at=due_at,
        zone=agreement.calendar.zone,
        agreement_version=agreement.version,
        level=4 if judged.via == "score" else 3,
    )


def account_points(people: Iterable[Mapping[str, Any]]) -> int:
    """Milli-points of an organisation. Visible, may prioritise, never passes the gate."""
    return score.account_engagement(p["engagement"] for p in people)


def person_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """One colleague as sales sees them."""
    fields = {name: held.get("v") for name, held in row["fields"].items()}
    name = " ".join(str(fields[part]) for part in ("first_name", "last_name") if fields.get(part))
    return {"lead": row["id"], "name": name, "role": fields.get("role"), "stage": row["stage"],
            "engagement": row["engagement"], "cell": row["cell"], "handoff": row["handoff"], "owner": row["owner"]}


def _trip(conn: Connection, handoff: Handoff) -> dict[str, Any]:
    decisions = handoffs.decisions_of(conn, handoff.id)
    return {
        "handoff": handoff.id,
        "cycle": handoff.cycle,
        "opened_at": handoff.opened_at.isoformat(),
        "state": handoff.state,
        "reason": handoff.reason,
        "owner": handoff.owner,
        "closed_at": _iso(handoff.closed_at),
        "note": next((d["note"] for d in reversed(decisions) if d["note"]), None),
    }


def _iso(at: datetime | None) -> str | None:
    return at.isoformat() if at is not None else None


def deliver(parts: Parts, conn: Connection, handoff: Handoff, *, now: datetime) -> None:
    """Queue the packet for every way its queue names; delivered later, once each."""
    queue = assign.queue_named(parts.library.sales, handoff.queue)
    for row in rows_for(handoff.id, handoff.owner, handoff.packet, queue, parts.library.sales, version=0,
                        link=handoff_link(parts.public_url, parts.keys, handoff.id)):
        outbox.put(
            conn,
            [
                outbox.row(
                    row.kind,
                    row.target,
                    key=row.key,
                    now=now,
                    subject=row.subject,
                    payload=row.payload,
                    lead_id=handoff.lead_id,
                    handoff_id=handoff.id,
                )
            ],
        )


def close(conn: Connection, handoff: Handoff, *, state: str, reason: str | None, now: datetime) -> Handoff:
    """End a hand-off and what runs for it. Timers that wait for exactly this are met, the others end."""
    met = {"open": ("decision",), "accepted": ("qualification", "conversion")}.get(handoff.state, ())
    if state not in ("revoked", "expired"):
        timers.meet(conn, handoff.id, met, now=now)
    timers.close(conn, handoff.id, now=now)
    return handoffs.change(conn, handoff, state=state, reason=reason, decided_at=now, closed_at=now)


def tell(
    parts: Parts, conn: Connection, handoff: Handoff, subject: str, text: str, *, key: str, now: datetime,
    manager: bool = False, due: datetime | None = None,
) -> None:
    """A mail to the owner of a hand-off (with `manager`, or an owner who left, to the queue's manager; else to all).

    `due`, when it should have been done, is told in each reader's own time.
    """
    if handoff.packet:
        subject = f"{subject}: {who_of(handoff.packet)}"
    queue = assign.queue_named(parts.library.sales, handoff.queue)
    left = handoff.owner is not None and handoff.owner not in parts.library.sales.sellers
    people = [handoff.owner] if handoff.owner is not None and not left else list(queue.members)
    if queue.manager and (manager or left):
        people = [queue.manager]
    for who in people:
        said = text if due is None else f"{text} It was due on {packet.moment(due, zone_of(parts, who))}."
        tell_seller(parts, conn, who, subject, said, key=f"{key}/{who}", now=now, lead_id=handoff.lead_id,
                    handoff_id=handoff.id)


def remind_on(
    parts: Parts, conn: Connection, handoff: Handoff, seller: Seller, on: date, *, because: str, now: datetime
) -> None:
    """The seller who said `later` hears of it on the day."""
    at = max(day_start(on, parts.library.agreement.calendar), now)
    then = packet.moment(now, zone_of(parts, seller.id))
    link = handoff_link(parts.public_url, parts.keys, handoff.id)
    text = f"You wanted to come back to this lead today. You gave it back on {then}: {because}.\n\n{link}\n"
    subject = f"Come back to {who_of(handoff.packet) if handoff.packet else 'a lead'}"
    outbox.put(conn, [outbox.row(
        "staff_mail", seller.email, key=f"revisit/{handoff.id}/{on}", now=now, due_at=at, subject=subject,
        payload={"text": text}, lead_id=handoff.lead_id, handoff_id=handoff.id,
    )])


def named(parts: Parts, who: str | None) -> str:
    """A seller's name, as others know them."""
    seller = parts.library.sales.sellers.get(who or "")
    return seller.name if seller else who or "nobody yet"


def zone_of(parts: Parts, who: str) -> str:
    """The zone in which times are told to somebody: their own, else that of the agreement's calendar."""
    seller = parts.library.sales.sellers.get(who)
    return (seller.timezone if seller else None) or parts.library.agreement.calendar.zone


def tell_seller(
    parts: Parts, conn: Connection, who: str, subject: str, text: str, *, key: str, now: datetime,
    lead_id: int | None = None, handoff_id: int | None = None,
) -> None:
    seller = parts.library.sales.sellers.get(who)
    link = handoff_link(parts.public_url, parts.keys, handoff_id) if handoff_id is not None else ""
    body = f"{text}\n\n{link}\n" if link else f"{text}\n"
    outbox.put(conn, [outbox.row("staff_mail", seller.email if seller else who, key=key, now=now, subject=subject,
                                 payload={"text": body}, lead_id=lead_id, handoff_id=handoff_id)])
