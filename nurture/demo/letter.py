"""A mail as its reader's program sees it: picture, links, way out. Read from the file that arrived, nothing else."""

from __future__ import annotations

import email
import html
import re
from dataclasses import dataclass
from email.message import Message
from typing import Final

_HREF: Final = re.compile(r'<a\b[^>]*?\bhref="([^"]+)"', re.IGNORECASE)
_PICTURE: Final = re.compile(r'<img\b[^>]*?\bsrc="([^"]*/o/[^"]+)"', re.IGNORECASE)
_ADDRESS: Final = re.compile(r"https?://[^\s<>\"]+")


@dataclass(frozen=True, slots=True)
class Letter:
    """`links` are the ones a person sees, in order; `trap` is the one only machines follow."""

    recipient: str
    subject: str
    links: tuple[str, ...]
    picture: str | None
    unsubscribe: str | None
    preferences: str | None
    confirm: str | None
    trap: str | None


def read(recipient: str, raw: bytes) -> Letter:
    """The parts of one mail that can be acted on."""
    mail = email.message_from_bytes(raw)
    page, text = _body(mail, "text/html"), _body(mail, "text/plain")
    found = [html.unescape(link) for link in _HREF.findall(page)] or _ADDRESS.findall(text)
    picture = _PICTURE.search(page)
    ways_out = _ADDRESS.findall(str(mail.get("List-Unsubscribe", "")).replace("\r\n", "").replace(">", " "))
    return Letter(
        recipient=recipient,
        subject=str(mail.get("Subject", "")),
        links=tuple(link for link in found if not _is_ours(link)),
        picture=html.unescape(picture[1]) if picture else None,
        unsubscribe=ways_out[0] if ways_out else _first(found, "/u/"),
        preferences=_first(found, "/p/"),
        confirm=_first(found, "/confirm/"),
        trap=_first(found, "/h/"),
    )


def _body(mail: Message, kind: str) -> str:
    for part in mail.walk():
        if part.get_content_type() == kind:
            payload = part.get_payload(decode=True)
            return (
                payload.decode(part.get_content_charset() or "utf-8", "replace") if isinstance(payload, bytes) else ""
            )
    return ""


def _is_ours(link: str) -> bool:
    """Whether it is about the mail itself and not about what the mail says."""
    return link.startswith("mailto:") or any(f"/{kind}/" in link for kind in ("u", "p", "h", "confirm"))


def _first(links: list[str], path: str) -> str | None:
    return next((link for link in links if path in link), None)
