"""Cells: addresses, numbers, dates, and what a spreadsheet's protection leaves behind."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from email_validator import validate_email
from hypothesis import given, settings
from hypothesis import strategies as st

from nurture.intake.values import moment, number, person_address, plain_text, yes_no
from nurture.model.address import read_address
from nurture.model.tokens import normal_address

WARSAW = ZoneInfo("Europe/Warsaw")


@pytest.mark.parametrize("payload", ["=1+1", "+420 123", "-2", "@SUM(A1)", "＝1", "＋1", "－1", "＠x"])
def test_the_quote_that_protects_a_spreadsheet_is_stripped(payload: str) -> None:
    assert plain_text("'" + payload) == payload


@pytest.mark.parametrize("text", ["'t Hooft", "O'Brien", "'", "it's"])
def test_other_quotes_stay(text: str) -> None:
    assert plain_text(text) == text


def test_line_breaks_become_spaces_and_other_controls_are_refused() -> None:
    assert plain_text(" Ann\r\n Lee\t ") == "Ann Lee"
    for bad in ("a\x1b[31m", "a\x07", "a\x85"):
        if bad.endswith("\x85"):
            assert plain_text(bad) == "a"  # a line end of its own, at the end
            continue
        with pytest.raises(ValueError, match="control character"):
            plain_text(bad)


@pytest.mark.parametrize(
    ("text", "decimal", "value"),
    [
        ("1428", ".", 1428), ("1,234.5", ".", 1234.5), ("1 234,5", ",", 1234.5), ("12 %", ".", 12), ("2.0", ".", 2),
        ("-3", ".", -3),
    ],
)
def test_numbers(text: str, decimal: str, value: float) -> None:
    assert number(text, decimal=decimal) == value


@pytest.mark.parametrize("text", ["", "abc", "nan", "inf", "1e999", "--1"])
def test_what_is_no_number_says_so(text: str) -> None:
    with pytest.raises(ValueError, match="is not a number"):
        number(text)


def test_a_day_is_noon_where_it_was_meant() -> None:
    assert moment("2026-07-01", zone=WARSAW) == datetime(2026, 7, 1, 10, tzinfo=UTC)
    assert moment("01.07.2026", zone=WARSAW, format="%d.%m.%Y") == datetime(2026, 7, 1, 10, tzinfo=UTC)
    assert moment("2026-07-01 08:30:00", zone=WARSAW) == datetime(2026, 7, 1, 6, 30, tzinfo=UTC)
    assert moment("2026-07-01T08:30:00+00:00", zone=WARSAW) == datetime(2026, 7, 1, 8, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    "text", ["yesterday", "2026-13-01", "01/02/2026", "0001-01-01", "1969-12-31", "9999-12-31 23:59"]
)
def test_what_is_no_date_says_so(text: str) -> None:
    with pytest.raises(ValueError):
        moment(text, zone=WARSAW)


@pytest.mark.parametrize(("text", "value"), [("Yes", True), ("tak", True), ("0", False), ("NE", False)])
def test_yes_and_no(text: str, value: bool) -> None:
    assert yes_no(text) is value


def test_an_address_keeps_its_spelling_and_has_one_key() -> None:
    address = read_address(" John.Doe@Example.ORG ")
    assert address.mailbox == "John.Doe@example.org"
    assert address.key == "john.doe@example.org"
    assert read_address("jiří@příklad.cz").key == normal_address("JIŘÍ@PŘÍKLAD.cz")


def test_two_spellings_of_one_domain_are_one_person_and_two_domains_are_two() -> None:
    for one, other in (("tanaka@xn--r8jz45g.jp", "tanaka@例え.jp"), ("a@XN--PKLAD-ZSA96E.cz", "A@příklad.cz")):
        assert read_address(one).key == read_address(other).key == normal_address(one) == normal_address(other)
    assert normal_address("a@straße.de") != normal_address("a@strasse.de")
    assert normal_address("a@straße.de") == read_address("a@xn--strae-oqa.de").key


@pytest.mark.parametrize(
    "text",
    [
        "=?utf-8?q?evil=40x.example=2c_?=@example.com", "a@b@example.com", "a@localhost", '"a b"@example.com',
        "a@[127.0.0.1]", "x" * 65 + "@example.com", "a@" + "b." * 130 + "com", "a b@example.com",
        "a@example.com\nBcc: x",
        "@example.com", "a@", "", "a..b@example.com", ".a@example.com", "a@-example.com", "a@exa_mple.com",
    ],
)
def test_wrong_addresses_are_refused_in_a_sentence(text: str) -> None:
    with pytest.raises(ValueError) as wrong:
        read_address(text)
    assert "\n" not in str(wrong.value)


@settings(max_examples=500, deadline=None)
@given(st.from_regex(r"[A-Za-z0-9_+.-]{1,70}@[A-Za-z0-9.-]{1,30}\.(com|org|cz|test|local)", fullmatch=True))
def test_the_quick_way_says_what_the_validator_says(text: str) -> None:
    try:
        valid = validate_email(text, check_deliverability=False, strict=True)
    except ValueError:
        with pytest.raises(ValueError):
            read_address(text)
        return
    address = read_address(text)
    assert address.mailbox == f"{valid.local_part}@{valid.domain}"
    assert address.key == normal_address(text)


@pytest.mark.parametrize(
    ("text", "decimal"),
    [("12,5", "."), ("1.234,5", "."), ("1,23,456", "."), ("12.5", ","),
     ("1,234,5.0", "."), ("1,2345", "."), (",5", ".")],
)
def test_a_decimal_mark_is_never_taken_for_a_mark_of_thousands(text: str, decimal: str) -> None:
    with pytest.raises(ValueError, match="`decimal:` in the map"):
        number(text, decimal=decimal)


@pytest.mark.parametrize(
    ("text", "decimal", "value"),
    [("1'234", ".", 1234), ("1’234’567.5", ".", 1234567.5), ("1.234.567,5", ",", 1234567.5), ("-1,234", ".", -1234)],
)
def test_thousands_in_groups_of_three(text: str, decimal: str, value: float) -> None:
    assert number(text, decimal=decimal) == value


@pytest.mark.parametrize(
    "text",
    [
        "mailto:ann@example.org", "MAILTO:ann@example.org?subject=Hi", "<ann@example.org>", "Ann Lee <ann@example.org>",
        '"Lee, Ann" <ann@example.org>', "\u200bann@example.org", "ann@example.org\u200b", "ann@example.org\u00a0",
        "ann@example.org.", "ann@example.org,", "ann@exam\u00adple.org",
    ],
)
def test_what_copying_leaves_around_an_address_is_taken_off_and_said(text: str) -> None:
    address, mended = person_address(text)
    assert address.key == "ann@example.org"
    assert bool(mended) is (text.strip() != "ann@example.org")


@pytest.mark.parametrize(
    "text", ["ann@example.org, bob@example.org",
             "a@example.org;b@example.org", "Ann <a@example.org> Bob <b@example.org>"]
)
def test_two_addresses_in_one_cell_are_nobodys(text: str) -> None:
    with pytest.raises(ValueError, match="several addresses"):
        person_address(text)


@pytest.mark.parametrize("text", ["a@b@example.com", "\u202eann@example.org", "ann at example.org",
             "a@example.com\nBcc: x@example.com"])
def test_what_is_no_address_is_not_made_into_one(text: str) -> None:
    with pytest.raises(ValueError):
        person_address(text)
