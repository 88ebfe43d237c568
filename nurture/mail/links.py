"""The personal addresses of one message: each token says who, which message and what for, and nothing in clear."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from nurture.mail.headers import ascii_domain
from nurture.model.company import Company
from nurture.model.tokens import (
    Keys,
    TokenPurpose,
    pack,
    purpose_number,
    sign_both,
    sign_lower,
    sign_lower_packed,
    sign_packed,
)
from nurture.model.words import Purpose

# Plain strings: an enum member's hash is worked out in Python, six times per message.
_UNSUBSCRIBE, _PREFERENCES = TokenPurpose.UNSUBSCRIBE.value, TokenPurpose.PREFERENCES.value
_CLICK, _HONEYPOT, _OPEN = TokenPurpose.CLICK.value, TokenPurpose.HONEYPOT.value, TokenPurpose.OPEN.value
_VERP = TokenPurpose.VERP.value


@dataclass(slots=True)
class Addresses:
    """Everything a mail links to of ours. `click` and `pixel` are None without the person's consent to them."""

    unsubscribe: str
    preferences: str
    unsubscribe_mail: str
    bounce: str
    click: str | None = None
    honeypot: str | None = None
    pixel: str | None = None
    short: bool = False
    """Known to be of plain characters that fit on one line."""


_SHORT: Final = re.compile(r"https?://[A-Za-z0-9_./:-]{1,20}\Z")
"""A public URL that leaves room on a line for the longest token."""
_NUMBERS: Final[Mapping[Purpose | None, bytes]] = {
    None: pack(0), **{purpose: pack(purpose_number(purpose)) for purpose in Purpose}
}


@dataclass(frozen=True, slots=True)
class Addressing:
    """Where our own addresses live: the public URL and the domain of lists and bounces."""

    keys: Keys
    public_url: str
    domain: str
    short: bool = False

    def of(self, message_id: int, lead_id: int, purpose: Purpose | None, *, clicks: bool, opens: bool) -> Addresses:
        """The addresses of one message row."""
        keys, base, row, lead = self.keys, self.public_url, pack(message_id), pack(lead_id)
        known, tracked = lead + row, row + lead
        off, off_lower = sign_both(keys, _UNSUBSCRIBE, known + _NUMBERS[purpose])
        return Addresses(
            f"{base}/u/{off}",
            f"{base}/p/{sign_packed(keys, _PREFERENCES, known)}",
            f"u+{off_lower}@{self.domain}",
            f"b+{sign_lower_packed(keys, _VERP, row)}@{self.domain}",
            f"{base}/c/{sign_packed(keys, _CLICK, tracked)}" if clicks else None,
            f"{base}/h/{sign_packed(keys, _HONEYPOT, tracked)}" if clicks else None,
            f"{base}/o/{sign_packed(keys, _OPEN, tracked)}" if opens else None,
            self.short,
        )


    def returns_aside(self, outbox_id: int) -> str:
        """Where a mail outside campaigns (a confirmation, a packet) comes back to if it cannot be delivered."""
        return f"b+{sign_lower(self.keys, TokenPurpose.ASIDE, outbox_id)}@{self.domain}"


def addressing(company: Company, keys: Keys, public_url: str) -> Addressing:
    """Lists and bounces live under `list_domain`, else under the domain of the support address or the website."""
    domain = company.list_domain or company.support_email.rpartition("@")[2]
    if not domain:
        domain = company.website.split("://", 1)[-1].split("/", 1)[0].removeprefix("www.") or "localhost"
    base = public_url.rstrip("/")
    return Addressing(keys, base, ascii_domain(domain), _SHORT.match(base) is not None)
