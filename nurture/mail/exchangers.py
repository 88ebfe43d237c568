"""Whose servers take the mail of a domain: asked of the name servers aside from sending, never on its way."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

import dns.exception
import dns.resolver

from nurture.mail.domain import Unreachable, organisation

PATIENCE: Final = 3.0
"""Seconds one domain may cost."""

PROVIDERS: Final = {
    "google.com": "gmail", "googlemail.com": "gmail", "outlook.com": "outlook", "hotmail.com": "outlook",
    "yahoodns.net": "yahoo", "icloud.com": "apple", "apple.com": "apple", "gmx.net": "united-internet",
    "web.de": "united-internet", "kundenserver.de": "united-internet", "ionos.com": "united-internet",
    "seznam.cz": "seznam", "onet.pl": "onet", "wp.pl": "wirtualna-polska", "o2.pl": "wirtualna-polska",
}  # fmt: skip
"""The organisation that runs a mail server -> the group that its own mailboxes belong to (`decide.groups`)."""


def exchangers(domain: str, resolver: Any = None) -> list[str]:
    """Mail servers of a domain, preferred first; empty where none are named. Raises `Unreachable`."""
    try:
        answer = (resolver or _resolver()).resolve(domain, "MX", lifetime=PATIENCE)
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return []
    except dns.exception.DNSException as away:
        raise Unreachable(str(away)) from None
    best_first = sorted((record.preference, str(record.exchange)) for record in answer)
    return [name.rstrip(".").lower() for _, name in best_first if name != "."]


@lru_cache(maxsize=1)
def _resolver() -> Any:
    try:
        return dns.resolver.Resolver()
    except dns.resolver.NoResolverConfiguration as none:
        raise Unreachable(str(none)) from None


def behind(domain: str, servers: Sequence[str]) -> str | None:
    """The group a domain belongs to: a large provider's, else that of who runs its servers; None: its own."""
    if not servers:
        return None
    host = organisation(servers[0])
    group = PROVIDERS.get(host, host)
    return None if group == organisation(domain) else group
