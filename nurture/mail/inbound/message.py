"""A mail from anywhere, read without trusting it: every look at it is bounded, and nothing in it can raise.

The standard library's older policy is used on purpose: the newer one parses addresses and parameters as they are
asked for, raises on some broken ones, and decodes encoded-words where they may not stand.
"""

from __future__ import annotations

import contextlib
import html
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from email import message_from_bytes
from email.header import decode_header
from email.message import Message
from email.parser import BytesHeaderParser
from email.utils import parsedate_to_datetime
from itertools import islice
from typing import Final

from nurture.model.tokens import normal_address

LARGEST: Final = 1 << 20
"""Bytes that are read; reports and answers say what they say at their beginning."""
DEEPEST: Final = 40
"""Parts within parts; beyond that a mail is a bomb, and only its first header is read."""
MOST_PARTS: Final = 200
MOST_BOUNDARIES: Final = 4000
FIELDS: Final = 1000
"""Header fields that are looked at."""
VALUE: Final = 4000
TEXT: Final = 200_000

_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u200b\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]")
_TAG: Final = re.compile(r"<(?:br|/p|/div|/tr|/h\d|/li)\b[^<>]{0,200}>", re.IGNORECASE)
_ANY_TAG: Final = re.compile(r"<[^<>]{0,4000}>")
_HIDDEN: Final = re.compile(r"<(style|script|head)\b[^<]{0,20000}", re.IGNORECASE)
ADDRESS: Final = re.compile(
    r"[^\s<>\"'(),;:\[\]@=|*]{1,64}(?:=[^\s<>\"'(),;:\[\]@|*]{1,64})?@[A-Za-z0-9\u0080-\uffff._-]{1,253}"
)


class Mail:
    """One parsed mail. `broken`: it is nested or cut into pieces beyond reason, and only its header was read."""

    def __init__(self, raw: bytes) -> None:
        raw = self.raw = raw[:LARGEST].replace(b"\x00", b"")
        nested = raw.lower().count(b"multipart/") + raw.lower().count(b"message/rfc822")
        self.broken = nested > DEEPEST or raw.count(b"\n--") > MOST_BOUNDARIES
        self.root: Message = BytesHeaderParser().parsebytes(raw) if self.broken else message_from_bytes(raw)
        self.parts: list[Message] = [] if self.broken else list(_some(self.root))

    def header(self, name: str) -> str:
        """One field decoded, on one line, cut at 4000 characters; empty where it is not there."""
        return value(self.root, name)

    def headers(self, name: str) -> list[str]:
        return values(self.root, name)

    def has(self, *names: str) -> bool:
        asked = {name.lower() for name in names}
        return any(key.lower() in asked for key, _ in islice(self.root.raw_items(), FIELDS))

    def of_type(self, *types: str) -> list[Message]:
        return [part for part in self.parts if part.get_content_type() in types]

    @property
    def date(self) -> datetime | None:
        return when(self.header("Date"))

    def text(self) -> str:
        """What a person would read of it, outside attached mails: plain text, else HTML without its tags."""
        outside = list(_outside(self.root)) if not self.broken else []
        plain = [body(part) for part in outside if part.get_content_type() == "text/plain" and not _attached(part)]
        if any(p.strip() for p in plain):
            return "\n".join(plain)[:TEXT]
        pages = [
            untag(body(part)) for part in outside if part.get_content_type() == "text/html" and not _attached(part)
        ]
        if not pages and self.root.get_content_maintype() == "multipart" and not self.root.is_multipart():
            # Nothing in it begins where it says that its parts begin.
            pages = [body(self.root)]
        return "\n".join(pages)[:TEXT]


def _some(root: Message) -> Iterator[Message]:
    for n, part in enumerate(root.walk()):
        if n >= MOST_PARTS:
            return
        yield part


def _outside(root: Message) -> Iterator[Message]:
    """Parts that are not inside an attached mail or a report's machine-readable half."""
    waiting, seen = [root], 0
    while waiting and seen < MOST_PARTS:
        part, seen = waiting.pop(0), seen + 1
        kind = part.get_content_type()
        if kind.startswith("message/") or kind in ("text/rfc822-headers", "text/rfc822-header"):
            continue
        inside = part.get_payload()
        if part.is_multipart() and isinstance(inside, list):
            waiting[:0] = [p for p in inside if isinstance(p, Message)]
        else:
            yield part


def _attached(part: Message) -> bool:
    return str(part.get("Content-Disposition", "")).lower().lstrip().startswith("attachment")


def body(part: Message) -> str:
    """The text of one leaf, whatever its encodings claim; at most 200,000 characters."""
    try:
        payload = part.get_payload(decode=True)
    except (ValueError, LookupError, AttributeError, TypeError):
        payload = None
    if not isinstance(payload, bytes):
        inner = part.get_payload()
        return clean(inner if isinstance(inner, str) else "")[:TEXT]
    return clean(decoded(payload[: 4 * TEXT], part.get_content_charset("")))[:TEXT]


def decoded(payload: bytes, charset: str | None) -> str:
    for name in (charset, "utf-8"):
        try:
            if name:
                return payload.decode(name)
        except (LookupError, UnicodeError, ValueError):
            continue
    return payload.decode("cp1252" if charset in (None, "", "us-ascii") else "utf-8", "replace")


def clean(text: str) -> str:
    """Text that a database takes: no control characters, plain line ends, no halves of characters."""
    plain = _CONTROL.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
    return plain.encode("utf-8", "replace").decode("utf-8")


def untag(page: str) -> str:
    """HTML as rough text: enough to find words and addresses in."""
    page = _HIDDEN.sub(" ", page)
    return html.unescape(_ANY_TAG.sub(" ", _TAG.sub("\n", page))).replace("\xa0", " ")


def value(part: Message, name: str) -> str:
    return next(iter(values(part, name)), "")


def values(part: Message, name: str) -> list[str]:
    """Every field of that name, at most twenty. Taken raw: fields with eight-bit bytes come back unreadable else."""
    low = name.lower()
    return [one_line(str(text)) for key, text in islice(part.raw_items(), FIELDS) if key.lower() == low][:20]


def one_line(text: str) -> str:
    """A field's value unfolded and decoded; what cannot be decoded stays as it stands."""
    text = text[:VALUE]
    if "=?" in text:
        with contextlib.suppress(ValueError, LookupError, IndexError, TypeError):
            text = "".join(
                piece.decode(charset or "ascii", "replace") if isinstance(piece, bytes) else piece
                for piece, charset in decode_header(text)
            )
    with contextlib.suppress(UnicodeEncodeError):
        # Raw eight-bit bytes come as lone surrogates.
        text = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return " ".join(clean(text).split())


def when(text: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(text)
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def addresses(text: str) -> list[str]:
    """Every mail address in a piece of text, in normal form, each once, in order."""
    found = dict.fromkeys(normal_address(a.strip(".").removeprefix("mailto:")) for a in ADDRESS.findall(text[:TEXT]))
    return [a for a in found if "." in a.rpartition("@")[2] and len(a) <= 254]


def mailbox(text: str) -> tuple[str, str]:
    """A From value as (display name, address in normal form); the last address in angle brackets counts."""
    inside = re.findall(r"<([^<>]{3,254})>", text)
    found = addresses(inside[-1]) if inside else addresses(text)
    if not found:
        return "", ""
    name = text.rpartition("<")[0] if inside else ""
    return " ".join(name.replace('"', " ").split())[:200], found[0]
