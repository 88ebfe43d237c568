"""What reports and requests change: addresses that are blocked, consents that end, leads that get a break."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from nurture.decide import choices
from nurture.model.inbound import OURS, Action, Kind, Reason, Struck
from nurture.model.tokens import address_hash, normal_address
from nurture.model.words import MAIL_PURPOSES, EventKind, Purpose
from nurture.parts import Parts
from nurture.store import Connection
from nurture.store.facts import events
from nurture.store.facts.events import NewEvent
from nurture.store.mail import inbound, outbox
from nurture.store.mail.inbound import Known, Mailed
from nurture.store.mail.outbox import Delivered
from nurture.store.privacy import consent
from nurture.store.sales import handoffs

SOFT_MOST: Final = 3
SOFT_WITHIN: Final = timedelta(days=30)
SOFT_BREAK: Final = timedelta(days=30)
"""So many mails that bounced softly within so many days: no mail for so long. Never a block."""
DISABLED_WITHIN: Final = timedelta(days=90)
"""A second mail that meets a switched-off mailbox within this time: it stays off."""
COMPLAINTS: Final = frozenset({"abuse", "fraud", "other", "complaint", "spam"})
OPT_OUTS: Final = frozenset({"opt-out", "opt-out-list", "dkim-opt-out"})


@dataclass(frozen=True, slots=True)
class Done:
    """What became of a mail. `kind` is the row's word; not `handled`: a human is asked."""

    kind: str
    effect: str
    lead_id: int | None = None
    message_id: int | None = None
    handled: bool = True
    suggested: str = ""


def review(why: str, *, lead: Known | None = None, mail: Mailed | None = None, suggested: str = "") -> Done:
    lead_id = lead.id if lead else mail.lead_id if mail else None
    return Done(inbound.REVIEW, why, lead_id, mail.id if mail else None, handled=False, suggested=suggested)


def together(done: Sequence[Done]) -> Done:
    """One answer for a mail that was about several messages."""
    first = next((d for d in done if d.handled), done[0])
    if len(done) == 1:
        return first
    return replace(first, effect="; ".join(d.effect for d in done)[:1000], handled=all(d.handled for d in done))


def of_mail(kind: str, at: datetime, lead: Known, mail: Mailed | None, *, key: str, **more: Any) -> NewEvent:
    """Something that a lead's mail program, or the lead by mail, did with one of our messages (None: with none)."""
    event = NewEvent(kind, at, lead.id, key=key, channel="email", **more)
    if mail is None:
        return event
    return replace(
        event, message_id=mail.id, content=mail.content, topic=mail.topic, campaign=mail.campaign, step=mail.step
    )


def bounced(conn: Connection, parts: Parts, mail: Mailed, about: Struck, *, now: datetime) -> Done:
    """A trusted report about one of our messages."""
    lead = inbound.known(conn, lead_id=mail.lead_id)
    if about.action is not Action.FAILED:
        return _bounce(mail, lead, f"{about.action.value}: nothing changes")
    if lead is None or mail.address is None:
        return _bounce(mail, lead, "the person is no longer here")
    moved_on = lead.email is None or normal_address(lead.email) != normal_address(mail.address)
    if about.hard or _stays_off(conn, lead, mail, about, now):
        inbound.suppress(
            conn,
            address_hash(parts.keys, mail.address),
            reason="hard_bounce",
            source=f"report {about.status}".strip(),
            lead_id=lead.id,
            now=now,
        )
        _record(conn, lead, mail, about, "old_address" if moved_on else "hard", now=now)
        return _bounce(mail, lead, f"blocked: {about.reason.value}")
    if about.reason in OURS:
        _record(conn, lead, mail, about, "soft", now=now)
        _tell_of_us(conn, mail, about, now=now)
        return _bounce(mail, lead, f"our trouble, not the person's: {about.reason.value}")
    _record(conn, lead, mail, about, "soft", now=now)
    paused = not moved_on and _softly_too_often(conn, lead, now=now)
    until = now + SOFT_BREAK
    if paused and inbound.pause_mail(conn, lead.id, until=until):
        return _bounce(mail, lead, f"soft for the {SOFT_MOST}rd time: no mail before {until:%Y-%m-%d}")
    return _bounce(mail, lead, f"soft: {about.reason.value}")


def came_back(conn: Connection, parts: Parts, mail: Delivered, struck: Sequence[Struck], *, now: datetime) -> Done:
    """A trusted report about a mail outside campaigns: a confirmation, or something for staff."""
    about = min(struck, key=lambda s: (not s.hard, s.action != Action.FAILED), default=None)
    if about is None or about.action is not Action.FAILED:
        return Done(Kind.BOUNCE, "not failed: nothing changes", mail.lead_id)
    outbox.finish(conn, mail.id, state="failed", reply=f"it came back: {about.said or about.reason.value}", now=now)
    if mail.kind == "staff_mail":
        return Done(inbound.REVIEW, f"a mail to {mail.target} of our own staff came back", mail.lead_id, handled=False)
    if not about.hard:
        return Done(Kind.BOUNCE, f"soft: {about.reason.value}", mail.lead_id)
    inbound.suppress(
        conn, address_hash(parts.keys, normal_address(mail.target)), reason="hard_bounce",
        source=f"report {about.status}".strip(), lead_id=mail.lead_id, now=now,
    )
    return Done(Kind.BOUNCE, f"blocked: {about.reason.value}", mail.lead_id)


