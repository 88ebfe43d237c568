"""One message for one lead, as the bytes that go over the wire. Built once; never serialised again by anybody."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import format_datetime
from typing import Any, Final

from nurture.mail import headers
from nurture.mail.compile import CompiledCopy, CompiledMail
from nurture.mail.links import Addresses
from nurture.mail.mime import assemble, boundary, quoted_printable
from nurture.model import sandbox
from nurture.model.company import Company
from nurture.model.words import ContentKind

PERSONAL_KINDS: Final = frozenset({ContentKind.OPERATIONAL})
"""Mails without list headers: an answer to somebody's own request is not a list they can leave."""


@dataclass(frozen=True, slots=True)
class Frame:
    """What is the same for every lead of one step: header fields already folded, and the sender."""

    fields: tuple[str, ...]
    sender: Mapping[str, str]
    bulk: bool


@dataclass(slots=True)
class Letter:
    """One lead's share of a message. `lead` holds profile values by name, hostile text included."""

    to: str
    lead: Mapping[str, Any]
    message_id: str
    addresses: Addresses
    now: datetime
    reason: str
    language: str
    subject: str | None = None
    """The variant's own subject (Jinja), instead of the template's."""
    campaign: Mapping[str, str] = field(default_factory=dict)
    topic: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rendered:
    raw: bytes
    subject: str
    text: str
    html: str


def frame(
    company: Company,
    *,
    sender: str,
    domain: str,
    kind: ContentKind,
    reply_to: str | None = None,
    topic_id: str | None = None,
    topic_name: str | None = None,
    campaign: str = "",
    step: str = "",
) -> Frame:
    """The fields that every message of a step shares. Raises headers.BadAddress for a sender that is none."""
    display, address = headers.parse_mailbox(sender)
    fields = [headers.mailbox("From", display, address)]
    if reply_to:
        fields.append(headers.mailbox("Reply-To", *headers.parse_mailbox(reply_to)))
    bulk = kind not in PERSONAL_KINDS
    if bulk:
        fields += _list_fields(domain, topic_id or "mail", topic_name or company.name)
        fields.append(f"Feedback-ID: {_word(campaign)}:{_word(step)}:{_word(kind)}:{sender_id(domain)}")
        fields += ["List-Unsubscribe-Post: List-Unsubscribe=One-Click", "Precedence: bulk"]
    fields += ["Auto-Submitted: auto-generated", "X-Auto-Response-Suppress: OOF, AutoReply"]
    return Frame(tuple(fields), {"name": display or company.name, "email": address}, bulk)


def _list_fields(domain: str, topic_id: str, topic_name: str) -> list[str]:
    phrase = headers.clean(topic_name).strip()
    sayable = phrase.isascii() and len(phrase) < 120 and not any(mark in phrase for mark in ('"', "\\", "=?"))
    name = f'"{phrase}" ' if sayable else ""
    return [f"List-ID: {name}<{_word(topic_id)}.{domain}>"]


def _word(text: str) -> str:
    """A word for List-ID and Feedback-ID: lower-case letters, digits and hyphens."""
    kept = "".join(c if c.isascii() and c.isalnum() else "-" for c in text.lower())
    return kept.strip("-")[:40] or "none"


def sender_id(domain: str) -> str:
    """The constant last field of Feedback-ID, 5 to 15 characters."""
    kept = "".join(c for c in domain.lower() if c.isascii() and c.isalnum())
    return kept[:15] if len(kept) >= 5 else f"{kept}mails"


def render(
    mail: CompiledMail, copy: CompiledCopy, step: Frame, letter: Letter, *, company: Mapping[str, str]
) -> Rendered:
    """Fill in one message. Raises sandbox.CopyError for copy that needs a word this lead does not have."""
    addresses = letter.addresses
    context = sandbox.context(
        lead=letter.lead,
        company=company,
        sender=step.sender,
        campaign=letter.campaign,
        topic=letter.topic,
        links={link.name: link.url for link in mail.links if link.name},
        unsubscribe_url=addresses.unsubscribe,
        preferences_url=addresses.preferences,
        reason=letter.reason,
        language=letter.language,
        click_url=addresses.click or "",
        honeypot_url=addresses.honeypot or "",
        pixel_url=addresses.pixel or "",
    )
    wanted = sandbox.compile_copy(letter.subject) if letter.subject else copy.subject
    subject = sandbox.render(wanted, context, limit=4000)
    context["subject"] = subject
    context["preheader"] = sandbox.render(copy.preheader, context, limit=4000)
    face = copy.tracked if addresses.click else copy.plain
    shown = sandbox.render(sandbox.compile_copy(face.html, html=True), context)
    said = sandbox.render(sandbox.compile_copy(face.text), context)
    fields = [*_personal_fields(step, letter, subject), *step.fields]
    raw = assemble(fields, quoted_printable(said), quoted_printable(shown), limit=boundary(mail.key))
    return Rendered(raw, subject, said, shown)


def _personal_fields(step: Frame, letter: Letter, subject: str) -> list[str]:
    fields = [
        headers.mailbox("To", display_name(letter.lead), letter.to),
        headers.unstructured("Subject", subject),
        f"Date: {format_datetime(letter.now)}",
        f"Message-ID: {letter.message_id}",
    ]
    if step.bulk:
        off = letter.addresses
        fields.append(f"List-Unsubscribe: <{off.unsubscribe}>,\r\n <mailto:{off.unsubscribe_mail}?subject=unsubscribe>")
    return fields


def display_name(lead: Mapping[str, Any]) -> str:
    """First and last name as the To field shows them, at most 120 characters; empty where neither is known."""
    first, last = lead.get("first_name"), lead.get("last_name")
    one = headers.clean(str(first)).strip() if first else ""
    two = headers.clean(str(last)).strip() if last else ""
    return (f"{one} {two}" if one and two else one or two)[:120]


def company_words(company: Company) -> dict[str, str]:
    """What copy may print of the company."""
    words = sandbox.NAMES["company"] or ()
    return {name: str(getattr(company, name)) for name in words}
