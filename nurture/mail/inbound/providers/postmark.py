"""Postmark: JSON without a signature; it authenticates by the user and password that stand in the webhook's address."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from nurture.mail.inbound.providers.call import BadCall, Call, address, document, fields, judged, moment, word
from nurture.model.inbound import Notice, Reason, Struck, Told

_HARD: Final = {"HardBounce": None, "BadEmailAddress": Reason.NO_ADDRESS}
_SOFT: Final = {
    "SoftBounce": None, "DnsError": Reason.NETWORK, "SpamNotification": Reason.SPAM, "Blocked": Reason.POLICY,
    "ISPBlock": Reason.POLICY, "VirusNotification": Reason.CONTENT, "DMARCPolicy": Reason.SENDER,
    "SMTPApiError": Reason.SENDER, "InboundError": Reason.SENDER, "TemplateRenderingFailed": Reason.SENDER,
    "Undeliverable": None, "Unknown": None,
}
_REASONS: Final = {"HardBounce": Told.BOUNCED, "SpamComplaint": Told.COMPLAINED}


def read(body: bytes, headers: Mapping[str, str], secret: str, now: datetime) -> Call:
    """`secret` is `user:password`."""
    scheme, _, given = headers.get("authorization", "").partition(" ")
    try:
        said = base64.b64decode(given, validate=True)
    except (binascii.Error, ValueError):
        said = b""
    if ":" not in secret or scheme.lower() != "basic" or not hmac.compare_digest(said, secret.encode()):
        raise BadCall("the password does not fit")
    event = fields(document(body))
    found = _notice(event, now)
    return Call(found.id if found else "", (found,) if found else ())


def _notice(event: Mapping[str, Any], now: datetime) -> Notice | None:
    kind = word(event.get("RecordType"))
    who = address(event.get("Email") or event.get("Recipient"))
    told, struck = _told(kind, event, who)
    if not who or told is Told.NOTHING:
        return None
    said_at = event.get("BouncedAt") or event.get("ChangedAt")
    # Bounces and complaints have numbers of their own; a change of subscription is known by its moment.
    number = f"{kind}/{event['ID']}" if isinstance(event.get("ID"), int) else f"{kind}/{who}/{word(said_at, 40)}"
    return Notice(told, who, moment(said_at, now=now), number, struck)


def _told(kind: str, event: Mapping[str, Any], who: str) -> tuple[Told, Struck | None]:
    if kind == "SpamComplaint":
        return Told.COMPLAINED, None
    if kind == "SubscriptionChange":
        if event.get("SuppressSending") is not True:
            return Told.NOTHING, None
        told = _REASONS.get(word(event.get("SuppressionReason")), Told.UNSUBSCRIBED)
        bounced = judged(who, hard=True, reason=Reason.NO_ADDRESS) if told is Told.BOUNCED else None
        # What the company itself suppressed there says nothing about the person's wish.
        return (told, bounced) if word(event.get("Origin")) != "Admin" else (Told.NOTHING, None)
    if kind != "Bounce":
        return Told.NOTHING, None
    why, said = word(event.get("Type")), word(event.get("Details")) or word(event.get("Description"))
    if why == "SpamComplaint":
        return Told.COMPLAINED, None
    if why == "Unsubscribe":
        return Told.UNSUBSCRIBED, None
    if why == "Transient":
        return Told.DELAYED, None
    if why in _HARD:
        return Told.BOUNCED, judged(who, hard=True, said=said, reason=_HARD[why])
    if why in _SOFT:
        return Told.BOUNCED, judged(who, hard=False, said=said, reason=_SOFT[why])
    return Told.NOTHING, None
