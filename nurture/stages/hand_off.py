"""hand_off: a woken lead -> the gate -> a packet for sales, or the reason why not.

Leads of one batch are handed over best first, so that a full queue keeps the rest. Whatever runs at once, a lead has
at most one open hand-off: its row is locked, the gate is asked again on fresh rows, and an index holds besides.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from nurture.decide import gate, resolver, scored
from nurture.decide.gate import Circumstances, GateResult, Override
from nurture.decide.scored import Scored
from nurture.errors import Refused
from nurture.model.facts import Snapshot
from nurture.model.intents import Tally
from nurture.model.words import Stage
from nurture.parts import Parts
from nurture.sales import assign
from nurture.stages import opening
from nurture.store import Connection
from nurture.store.audience import snapshots
from nurture.store.facts import wakeups
from nurture.store.programs import enrollments
from nurture.store.sales import accounts, handoffs, lifecycle, scores
from nurture.store.sales.lifecycle import SYSTEM

BATCH: Final = 500
ASKABLE: Final = frozenset({Stage.EARLY, Stage.NURTURING, Stage.RECYCLED, Stage.DORMANT})
WORKED: Final = frozenset({Stage.SAL, Stage.SQL})
WEEK: Final = timedelta(days=7)
LONG_AGO: Final = date(2000, 1, 1)
"""Before this nothing was recycled; an agreement without a date begins at the beginning of time."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What became of one look at the gate. `handoff_id` None: not handed over, `result` says why."""

    handoff_id: int | None
    result: GateResult | None
    scored: Scored | None = None


def run(parts: Parts, *, now: datetime, limit: int, owner: str) -> Tally:
    """Look at up to `limit` woken leads. Counts: looked_at, handed_off, waiting, revoked, blocked."""
    tally = Tally()
    while limit > 0:
        with parts.store.begin() as conn:
            woken = wakeups.claim(conn, "hand_off", now=now, limit=min(limit, BATCH), owner=owner)
            if not woken:
                return tally
            ready = _batch(parts, conn, [w.lead_id for w in woken], now, tally)
        # One transaction per hand-over: it locks a lead and the day's count, and must not hold one while it waits
        # for the other. The wake-ups stay leased until all of them were asked.
        for lead_id, via in ready:
            with parts.store.begin() as conn:
                asked = ask(parts, conn, lead_id, now=now, via=via)
            tally.count("handed_off" if asked.handoff_id is not None else "waiting")
        with parts.store.begin() as conn:
            wakeups.hand_on(conn, woken, "hand_off")
        tally.count("looked_at", len(woken))
        limit -= len(woken)
    return tally


def _batch(
    parts: Parts, conn: Connection, lead_ids: list[int], now: datetime, tally: Tally
) -> list[tuple[int, str]]:
    """Look at a batch and write what was seen. Returns who goes to sales, best first, and by which way."""
    found = _with_accounts(conn, snapshots.load(conn, lead_ids, now=now))
    vectors = handoffs.last_vectors(conn, found)
    room = Room(parts, conn, None, now)
    queued = handoffs.queued(conn, found)
    rows: list[dict[str, Any]] = []
    ready: list[tuple[Any, int, str]] = []
    for lead_id, snapshot in found.items():
        if snapshot.lead.stage in ASKABLE:
            result, judged = _judge(parts, conn, snapshot, room, now=now)
            if result.outcome == "fail" and _explored(parts, conn, snapshot, result):
                result, judged = _judge(parts, conn, snapshot, room, now=now, via="exploration")
            before = vectors.get(lead_id)
            # One that passes is asked again under lock, and that answer is kept. Who never did anything is no news.
            news = before is not None or judged.lifetime.score > 0
            if result.outcome != "pass" and news and changed(result, before):
                rows.append(vector_row(parts, snapshot, result, now=now))
            if result.outcome == "fail":
                if lead_id in queued:
                    handoffs.queue_for_sales(conn, lead_id, None)
                _signal(parts, conn, snapshot, result, now)
            else:
                ready.append((_queue_key(snapshot, judged, result, room, now), lead_id, result.via))
        elif snapshot.lead.stage is Stage.MQL:
            tally.count("revoked", _revoke(parts, conn, snapshot, now))
        elif snapshot.lead.stage in WORKED:
            tally.count("blocked", _block(parts, conn, snapshot, now))
    handoffs.keep_evaluations(conn, rows)
    return [(lead_id, via) for _, lead_id, via in sorted(ready)]


