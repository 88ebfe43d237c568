"""Signing, comparing and checking the agreement."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from nurture.authoring import fallback
from nurture.authoring.sign import add_signature
from nurture.decide import agreement as rules
from nurture.errors import UsageError
from nurture.model.agreement import Signature
from nurture.model.scoring import Scoring
from tests.sales.world import AGREEMENT, MODEL

DAY = date(2026, 11, 22)


def codes(*args: object, **more: object) -> list[str]:
    return [r.code for r in rules.remarks(*args, **more)]


def in_period(**changes: object) -> object:
    return replace(AGREEMENT, next_review=date(2026, 12, 31), **changes)


def test_a_signed_agreement_in_its_time_has_nothing_to_say() -> None:
    assert codes(in_period(), today=DAY, applied=in_period()) == []


def test_each_trouble_has_its_code() -> None:
    assert codes(in_period(signed=()), today=DAY) == ["agreement-unsigned"]
    assert codes(in_period(), today=date(2027, 3, 1)) == ["agreement-overdue"]
    assert codes(in_period(), today=date(2027, 1, 9)) == ["agreement-review"]
    assert codes(in_period(effective_from=date(2026, 12, 1)), today=DAY) == ["agreement-future"]
    assert codes(replace(AGREEMENT, next_review=date(2027, 9, 1)), today=DAY) == ["agreement-period"]
    assert codes(in_period(max_recycles=1), today=DAY, applied=in_period()) == ["agreement-same-version"]
    raised = in_period(max_recycles=1, version=5)
    assert codes(raised, today=DAY, applied=in_period()) == ["agreement-old-signature"] * 3
    fresh = replace(raised, signed=tuple(Signature(s.role, s.name, DAY) for s in AGREEMENT.signed))
    assert codes(fresh, today=DAY, applied=in_period()) == []
    assert codes(in_period(), today=DAY, applied=raised)[0] == "agreement-older"


def test_a_company_without_an_agreement_hears_that_and_nothing_about_versions() -> None:
    none = fallback.agreement()
    assert codes(none, today=DAY) == codes(none, today=DAY, applied=in_period())[:1] == ["agreement-missing"]
    assert codes(in_period(version=1), today=DAY, applied=none) == []


def test_a_difference_names_the_path_and_both_values() -> None:
    sla = replace(AGREEMENT.sla, decision_minutes={**AGREEMENT.sla.decision_minutes, "A1": 120})
    changed = replace(AGREEMENT, max_recycles=2, sla=sla, signed=())
    assert [str(c) for c in rules.differences(AGREEMENT, changed)] == [
        "max_recycles: 3 -> 2", "sla.decision_minutes.A1: 240 -> 120",
    ]
    assert all(len(str(c)) < 400 for c in rules.differences(Scoring((MODEL,)), fallback.scoring()))
    cheaper = replace(MODEL, rules=(replace(MODEL.rules[0], points=3), *MODEL.rules[1:]))
    assert [str(c) for c in rules.differences(Scoring((MODEL,)), Scoring((cheaper,)))] == [
        "models.default.rules.visits.points: 2 -> 3"
    ]
    assert rules.differences(AGREEMENT, replace(AGREEMENT, signed=(), sha="b")) == []


def test_changed_points_ask_for_new_signatures() -> None:
    """S2-21: weights and threshold are signed by both; a shadow model decides nothing."""
    cheaper = replace(MODEL, rules=(replace(MODEL.rules[0], points=3), *MODEL.rules[1:]))

    def said(after: Scoring, agreement: object = AGREEMENT) -> list[str]:
        return codes(agreement, today=DAY, applied=AGREEMENT, scoring=after, applied_scoring=Scoring((MODEL,), 1, "a"))

    now = codes(AGREEMENT, today=DAY, applied=AGREEMENT)
    assert said(Scoring((MODEL,), 2, "b")) == now
    assert said(Scoring((replace(cheaper, shadow=True), MODEL))) == now
    for changed in (cheaper, replace(MODEL, engagement_bands={1: 70, 2: 50, 3: 25})):
        assert said(Scoring((changed,))) == [*now, "scoring-not-signed"]
    signed = tuple(Signature(s.role, s.name, DAY) for s in AGREEMENT.signed)
    assert "scoring-not-signed" not in said(Scoring((cheaper,)), replace(AGREEMENT, version=5, signed=signed))


def test_the_digest_is_about_content_and_not_about_signatures() -> None:
    assert rules.content_sha(AGREEMENT) == rules.content_sha(replace(AGREEMENT, signed=(), sha="b"))
    assert rules.content_sha(AGREEMENT) != rules.content_sha(replace(AGREEMENT, max_recycles=9))


FILE = """# ours
agreement:
  version: 2
  signed:
    - { role: marketing, name: Ines Example, on_date: 2026-09-28 }  # by hand
    - role: sdr
      name: Lena Example
      on_date: 2026-09-29

  definitions:   # spaced   as it was
    early: "x"
"""


def test_signing_changes_one_line_and_nothing_else() -> None:
    text = add_signature(FILE, role="account_executive", name="Marek Example", on=DAY)
    added = set(text.splitlines()) - set(FILE.splitlines())
    assert added == {'    - { role: account_executive, name: "Marek Example", on_date: 2026-11-22 }'}
    assert len(text.splitlines()) == len(FILE.splitlines()) + 1
    again = add_signature(text, role="sdr", name='Le"na', on=DAY)
    assert '    - { role: sdr, name: "Le\\"na", on_date: 2026-11-22 }' in again and "Lena Example" not in again
    assert "definitions:   # spaced   as it was" in again and "# by hand" in again


def test_signing_begins_the_list_where_there_is_none() -> None:
    for empty in ("agreement:\n  version: 2\n", "agreement:\n  signed: []\n  version: 2\n"):
        text = add_signature(empty, role="sdr", name="Lena", on=DAY)
        assert "  signed:\n    - { role: sdr" in text and "  version: 2\n" in text
    for broken in ("agreement: [", "company: x\n", ""):
        with pytest.raises(UsageError):
            add_signature(broken, role="sdr", name="Lena", on=DAY)
