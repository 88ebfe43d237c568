"""The personal addresses of one message: each token says who, which message and what for, and nothing in clear."""

from __future__ import annotations

from dataclasses import dataclass

from nurture.mail.headers import ascii_domain
from nurture.model.company import Company
from nurture.model.tokens import Keys, TokenPurpose, pack, purpose_number, sign_both, sign_lower, sign_packed
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


@dataclass(frozen=True, slots=True)
class Addressing:
    """Where our own addresses live: the public URL and the domain of lists and bounces."""

    keys: Keys
    public_url: str
    domain: str

    def of(self, message_id: int, lead_id: int, purpose: Purpose | None, *, clicks: bool, opens: bool) -> Addresses:
        """The addresses of one message row."""
        keys, base = self.keys, self.public_url
        ids = (lead_id, message_id, purpose_number(purpose) if purpose else 0)
        off, off_lower = sign_both(keys, _UNSUBSCRIBE, *ids)
        row, lead = pack(message_id), pack(lead_id)
        tracked = row + lead
        return Addresses(
            unsubscribe=f"{base}/u/{off}",
            preferences=f"{base}/p/{sign_packed(keys, _PREFERENCES, lead + row)}",
            unsubscribe_mail=f"u+{off_lower}@{self.domain}",
            bounce=f"b+{sign_lower(keys, _VERP, message_id)}@{self.domain}",
            click=f"{base}/c/{sign_packed(keys, _CLICK, tracked)}" if clicks else None,
            honeypot=f"{base}/h/{sign_packed(keys, _HONEYPOT, tracked)}" if clicks else None,
            pixel=f"{base}/o/{sign_packed(keys, _OPEN, tracked)}" if opens else None,
        )


def addressing(company: Company, keys: Keys, public_url: str) -> Addressing:
    """Lists and bounces live under `list_domain`, else under the domain of the support address or the website."""
    domain = company.list_domain or company.support_email.rpartition("@")[2]
    if not domain:
        domain = company.website.split("://", 1)[-1].split("/", 1)[0].removeprefix("www.") or "localhost"
    return Addressing(keys, public_url.rstrip("/"), ascii_domain(domain))