def ask(
    parts: Parts, conn: Connection, lead_id: int, *, now: datetime, queue: str | None = None, note: str = "",
    campaign: str | None = None, step_id: str | None = None, via: str = "campaign", by: str | None = None,
    reason: str | None = None, overrides: Mapping[str, Override] | None = None,
) -> Asked:
    """Ask the gate now, on fresh rows and with the lead locked; where it says yes, hand over in this transaction.

    `via`: score, campaign, hand_raise, exploration, or manual_pull (then `by` names the seller and `reason` why).

    Raises:
        Refused: a manual pull without a name or a reason, or of a lead that is with sales already.
    """
    if via == "manual_pull" and not (by and reason):
        raise Refused(
            "To take a lead by hand, a named person has to say why.", code="needs_reason", fix="give a reason"
        )
    lifecycle.lock(conn, lead_id)
    snapshot = _with_accounts(conn, snapshots.load(conn, [lead_id], now=now)).get(lead_id)
    if snapshot is None or snapshot.lead.stage not in ASKABLE:
        if via == "manual_pull":
            stage = "gone" if snapshot is None else snapshot.lead.stage.value
            raise Refused(f"This lead cannot be taken: it is {stage}.", code="not_from_here")
        return Asked(None, None)
    room = Room(parts, conn, queue, now)
    result, judged = _judge(parts, conn, snapshot, room, now=now, via=via, overrides=overrides)
    before = handoffs.last_vectors(conn, [lead_id]).get(lead_id)
    evaluation = keep_vector(parts, conn, snapshot, result, before, now=now, always=result.outcome == "pass")
    if result.outcome != "pass":
        place = _priority(snapshot, judged, result, room, now) if result.outcome == "waiting" else None
        handoffs.queue_for_sales(conn, lead_id, place)
        return Asked(None, result, judged)
    priority = _priority(snapshot, judged, result, room, now)
    order = opening.Order(queue, note, campaign, step_id, by, reason, evaluation, priority)
    return Asked(opening.hand_over(parts, conn, snapshot, judged, result, now=now, order=order), result, judged)


def look(parts: Parts, conn: Connection, lead_id: int, *, now: datetime) -> Asked:
    """What the gate says now, for people who ask; writes nothing."""
    snapshot = _with_accounts(conn, snapshots.load(conn, [lead_id], now=now)).get(lead_id)
    if snapshot is None:
        raise Refused(f"There is no lead {lead_id}.", code=lifecycle.NO_LEAD)
    result, judged = _judge(parts, conn, snapshot, Room(parts, conn, None, now), now=now)
    return Asked(snapshot.open_handoff, result, judged)


def _with_accounts(conn: Connection, found: dict[int, Snapshot]) -> dict[int, Snapshot]:
    """A lead whose organisation is a customer is a customer's."""
    known = accounts.many(conn, {s.lead.account_id for s in found.values() if s.lead.account_id is not None})
    bought = {a.id for a in known.values() if a.customer_since is not None}
    return {i: replace(s, customer=True) if s.lead.account_id in bought else s for i, s in found.items()}


