"""What a mail provider's signed call says happened. It is believed about addresses: the provider sent the mail."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import datetime

from nurture.acts.inbound import effects
from nurture.model.inbound import Action, Notice, Struck, Told
from nurture.model.tokens import TokenPurpose, address_hash, normal_address, verify_lower
from nurture.model.words import MAIL_PURPOSES
from nurture.parts import Parts
from nurture.store import Connection
from nurture.store.mail import inbound
from nurture.store.mail.inbound import Known, Mailed
from nurture.store.running import calls


def tell(parts: Parts, provider: str, call_id: str, notices: tuple[Notice, ...], *, now: datetime) -> Counter[str]:
    """Act on a verified call, once: kind -> how many. A replayed call, and a fact told twice, change nothing."""
    done: Counter[str] = Counter()
    with parts.store.begin() as conn:
        if call_id and not calls.first_time(conn, provider, call_id, now=now):
            return Counter(repeated=1)
        for notice in notices:
            row = inbound.claim(conn, f"{provider}:{notice.id}"[:300], source=provider, now=now)
            if row is None:
                done["repeated"] += 1
                continue
            one = _act(conn, parts, provider, notice, now=now)
            said = {"is": notice.told.value, "effect": one.effect, "from": provider, "address": notice.address}
            if notice.struck is not None:
                said |= {"reason": notice.struck.reason.value, "status": notice.struck.status,
                         "said": notice.struck.said}
            inbound.mark(conn, row, kind=one.kind, lead_id=one.lead_id, message_id=one.message_id, summary=said,
                         handled_at=now, by=provider)
            done[one.kind] += 1
    return done


def _act(conn: Connection, parts: Parts, provider: str, notice: Notice, *, now: datetime) -> effects.Done:
    mail = _mail(conn, parts, notice)
    lead = inbound.known(conn, lead_id=mail.lead_id) if mail else inbound.known(conn, email_key=notice.address)
    struck = notice.struck or Struck(notice.address, Action.FAILED)
    if notice.told is Told.DELAYED:
        struck = replace(struck, action=Action.DELAYED)
    if lead is None:
        return _nobody(conn, parts, provider, notice, struck, now=now)
    mail = mail or inbound.newest_to(conn, lead.id, notice.address)
    if notice.told is Told.COMPLAINED:
        return effects.spam(conn, parts, lead, notice.address, mail, how=provider, now=now)
    if notice.told is Told.UNSUBSCRIBED:
        return effects.stopped(
            conn, parts, lead, MAIL_PURPOSES, message_id=mail.id if mail else None, how=provider, now=now
        )
    if mail is None:
        return _unsent(conn, parts, provider, notice, struck, lead, now=now)
    return effects.bounced(conn, parts, mail, struck, now=now)


def _mail(conn: Connection, parts: Parts, notice: Notice) -> Mailed | None:
    """The message it is about, where a token or our Message-ID says so and the address does not speak against it."""
    ids = verify_lower(parts.keys, TokenPurpose.VERP, notice.bounce_token) if notice.bounce_token else None
    found = inbound.by_number(conn, ids or ())
    if not found and notice.message_id:
        found = inbound.by_message_id(conn, [notice.message_id])
    return next((m for m in found if m.address and normal_address(m.address) == notice.address), None)


def _nobody(
    conn: Connection, parts: Parts, provider: str, notice: Notice, struck: Struck, *, now: datetime
) -> effects.Done:
    """Nobody we know has this address now; it is blocked all the same, for whenever it comes in again."""
    reason = {Told.COMPLAINED: "complained", Told.UNSUBSCRIBED: "unsubscribed"}.get(notice.told)
    if reason is None and struck.hard:
        reason = "hard_bounce"
    kind = {Told.COMPLAINED: "complaint", Told.UNSUBSCRIBED: "unsubscribe"}.get(notice.told, "bounce")
    if reason is None:
        return effects.Done(kind, "nobody we know")
    inbound.suppress(
        conn, address_hash(parts.keys, notice.address), reason=reason, source=provider, lead_id=None, now=now
    )
    return effects.Done(kind, f"nobody we know has this address; it is blocked: {reason}")


def _unsent(
    conn: Connection, parts: Parts, provider: str, notice: Notice, struck: Struck, lead: Known, *, now: datetime
) -> effects.Done:
    """A lead we know, and no message of ours to this address: something else was sent there."""
    if struck.action is Action.FAILED and struck.hard:
        inbound.suppress(
            conn, address_hash(parts.keys, notice.address), reason="hard_bounce", source=provider, lead_id=lead.id,
            now=now,
        )
        return effects.Done("bounce", f"blocked: {struck.reason.value}", lead.id)
    return effects.Done("bounce", f"{struck.action.value}: nothing changes", lead.id)
