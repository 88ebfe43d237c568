"""What a sending domain publishes about its mail, and what it should: SPF, DKIM, DMARC and their alignment."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import dns.exception
import dns.resolver
import tldextract

from nurture.mail import spf

Lookup = Callable[[str], Sequence[str]]
"""TXT records of a name; empty where there are none. Raises `Unreachable` where nobody answers."""


class Unreachable(Exception):
    """The name servers did not answer."""


@dataclass(frozen=True, slots=True)
class Finding:
    what: str
    good: bool
    found: str
    todo: str = ""

    def as_dict(self) -> dict[str, str]:
        return {"what": self.what, "": "ok" if self.good else "to do", "found": self.found, "publish": self.todo}


_EXTRACT: Final = tldextract.TLDExtract(suffix_list_urls=())
"""With the list that ships with the library: asking a name server is enough network for one command."""


def txt(name: str, resolver: dns.resolver.Resolver | None = None) -> Sequence[str]:
    """TXT records from the name servers this machine uses, or from those `resolver` knows."""
    try:
        answer = (resolver or dns.resolver.get_default_resolver()).resolve(name, "TXT", lifetime=5)
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return []
    except dns.exception.DNSException as away:
        raise Unreachable(str(away)) from None
    return [b"".join(record.strings).decode("utf-8", "replace") for record in answer]


def ask(
    domain: str, *, selector: str, bounce_domain: str, expected: str | None = None, lookup: Lookup = txt
) -> list[Finding]:
    """Findings in the order in which a receiver asks. `expected` is our own DKIM record, where we sign ourselves."""
    try:
        sender = _spf(bounce_domain, lookup)
        key = _dkim(f"{selector}._domainkey.{domain}", lookup(f"{selector}._domainkey.{domain}"), expected)
        policy = _dmarc(domain, lookup)
    except Unreachable as away:
        return [Finding("name servers", False, f"no answer: {away}", "try again when the network answers")]
    aligned = organisation(bounce_domain) == organisation(domain)
    return [sender, key, policy, _alignment(domain, bounce_domain, aligned=aligned, signed=key.good)]


def organisation(domain: str) -> str:
    """The organisational domain, by which DMARC aligns. An ending nobody lists counts as one label, as lists do."""
    return _EXTRACT(domain).top_domain_under_public_suffix or ".".join(domain.split(".")[-2:])


def _spf(domain: str, lookup: Lookup) -> Finding:
    found = spf.records(lookup(domain))
    name = f"SPF of {domain}"
    if not found:
        return Finding(name, False, "none", f'TXT at {domain}: "v=spf1 include:<your relay> ~all"')
    if len(found) > 1:
        return Finding(name, False, f"{len(found)} records", "exactly one SPF record; several count as none")
    walk = spf.Walk(lookup)
    walk.follow(domain, found[0])
    if walk.faults:
        return Finding(name, False, found[0], f"mend the record: {walk.faults[0]}")
    if walk.asked > spf.MOST_QUESTIONS:
        todo = f"ask less: receivers give up after {spf.MOST_QUESTIONS} questions (include, a, mx, redirect ...)"
        return Finding(name, False, f"{found[0]} (more than {spf.MOST_QUESTIONS} questions)", todo)
    if not walk.ends:
        return Finding(name, False, found[0], "end the record with ~all or -all")
    return Finding(name, True, f"{found[0]} ({walk.asked} of {spf.MOST_QUESTIONS} questions)")


def _dkim(name: str, records: Sequence[str], expected: str | None) -> Finding:
    found = next((r for r in records if "p=" in r), None)
    if found is None:
        return Finding("DKIM key", False, "none", f'TXT at {name}: "{expected or "the key your relay gives you"}"')
    if expected is not None and _key(found) != _key(expected):
        return Finding("DKIM key", False, "another key than ours", f'TXT at {name}: "{expected}"')
    if not _key(found):
        return Finding("DKIM key", False, "revoked (empty p=)", f'TXT at {name}: "{expected or "a new key"}"')
    return Finding("DKIM key", True, found[:60] + ("..." if len(found) > 60 else ""))


def _key(record: str) -> str:
    return next((t.strip()[2:].replace(" ", "") for t in record.split(";") if t.strip().startswith("p=")), "")


def _dmarc(domain: str, lookup: Lookup) -> Finding:
    for name in dict.fromkeys((f"_dmarc.{domain}", f"_dmarc.{organisation(domain)}")):
        found = next((r for r in lookup(name) if r.lower().startswith("v=dmarc1")), None)
        if found is not None:
            named = "p=" in found
            return Finding("DMARC policy", named, found, "" if named else "name a policy: p=none at least")
    wanted = f'TXT at _dmarc.{organisation(domain)}: "v=DMARC1; p=none; rua=mailto:dmarc@{organisation(domain)}"'
    return Finding("DMARC policy", False, "none", wanted)


def _alignment(domain: str, bounce_domain: str, *, aligned: bool, signed: bool) -> Finding:
    if aligned:
        return Finding("alignment", True, f"{bounce_domain} and {domain} belong together")
    if signed:
        return Finding("alignment", True, "by DKIM alone: bounces go to another organisation's domain")
    todo = "let `list_domain` be under the From domain, or sign"
    return Finding("alignment", False, f"{bounce_domain} is not {domain}", todo)