class Room:
    """How full sales is, read once for a batch, and again under the lock of each lead that is handed over."""

    def __init__(self, parts: Parts, conn: Connection, queue: str | None, now: datetime) -> None:
        agreement, sales = parts.library.agreement, parts.library.sales
        self.queue = assign.queue_named(sales, queue)
        self.today = handoffs.taken(conn, opening.day_of(agreement, now)).get(opening.EVERYBODY, 0)
        self.full = self.today >= agreement.max_new_handoffs_per_day
        self.free = assign.has_room(self.queue, sales, opening.load_of(conn, self.queue, agreement), now=now)
        self.tiers = scores.tiers(conn)


def _judge(
    parts: Parts, conn: Connection, snapshot: Snapshot, room: Room, *, now: datetime, via: str = "score",
    overrides: Mapping[str, Override] | None = None,
) -> tuple[GateResult, Scored]:
    library = parts.library
    result = scored.scores(snapshot, library.scoring, now=now, holds=scored.holding(library.company))
    around = _around(parts, conn, snapshot, room, now, via=via, overrides=overrides or {})
    judged = gate.evaluate(snapshot, library.agreement, result, now=now, around=around)
    if judged.fast and not around.capacity:
        # Somebody who asks for contact is not kept waiting by a limit that is there to ramp up a new model.
        judged = gate.evaluate(snapshot, library.agreement, result, now=now, around=replace(around, capacity=True))
    return judged, result


def _around(
    parts: Parts, conn: Connection, snapshot: Snapshot, room: Room, now: datetime, *, via: str,
    overrides: Mapping[str, Override],
) -> Circumstances:
    agreement, lead = parts.library.agreement, snapshot.lead
    active = passive = 0
    if lead.baseline_at is not None:
        begins = datetime.combine(max(agreement.effective_from, LONG_AGO), time(), ZoneInfo(agreement.calendar.zone))
        active, passive = lifecycle.recycles_since(conn, lead.id, begins, cycle=lead.cycle)
    pulled = via == "manual_pull"
    full = f"{room.today} hand-offs today are the limit" if room.full else "every seller of the queue is full"
    return Circumstances(
        via=via, recycles_in_period=active, passive_in_period=passive, queue=room.queue.id, overrides=overrides,
        capacity=pulled or (room.free and not room.full), capacity_text=full,
        colleague_handoff=None if pulled else _colleague(conn, snapshot, now),
    )


def _colleague(conn: Connection, snapshot: Snapshot, now: datetime) -> int | None:
    if snapshot.lead.account_id is None:
        return None
    for row in handoffs.open_at_account(conn, snapshot.lead.account_id, but=snapshot.lead.id):
        if row.opened_at > now - handoffs.RECENT:
            return int(row.id)
    return None


def changed(result: GateResult, before: tuple[int, str, str] | None) -> bool:
    return before is None or before[1:] != (result.outcome, result.vector)


def vector_row(parts: Parts, snapshot: Snapshot, result: GateResult, *, now: datetime) -> dict[str, Any]:
    """What the gate saw, as it is stored."""
    agreement = parts.library.agreement
    return {
        "lead_id": snapshot.lead.id, "cycle": snapshot.lead.cycle, "at": now, "outcome": result.outcome,
        "vector": result.vector, "results": result.as_list(), "via": result.via,
        "agreement_version": agreement.version, "agreement_sha": agreement.sha,
        "config_sha": parts.library.config_sha,
    }


def keep_vector(
    parts: Parts, conn: Connection, snapshot: Snapshot, result: GateResult, before: tuple[int, str, str] | None, *,
    now: datetime, always: bool = False,
) -> int:
    """Store what the gate saw where it differs from the last time. Returns the id of what now stands."""
    if not always and before is not None and not changed(result, before):
        return before[0]
    return handoffs.keep_evaluation(conn, vector_row(parts, snapshot, result, now=now))


def _explored(parts: Parts, conn: Connection, snapshot: Snapshot, result: GateResult) -> bool:
    """Whether this lead below the threshold is one of the few shown to sales all the same, once per cycle."""
    lead, percent = snapshot.lead, parts.library.agreement.exploration_percent
    if lead.stage is not Stage.NURTURING or not resolver.in_exploration(lead.id, lead.cycle, percent):
        return False
    only_interest = all(p.id in ("G08", "G09", "G10") for p in result.why_not)
    return only_interest and not any(h.cycle == lead.cycle for h in handoffs.of_lead(conn, lead.id))


