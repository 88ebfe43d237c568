"""Single mails outside campaigns: packets and reminders to staff, confirmations to leads."""

from __future__ import annotations

from datetime import datetime
from email.utils import format_datetime
from hashlib import blake2b
from html import escape

from nurture.mail.headers import clean, mailable, mailbox, parse_mailbox, unstructured
from nurture.mail.mime import assemble, boundary, quoted_printable
from nurture.model.delivery import Outgoing


def plain_mail(
    delivery_id: int,
    *,
    key: str,
    sender: str,
    to: str,
    subject: str,
    text: str,
    html: str | None,
    domain: str,
    now: datetime,
    bounces_to: str,
    reply_to: str | None = None,
) -> Outgoing:
    """One operational mail, ready for a transport. The Message-ID follows from `key`, so a repeat is recognisable.

    `bounces_to` is the envelope's sender. Raises BadAddress where `to` cannot be mailed.
    """
    address, smtputf8 = mailable(to)
    name, from_address = parse_mailbox(sender)
    digest = name_of(key)
    fields = [
        mailbox("From", name, from_address),
        mailbox("To", "", address),
        unstructured("Subject", clean(subject)),
        f"Date: {format_datetime(now)}",
        f"Message-ID: <{digest}@{domain}>",
        "Auto-Submitted: auto-generated",
    ]
    if reply_to:
        fields.append(mailbox("Reply-To", "", mailable(reply_to)[0]))
    page = html or "".join(f"<p>{escape(part).replace(chr(10), '<br>')}</p>" for part in text.split("\n\n"))
    raw = assemble(fields, quoted_printable(text), quoted_printable(page), limit=boundary(digest))
    return Outgoing(delivery_id, raw, bounces_to, address, smtputf8)


def name_of(key: str) -> str:
    """The left side of the Message-ID of the mail with this key: by it a copy is known again."""
    return blake2b(key.encode(), digest_size=16).hexdigest()
