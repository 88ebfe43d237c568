"""What a human says of a mail that nobody else could judge."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Final

from nurture.acts.inbound import effects, people
from nurture.errors import Refused, UsageError
from nurture.mail.inbound.classify import classify
from nurture.model.inbound import Incoming, Kind
from nurture.model.tokens import address_hash
from nurture.model.words import MAIL_PURPOSES, EventKind
from nurture.parts import Parts
from nurture.store import Connection
from nurture.store.facts import events
from nurture.store.facts.events import NewEvent
from nurture.store.mail import inbound
from nurture.store.mail.inbound import Known

IGNORE: Final = "ignore"
CHOICES: Final = (IGNORE, Kind.BOUNCE, Kind.COMPLAINT, Kind.UNSUBSCRIBE, people.REPLY, people.STRANGER)


def decide(
    parts: Parts, inbound_id: int, what: str, *, by: str, lead_id: int | None, now: datetime
) -> effects.Done:
    """Carry out a human's decision, once. `lead_id` None: the lead the mail was matched with.

    Raises UsageError for a word that is none or a lead that is missing, Conflict where it was decided before.
    """
    if what not in CHOICES:
        raise UsageError(f"`{what}` is not something a mail can be", fix=f"one of: {', '.join(CHOICES)}")
    if not by.strip():
        raise UsageError("A decision needs a name.", fix="Give --by.")
    with parts.store.begin() as conn:
        row = inbound.get(conn, inbound_id)
        seen = replace(classify(bytes(row["raw"] or b"")), key=str(row["key"]).removeprefix("mail:"))
        lead = inbound.known(conn, lead_id=lead_id or row["lead_id"]) if lead_id or row["lead_id"] else None
        done = _carry_out(conn, parts, what, seen, lead, by=by, now=now)
        if not done.handled:
            raise Refused(f"That cannot be done: {done.effect}.", code="cannot_decide", fix="decide otherwise")
        inbound.settle(conn, inbound_id, kind=done.kind, by=by, effect=done.effect, now=now, lead_id=done.lead_id)
    return done


def _carry_out(
    conn: Connection, parts: Parts, what: str, seen: Incoming, lead: Known | None, *, by: str, now: datetime
) -> effects.Done:
    if what == IGNORE:
        return effects.Done(inbound.REVIEW, "set aside")
    if what == people.STRANGER:
        return people.become_lead(conn, parts, seen, now=now)
    if lead is None:
        raise UsageError("It is not known whom this mail is about.", fix="Give --lead.")
    how = f"mail {seen.key[:12]}, read by {by}"
    if what == Kind.UNSUBSCRIBE:
        return effects.stopped(conn, parts, lead, MAIL_PURPOSES, message_id=None, how=how, now=now)
    if what == Kind.COMPLAINT:
        return effects.spam(conn, parts, lead, None, None, how=how, now=now)
    if what == people.REPLY:
        return people.replied(conn, parts, seen, lead, None, now=now)
    if lead.email is None:
        raise UsageError("That lead has no address.", fix="Give another --lead.")
    inbound.suppress(
        conn, address_hash(parts.keys, lead.email), reason="hard_bounce", source=how, lead_id=lead.id, now=now
    )
    events.record(conn, [NewEvent(
        EventKind.BOUNCE, now, lead.id, key=f"bounce/mail/{seen.key}", channel="email", machine=True,
        data={"kind": "hard", "reason": "decided"},
    )], now=now)
    return effects.Done(Kind.BOUNCE, f"blocked: {by} read it so", lead.id)
