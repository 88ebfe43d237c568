"""Single values as people write them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from nurture.authoring import addresses
from nurture.authoring import values as v
from nurture.authoring.desk import Desk, did_you_mean, nearest
from nurture.authoring.tree import Node, read_tree
from nurture.model.campaign import Cap, Duration


def value(reader: Callable[[Node, Desk], Any], said: str) -> tuple[Any, list[str]]:
    desk = Desk("x.yaml")
    root = read_tree(f"k: {said}\n", desk)
    assert root is not None
    node = root.pairs["k"][1]
    return reader(node, desk), [p.code for p in desk.problems]


GOOD: list[tuple[Callable[[Node, Desk], Any], str, Any]] = [
    (v.duration, "3 days", Duration(3, "days")), (v.duration, "1 day", Duration(1, "days")),
    (v.duration, "'4 hours'", Duration(4, "hours")),
    (v.duration, "5 business days", Duration(5, "business_days")), (v.duration, "2 years", Duration(2, "years")),
    (v.cap, "1 email per day", Cap(1, "day")), (v.cap, "10 emails per month", Cap(10, "month")),
    (v.clock, "08:30", 510), (v.clock, "00:00", 0), (v.clock, "24:00", 1440),
    (v.weekdays, "mon-thu", frozenset({0, 1, 2, 3})), (v.weekdays, "fri-mon", frozenset({4, 5, 6, 0})),
    (v.weekdays, "mon, wed", frozenset({0, 2})),
    (v.weekdays, "[sat, sun]", frozenset({5, 6})), (v.weekdays, "every day", frozenset(range(7))),
    (v.weekdays, "tue", frozenset({1})),
    (v.share, "5%", 5), (v.share, "100%", 100), (v.points, "+15", 15_000), (v.points, "-2.5", -2500),
    (v.points, "7", 7000),
    (v.day, "2026-11-01", __import__("datetime").date(2026, 11, 1)), (v.moment, "2027-03-04 10:00", "2027-03-04T10:00"),
    (addresses.address, "Ines at Acme <ines@example.com>", "Ines at Acme <ines@example.com>"),
    (addresses.email, "ines@example.com", "ines@example.com"),
    (v.zone, "Europe/Warsaw", "Europe/Warsaw"), (v.zone_or_lead, "lead", "lead"), (v.country, "PL", "PL"),
    (v.language, "pt-BR", "pt-BR"),
    (v.path, "awareness/guide", "awareness/guide"), (v.slug, "a-b_c.d", "a-b_c.d"), (v.yes_no, "true", True),
    (v.yes_no, "false", False),
    (v.whole(0, 100), "40", 40), (v.number(0, 1), "0.5", 0.5), (v.days, "2 weeks", 14),
    (addresses.web_address, "https://example.com/a", "https://example.com/a"),
]
BAD: list[tuple[Callable[[Node, Desk], Any], str]] = [
    *((v.duration, s) for s in ("3 dayz", "3", "-3 days", "3days", "1.5 days", "9999 years", "[3 days]", "three days",
                                "3 days ago")),
    *((v.cap, s) for s in ("0 emails per week", "2 per week", "2 emails", "2 emails per year")),
    *((v.clock, s) for s in ("9:00", "24:01", "25:00", "0900", "9", "9am")),
    *((v.weekdays, s) for s in ("monday", "mon-", "mon--tue", "mon-xyz", "{ a: b }")),
    *((v.share, s) for s in ("5", "101%", "-1%", "5 %", "half")),
    *((v.points, s) for s in ("many", "+1e9", "99999", "1.2345")),
    *((v.day, s) for s in ("2026-02-30", "01.11.2026", "2026-11-1", "9999-12-31", "tomorrow")),
    *((v.moment, s) for s in ("2027-03-04", "2027-13-04 10:00")),
    *((addresses.address, s) for s in ("ines", "a@b@c", "Ines <ines>", "\"=?utf-8?q?x?= <a@example.com>\"", "a@",
                               '"a\\nb <a@example.com>"')),
    *((addresses.email, s) for s in ("Ines <ines@example.com>", "x")),
    *((v.zone, s) for s in ("CEST", "Warsaw", "[a]")),
    *((v.country, s) for s in ("pl", "POL", "Poland")), *((v.language, s) for s in ("EN", "english!", "e")),
    *((v.path, s) for s in ("../secret", "/etc/passwd", "a//b", "A/b", "a/../b", "a b")),
    *((v.slug, s) for s in ("A", "a b", "-a", "a" * 65, "ą")),
    *((v.yes_no, s) for s in ("yes", "on", "1", "'true'")), *((v.whole(0, 100), s) for s in ("101", "-1", "1.5", "'5'",
                                                                                             "1_0", "0x10")),
    *((addresses.web_address, s) for s in ("http://example.com", "https://localhost/x", "https://127.0.0.1/",
                                           "https://a",
                                   "//example.com/x", "javascript:alert",
                                   "https://u:p@example.com", "https://exa%2emple.com/", "\"https://example.com/ x\"",
                                   "https:/example.com",
                                   "https://[::1]/", "'https://ok@evil.example'", "'/\\evil'")),
]


@pytest.mark.parametrize(("reader", "said", "expected"), GOOD)
def test_a_value_is_read(reader: Callable[[Node, Desk], Any], said: str, expected: Any) -> None:
    assert value(reader, said) == (expected, [])


@pytest.mark.parametrize(("reader", "said"), BAD)
def test_a_value_is_refused_with_a_finding(reader: Callable[[Node, Desk], Any], said: str) -> None:
    found, codes = value(reader, said)
    assert found is None and len(codes) == 1


def test_any_stands_alone() -> None:
    assert value(v.one_or_many(v.slug), "any") == ("any", [])
    assert value(v.one_or_many(v.slug), "[a, any]") == (None, ["bad-form"])
    assert value(v.one_or_many(v.slug), "[a]") == (("a",), [])


def test_guesses() -> None:
    known = ["inside-sales", "business_case", "education"]
    assert nearest("inside sales", known) == "inside-sales"
    assert nearest("business-case", known) == "business_case"
    assert nearest("Educaton", known) == "education"
    assert nearest("something else", known) is None
    assert did_you_mean("educaton", known) == " Did you mean `education`?"
    assert did_you_mean("x" * 5000, known) == ""
