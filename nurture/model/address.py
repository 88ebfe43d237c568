"""What counts as a mail address, and when two spellings are one person."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from email_validator import EmailNotValidError, EmailSyntaxError, validate_email

from nurture.model.tokens import normal_address

LONGEST = 254
_PLAIN_LOCAL = re.compile(r"[A-Za-z0-9_+-]+(?:\.[A-Za-z0-9_+-]+)*\Z")


@dataclass(frozen=True, slots=True)
class Address:
    """`mailbox` is what we write to (the person's own spelling, domain in lower case); `key` is the normal form."""

    mailbox: str
    key: str


def read_address(text: str) -> Address:
    """The address in `text`, by the strict rules of syntax and without asking the network.

    Raises ValueError with a sentence that fits behind "line 7: ".
    """
    address = text.strip()
    if len(address) > LONGEST:
        raise ValueError(f"the address is {len(address)} characters long; {LONGEST} is the limit")
    if "=?" in address:
        # Mail libraries decode this inside addresses, and a header then names somebody else.
        raise ValueError("the address contains '=?', which mail programs read as an encoded word")
    local, at, domain = address.rpartition("@")
    if at and _PLAIN_LOCAL.match(local) and len(local) <= 64:
        known = _domain(domain)
        if known is not None and len(local) + 1 + len(known) <= LONGEST:
            mailbox = f"{local}@{known}"
            # A domain written as `xn--...` comes back in its own script; its key is the same in both spellings.
            return Address(mailbox, f"{local.lower()}@{known}" if known.isascii() else normal_address(mailbox))
    try:
        valid = validate_email(address, check_deliverability=False, strict=True)
    except EmailNotValidError as wrong:
        raise ValueError(f"not a mail address: {_first_sentence(wrong)}") from None
    mailbox = f"{valid.local_part}@{valid.domain}"
    return Address(mailbox, normal_address(mailbox))


@lru_cache(maxsize=50_000)
def _domain(domain: str) -> str | None:
    """A plain ASCII domain in lower case, or None where only the full validation can tell."""
    if not domain.isascii():
        return None
    try:
        return str(validate_email(f"a@{domain}", check_deliverability=False, strict=True).domain)
    except EmailSyntaxError:
        return None


def _first_sentence(wrong: Exception) -> str:
    text = " ".join(str(wrong).split())
    return text[:1].lower() + text[1:].split(". ")[0].rstrip(".")
