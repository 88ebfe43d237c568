"""Names and addresses that receivers look up both ways: the host that speaks to them, and where their answers go."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address
from typing import Final

import dns.exception
import dns.resolver
import dns.reversename

from nurture.mail.domain import Finding, Unreachable
from nurture.mail.exchangers import exchangers

PATIENCE: Final = 3.0
MOST: Final = 8
"""Addresses of one host that are looked at."""


def names(
    hosts: Sequence[str], bounce_domain: str, resolver: dns.resolver.Resolver | None = None
) -> list[Finding]:
    """Findings on the hosts mail leaves by, and on the domain that bounces and unsubscribe mails come back to."""
    asked = resolver or dns.resolver.get_default_resolver()
    try:
        return [_way_back(bounce_domain, asked), *(_both_ways(host, asked) for host in dict.fromkeys(hosts))]
    except Unreachable as away:
        return [Finding("names of hosts", False, f"no answer: {away}", "try again when the network answers")]


def _way_back(domain: str, resolver: dns.resolver.Resolver) -> Finding:
    name = f"MX of {domain}"
    servers = exchangers(domain, resolver)
    if servers:
        return Finding(name, True, ", ".join(servers[:3]))
    todo = f"MX at {domain}: the server whose mailbox NURTURE_INBOUND reads; bounces and unsubscribe mails go there"
    return Finding(name, False, "none", todo)


def _both_ways(host: str, resolver: dns.resolver.Resolver) -> Finding:
    """A name whose addresses name it again; big receivers refuse mail from any other (FCrDNS)."""
    name = f"names of {host}"
    found = _addresses(host, resolver)
    if not found:
        return Finding(name, False, "no address", f"A or AAAA at {host}, or another host in NURTURE_SMTP_URL")
    if all(ip_address(a).is_loopback or ip_address(a).is_private for a in found):
        # Nobody outside sees this address: what they see is the relay's business, and known to it only.
        says = "a relay of your own; receivers see its outer address, which has to have a name that leads back to it"
        return Finding(name, True, says)
    for one in found[:MOST]:
        said = _answers(dns.reversename.from_address(one).to_text(), "PTR", resolver)
        if not any(one in _addresses(n.rstrip("."), resolver) for n in said[:MOST]):
            was = ", ".join(said) or "no name"
            return Finding(name, False, f"{one}: {was}", f"let whoever owns {one} give it a PTR that leads back to it")
    return Finding(name, True, f"{', '.join(found[:3])} and back")


def _addresses(host: str, resolver: dns.resolver.Resolver) -> list[str]:
    try:
        return [str(ip_address(host.strip("[]")))]
    except ValueError:
        pass
    if host == "localhost":
        return ["127.0.0.1"]
    return [*_answers(host, "A", resolver), *_answers(host, "AAAA", resolver)]


def _answers(name: str, kind: str, resolver: dns.resolver.Resolver) -> list[str]:
    try:
        return [str(record) for record in resolver.resolve(name, kind, lifetime=PATIENCE)]
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return []
    except dns.exception.DNSException as away:
        raise Unreachable(str(away)) from None
