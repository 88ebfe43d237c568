"""Where mail comes in. A source hands over one mail at a time and lets go of it only once it has been dealt with."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from threading import Event
from typing import Final, Protocol
from urllib.parse import parse_qs, unquote, urlsplit

from nurture.errors import UsageError
from nurture.mail.inbound.imap import Imap
from nurture.mail.inbound.listener import Listener
from nurture.mail.inbound.maildir import Maildir
from nurture.model.inbound import Arrived
from nurture.model.network import is_public

Handle = Callable[[Arrived], None]
"""Returns once the mail is durably dealt with. Raises Unavailable where it has to come again."""
Say = Callable[[str], None]

_IMAP: Final = {"imap": 143, "imap+starttls": 143, "imaps": 993}
_HOW: Final = (
    "Write maildir:PATH, imaps://user:password@host/FOLDER, imap+starttls://user:password@host/FOLDER, "
    "lmtp://127.0.0.1:8024 or smtp://127.0.0.1:8025."
)


class Source(Protocol):
    """`look` says what is there, `once` takes it and returns how many it took.

    `watch` goes on until `stop`, through every disturbance.
    """

    name: str

    def look(self) -> str: ...

    def once(self, handle: Handle) -> int: ...

    def watch(self, handle: Handle, stop: Event, say: Say) -> None: ...


def parse_sources(text: str, *, today: Callable[[], date]) -> list[Source]:
    """The sources of `NURTURE_INBOUND`: one or more addresses with spaces between. Raises UsageError."""
    return [parse_source(one, today=today) for one in text.split()]


def parse_source(text: str, *, today: Callable[[], date]) -> Source:
    """One source by its address. Raises UsageError for what is none, or would show a password to the network."""
    if text.startswith("maildir:"):
        return Maildir(text.removeprefix("maildir:"))
    parts = urlsplit(text)
    try:
        port = parts.port
    except ValueError:
        raise UsageError("NURTURE_INBOUND has a port that is no number.", fix=_HOW) from None
    host, options = parts.hostname or "", {k: v[-1] for k, v in parse_qs(parts.query).items()}
    if parts.scheme in ("lmtp", "smtp") and host and port is not None:
        return Listener(parts.scheme, host, port)
    if parts.scheme not in _IMAP or not host or not parts.username or parts.password is None:
        raise UsageError("NURTURE_INBOUND is no place that mail comes from.", fix=_HOW)
    if parts.scheme == "imap" and host != "localhost" and (not _is_number(host) or is_public(host)):
        raise UsageError(
            "NURTURE_INBOUND would send its password in clear.", fix="Use imaps:// or imap+starttls://."
        )
    days = options.get("days", "14")
    if not days.isdigit():
        raise UsageError("NURTURE_INBOUND: `days` is no number.", fix="Write ?days=14.")
    return Imap(
        parts.scheme, host, port or _IMAP[parts.scheme], unquote(parts.username), unquote(parts.password),
        folder=unquote(parts.path.lstrip("/")) or "INBOX", move_to=options.get("move", ""), days=int(days), today=today,
        verify=options.get("verify", "yes") != "no",
    )


def _is_number(host: str) -> bool:
    return host.replace(".", "").isdigit() or ":" in host
