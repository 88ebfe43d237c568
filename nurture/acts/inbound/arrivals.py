"""Mail that came in: understood, matched with what we sent, acted on, written down; all in one transaction per mail.

Nothing is answered. A report acts only where it shows something that only the recipient's side can know: a token we
signed, or the Message-ID (keyed, so it cannot be guessed) of a message that really went to the address it names. All
else is kept for a human.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from nurture.acts.inbound import effects, people
from nurture.decide import choices
from nurture.mail.inbound.classify import classify
from nurture.model.inbound import Arrived, Incoming, Kind, Struck
from nurture.model.tokens import TokenPurpose, normal_address, numbered_purpose, verify, verify_lower
from nurture.model.words import MAIL_PURPOSES, Purpose
from nurture.parts import Parts
from nurture.store import Connection
from nurture.store.mail import inbound, outbox
from nurture.store.mail.inbound import Known, Mailed

KEPT_RAW: Final = 256 * 1024
"""Bytes of a mail that a human may still want to look at."""
_TOKENS: Final = 20


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of one mail. `id` None: it came before."""

    id: int | None
    kind: str = ""
    effect: str = ""


@dataclass(frozen=True, slots=True)
class Proof:
    """What of ours a mail shows. `signed` messages come from tokens, `named` from Message-IDs alone."""

    signed: tuple[Mailed, ...] = ()
    named: tuple[Mailed, ...] = ()
    aside: tuple[outbox.Delivered, ...] = ()
    """Mails outside campaigns, from tokens."""
    stop: tuple[int, int, Purpose | None] | None = None
    """(lead, message or 0, what to end) of an unsubscribe token."""
    forged: bool = False
    """It carries something that looks like a token of ours and is none."""


def take(parts: Parts, arrived: Arrived, *, now: datetime) -> Taken:
    """Take one mail in. The same mail again, from wherever, changes nothing.

    Raises Unavailable where the database is away: then nothing happened, and the mail has to come again.
    """
    seen = classify(arrived.raw, arrived.envelope)
    with parts.store.begin() as conn:
        row = inbound.claim(conn, f"mail:{seen.key}", source=arrived.source, now=now)
        if row is None:
            return Taken(None, seen.kind)
        done = _act(conn, parts, seen, proof_of(conn, parts, seen), now=now)
        kept = arrived.raw[:KEPT_RAW] if done.kind in people.KEEP_RAW or not done.handled else None
        inbound.mark(
            conn,
            row,
            kind=done.kind,
            lead_id=done.lead_id,
            message_id=done.message_id,
            raw=kept,
            summary=summary(seen, done),
            handled_at=now if done.handled else None,
            by="system" if done.handled else None,
        )
        if not done.handled:
            people.tell_waiting(conn, now=now)
    return Taken(row, done.kind, done.effect)


def keep(parts: Parts, arrived: Arrived, why: str, *, now: datetime) -> Taken:
    """Set a mail aside that could not be dealt with: nothing is lost, and it stops nobody behind it."""
    seen = classify(arrived.raw, arrived.envelope)
    with parts.store.begin() as conn:
        row = inbound.claim(conn, f"mail:{seen.key}", source=arrived.source, now=now)
        if row is not None:
            # As little of it as possible: it may be its words that broke us.
            said = {name: text.encode("ascii", "replace").decode()
                    for name, text in (("from", seen.sender), ("subject", seen.subject))}
            said |= {"is": seen.kind.value, "effect": why}
            inbound.mark(
                conn, row, kind=inbound.REVIEW, summary=said, raw=arrived.raw[:KEPT_RAW], handled_at=None
            )
    return Taken(row, inbound.REVIEW, why)


def summary(seen: Incoming, done: effects.Done) -> dict[str, Any]:
    """What a human reads about a mail, as the row keeps it."""
    said: dict[str, Any] = {
        "is": seen.kind.value,
        "by": seen.why,
        "effect": done.effect,
        "from": seen.sender,
        "name": seen.name,
        "subject": seen.subject,
        "text": seen.text[:4000],
        "message_id": seen.message_id,
    }
    if seen.struck:
        said["about"] = [
            {
                "address": s.address,
                "action": s.action.value,
                "reason": s.reason.value,
                "status": s.status,
                "hard": s.hard,
                "said": s.said,
            }
            for s in seen.struck[:20]
        ]
    for name, found in (("feedback", seen.feedback), ("doubts", list(seen.doubts)), ("suggested", done.suggested)):
        if found:
            said[name] = found
    if seen.back_on is not None:
        said["back_on"] = seen.back_on.isoformat()
    return said


def proof_of(conn: Connection, parts: Parts, seen: Incoming) -> Proof:
    """Check every token and Message-ID that the mail shows."""
    keys, traces = parts.keys, seen.traces
    bounce = [verify_lower(keys, TokenPurpose.VERP, t) for t in traces.bounce[:_TOKENS]]
    aside = [ids[0] for t in traces.bounce[:_TOKENS] if (ids := verify_lower(keys, TokenPurpose.ASIDE, t))]
    stop = [verify_lower(keys, TokenPurpose.UNSUBSCRIBE, t) for t in traces.stop[:_TOKENS]]
    links = [verify(keys, TokenPurpose.UNSUBSCRIBE, t) for t in traces.links[:_TOKENS]]
    numbers = [ids[0] for ids in bounce if ids is not None and len(ids) == 1]
    whole = [ids for ids in (*stop, *links) if ids is not None and len(ids) == 3]
    signed = inbound.by_number(conn, [*numbers, *(ids[1] for ids in whole if ids[1])])
    off = next((ids for ids in stop if ids is not None and len(ids) == 3), None)
    return Proof(
        tuple(signed),
        tuple(inbound.by_message_id(conn, traces.message_ids)),
        tuple(outbox.left(conn, aside)),
        None if off is None else (off[0], off[1], numbered_purpose(off[2])),
        forged=bool(bounce or stop) and not numbers and not aside and off is None,
    )


