"""Delivery reports: RFC 3464, and the many that are prose."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from email.message import Message
from email.parser import HeaderParser
from typing import Final

from nurture.mail.inbound import status, words
from nurture.mail.inbound.message import Mail, addresses, body, mailbox, untag, value
from nurture.mail.inbound.prose import around_of, prose
from nurture.model.inbound import Action, Struck

MOST_RECIPIENTS: Final = 100
ORIGINAL: Final = (
    "message/rfc822",
    "text/rfc822-headers",
    "message/rfc822-headers",
    "text/rfc822-header",
    "message/global",
    "message/global-headers",
)
_ACTIONS: Final = (
    ("fail", Action.FAILED),
    ("error", Action.FAILED),
    ("delay", Action.DELAYED),
    ("deliver", Action.DELIVERED),
    ("relay", Action.RELAYED),
    ("expand", Action.EXPANDED),
)


def original(mail: Mail) -> list[Message]:
    """Headers of what a report returns: attached, or pasted below a line that says so. Empty where nothing is."""
    found = [_headers_of(part) for part in mail.of_type(*ORIGINAL)]
    if not found and not mail.broken:
        text = mail.text()
        mark = words.ORIGINAL_MARK.search(text)
        if mark is not None:
            pasted = (
                text[mark.start() :]
                if mark.group(0).lstrip(" \t>").lower().startswith(("return-path", "received"))
                else text[mark.end() :]
            )
            found = [HeaderParser().parsestr(pasted.lstrip("\n> \t-")[:60_000])]
    return [part for part in found if part is not None][:5]


def _headers_of(part: Message) -> Message | None:
    inside = part.get_payload()
    if isinstance(inside, list) and inside and isinstance(inside[0], Message):
        return inside[0]
    return HeaderParser().parsestr(body(part).lstrip()[:60_000])


def report(mail: Mail) -> tuple[str, list[Struck]] | None:
    """(what it was recognised by, what it says of each recipient), or None for a mail that is no delivery report."""
    blocks = list(_blocks(mail))
    text = _before_original(mail)
    if blocks:
        found = [s for s in _all_struck(mail, blocks[:MOST_RECIPIENTS], text) if s is not None]
        if found:
            return "message/delivery-status", found
    return prose(mail, text, addressees(original(mail)))


def _all_struck(mail: Mail, blocks: list[Message], text: str) -> Iterator[Struck | None]:
    if len(blocks) == 1:
        struck = _struck(blocks[0], text)
        meant = addressees(original(mail))
        # A block may name a file or a host instead of an address.
        yield replace(struck, address=meant[0]) if struck and not struck.address and len(meant) == 1 else struck
        return
    named = [_recipient(b, "Final-Recipient") for b in blocks]
    for block, address in zip(blocks, named, strict=True):
        # What a block does not say may stand beside its address in the prose.
        silent = bool(address) and not _diagnosis(block) and address in text.lower()
        yield _struck(block, around_of(text, address, named) if silent else "")


def _blocks(mail: Mail) -> Iterator[Message]:
    """Per-recipient blocks. Some agents forget the blank line behind the per-message one."""
    parts = mail.of_type("message/delivery-status", "message/global-delivery-status")
    inside = [part.get_payload() for part in parts]
    loose = [body(part) for part, of in zip(parts, inside, strict=True) if not isinstance(of, list)]
    if not parts and mail.root.get_content_type() == "multipart/report":
        # Its parts cannot be told from each other: a boundary that is not the one it announces.
        loose = [mail.text()]
    for groups in (*inside, *map(_chunks, loose)):
        for group in groups if isinstance(groups, list) else ():
            if isinstance(group, Message) and (
                group.get("Final-Recipient")
                or group.get("Original-Recipient")
                or (group.get("Action") and group.get("Status"))
            ):
                yield group


def _chunks(text: str) -> list[Message]:
    return [HeaderParser().parsestr(chunk.strip("\n")) for chunk in re.split(r"\n\s*\n", text)[:200] if chunk.strip()]


def _struck(block: Message, around: str) -> Struck | None:
    word = value(block, "Action").lower().strip()
    action = next((a for start, a in _ACTIONS if word.startswith(start)), None)
    code, said = value(block, "Status"), _diagnosis(block)
    if action is None:
        # The field is mandatory; without it the code's class has to speak.
        found = status.ENHANCED.search(code) or status.ENHANCED.search(said)
        if found is None:
            return None
        action = {"2": Action.DELIVERED, "4": Action.DELAYED, "5": Action.FAILED}[found.group(1)]
    final, first = _recipient(block, "Final-Recipient"), _recipient(block, "Original-Recipient")
    return status.struck(
        final or first or _recipient(block, "X-Actual-Recipient"),
        action,
        status=code,
        said=said,
        around=around,
        original=first,
    )


def _diagnosis(block: Message) -> str:
    said = value(block, "Diagnostic-Code")
    kind, semicolon, rest = said.partition(";")
    if semicolon and len(kind) < 20:
        said = rest.strip()
    return said


def _recipient(block: Message, name: str) -> str:
    text = value(block, name)
    _, semicolon, rest = text.partition(";")
    found = addresses((rest if semicolon else text).strip().strip("<>"))
    return found[0] if found else ""


def addressees(parts: list[Message]) -> list[str]:
    """Whom the returned mail was for."""
    found = [
        mailbox(v)[1]
        for part in parts
        for name in ("To", "Delivered-To", "X-Original-To")
        for v in [value(part, name)]
        if v
    ]
    return [a for a in dict.fromkeys(found) if a]


def _before_original(mail: Mail) -> str:
    """The prose of a report, up to where the returned mail is pasted."""
    text = mail.text()
    if not text.strip():
        text = "\n".join(untag(body(p)) for p in mail.of_type("text/html"))
    mark = words.ORIGINAL_MARK.search(text)
    return text[: mark.start()] if mark is not None and mark.start() > 40 else text[:20_000]
