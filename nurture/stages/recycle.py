"""recycle: what clocks do around sales: reminders, returns, room that became free, and results that come back.

Cool-offs that end and leads that fall asleep are moves of the score stage; the sweep wakes them at their time.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from nurture.decide import gate_facts, sla
from nurture.decide import recycle as recycling
from nurture.model.agreement import Agreement
from nurture.model.intents import Tally
from nurture.parts import Parts
from nurture.sales import assign
from nurture.stages import opening
from nurture.store import Connection
from nurture.store.facts import wakeups
from nurture.store.sales import handoffs, lifecycle, scores, timers
from nurture.store.sales.handoffs import Handoff
from nurture.store.sales.lifecycle import SYSTEM

BATCH: Final = 200
REVIEW_SOON: Final = 14
"""Days before its review an agreement begins to ask for it."""
_SAYS: Final = {
    "decision": "Nobody has decided on this lead in time.",
    "first_touch": "You accepted this lead and have not been in touch yet.",
    "qualification": "This lead has been with you for the whole time allowed.",
    "conversion": "This lead is qualified and waits to be converted.",
}
_SAYS_OF: Final = {
    "decision": "Nobody has decided on this lead in time. It is with {who}.",
    "first_touch": "{who} accepted this lead and has not been in touch yet.",
    "qualification": "This lead has been with {who} for the whole time allowed.",
    "conversion": "This lead is qualified and waits for {who} to convert it.",
}
"""The same for the manager, who has to know whom to ask."""
GONE: Final = "{who}, who has this lead, is not in sales.yaml any more."


def run(parts: Parts, *, now: datetime, limit: int, owner: str) -> Tally:
    """Sweep timers and room. Counts: reminded, told_manager, reassigned, expired, left_behind, woken, review."""
    tally = Tally()
    _left_behind(parts, now, tally)
    while limit > 0:
        with parts.store.read() as conn:
            due = timers.due(conn, now=now, limit=min(limit, BATCH))
        # One transaction each, the lead first: a seller who decides at this moment takes the rows in the same order.
        for timer in due:
            with parts.store.begin() as conn:
                lifecycle.lock(conn, timer.lead_id)
                _escalate(parts, conn, timer, now, tally)
        limit -= len(due)
        if len(due) < BATCH:
            break
    with parts.store.begin() as conn:
        scores.count_tiers(conn, now=now)
        tally.count("woken", _fill_room(parts, conn, now))
        tally.count("review", _review(parts, conn, now))
    return tally


def _escalate(parts: Parts, conn: Connection, timer: Any, now: datetime, tally: Tally) -> None:
    """The next step of one timer. A clock that was away for days takes one step per sweep, not four at once."""
    handoff = handoffs.get(conn, timer.handoff_id)
    if handoff.closed_at is not None:
        timers.close(conn, handoff.id, now=now)
        return
    agreement = opening.on_days_of(parts, handoff.owner)
    step = sla.next_step(
        timer.kind, started=timer.started_at, due=timer.due_at, minutes=timer.minutes, level=timer.level,
        agreement=agreement, now=now, expires=_expires(parts, handoff),
        passes=sla.may_pass(sellers=_sellers(parts, handoff), via=handoff.via),
    )
    if step is None:
        timers.postpone(conn, timer.id, next_at=timers.NEVER)
        return
    if not timers.escalate(conn, timer.id, level=step.level, before=timer.level, next_at=step.next_at, now=now):
        return
    tally.count(_act(parts, conn, handoff, timer, step, now))


def _sellers(parts: Parts, handoff: Handoff) -> int:
    return assign.sellers_of(assign.queue_named(parts.library.sales, handoff.queue), parts.library.sales)


def _expires(parts: Parts, handoff: Handoff) -> bool:
    sellers = _sellers(parts, handoff)
    return sla.may_expire(parts.library.agreement, sellers=sellers, fast=handoff.fast, via=handoff.via)


def _left_behind(parts: Parts, now: datetime, tally: Tally) -> None:
    """Hand-offs of somebody who left sales.yaml: undecided ones go to another seller, of worked ones managers hear."""
    sellers = parts.library.sales.sellers
    with parts.store.read() as conn:
        gone = [who for who in handoffs.open_counts(conn) if who not in sellers]
        found = [row for who in gone for row in handoffs.listing(conn, owner=who)]
    for row in found:
        with parts.store.begin() as conn:
            lifecycle.lock(conn, row["lead_id"])
            handoff = handoffs.get(conn, row["id"], hold=True)
            if handoff.closed_at is not None or handoff.owner != row["owner"]:
                continue
            key = f"gone/{handoff.id}/{handoff.owner}"
            text = GONE.format(who=handoff.owner)
            if handoff.state == "open" and _reassign(parts, conn, handoff, key, now, text) == "reassigned":
                tally.count("reassigned")
                continue
            news = f"Hand-off {handoff.id}: {text}"
            if handoffs.alert(conn, key, "seller_gone", news, for_whom="managers", now=now):
                opening.tell(parts, conn, handoff, "A lead is left behind", f"{text} Pass it on, or decide on it.",
                             key=f"{key}/told", now=now, manager=True)
                tally.count("left_behind")


def _act(parts: Parts, conn: Connection, handoff: Handoff, timer: Any, step: sla.Step, now: datetime) -> str:
    key, text = f"sla/{timer.id}/{step.level}", _SAYS[timer.kind]
    match step.action:
        case "remind":
            opening.tell(parts, conn, handoff, "A lead waits for you", text, key=key, now=now, due=timer.due_at)
            return "reminded"
        case "tell_manager":
            waits, of = "A lead waits in your team", opening.named(parts, handoff.owner)
            opening.tell(parts, conn, handoff, waits, _SAYS_OF[timer.kind].format(who=of), key=key, now=now,
                         manager=True, due=timer.due_at)
            return "told_manager"
        case "reassign":
            return _reassign(parts, conn, handoff, key, now, _SAYS["decision"])
        case _:
            return _expire(parts, conn, handoff, timer, key, now)


def _reassign(parts: Parts, conn: Connection, handoff: Handoff, key: str, now: datetime, said: str) -> str:
    agreement = parts.library.agreement
    queue = assign.queue_named(parts.library.sales, handoff.queue)
    chosen = assign.assign(
        queue, parts.library.sales, opening.load_of(conn, queue, agreement), now=now, calendar=agreement.calendar,
        not_to=(handoff.owner,) if handoff.owner else (), off=opening.on_holiday(parts, now=now),
    )
    if chosen.owner is None or chosen.owner == handoff.owner:
        opening.tell(parts, conn, handoff, "A lead waits in your team", said, key=key, now=now, manager=True)
        return "told_manager"
    changed = handoffs.change(conn, handoff, owner=chosen.owner, previous_owner=handoff.owner)
    timers.hand_over(conn, handoff.id, chosen.owner)
    opening.tell(parts, conn, changed, "A lead was passed on to you", said, key=key, now=now)
    return "reassigned"


def _expire(parts: Parts, conn: Connection, handoff: Handoff, timer: Any, key: str, now: datetime) -> str:
    """A passive recycle: against the clock of sales, never a refusal, and no label for calibration."""
    agreement = parts.library.agreement
    lead = lifecycle.lock(conn, handoff.lead_id)
    if timer.kind == "qualification" and _may_be_worked(conn, handoff):
        opening.tell(parts, conn, handoff, "A lead waits for your word", _SAYS["qualification"], key=key, now=now)
        return "reminded"
    if lead.passive_recycles + 1 >= agreement.max_passive:
        # The gate holds it from now on (G13): an absent seller must not make a loop.
        times = lead.passive_recycles + 1
        text = f"Lead {handoff.lead_id} came back undecided {times} times; it is not handed over again."
        handoffs.alert(conn, f"passive/{handoff.lead_id}/{lead.cycle}", "sla_passive_limit", text, for_whom="managers",
                       now=now)
    reason = recycling.reason_of(agreement, recycling.PASSIVE, by="system")
    back = recycling.way_back(reason, now=now, calendar=agreement.calendar, tracks=parts.library.tracks)
    lifecycle.apply(
        conn, handoff.lead_id, "sla_expired", actor=SYSTEM, key=key, now=now, reason=reason.id, track=back.track,
        beside=parts.library.tracks.beside,
        columns=back.as_columns() | {"passive_recycles": lead.passive_recycles + 1},
        agreement_version=agreement.version, config_sha=parts.library.config_sha,
    )
    opening.close(conn, handoff, state="expired", reason=reason.id, now=now)
    told = _SAYS_OF[timer.kind].format(who=opening.named(parts, handoff.owner))
    opening.tell(parts, conn, handoff, "A lead went back to marketing", told, key=f"{key}/told", now=now, manager=True)
    return "expired"


def _may_be_worked(conn: Connection, handoff: Handoff) -> bool:
    """Whether somebody works this lead, or nobody can tell: missing notes never take a lead away.

    Silence about this lead says something only of a seller who wrote about others in the same time.
    """
    if handoffs.activities(conn, handoff.lead_id, since=handoff.opened_at):
        return True
    return handoff.owner is None or not handoffs.wrote_anything(conn, handoff.owner, since=handoff.opened_at)


def waiting_with_room(parts: Parts, conn: Connection, *, now: datetime) -> list[int]:
    """Leads that waited for room and have it now (a new day began, or sales decided on others), best first."""
    if not handoffs.next_in_queue(conn, limit=1):
        return []
    agreement = parts.library.agreement
    today = handoffs.taken(conn, opening.day_of(agreement, now)).get(opening.EVERYBODY, 0)
    queue = assign.queue_named(parts.library.sales, None)
    if not assign.has_room(queue, parts.library.sales, opening.load_of(conn, queue, agreement), now=now):
        return []
    return handoffs.next_in_queue(conn, limit=max(0, agreement.max_new_handoffs_per_day - today))


def _fill_room(parts: Parts, conn: Connection, now: datetime) -> int:
    ready = waiting_with_room(parts, conn, now=now)
    for lead_id in ready:
        handoffs.queue_for_sales(conn, lead_id, None)
    wakeups.wake(conn, ready, now=now)
    return len(ready)


def _review(parts: Parts, conn: Connection, now: datetime) -> int:
    """An agreement whose review is due, or soon, is seen by everybody: once per version and kind."""
    said = review_text(parts.library.agreement, now)
    if said is None:
        return 0
    code, text = said
    return int(handoffs.alert(conn, _review_key(parts, code), code, text, for_whom="managers", now=now))


def review_unsaid(parts: Parts, conn: Connection, *, now: datetime) -> bool:
    """Whether a review is due that nobody was told of: work also where no timer runs."""
    said = review_text(parts.library.agreement, now)
    return said is not None and not handoffs.alerted(conn, _review_key(parts, said[0]))


def _review_key(parts: Parts, code: str) -> str:
    agreement = parts.library.agreement
    return f"agreement/{agreement.version}/{agreement.next_review}/{code}"


def review_text(agreement: Agreement, now: datetime) -> tuple[str, str] | None:
    """What there is to say about the review of the agreement, or None."""
    today = gate_facts.day_of(agreement, now)
    name = f"agreement {agreement.version}"
    if (today - agreement.next_review).days > agreement.grace_days:
        effect = "nothing is handed over" if agreement.enforce == "block" else "hand-offs go on"
        return "agreement_overdue", f"The review of {name} was due on {agreement.next_review}; {effect}."
    if today > agreement.next_review:
        return "agreement_due", f"The review of {name} was due on {agreement.next_review}."
    if (agreement.next_review - today).days < REVIEW_SOON:
        return "agreement_soon", f"The review of {name} is due on {agreement.next_review}."
    return None
