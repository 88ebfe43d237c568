"""Complaints: feedback reports (RFC 5965) and the forms some providers send instead."""

from __future__ import annotations

import re
from email.message import Message
from email.parser import HeaderParser
from typing import Final

from nurture.mail.inbound import words
from nurture.mail.inbound.delivery import addressees
from nurture.mail.inbound.message import Mail, addresses, body, value
from nurture.model.inbound import Action, Reason, Struck

MOST: Final = 100
_HIDDEN: Final = re.compile(r"redacted|undisclosed|hidden|anonymous|xxxx|^[0-9a-f]{32,}@", re.IGNORECASE)


def complaint(mail: Mail, original: list[Message]) -> tuple[str, str, list[Struck]] | None:
    """(recognised by, Feedback-Type, whom it names), or None. A redacted address is empty."""
    for part in mail.of_type("message/feedback-report"):
        fields = _fields(part)
        kind = value(fields, "Feedback-Type").lower() or "abuse"
        named = [
            a
            for name in ("Original-Rcpt-To", "Removal-Recipient", "Redacted-Address")
            for v in (fields.get_all(name) or [])[:MOST]
            for a in addresses(str(v))
        ]
        return "message/feedback-report", kind, _struck(named or addressees(original))
    if mail.root.get_content_type() == "multipart/report" and mail.root.get_param("report-type") == "feedback-report":
        return "report-type=feedback-report", "abuse", _struck(addressees(original))
    if mail.has("X-HmXmrOriginalRecipient") or (
        original and any(part.get("X-HmXmrOriginalRecipient") for part in original)
    ):
        # A large provider's junk reports: the mail as it was, attached, and one field that says for whom.
        named = [a for part in (mail.root, *original) for a in addresses(value(part, "X-HmXmrOriginalRecipient"))]
        return "X-HmXmrOriginalRecipient", "abuse", _struck(named)
    if original and words.COMPLAINT_SUBJECT.match(mail.header("Subject")):
        return "subject of a complaint", "abuse", _struck(addressees(original))
    return None


def _fields(part: Message) -> Message:
    """The report's fields; parsers differ on whether its body is a message of its own."""
    inside = part.get_payload()
    if isinstance(inside, list) and inside and isinstance(inside[0], Message):
        found = inside[0]
        return found if found.keys() else HeaderParser().parsestr(body(found).lstrip())
    return HeaderParser().parsestr(body(part).lstrip())


def _struck(named: list[str]) -> list[Struck]:
    known = ["" if _HIDDEN.search(a.partition("@")[0]) or _HIDDEN.match(a) else a for a in dict.fromkeys(named)]
    return [Struck(a, Action.DELIVERED, Reason.SPAM, permanent=False) for a in dict.fromkeys(known or [""])][:MOST]
