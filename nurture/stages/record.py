"""Record: held hits become verdicts, verdicts become events, a changed verdict is folded back; days are anchored."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from nurture.decide.truth import Tuning, judge
from nurture.model.hits import CLICK, HONEYPOT, Judgement
from nurture.model.intents import Tally
from nurture.model.words import EventKind, Verdict
from nurture.parts import Parts
from nurture.store import Connection
from nurture.store.facts import events, hits, wakeups
from nurture.store.facts.events import NewEvent
from nurture.store.facts.hits import About, Kept
from nurture.store.privacy import ledger

MACHINES: Final = frozenset({Verdict.MACHINE, Verdict.MACHINE_PROBABLE, Verdict.PREFETCH})
PRESENCE: Final = frozenset(
    {EventKind.FORM, EventKind.REPLY, EventKind.PAGE_VIEW, EventKind.HAND_RAISE, EventKind.DOWNLOAD}
)
BATCH: Final = 200


def run(parts: Parts, *, now: datetime, limit: int, owner: str) -> Tally:
    """Decide the hits of up to `limit` messages whose hold is over. No claim: the same hits give the same verdicts."""
    tally = Tally()
    with parts.store.begin() as conn:
        message_ids = hits.due_messages(conn, now=now, limit=min(limit, BATCH))
        if message_ids:
            _decide(conn, parts, message_ids, now=now, tally=tally)
        if ledger.anchor_due(conn, now=now):
            ledger.anchor(conn, parts.keys, now=now)
    return tally


def _decide(conn: Connection, parts: Parts, message_ids: list[int], *, now: datetime, tally: Tally) -> None:
    tuning = Tuning()
    kept = {k.hit.id: k for k in hits.around(conn, message_ids, near=tuning.inherit)}
    mails = hits.about(conn, {k.hit.message_id for k in kept.values()})
    there = hits.presences(conn, {k.hit.lead_id for k in kept.values()}, PRESENCE)
    mailed = {i: mail.mailed for i, mail in mails.items()}
    judged = judge((k.hit for k in kept.values()), mailed, proofs=there, tuning=tuning)
    own = set(message_ids)
    fresh = {i: j for i, j in judged.items() if kept[i].hit.message_id in own and _is_due(kept[i], now)}
    changed = {i: j for i, j in judged.items() if _changes(kept[i], j, own)}
    hits.set_verdicts(conn, {**fresh, **changed}, now=now)
    if flood := hits.close_flood(conn, message_ids, now=now):
        tally.count("flood", flood)
    shown = {i: j for i, j in fresh.items() if kept[i].hit.kind != HONEYPOT}
    told = [_event(kept[i], j, mails.get(kept[i].hit.message_id), parts) for i, j in shown.items()]
    events.record(conn, told, now=now)
    _fold_back(conn, kept, changed, now=now, tally=tally)
    for judgement in fresh.values():
        tally.count(judgement.verdict.value)


def _is_due(kept: Kept, now: datetime) -> bool:
    return kept.verdict is Verdict.HELD and kept.decide_at <= now


def _changes(kept: Kept, judgement: Judgement, own: set[int]) -> bool:
    """Whether a decided hit gets another verdict. Of a neighbour's message only some hits are in sight: signs can only
    be missing there, so its verdict may grow more suspicious and never less."""
    if kept.verdict in (Verdict.HELD, judgement.verdict):
        return False
    return kept.hit.message_id in own or (judgement.verdict in MACHINES and kept.verdict not in MACHINES)


def _fold_back(
    conn: Connection, kept: Mapping[int, Kept], changed: Mapping[int, Judgement], *, now: datetime, tally: Tally
) -> None:
    """Scores follow; branches taken and hand-offs made stay, and the owner is told."""
    machine = {i: j.verdict in MACHINES for i, j in changed.items()}
    turned = {i: is_machine for i, is_machine in machine.items() if is_machine != (kept[i].verdict in MACHINES)}
    hits.fold_back(conn, turned)
    wakeups.wake(conn, {kept[i].hit.lead_id for i in turned}, now=now)
    lost = {kept[i].hit.lead_id: str(i) for i, gone in turned.items() if gone and kept[i].hit.kind == CLICK}
    if lost:
        tally.count("owners_told", hits.tell_owners(conn, lost, now=now))
    if changed:
        tally.count("folded_back", len(changed))


def _event(kept: Kept, judgement: Judgement, mail: About | None, parts: Parts) -> NewEvent:
    hit = kept.hit
    template = parts.library.templates.get(mail.template) if mail else None
    name, url, topic = (mail.links if mail else {}).get(hit.link if hit.link is not None else -1, (None, None, None))
    return NewEvent(
        kind=EventKind.CLICK if hit.kind == CLICK else EventKind.OPEN,
        at=hit.at,
        lead_id=hit.lead_id,
        key=hits.event_key(hit.id),
        channel="email",
        touchpoint="mail",
        content=mail.content if mail else None,
        topic=topic or (mail.topic if mail else None) or (template.topics[0] if template and template.topics else None),
        depth=template.depth.value if template else None,
        link=name,
        path=url,
        campaign=mail.campaign if mail else None,
        step=mail.step if mail else None,
        message_id=hit.message_id,
        machine=judgement.verdict in MACHINES,
        data={"verdict": judgement.verdict.value},
    )


def next_due(conn: Connection) -> datetime | None:
    """When this stage has something to do next."""
    return hits.next_due(conn)
