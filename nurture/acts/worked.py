"""What sellers write down while they work a lead: calls, mails, meetings, and how far it is."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from nurture.acts.desk import Decided, Desk, key_of, who
from nurture.errors import Refused
from nurture.model.words import Stage
from nurture.parts import Parts
from nurture.stages import opening
from nurture.store.sales import handoffs, lifecycle, timers

TOUCHES: Final = frozenset({"call", "mail", "meeting", "sales_assist"})


def log_call(parts: Parts, handoff_id: int, *, kind: str = "call", outcome: str | None = None, note: str | None = None,
             content: str | None = None, by: str, now: datetime, key: str | None = None) -> Decided:
    """Write down a call, a mail, a meeting or a sales-assist mail (with what it contained). Meets the first touch."""
    seller = who(parts, by)
    if kind not in TOUCHES:
        raise Refused(f"`{kind}` is not something sellers do.", code="unknown_activity",
                      fix=f"one of: {', '.join(sorted(TOUCHES))}")
    with parts.store.begin() as conn:
        lead = lifecycle.lock(conn, handoffs.get(conn, handoff_id).lead_id)
        handoff = handoffs.get(conn, handoff_id, hold=True)
        known = key or key_of("activity", handoff_id, kind, seller.id, now.isoformat(), note, outcome, content)
        row = {"key": known, "lead_id": handoff.lead_id, "handoff_id": handoff.id, "kind": kind, "outcome": outcome,
               "note": note, "content": content, "actor_id": seller.id, "at": now}
        new = handoffs.log_activity(conn, row)
        if new:
            timers.meet(conn, handoff.id, ["first_touch"], now=now)
        return Decided(kind, handoff.id, handoff.lead_id, lead.stage, repeated=not new)


def reach(parts: Parts, handoff_id: int, *, level: str, by: str, now: datetime, note: str | None = None,
          key: str | None = None, expected_version: int | None = None) -> Decided:
    """Say which of the company's own levels between accepted and qualified the lead has reached, forth or back.

    Raises:
        Refused: `unknown_level` outside the agreement's list, `not_from_here` for a hand-off nobody works on.
    """
    seller = who(parts, by)
    levels = parts.library.agreement.levels
    if level not in levels:
        raise Refused(f"`{level}` is not a level of the agreement.", code="unknown_level",
                      fix=f"one of: {', '.join(levels)}" if levels else "the agreement names no levels of its own")
    with parts.store.begin() as conn:
        desk = Desk(parts, conn, handoff_id, seller, "level", key, now, note=note, unique=now.isoformat())
        handoff = desk.still_open(expected_version)
        if desk.stage is not Stage.SAL:
            raise Refused(f"A lead in {desk.stage.value} has no such level.", code="not_from_here",
                          fix="accept the hand-off first" if desk.stage is Stage.MQL else "")
        new = handoffs.level_of(conn, handoff.id) != level
        if new:
            handoffs.log_activity(conn, {
                "key": desk.key, "lead_id": handoff.lead_id, "handoff_id": handoff.id, "kind": handoffs.LEVEL,
                "note": note, "content": level, "actor_id": seller.id, "at": now,
            })
        return Decided("level", handoff.id, handoff.lead_id, desk.stage.value, level, repeated=not new)


def hand_on(parts: Parts, handoff_id: int, *, to: str, by: str, now: datetime, note: str | None = None,
            key: str | None = None, expected_version: int | None = None) -> Decided:
    """Give a lead one works on to another seller: an SDR to the account executive. Clocks run on, theirs now.

    Raises:
        Refused: `needs_human` for somebody who is no seller, `not_from_here` for a hand-off nobody has accepted.
    """
    seller, other = who(parts, by), who(parts, to)
    with parts.store.begin() as conn:
        desk = Desk(parts, conn, handoff_id, seller, "hand_on", key, now, note=note, unique=now.isoformat())
        handoff = desk.still_open(expected_version)
        if handoff.state != "accepted":
            raise Refused("Nobody has accepted this hand-off yet.", code="not_from_here", fix="accept it first")
        if handoff.owner == other.id:
            return Decided("hand_on", handoff.id, handoff.lead_id, desk.stage.value, other.id, repeated=True)
        handoffs.log_activity(conn, {
            "key": desk.key, "lead_id": handoff.lead_id, "handoff_id": handoff.id, "kind": "hand_on",
            "note": note, "content": other.id, "actor_id": seller.id, "at": now,
        })
        changed = handoffs.change(conn, handoff, owner=other.id, previous_owner=handoff.owner)
        timers.hand_over(conn, handoff.id, other.id)
        said = f"{seller.name} passes this lead on to you.{' ' + note if note else ''}"
        opening.tell(parts, conn, changed, "A lead was passed on to you", said, key=f"hand_on/{desk.key}", now=now)
        return Decided("hand_on", handoff.id, handoff.lead_id, desk.stage.value, other.id)
