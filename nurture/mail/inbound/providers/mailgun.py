"""Mailgun: JSON with `signature` (HMAC-SHA256 over timestamp and token) beside `event-data`. The token is the call."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from nurture.mail.inbound.providers.call import BadCall, Call, address, document, fields, fresh, judged, moment, word
from nurture.model.inbound import Notice, Reason, Struck, Told

RETRIED: Final = timedelta(hours=9)
"""Mailgun repeats a call for eight hours, under its first signature."""


def read(body: bytes, headers: Mapping[str, str], secret: str, now: datetime) -> Call:
    """`secret` is the HTTP webhook signing key."""
    whole = fields(document(body))
    seal = fields(whole.get("signature"))
    at, token = str(seal.get("timestamp", ""))[:20], word(seal.get("token"), 100)
    given = (word(seal.get("signature"), 100), word(seal.get("parent-signature"), 100))
    wanted = hmac.new(secret.encode(), f"{at}{token}".encode(), "sha256").hexdigest()
    if not secret or not token or not any(hmac.compare_digest(wanted.encode(), one.encode()) for one in given if one):
        raise BadCall("the signature does not fit")
    fresh(at, now=now, within=RETRIED)
    found = _notice(fields(whole.get("event-data")), token, now)
    return Call(token, (found,) if found else ())


def _notice(event: Mapping[str, Any], token: str, now: datetime) -> Notice | None:
    kind, who = word(event.get("event")), address(event.get("recipient"))
    told, struck = _told(kind, event, who)
    if not who or told is Told.NOTHING:
        return None
    sent = fields(fields(event.get("message")).get("headers"))
    number = word(sent.get("message-id"))
    number = f"<{number.strip('<>')}>" if number else ""
    return Notice(told, who, moment(event.get("timestamp"), now=now), word(event.get("id")) or token, struck, number)


def _told(kind: str, event: Mapping[str, Any], who: str) -> tuple[Told, Struck | None]:
    if kind == "complained":
        return Told.COMPLAINED, None
    if kind == "unsubscribed":
        return Told.UNSUBSCRIBED, None
    if kind not in ("failed", "bounced", "dropped"):
        return Told.NOTHING, None
    if word(event.get("severity")) == "temporary":
        return Told.DELAYED, None
    why, status = word(event.get("reason")), fields(event.get("delivery-status"))
    if why == "suppress-complaint":
        return Told.COMPLAINED, None
    if why == "suppress-unsubscribe":
        return Told.UNSUBSCRIBED, None
    said = f"{status.get('code', '')} {word(status.get('message')) or word(status.get('description'))}".strip()
    reason = {"suppress-bounce": Reason.NO_ADDRESS, "espblock": Reason.POLICY}.get(why)
    hard = why in ("bounce", "suppress-bounce", "generic", "")
    code = word(status.get("enhanced-code"), 20)
    return Told.BOUNCED, judged(who, hard=hard, code=code, said=said, reason=reason)