def _bounce(mail: Mailed, lead: Known | None, effect: str) -> Done:
    return Done(Kind.BOUNCE, effect, lead.id if lead else mail.lead_id, mail.id)


def _stays_off(conn: Connection, lead: Known, mail: Mailed, about: Struck, now: datetime) -> bool:
    """5.2.1 is soft the first time: some large sites say it when mail comes too fast."""
    if about.reason is not Reason.DISABLED or not about.permanent:
        return False
    before = inbound.soft_bounces(conn, lead.id, since=now - DISABLED_WITHIN)
    return any(reason == Reason.DISABLED and message != mail.id for message, reason in before)


def _softly_too_often(conn: Connection, lead: Known, *, now: datetime) -> bool:
    ours = {reason.value for reason in OURS}
    found = {m for m, reason in inbound.soft_bounces(conn, lead.id, since=now - SOFT_WITHIN) if reason not in ours}
    return len(found) >= SOFT_MOST


def _record(conn: Connection, lead: Known, mail: Mailed, about: Struck, kind: str, *, now: datetime) -> None:
    key = f"bounce/{mail.id}" if kind != "soft" else f"bounce/{mail.id}/soft"
    data = {"kind": kind, "reason": about.reason.value, "status": about.status}
    events.record(conn, [of_mail(EventKind.BOUNCE, now, lead, mail, key=key, machine=True, data=data)], now=now)


def _tell_of_us(conn: Connection, mail: Mailed, about: Struck, *, now: datetime) -> None:
    """Once a day and receiving group: somebody may be blocking us."""
    where = mail.domain_group or "somebody"
    text = f"{where} sends our mail back because of us or the mail ({about.reason.value}): {about.said[:200]}"
    key = f"mail-refused/{where}/{about.reason.value}/{now:%Y-%m-%d}"
    handoffs.alert(conn, key, "mail_refused", text, for_whom=None, now=now)


def complained(conn: Connection, parts: Parts, mail: Mailed, feedback: str, *, now: datetime) -> Done:
    """A trusted feedback report (RFC 5965) about one of our messages."""
    lead = inbound.known(conn, lead_id=mail.lead_id)
    if feedback == "not-spam":
        return Done(Kind.COMPLAINT, "somebody took it out of the junk folder: nothing changes", mail.lead_id, mail.id)
    if lead is None:
        return Done(Kind.COMPLAINT, "the person is no longer here", mail.lead_id, mail.id)
    if feedback in OPT_OUTS:
        return stopped(
            conn, parts, lead, MAIL_PURPOSES, message_id=mail.id, how=f"feedback report: {feedback}", now=now
        )
    if feedback and feedback not in COMPLAINTS:
        return review(f"a feedback report about `{feedback[:40]}`, which no person sends", mail=mail)
    return spam(conn, parts, lead, mail.address, mail, how="feedback report", now=now)


def spam(
    conn: Connection, parts: Parts, lead: Known, address: str | None, mail: Mailed | None, *, how: str, now: datetime
) -> Done:
    """The person called it spam: their address gets no marketing mail any more, and their consents to it end."""
    for known in {a for a in (address, lead.email) if a}:
        inbound.suppress(
            conn, address_hash(parts.keys, known), reason="complained", source=how, lead_id=lead.id, now=now
        )
    _withdraw(conn, parts, lead, MAIL_PURPOSES, how=how, message_id=mail.id if mail else None, now=now)
    key = f"complaint/{mail.id}" if mail else f"complaint/lead/{lead.id}/{now:%Y-%m-%d}"
    events.record(conn, [of_mail(EventKind.COMPLAINT, now, lead, mail, key=key, machine=True)], now=now)
    return Done(Kind.COMPLAINT, "no marketing mail any more", lead.id, mail.id if mail else None)


def stopped(
    conn: Connection,
    parts: Parts,
    lead: Known,
    purposes: Collection[Purpose],
    *,
    message_id: int | None,
    how: str,
    now: datetime,
) -> Done:
    """Exactly what one click does: the consents end, once, and it is an event."""
    if _withdraw(conn, parts, lead, purposes, how=how, message_id=message_id, now=now):
        events.record(
            conn, [NewEvent(EventKind.UNSUBSCRIBE, now, lead.id, message_id=message_id, channel="email")], now=now
        )
    return Done(Kind.UNSUBSCRIBE, "unsubscribed from " + ", ".join(sorted(purposes)), lead.id, message_id)


def _withdraw(
    conn: Connection,
    parts: Parts,
    lead: Known,
    purposes: Collection[Purpose],
    *,
    how: str,
    message_id: int | None,
    now: datetime,
) -> bool:
    states = consent.still_open(conn, lead.id)
    proof = {"source": how, "message_id": message_id, "address": lead.email}
    entries = choices.stop(lead.id, purposes, states, now=now, proof=proof)
    if entries:
        consent.append(conn, entries, now=now, keys=parts.keys)
    return bool(entries)
