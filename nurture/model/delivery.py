"""What goes to an SMTP server and what comes back: the words that `mail`, `decide` and `stages` share."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, NamedTuple


class Phase(StrEnum):
    """How far the talk with the server had come when `Reply` was given."""

    CONNECT = "connect"
    GREETING = "greeting"
    HELLO = "hello"
    AUTH = "auth"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    BODY = "body"
    """After 354: bytes of the message may have arrived, so silence here is not a no."""


OF_THE_ROUTE: Final = frozenset({Phase.CONNECT, Phase.GREETING, Phase.HELLO, Phase.AUTH})
"""Trouble in these phases says nothing about any recipient."""


class Reply(NamedTuple):
    """One SMTP reply. `code` is None where none came (connection lost, timeout, not a reply at all)."""

    phase: Phase
    code: int | None
    text: str = ""


class Outgoing(NamedTuple):
    """One message ready for the wire. `id` is its row; `sender` and `recipient` are the envelope."""

    id: int
    raw: bytes
    sender: str
    recipient: str
    smtputf8: bool = False
    route: str | None = None
    """Name of the route it must take; None: by its From domain, else the default one."""
    from_domain: str = ""
    dotless: bool = False
    """Known to end in CRLF and to have no line that begins with a dot, so that nobody need look."""


class Delivery(NamedTuple):
    """How one attempt ended. Every `Outgoing` handed to a transport comes back as exactly one of these."""

    id: int
    reply: Reply
    route: str = ""
    untried: bool = False
    """Given back before its first byte (shutdown, breaker open): it costs no attempt."""
    stopped: bool = False
    """Untried because this worker was asked to stop: due at once for another."""


class Fate(StrEnum):
    SENT = "sent"
    RETRY = "retry"
    FAILED = "failed"
    UNKNOWN = "unknown"


class Blame(StrEnum):
    """Whose fault a failure is; it decides who is slowed down or blocked."""

    NOBODY = "nobody"
    ADDRESS = "address"
    MAILBOX = "mailbox"
    POLICY = "policy"
    """The receiving domain group is tired of us."""
    SENDER = "sender"
    """Our route, our credentials, our envelope sender."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """A reply read by the table: what becomes of the message and who else is affected."""

    fate: Fate
    why: str
    blame: Blame = Blame.NOBODY
    retry_at: datetime | None = None
    suppress: str | None = None
    """Reason under which the address is suppressed (`hard_bounce`), if it is."""
    pause_group: timedelta | None = None
    """Nothing more to the receiving domain group for this long."""
    pause_route: timedelta | None = None
    """Nothing more over this route for this long (circuit breaker)."""
