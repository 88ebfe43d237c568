"""The sentence that says why somebody gets a mail tells the ground the ledger names, and no other."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from nurture.mail.reason import AGREED, GROUNDS, UNDATED, reason
from nurture.model.consent import Basis

SINCE = datetime(2026, 11, 23, tzinfo=UTC)
WITHOUT_CONSENT = [basis for basis in Basis if basis is not Basis.CONSENT]


def said(language: str, basis: str | None, since: datetime | None = SINCE) -> str:
    return reason(language, company="Acme", topic="Guides", since=since, basis=basis)


@pytest.mark.parametrize("language", sorted(AGREED))
def test_who_agreed_is_told_so_with_the_day_where_it_is_known(language: str) -> None:
    for basis in (Basis.CONSENT, None):
        dated = said(language, basis)
        assert "2026" in dated and dated.startswith(AGREED[language].partition("{")[0])
        assert said(language, basis, since=None) == UNDATED[language].format(company="Acme", topic="Guides")


@pytest.mark.parametrize("language", sorted(AGREED))
@pytest.mark.parametrize("basis", WITHOUT_CONSENT)
def test_nobody_is_told_that_they_agreed_who_did_not(basis: Basis, language: str) -> None:
    for since in (SINCE, None):
        told = said(language, basis, since)
        assert told == GROUNDS[basis][language].format(company="Acme", topic="Guides")
        assert told not in (said(language, None), said(language, None, since=None)) and "Acme" in told


def test_each_ground_that_is_no_consent_has_its_sentence() -> None:
    assert set(GROUNDS) == set(WITHOUT_CONSENT)
