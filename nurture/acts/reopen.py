"""Bringing back a lead that was turned away: a decision of its own, by a named person, with a note."""

from __future__ import annotations

from datetime import datetime

from nurture.acts.desk import needs_note, who
from nurture.errors import Refused
from nurture.model.words import MAIL_PURPOSES, ActorKind, Stage
from nurture.parts import Parts
from nurture.store.audience import snapshots
from nurture.store.sales import lifecycle
from nurture.store.sales.lifecycle import Actor


def reopen(parts: Parts, lead_id: int, *, by: str, note: str | None, now: datetime) -> lifecycle.Applied:
    """Bring a disqualified lead back to nurturing (T28): marketing or sales, with a note, never after a final reason.

    Raises:
        Refused: `terminal` reason, `no_consent`, `needs_note`, or `not_from_here`.
    """
    person = parts.library.sales.sellers.get(by or "")
    if person is None:
        person = who(parts, by)
    needs_note(True, "reopen", note)
    with parts.store.begin() as conn:
        lead = lifecycle.lock(conn, lead_id)
        last = lifecycle.last_move(conn, lead_id)
        if Stage(lead.stage) is Stage.DISQUALIFIED and last is not None:
            reasons = parts.library.agreement.reject_reasons
            found = reasons.get(last["reason"] or "")
            if found is not None and found.terminal:
                raise Refused(f"`{found.id}` is final.", code="terminal", fix="undo it within its time, or leave it")
        snapshot = snapshots.load(conn, [lead_id], now=now)[lead_id]
        if snapshot.suppressions or not any(snapshot.consents_to(p, now) for p in MAIL_PURPOSES):
            raise Refused("Nothing may be sent to this person.", code="no_consent", fix="ask for consent first")
        kind = ActorKind.MARKETING if person.role == "marketing" else ActorKind.SALES
        return lifecycle.apply(
            conn, lead_id, "reopen", actor=Actor(kind, person.id), key=f"reopen/{lead_id}/{lead.version}", now=now,
            note=note, agreement_version=parts.library.agreement.version, config_sha=parts.library.config_sha,
        )
