"""Header fields on raw bytes: they say what was meant, and a lead can neither add, remove nor change one."""

from __future__ import annotations

import email
import email.policy
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.utils import parseaddr
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nurture.mail import headers
from nurture.model.sandbox import NASTY_TEXTS
from tests.mail.test_press import MAILS, both

INTENDED = [
    "Zażółć gęślą jaźń " * 40, "👩‍👩‍👧‍👦 family " * 9, "\u202eשלום עולם", "=?utf-8?q?x?=", "x" * 1200,
    " leading and trailing ", "two  blanks", "Hi =?utf-8?q?x=0d=0aBcc=3a_evil=40x?=", "a" * 66, "word " * 60,
    'comma, semicolon; colon: <angle> "quote" (paren) @ \\',
]  # fmt: skip


def parsed(field: str) -> EmailMessage:
    return cast(EmailMessage, email.message_from_bytes(f"{field}\r\n\r\n".encode(), policy=email.policy.default))


def assert_folded(field: str) -> None:
    for line in field.split("\r\n"):
        assert len(line) <= 78 and "\r" not in line and "\n" not in line
    assert all(len(word) <= 75 for word in field.replace("\r\n", "").split(" ") if word.startswith("=?"))
    assert field.isascii()


@pytest.mark.parametrize("text", INTENDED)
def test_a_subject_decodes_to_what_was_meant(text: str) -> None:
    field = headers.unstructured("Subject", text)
    assert_folded(field)
    assert str(parsed(field)["Subject"]) == text


@settings(deadline=None)
@given(st.text(alphabet=st.characters(blacklist_categories=["Cs"]), max_size=300))
def test_any_subject_is_one_field(text: str) -> None:
    field = headers.unstructured("Subject", text)
    assert_folded(field)
    message = parsed(field)
    assert message.keys() == ["Subject"] and str(message["Subject"]) == headers.clean(text)


@settings(deadline=None)
@given(st.text(alphabet=st.characters(blacklist_categories=["Cs"]), max_size=120) | st.sampled_from(NASTY_TEXTS))
def test_any_display_name_goes_there_and_back(display: str) -> None:
    field = headers.mailbox("To", display, "lead@example.org")
    assert_folded(field)
    message = parsed(field)
    assert message.keys() == ["To"]
    (address,) = message["To"].addresses
    assert address.addr_spec == "lead@example.org"
    # The newer parser puts blanks between encoded words of a name, against RFC 2047 6.2; the older one reads right.
    phrase = field.replace("\r\n", "").removeprefix("To: ").rpartition("<")[0].strip()
    said = str(make_header(decode_header(phrase))) if "=?" in phrase else parseaddr(f"{phrase} <a@b>")[0]
    assert said.split() == headers.clean(display).split()


FIELDS = ["first_name", "last_name", "company", "city", "interest"]
hostile = st.text(max_size=200) | st.sampled_from(NASTY_TEXTS) | st.sampled_from(INTENDED)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(FIELDS), hostile), st.sampled_from(sorted(MAILS)))
def test_no_lead_adds_removes_or_changes_a_field(lead: dict[str, Any], name: str) -> None:
    """H9: whatever stands in a lead's fields, the set and order of header names is the template's own."""
    calm, _ = both(MAILS[name], {"rows": [], "score": 1}, clicks=True, opens=True)
    wild, _ = both(MAILS[name], {"rows": [], "score": 1, **lead}, clicks=True, opens=True)
    before, after = (email.message_from_bytes(raw, policy=email.policy.compat32) for raw in (calm, wild))
    assert before.keys() == after.keys()
    for field in set(before.keys()) - {"To", "Subject"}:
        assert before[field] == after[field]


GOOD = [
    ("Ines@Example.COM", "Ines@example.com", False), ("o'hara+x@sub.example.org", "o'hara+x@sub.example.org", False),
    ("a@příklad.cz", "a@xn--pklad-zsa96e.cz", False), ("jiří@example.cz", "jiří@example.cz", True),
]  # fmt: skip
BAD = [
    "", "nobody", "@example.com", "a@", "a b@example.com", "a@exa mple.com", "a@b@example.com", '"quoted"@example.com',
    "a..b@example.com", ".a@example.com", "a.@example.com", "=?utf-8?q?evil=40x.example=2c_?=@example.com",
    "a\r\nBcc: x@example.com", "a@example.com\r\nX: y", "a@-example.com", "a@example..com", "x" * 65 + "@example.com",
    "a@" + "x" * 64 + ".com", "a,b@example.com", "a<b@example.com", "a\x00@example.com", "a@[127.0.0.1]",
]  # fmt: skip


@pytest.mark.parametrize(("given_", "wanted", "utf8"), GOOD)
def test_addresses_that_can_be_mailed(given_: str, wanted: str, utf8: bool) -> None:
    assert headers.mailable(given_) == (wanted, utf8)


@pytest.mark.parametrize("address", BAD)
def test_addresses_that_cannot(address: str) -> None:
    with pytest.raises(headers.BadAddress):
        headers.mailable(address)


def test_a_message_id_is_the_steps_own() -> None:
    first = headers.message_id(7, 1, "guide", 1, "one", domain="lists.example.com")
    assert first == headers.message_id(7, 1, "guide", 1, "one", domain="lists.example.com")
    others = [(2, "guide", 1, "one"), (1, "other", 1, "one"), (1, "guide", 2, "one"), (1, "guide", 1, "two")]
    assert len({headers.message_id(7, *o, domain="lists.example.com") for o in others} | {first}) == 5
