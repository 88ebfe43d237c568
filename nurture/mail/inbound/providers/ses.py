"""Amazon SES over SNS: RSA signatures, checked with a certificate that only Amazon's own hosts may give."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final
from urllib.parse import urlsplit

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.x509 import load_pem_x509_certificate

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
from nurture.model.inbound import Notice, Reason, Told

RETRIED: Final = timedelta(hours=7)
"""SNS repeats a call for six hours, under its first time and signature."""
_DIGESTS: Final = {"1": SHA1, "2": SHA256}
"""By signature version: Amazon still signs with SHA-1 unless a topic asks for the second."""
_HOST: Final = re.compile(r"sns\.[a-z0-9-]{3,30}\.amazonaws\.com(\.cn)?")
_NOTIFICATION: Final = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
_SUBSCRIPTION: Final = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
_HARD: Final = {
    "NoEmail": Reason.NO_ADDRESS, "Suppressed": Reason.NO_ADDRESS, "OnAccountSuppressionList": Reason.NO_ADDRESS,
    "General": None,
}
_SOFT: Final = {"MailboxFull": Reason.FULL, "MessageTooLarge": Reason.TOO_BIG, "ContentRejected": Reason.CONTENT,
                "AttachmentRejected": Reason.CONTENT}


def read(body: bytes, headers: Mapping[str, str], secret: str, now: datetime) -> Call:
    """`secret` is the topic's ARN (or several). Nothing is believed before `check` has seen the certificate."""
    whole = fields(document(body))
    if not secret or word(whole.get("TopicArn")) not in secret.split():
        raise BadCall("the call is of another topic")
    where = word(whole.get("SigningCertURL"))
    if not ours(where, ".pem"):
        raise BadCall("the certificate is not Amazon's")
    return Call(word(whole.get("MessageId")), needs=where, check=partial(checked, whole, now=now))


def ours(url: str, ending: str = "") -> bool:
    """Whether an address is of Amazon's SNS itself, so that asking it cannot be turned against anybody."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return False
    plain = parts.scheme == "https" and port in (None, 443) and parts.username is None and parts.password is None
    return plain and _HOST.fullmatch(host) is not None and parts.path.endswith(ending)


def checked(whole: Mapping[str, Any], certificate: bytes, *, now: datetime) -> Call:
    """The verified call. Raises BadCall."""
    kind = word(whole.get("Type"))
    names = _SUBSCRIPTION if kind in ("SubscriptionConfirmation", "UnsubscribeConfirmation") else _NOTIFICATION
    told = "".join(f"{name}\n{whole[name]}\n" for name in names if isinstance(whole.get(name), str))
    digest = _DIGESTS.get(str(whole.get("SignatureVersion")))
    try:
        public = load_pem_x509_certificate(certificate).public_key()
        seal = base64.b64decode(word(whole.get("Signature"), 2000), validate=True)
        if digest is None or not isinstance(public, RSAPublicKey):
            raise BadCall("the signature is of an unknown kind")
        public.verify(seal, told.encode(), PKCS1v15(), digest())
    except (InvalidSignature, binascii.Error, ValueError):
        raise BadCall("the signature does not fit") from None
    try:
        at = datetime.fromisoformat(word(whole.get("Timestamp")).replace("Z", "+00:00")).astimezone(UTC)
    except ValueError:
        raise BadCall("the call does not say when it was signed") from None
    fresh(at, now=now, within=RETRIED)
    number = word(whole.get("MessageId"))
    if kind == "SubscriptionConfirmation":
        visit = word(whole.get("SubscribeURL"), 2000)
        if not ours(visit):
            raise BadCall("the address to confirm at is not Amazon's")
        return Call(number, confirm=visit)
    if kind != "Notification":
        return Call(number)
    return Call(number, tuple(_notices(_inner(word(whole.get("Message"), 1_000_000)), number, now)))


def _inner(text: str) -> Mapping[str, Any]:
    try:
        return fields(json.loads(text))
    except (ValueError, RecursionError):
        return {}


def _notices(event: Mapping[str, Any], number: str, now: datetime) -> list[Notice]:
    kind = word(event.get("notificationType")) or word(event.get("eventType"))
    mail, found = fields(event.get("mail")), []
    header = _message_id(mail)
    if kind == "Bounce":
        bounce = fields(event.get("bounce"))
        for one in _list(bounce.get("bouncedRecipients")):
            found.append(_bounce(bounce, fields(one), header, number, now))
    elif kind in ("Complaint", "Subscription"):
        complaint = fields(event.get("complaint"))
        told = Told.COMPLAINED if kind == "Complaint" else Told.UNSUBSCRIBED
        if word(complaint.get("complaintFeedbackType")) in ("not-spam", "auth-failure", "virus"):
            return []
        at = moment(complaint.get("timestamp") or mail.get("timestamp"), now=now)
        people = _list(complaint.get("complainedRecipients")) or [
            {"emailAddress": a} for a in _list(mail.get("destination"))[:1]
        ]
        # SES names everybody at that domain who got the mail; ours have one recipient each.
        found = [
            Notice(told, who, at, f"{number}/{who}", None, header)
            for one in people if (who := address(fields(one).get("emailAddress")))
        ]
    return [n for n in found if n.address]


def _bounce(
    bounce: Mapping[str, Any], one: Mapping[str, Any], header: str, number: str, now: datetime
) -> Notice:
    who, why = address(one.get("emailAddress")), word(bounce.get("bounceSubType"))
    hard = word(bounce.get("bounceType")) == "Permanent" and why in _HARD
    code, said = word(one.get("status"), 20), word(one.get("diagnosticCode"))
    reason = _HARD.get(why) or _SOFT.get(why)
    struck = judged(who, hard=hard, code=code, said=said.partition(";")[2] or said, reason=reason)
    return Notice(Told.BOUNCED, who, moment(bounce.get("timestamp"), now=now), f"{number}/{who}", struck, header)


def _message_id(mail: Mapping[str, Any]) -> str:
    """Our own Message-ID, where the notification was asked to carry the original headers."""
    for one in _list(mail.get("headers")):
        if word(fields(one).get("name")).lower() == "message-id":
            return word(fields(one).get("value"))
    return ""


def _list(value: Any) -> list[Any]:
    return value[:MOST] if isinstance(value, list) else []
