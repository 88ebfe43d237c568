"""`nurture doctor domain` against a real name server: SPF with all it includes, DKIM, DMARC, alignment."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import dns.resolver
import pytest

from nurture.mail.domain import Finding, ask, organisation, txt
from nurture.mail.hostnames import names
from tests.mail.zone import Zone, serving

LONG = "p=" + "A" * 300
ZONE = f"""
good.test. TXT "v=spf1 include:relay.test -all"
relay.test. TXT "v=spf1 ip4:192.0.2.0/24 include:more.relay.test ~all"
more.relay.test. TXT "v=spf1 a mx ip6:2001:db8::/32 ?all"
s1._domainkey.good.test. TXT "v=DKIM1; k=rsa; " "{LONG[:200]}" "{LONG[200:]}"
_dmarc.good.test. TXT "v=DMARC1; p=quarantine"
moved.test. TXT "v=spf1 redirect=good.test"
many.test. TXT "v=spf1 include:six.test include:six.test -all"
six.test. TXT "v=spf1 a mx a:a.test a:b.test exists:%{{i}}.c.test -all"
loop.test. TXT "v=spf1 include:pool.test -all"
pool.test. TXT "v=spf1 include:loop.test -all"
empty.test. TXT "v=spf1 include:nobody.test -all"
typo.test. TXT "v=spf1 inlcude:relay.test -all"
open.test. TXT "v=spf1 include:relay.test +all"
two.test. TXT "v=spf1 -all"
two.test. TXT "v=spf1 ~all"
other.test. TXT "site-verification=abc"
gone._domainkey.good.test. TXT "v=DKIM1; p="
lists.good.test. MX 10 mx.good.test.
null.test. MX 0 .
out.good.test. A 192.0.43.1
1.43.0.192.in-addr.arpa. PTR out.good.test.
liar.test. A 192.0.43.2
2.43.0.192.in-addr.arpa. PTR somebody.test.
bare.test. A 192.0.43.3
own.test. A 10.0.0.7
"""


@pytest.fixture(scope="module")
def resolver() -> Iterator[dns.resolver.Resolver]:
    with serving(Zone(ZONE)) as found:
        yield found


def findings(resolver: dns.resolver.Resolver, domain: str, selector: str = "s1", **more: str) -> dict[str, Finding]:
    look = partial(txt, resolver=resolver)
    found = ask(domain, selector=selector, bounce_domain=more.get("bounce", domain), lookup=look)
    return {f.what.partition(" ")[0]: f for f in found}


def test_all_is_well_and_the_page_says_what_was_found(resolver: dns.resolver.Resolver) -> None:
    found = findings(resolver, "good.test", bounce="lists.good.test") | findings(resolver, "good.test")
    assert all(f.good for f in found.values()), found
    assert "4 of 10 questions" in found["SPF"].found, "include, include, a, mx"


@pytest.mark.parametrize(
    ("domain", "said"),
    [
        ("many.test", "more than 10 questions"), ("loop.test", "include each other"),
        ("empty.test", "has no SPF record"),
        ("typo.test", "no mechanism"), ("open.test", "~all or -all"), ("two.test", "exactly one"),
        ("other.test", "v=spf1 include:"), ("nowhere.test", "v=spf1 include:"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_spf_and_what_to_publish(domain: str, said: str, resolver: dns.resolver.Resolver) -> None:
    found = findings(resolver, domain)["SPF"]
    assert not found.good and said in f"{found.found} {found.todo}"


def test_a_redirect_counts_as_the_record_it_leads_to(resolver: dns.resolver.Resolver) -> None:
    assert findings(resolver, "moved.test")["SPF"].good


def test_dkim_dmarc_and_alignment(resolver: dns.resolver.Resolver) -> None:
    gone = findings(resolver, "good.test", selector="gone")["DKIM"]
    assert not gone.good and "revoked" in gone.found
    none = findings(resolver, "relay.test")
    assert not none["DKIM"].good and "s1._domainkey.relay.test" in none["DKIM"].todo
    assert not none["DMARC"].good and "v=DMARC1; p=none" in none["DMARC"].todo
    apart = findings(resolver, "good.test", bounce="relay.test")["alignment"]
    assert apart.good and "DKIM alone" in apart.found
    assert not findings(resolver, "good.test", selector="none", bounce="relay.test")["alignment"].good


def test_g5_names_are_looked_up_both_ways(resolver: dns.resolver.Resolver) -> None:
    hosts = ["out.good.test", "out.good.test", "liar.test", "bare.test", "own.test", "127.0.0.1", "nowhere.test"]
    back, *found = names(hosts, "lists.good.test", resolver)
    assert back.good and "mx.good.test" in back.found
    assert [f.good for f in found] == [True, False, False, True, True, False]
    assert "somebody.test" in found[1].found and "192.0.43.2" in found[1].todo
    assert "no name" in found[2].found and "no address" in found[5].found


@pytest.mark.parametrize("domain", ["null.test", "good.test", "nowhere.test"])
def test_bounces_need_a_way_back(domain: str, resolver: dns.resolver.Resolver) -> None:
    (back,) = names([], domain, resolver)
    assert not back.good and "NURTURE_INBOUND" in back.todo


@pytest.mark.parametrize(
    ("domain", "owner"),
    [
        ("a.b.example.co.uk", "example.co.uk"), ("news.acme.cz", "acme.cz"), ("x.y.intern", "y.intern"),
        ("acme.pl", "acme.pl"),
    ],
)  # fmt: skip
def test_the_organisation_behind_a_name(domain: str, owner: str) -> None:
    assert organisation(domain) == owner
