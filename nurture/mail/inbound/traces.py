"""What of ours stands in a mail: tokens in addresses and links, and the Message-IDs it is about."""

from __future__ import annotations

import re
from collections.abc import Iterable
from email.message import Message
from itertools import islice
from typing import Final

from nurture.mail.inbound.message import FIELDS, Mail, body, one_line, value
from nurture.model.inbound import Envelope, Traces

MOST: Final = 20
SENT_TO: Final = (
    "Delivered-To",
    "X-Original-To",
    "Envelope-To",
    "X-Envelope-To",
    "X-RCPT-To",
    "X-Rcpt-To",
    "To",
    "Cc",
    "Resent-To",
    "X-Forwarded-To",
    "X-Original-Recipient",
    "Apparently-To",
)
TOKEN: Final = re.compile(r"(?<![a-z0-9])([bu])(?:\+|=2b|%2b)([a-z2-7]{25,128})(?=[@=\"])", re.IGNORECASE)
"""Also inside what forwarders make of an envelope sender (`SRS0=...=b+token@...`, `prvs=...=b+token@...`)."""
_SUBJECT: Final = re.compile(r"(?<![a-z2-7])([a-z2-7]{45,60})(?![a-z2-7])", re.IGNORECASE)
_LINK: Final = re.compile(r"/u/([A-Za-z0-9_-]{30,90})(?![A-Za-z0-9_-])")
_ID: Final = re.compile(r"<[^<>\s@]{1,200}@[^<>\s@]{1,200}>")
_ID_LINE: Final = re.compile(r"^[>\s]*Message-ID:\s*(<[^<>\s]{3,400}>)", re.IGNORECASE | re.MULTILINE)


def recipients(mail: Mail, envelope: Envelope) -> list[str]:
    """Everything that says whom this was delivered to; the envelope first."""
    return [*envelope.recipients[:MOST], *(v for name in SENT_TO for v in mail.headers(name))]


def traces(mail: Mail, envelope: Envelope, original: list[Message], *, report: bool) -> Traces:
    """`original` are the headers of attached mails; only a report (not a person's quoting) is about them."""
    sent_to = " ".join(recipients(mail, envelope))
    inside = _words(mail, original) if report else ""
    bounce = [t for kind, t in TOKEN.findall(sent_to) if kind in "bB"]
    bounce += [t for kind, t in TOKEN.findall(inside) if kind in "bB"]
    stop = [t for kind, t in TOKEN.findall(sent_to) if kind in "uU"] + _SUBJECT.findall(mail.header("Subject"))
    ids = _ids(mail, original, inside)
    return Traces(
        _few(t.lower() for t in bounce), _few(t.lower() for t in stop), _few(_LINK.findall(inside)), _few(ids)
    )


def _ids(mail: Mail, original: list[Message], inside: str) -> list[str]:
    found = [i for part in original for i in _ID.findall(value(part, "Message-ID"))]
    found += _ID_LINE.findall(inside)
    for name in ("In-Reply-To", "References"):
        found += list(reversed(_ID.findall(mail.header(name))))
    own = mail.header("Message-ID")
    return [number for number in found if number != own]


def _words(mail: Mail, original: list[Message]) -> str:
    """Headers of the report and of what it returns, and every readable text in it."""
    said: list[str] = []
    for part in (mail.root, *original):
        said += [f"{name}: {one_line(str(text))}" for name, text in islice(part.raw_items(), FIELDS) if len(name) < 80]
    for part in mail.parts:
        kind = part.get_content_type()
        if not part.is_multipart() and (kind.startswith(("text/", "message/"))):
            said.append(body(part))
        elif kind == "message/delivery-status":
            inside = part.get_payload()
            blocks = inside if isinstance(inside, list) else []
            said += [f"{n}: {v}" for b in blocks[:50] if isinstance(b, Message) for n, v in b.items()]
    return "\n".join(said)[:400_000]


def _few(found: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(found))[:MOST]
