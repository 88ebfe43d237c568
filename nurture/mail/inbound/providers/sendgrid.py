"""SendGrid: a list of events, signed with ECDSA (P-256, SHA-256) over the timestamp header and the raw body."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key, load_pem_public_key

from nurture.mail.inbound.providers.call import (
    MOST,
    BadCall,
    Call,
    address,
    document,
    fields,
    fresh,
    judged,
    moment,
    word,
)
from nurture.model.inbound import Notice, Reason, Struck, Told

SIGNATURE: Final = "x-twilio-email-event-webhook-signature"
TIMESTAMP: Final = "x-twilio-email-event-webhook-timestamp"
RETRIED: Final = timedelta(hours=25)
"""SendGrid tries for twenty-four hours to be heard."""


def read(body: bytes, headers: Mapping[str, str], secret: str, now: datetime) -> Call:
    """`secret` is the verification key as the settings page shows it (base64 DER), or PEM."""
    at = headers.get(TIMESTAMP, "")
    try:
        seal = base64.b64decode(headers.get(SIGNATURE, ""), validate=True)
        key(secret).verify(seal, at.encode() + body, ECDSA(SHA256()))
    except (InvalidSignature, binascii.Error, ValueError):
        raise BadCall("the signature does not fit") from None
    fresh(at, now=now, within=RETRIED)
    events = document(body)
    if not isinstance(events, list):
        raise BadCall("the call is no list of events", code=400)
    found = [_notice(fields(event), now) for event in events[:MOST]]
    return Call(hashlib.blake2b(seal, digest_size=20).hexdigest(), tuple(n for n in found if n is not None))


def key(secret: str) -> EllipticCurvePublicKey:
    """Raises BadCall for a setting that is no such key."""
    try:
        found = (
            load_pem_public_key(secret.encode()) if "BEGIN" in secret else load_der_public_key(base64.b64decode(secret))
        )
    except (ValueError, UnsupportedAlgorithm):
        raise BadCall("the verification key in NURTURE_INBOUND_WEBHOOKS cannot be read", code=500) from None
    if not isinstance(found, EllipticCurvePublicKey):
        raise BadCall("the verification key in NURTURE_INBOUND_WEBHOOKS is of another kind", code=500)
    return found


def _notice(event: Mapping[str, Any], now: datetime) -> Notice | None:
    who, kind = address(event.get("email")), word(event.get("event"))
    told, struck = _told(kind, event, who)
    if not who or told is Told.NOTHING:
        return None
    number = word(event.get("smtp-id")).strip()
    at = moment(event.get("timestamp"), now=now)
    return Notice(told, who, at, word(event.get("sg_event_id")) or f"{kind}/{who}/{at.isoformat()}", struck, number)


def _told(kind: str, event: Mapping[str, Any], who: str) -> tuple[Told, Struck | None]:
    said, code = word(event.get("reason")), word(event.get("status"), 20)
    match kind:
        case "spamreport":
            return Told.COMPLAINED, None
        case "unsubscribe" | "group_unsubscribe":
            return Told.UNSUBSCRIBED, None
        case "deferred":
            return Told.DELAYED, None
        case "bounce":
            # `blocked` is a refusal for now; only `bounce` says that the address is dead.
            return Told.BOUNCED, judged(who, hard=word(event.get("type")) in ("", "bounce"), code=code, said=said)
        case "dropped":
            return _dropped(said.lower(), who)
    return Told.NOTHING, None


def _dropped(why: str, who: str) -> tuple[Told, Struck | None]:
    """What SendGrid did not even try, because of what it knew."""
    if "spam report" in why:
        return Told.COMPLAINED, None
    if "unsubscribed" in why:
        return Told.UNSUBSCRIBED, None
    if "bounced address" in why or "invalid" in why:
        return Told.BOUNCED, judged(who, hard=True, said=why, reason=Reason.NO_ADDRESS)
    return Told.NOTHING, None
