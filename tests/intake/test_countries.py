"""Countries as people write them."""

from __future__ import annotations

import pytest

from nurture.intake.countries import country_of


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("DE", "DE"), ("de", "DE"), ("DEU", "DE"), ("276", "DE"), ("Germany", "DE"),
        ("Deutschland", "DE"), ("Niemcy", "DE"),
        ("Česko", "CZ"), ("Czechia", "CZ"), ("Czech Republic", "CZ"), ("Česká republika", "CZ"), ("Polska", "PL"),
        ("Österreich", "AT"), ("UK", "GB"), ("U.K.", "GB"), ("Great Britain", "GB"), ("USA", "US"), ("U.S.", "US"),
        ("United States of America", "US"), ("NO", "NO"), ("EL", "GR"), ("The Netherlands", "NL"), ("hong kong", "HK"),
        ("St. Lucia", "LC"), ("  france ", "FR"), ("Türkiye", "TR"), ("Turkey", "TR"),
    ],
)
def test_codes_and_names_in_many_languages(text: str, code: str) -> None:
    assert country_of(text) == code


@pytest.mark.parametrize("text", ["", "Atlantis", "XX", "EU", "Europe", "SUN", "12", "\u202eDE", "001"])
def test_nobodys_country_is_none(text: str) -> None:
    assert country_of(text) is None
