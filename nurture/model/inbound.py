"""What came in by mail or from a provider, in one vocabulary that `mail`, `stages` and `web` share."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Final


class Kind(StrEnum):
    """What a mail is, told apart in this order."""

    BOUNCE = "bounce"
    COMPLAINT = "complaint"
    RECEIPT = "receipt"
    """A disposition notice (RFC 8098): read, deleted, displayed."""
    AUTO_REPLY = "auto_reply"
    UNSUBSCRIBE = "unsubscribe"
    PERSON = "person"
    """Somebody wrote. Whether it is a lead's reply or a stranger's first mail, only the store knows."""
    REVIEW = "review"
    """Nobody can say; a human looks."""


class Action(StrEnum):
    """RFC 3464 2.3.3. Only `failed` can ever harm an address."""

    FAILED = "failed"
    DELAYED = "delayed"
    DELIVERED = "delivered"
    RELAYED = "relayed"
    EXPANDED = "expanded"


class Reason(StrEnum):
    """Why a mail did not arrive, in words a marketer reads."""

    NO_ADDRESS = "no_such_address"
    NO_DOMAIN = "no_such_domain"
    MOVED = "moved"
    DISABLED = "disabled"
    FULL = "full"
    TOO_BIG = "too_big"
    SPAM = "spam"
    POLICY = "policy"
    SENDER = "sender"
    CONTENT = "content"
    NETWORK = "network"
    EXPIRED = "expired"
    LOOP = "loop"
    UTF8 = "needs_smtputf8"
    UNKNOWN = "unknown"


HARD: Final = frozenset({Reason.NO_ADDRESS, Reason.NO_DOMAIN, Reason.MOVED})
"""The address will never work again."""
OURS: Final = frozenset({Reason.SPAM, Reason.POLICY, Reason.SENDER, Reason.CONTENT, Reason.TOO_BIG, Reason.UTF8})
"""It says something about us or the mail, nothing about the person."""


@dataclass(frozen=True, slots=True)
class Struck:
    """What a report says about one recipient. Addresses are in normal form; empty where the report hides them."""

    address: str
    action: Action
    reason: Reason = Reason.UNKNOWN
    status: str = ""
    """Enhanced status code, `5.1.1`; empty where none was given."""
    permanent: bool = True
    """Class 5. What was merely given up on after days is not."""
    said: str = ""
    """The other side's words, one line, at most 400 characters."""
    original: str = ""
    """The address we wrote to, where the report names it beside the final one."""

    @property
    def hard(self) -> bool:
        return self.action is Action.FAILED and self.permanent and self.reason in HARD


@dataclass(frozen=True, slots=True)
class Traces:
    """What of ours a mail carries. Tokens are unverified: whoever has the keys asks them."""

    bounce: tuple[str, ...] = ()
    """After `b+`, from addresses it was sent to first, then from anything quoted."""
    stop: tuple[str, ...] = ()
    """After `u+` in an address it was sent to, or in its subject."""
    links: tuple[str, ...] = ()
    """Of our unsubscribe addresses, quoted anywhere."""
    message_ids: tuple[str, ...] = ()
    """Of the mail it is about."""
    forged: bool = False
    """Set by whoever checked: it was sent to a token of ours that does not verify."""


@dataclass(frozen=True, slots=True)
class Incoming:
    """One mail, understood as far as its bytes allow."""

    kind: Kind
    why: str
    """What it was recognised by, for whoever doubts it."""
    sender: str = ""
    """Normal form of the From address; empty where there is none that can be read."""
    name: str = ""
    subject: str = ""
    text: str = ""
    """What was written, without what was quoted; at most 20,000 characters."""
    message_id: str = ""
    at: datetime | None = None
    recipients: tuple[str, ...] = ()
    struck: tuple[Struck, ...] = ()
    feedback: str = ""
    """Feedback-Type of a complaint: `abuse`, `fraud`, `opt-out`, `not-spam`, `auth-failure` ..."""
    traces: Traces = Traces()
    back_on: date | None = None
    """The day an absence ends, where it says so clearly."""
    asks_to_stop: bool = False
    """A person's mail that speaks of unsubscribing without clearly asking for it."""
    doubts: tuple[str, ...] = ()
    """Why it should not be taken at its word: marked as spam, sender authentication failed."""
    key: str = ""
    """The same mail, delivered twice or by two ways, has the same key."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """What the delivering server knew; empty where nobody told."""

    sender: str | None = None
    """None: unknown. Empty: the null sender `<>`."""
    recipients: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Arrived:
    """One mail as a source hands it over."""

    raw: bytes
    source: str
    """`maildir`, `imap`, `lmtp`, `smtp`."""
    envelope: Envelope = Envelope()


class Told(StrEnum):
    """What a provider's call says happened."""

    BOUNCED = "bounced"
    DELAYED = "delayed"
    COMPLAINED = "complained"
    UNSUBSCRIBED = "unsubscribed"
    NOTHING = "nothing"
    """Understood, and no business of ours: delivered, opened, processed."""


@dataclass(frozen=True, slots=True)
class Notice:
    """One fact of a provider's webhook. The call was signed by the provider; the address is taken at its word."""

    told: Told
    address: str
    at: datetime
    id: str
    """The provider's own id of this fact; a repeat changes nothing."""
    struck: Struck | None = None
    message_id: str = ""
    """Our Message-ID, where the provider gives it back."""
    bounce_token: str = ""
