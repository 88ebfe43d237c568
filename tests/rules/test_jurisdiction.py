"""The tables of the law: reviewed, sourced, and never laxer than what was read."""

from __future__ import annotations

from datetime import date

import pytest

from nurture.model.consent import Basis
from nurture.model.jurisdiction import STRICTEST, TABLE, of
from nurture.model.words import Channel, Purpose


def test_the_countries_of_the_brief_are_there_each_with_sources_and_a_review() -> None:
    assert set(TABLE) == {"PL", "CZ", "DE", "FR", "IT", "UK", "US", "CA"}
    for law in TABLE.values():
        assert law.sources and law.reviewed_on >= date(2026, 11, 1)
        assert {"sender_name", "unsubscribe"} <= law.footer


def test_unknown_and_unlisted_countries_are_the_strictest() -> None:
    for country in (None, "", "AT", "BR", "zz"):
        assert of(country) is STRICTEST
    assert of("gb") is TABLE["UK"]


@pytest.mark.parametrize("law", TABLE.values(), ids=lambda law: law.code)
def test_nothing_is_stricter_than_the_strictest(law: object) -> None:
    from nurture.model.jurisdiction import Jurisdiction

    assert isinstance(law, Jurisdiction)
    assert STRICTEST.mail <= law.mail and STRICTEST.phone <= law.phone
    assert law.footer <= STRICTEST.footer
    assert set(law.marker) <= set(STRICTEST.marker)


@pytest.mark.parametrize("country", TABLE)
def test_consent_always_suffices_and_nothing_never_does(country: str) -> None:
    for purpose in Purpose:
        for channel in (Channel.EMAIL, Channel.PHONE):
            assert of(country).suffices(Basis.CONSENT, purpose, channel)
            assert not of(country).suffices(None, purpose, channel)


@pytest.mark.parametrize("country", sorted(set(TABLE) - {"US"}))
def test_c3_legitimate_interest_is_no_ground_for_mail_where_consent_is_the_rule(country: str) -> None:
    """Where companies may be written to more freely (FR, UK), an address does not say that it is one's."""
    for basis in (Basis.LEGIT_INTEREST, Basis.CANSPAM_OPTOUT):
        assert not of(country).suffices(basis, Purpose.NURTURE_EMAIL, Channel.EMAIL)


def test_calls_need_consent_everywhere() -> None:
    for law in TABLE.values():
        for basis in set(Basis) - {Basis.CONSENT}:
            assert not law.suffices(basis, Purpose.SALES_CONTACT, Channel.PHONE)


@pytest.mark.parametrize(("country", "words"), [("CZ", "obchodní sdělení"), ("DE", None), ("US", None)])
def test_c12_what_a_footer_has_to_carry(country: str, words: str | None) -> None:
    law = of(country)
    assert ("marketing_marker" in law.footer) is (words is not None)
    if words:
        assert words in law.marker
    assert "postal_address" in of("US").footer and "postal_address" in of("CA").footer
    assert "registration" in of("CZ").footer and "imprint" in of("DE").footer
