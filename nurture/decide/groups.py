"""Receiving domain groups: who is really behind a domain, as far as the domain itself tells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

GROUPS: Final[Mapping[str, frozenset[str]]] = {
    "gmail": frozenset({"gmail.com", "googlemail.com"}),
    "outlook": frozenset({
        "outlook.com", "hotmail.com", "live.com", "msn.com", "hotmail.co.uk", "hotmail.de", "hotmail.fr", "outlook.de",
        "outlook.fr", "live.de", "live.nl",
    }),
    "yahoo": frozenset({
        "yahoo.com", "ymail.com", "rocketmail.com", "aol.com", "aim.com", "yahoo.co.uk", "yahoo.de", "yahoo.fr",
        "yahoo.it", "yahoo.es", "yahoo.pl",
    }),
    "apple": frozenset({"icloud.com", "me.com", "mac.com"}),
    "united-internet": frozenset({"gmx.de", "gmx.net", "gmx.at", "gmx.ch", "web.de", "mail.com", "1und1.de"}),
    "onet": frozenset({"onet.pl", "op.pl", "onet.eu", "vp.pl", "poczta.onet.pl", "autograf.pl"}),
    "wirtualna-polska": frozenset({"wp.pl", "o2.pl", "tlen.pl", "go2.pl"}),
    "seznam": frozenset({"seznam.cz", "email.cz", "post.cz", "spoluzaci.cz"}),
}
_BY_DOMAIN: Final = {domain: group for group, domains in GROUPS.items() for domain in domains}


def provider_of(address: str) -> str:
    """Whose personal mailbox this is (`gmail`, ...), or `other`: providers count bulk senders by these."""
    return _BY_DOMAIN.get(address.rpartition("@")[2].lower(), "other")


def group_of(address: str) -> str:
    """The group an address belongs to: a large provider's name, else its own domain."""
    domain = address.rpartition("@")[2].lower()
    return _BY_DOMAIN.get(domain, domain)