def _priority(snapshot: Snapshot, result: Scored, judged: GateResult, room: Room, now: datetime) -> int:
    urgent = scored.urgency(scored.gained(snapshot, result.model, now=now, before=now - WEEK))
    rank = scored.relative_rank(result.scores.engagement, room.tiers)
    return scored.priority(fast=judged.fast, cell=result.scores.cell, urgent=urgent, rank=rank)


def _queue_key(
    snapshot: Snapshot, result: Scored, judged: GateResult, room: Room, now: datetime
) -> tuple[int, datetime, int]:
    since = snapshot.lead.engaged_at or snapshot.lead.created_at or now
    return (-_priority(snapshot, result, judged, room, now), since, snapshot.lead.id)


def _revoke(parts: Parts, conn: Connection, snapshot: Snapshot, now: datetime) -> int:
    """T12: consent, suppression or customer turned against an undecided hand-off."""
    result, _ = _judge(parts, conn, replace(snapshot, open_handoff=None), Room(parts, conn, None, now), now=now)
    gone = [p for p in result.predicates if p.id in gate.REVOKES and not p.stands]
    handoff = handoffs.open_of(conn, snapshot.lead.id, hold=True) if gone else None
    if handoff is None:
        return 0
    keep_vector(parts, conn, snapshot, result, None, now=now)
    lifecycle.apply(conn, snapshot.lead.id, "gate_revoked", actor=SYSTEM, key=f"revoked/{handoff.id}", now=now,
                    reason=gone[0].text, agreement_version=parts.library.agreement.version)
    opening.close(conn, handoff, state="revoked", reason=gone[0].text, now=now)
    opening.tell(
        parts, conn, handoff, "Taken back before a decision", gone[0].text, key=f"revoked/{handoff.id}", now=now
    )
    return 1


def _block(parts: Parts, conn: Connection, snapshot: Snapshot, now: datetime) -> int:
    """A worked lead withdrew its consent: the stage stays, contact is blocked, the owner is told."""
    result, _ = _judge(parts, conn, replace(snapshot, open_handoff=None), Room(parts, conn, None, now), now=now)
    gone = not result.predicate("G02").stands or not result.predicate("G03").stands
    if gone == snapshot.lead.contact_blocked:
        return 0
    handoffs.block_contact(conn, snapshot.lead.id, blocked=gone, now=now)
    handoff = handoffs.open_of(conn, snapshot.lead.id)
    if gone and handoff is not None:
        text = "Consent to contact was withdrawn. Stop contact; close with opted_out or record another lawful basis."
        opening.tell(
            parts,
            conn,
            handoff,
            "Do not contact any more",
            text,
            key=f"blocked/{handoff.id}/{now:%Y%m%dT%H%M%S}",
            now=now,
        )
    return int(gone)


def _signal(parts: Parts, conn: Connection, snapshot: Snapshot, result: GateResult, now: datetime) -> None:
    """Somebody at a customer, or where a deal is open, would be ready: its owner hears of it, once a month."""
    if [p.id for p in result.why_not] != ["G04"] or snapshot.lead.account_id is None:
        return
    account = accounts.get(conn, snapshot.lead.account_id)
    if account is None or account.owner is None:
        return
    text = f"Lead {snapshot.lead.id} at {account.name} shows interest: {result.predicate('G08').text}"
    opening.tell_seller(parts, conn, account.owner, f"Interest at {account.name}", text, now=now,
                        key=f"signal/{snapshot.lead.id}/{now:%Y-%m}", lead_id=snapshot.lead.id)
    enrollments.journal(conn, [{"lead_id": snapshot.lead.id, "at": now, "kind": "told", "text": text}])