def _act(conn: Connection, parts: Parts, seen: Incoming, proof: Proof, *, now: datetime) -> effects.Done:
    match seen.kind:
        case Kind.BOUNCE:
            return _bounce(conn, parts, seen, proof, now=now)
        case Kind.COMPLAINT:
            return _complaint(conn, parts, seen, proof, now=now)
        case Kind.RECEIPT:
            return effects.Done(Kind.RECEIPT, "a disposition notice says nothing about interest")
        case Kind.AUTO_REPLY:
            return people.auto_reply(conn, seen, *_whose(conn, seen, proof), now=now)
        case Kind.UNSUBSCRIBE:
            return _unsubscribe(conn, parts, seen, proof, now=now)
        case Kind.PERSON:
            return _person(conn, parts, seen, proof, now=now)
    lead = _from(conn, seen)
    return effects.review(seen.why, lead=lead)


def _bounce(conn: Connection, parts: Parts, seen: Incoming, proof: Proof, *, now: datetime) -> effects.Done:
    mails = _proved(seen, proof)
    if not mails and proof.aside:
        return effects.together([effects.came_back(conn, parts, one, seen.struck, now=now) for one in proof.aside])
    if not mails:
        return effects.review(
            "a delivery report that proves nothing: no token of ours, no message it fits",
            lead=_of_mail(conn, proof),
            suggested="bounce",
        )
    done = []
    for mail in mails:
        about = said_of(seen.struck, mail, alone=len(mails) == 1)
        done.append(
            effects.review("several recipients, and none is ours", mail=mail)
            if about is None
            else effects.bounced(conn, parts, mail, about, now=now)
        )
    return effects.together(done)


def _proved(seen: Incoming, proof: Proof) -> list[Mailed]:
    """The messages that a report is believed about."""
    return list(proof.signed) or [m for m in proof.named if _names(seen.struck, m)]


def said_of(struck: tuple[Struck, ...], mail: Mailed, *, alone: bool) -> Struck | None:
    """What a report says of one of our messages. Behind a forwarding the address is another; then the token counts."""
    ours = [s for s in struck if mail.address and normal_address(mail.address) in (s.address, s.original)]
    if not ours and alone and len({(s.action, s.reason, s.hard) for s in struck}) == 1:
        ours = [struck[0]]
    return min(ours, key=lambda s: (not s.hard, s.action != "failed"), default=None)


def _names(struck: tuple[Struck, ...], mail: Mailed) -> bool:
    """A Message-ID counts where the report names the very address, or hides it and nothing speaks against it."""
    if mail.address is None:
        return False
    told = {a for s in struck for a in (s.address, s.original) if a}
    return not told or normal_address(mail.address) in told


def _complaint(conn: Connection, parts: Parts, seen: Incoming, proof: Proof, *, now: datetime) -> effects.Done:
    mails = _proved(seen, proof)
    if not mails:
        return effects.review(
            "a complaint that proves nothing: no token of ours, no message it fits",
            lead=_of_mail(conn, proof),
            suggested="complaint",
        )
    return effects.together([effects.complained(conn, parts, m, seen.feedback, now=now) for m in mails])


def _unsubscribe(conn: Connection, parts: Parts, seen: Incoming, proof: Proof, *, now: datetime) -> effects.Done:
    if proof.stop is not None:
        lead_id, message_id, purpose = proof.stop
        lead = inbound.known(conn, lead_id=lead_id)
        if lead is None:
            return effects.Done(Kind.UNSUBSCRIBE, "the person is no longer here")
        how = "mail to the unsubscribe address"
        return effects.stopped(
            conn, parts, lead, choices.unsubscribed(purpose), message_id=message_id or None, how=how, now=now
        )
    if proof.forged or seen.traces.stop:
        return effects.review(
            "sent to an unsubscribe address whose token we did not sign",
            lead=_from(conn, seen),
            suggested="unsubscribe",
        )
    lead, mail = _whose(conn, seen, proof)
    if lead is None or (seen.doubts and mail is None):
        return effects.review("somebody wants no more mail; it is not clear who", lead=lead, suggested="unsubscribe")
    return effects.stopped(
        conn, parts, lead, MAIL_PURPOSES, message_id=mail.id if mail else None, how="mail that asks for it", now=now
    )


def _person(conn: Connection, parts: Parts, seen: Incoming, proof: Proof, *, now: datetime) -> effects.Done:
    lead, mail = _whose(conn, seen, proof)
    if proof.forged:
        return effects.review("sent to a return address whose token we did not sign", lead=lead)
    if seen.doubts and mail is None:
        return effects.review(
            f"not taken at its word: {', '.join(seen.doubts)}", lead=lead, suggested="reply" if lead else ""
        )
    if lead is not None:
        return people.replied(conn, parts, seen, lead, mail, now=now)
    return people.stranger(conn, parts, seen, now=now)


def _whose(conn: Connection, seen: Incoming, proof: Proof) -> tuple[Known | None, Mailed | None]:
    """The lead a person's or an answering machine's mail is from, and which message it answers."""
    for mail in (*proof.signed, *proof.named):
        lead = inbound.known(conn, lead_id=mail.lead_id)
        if lead is not None:
            return lead, mail
    return _from(conn, seen), None


def _from(conn: Connection, seen: Incoming) -> Known | None:
    return inbound.known(conn, email_key=seen.sender) if seen.sender else None


def _of_mail(conn: Connection, proof: Proof) -> Known | None:
    return next((lead for m in proof.named if (lead := inbound.known(conn, lead_id=m.lead_id)) is not None), None)
