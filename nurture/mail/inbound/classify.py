"""What a mail is: the one question, asked in the order in which the answers exclude each other.

Delivery report, complaint, disposition notice, mail to an unsubscribe address, automatic answer, unsubscribe request,
person. A mail to an unsubscribe address stands before automatic answers: mail programs write it by themselves, and
nothing answers to that address.
"""

from __future__ import annotations

import hashlib
from datetime import date
from typing import Any, Final

from nurture.mail.inbound import automatic, delivery, feedback, person, prose
from nurture.mail.inbound.message import Mail, addresses, body, mailbox
from nurture.mail.inbound.traces import TOKEN, recipients, traces
from nurture.model.inbound import Envelope, Incoming, Kind, Struck, Traces

EPOCH: Final = date(1970, 1, 1)


def classify(raw: bytes, envelope: Envelope | None = None) -> Incoming:
    """Understand one mail. Never raises, and works no longer on a bomb than on a letter."""
    envelope = envelope or Envelope()
    mail = Mail(raw)
    base: dict[str, Any] = {"key": hashlib.blake2b(mail.raw, digest_size=20).hexdigest(), "sender": "", "text": ""}
    try:
        base = _base(mail, envelope)
        if mail.broken:
            return _as(base, Kind.REVIEW, "nested or cut into pieces beyond reason")
        return _tell(mail, envelope, base)
    except (RecursionError, ValueError, LookupError, TypeError, AttributeError) as odd:
        # The standard library still raises on some mails it has parsed; they are a human's.
        return _as(base, Kind.REVIEW, f"cannot be read: {type(odd).__name__}")


def _tell(mail: Mail, envelope: Envelope, base: dict[str, Any]) -> Incoming:
    returned = delivery.original(mail)
    told = feedback.complaint(mail, returned)
    if told is not None:
        why, kind, named = told
        return _as(
            base, Kind.COMPLAINT, why, struck=named, feedback=kind, traces=traces(mail, envelope, returned, report=True)
        )
    notice = automatic.receipt(mail)
    if notice is None:
        report = delivery.report(mail)
        if report is not None:
            why, struck = report
            return _as(base, Kind.BOUNCE, why, struck=struck, traces=traces(mail, envelope, returned, report=True))
    ours = traces(mail, envelope, [], report=False)
    if notice is not None:
        return _as(base, Kind.RECEIPT, notice, traces=ours)
    return _no_report(mail, envelope, base, ours)


def _no_report(mail: Mail, envelope: Envelope, base: dict[str, Any], ours: Traces) -> Incoming:
    sender, subject, text = str(base["sender"]), str(base["subject"]), str(base["text"])
    if ours.stop:
        return _as(base, Kind.UNSUBSCRIBE, "sent to an unsubscribe address", traces=ours)
    if prose.by_mail_system(mail):
        return _as(base, Kind.REVIEW, "a mail system says something that we do not understand", traces=ours)
    machine = automatic.automatic(mail, envelope, sender, text)
    if machine is not None:
        back = automatic.back_on(f"{subject}\n{text}", seen=mail.date.date() if mail.date else EPOCH)
        return _as(base, Kind.AUTO_REPLY, machine, traces=ours, back_on=back)
    if not sender:
        return _as(base, Kind.REVIEW, "no sender that can be read", traces=ours)
    many = automatic.mailing(mail)
    if many is not None and not ours.message_ids:
        return _as(base, Kind.REVIEW, f"one of many, not a person's: {many}", traces=ours)
    if person.wants_to_stop(subject, text):
        return _as(base, Kind.UNSUBSCRIBE, "asks for nothing else", traces=ours)
    if not text and not subject:
        return _as(base, Kind.REVIEW, "empty", traces=ours)
    return _as(
        base, Kind.PERSON, "nothing automatic about it", traces=ours, asks=person.speaks_of_stopping(subject, text)
    )


def _base(mail: Mail, envelope: Envelope) -> dict[str, Any]:
    name, sender = mailbox(mail.header("From"))
    text = person.written(mail.text())
    sent_to = tuple(dict.fromkeys(addresses(" ".join(recipients(mail, envelope)))))[:20]
    return {
        "sender": sender,
        "name": name,
        "subject": mail.header("Subject")[:500],
        "text": text,
        "message_id": mail.header("Message-ID")[:400],
        "at": mail.date,
        "recipients": sent_to,
        "doubts": person.doubts(mail),
        "key": _key(mail, envelope),
    }


def _key(mail: Mail, envelope: Envelope) -> str:
    """The same for the same mail, whichever way and however often it comes: nothing that servers add is in it.

    The tokens it was sent to are: one report may be copied to the return addresses of several mails.
    """
    told = [mail.header(name) for name in ("Message-ID", "From", "Date", "Subject")]
    text = (
        "\n".join(body(p) for p in mail.parts[:50] if not p.is_multipart())
        if mail.parts
        else mail.raw.decode("latin-1")
    )
    told.append(" ".join(text.split()))
    sent_to = " ".join([*envelope.recipients, mail.header("To"), mail.header("Cc")])
    told += sorted({token.lower() for _, token in TOKEN.findall(sent_to)})
    return hashlib.blake2b("\x1f".join(told).encode("utf-8", "replace"), digest_size=20).hexdigest()


def _as(
    base: dict[str, Any],
    kind: Kind,
    why: str,
    *,
    struck: list[Struck] | None = None,
    feedback: str = "",
    traces: Traces | None = None,
    back_on: date | None = None,
    asks: bool = False,
) -> Incoming:
    return Incoming(
        **base,
        kind=kind,
        why=why,
        struck=tuple(struck or ()),
        feedback=feedback,
        traces=traces or Traces(),
        back_on=back_on,
        asks_to_stop=asks,
    )
