"""Tokens: unforgeable, bound to one purpose, alive through key rotation."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nurture.model.tokens import (
    Keys,
    TokenPurpose,
    address_hash,
    numbered_purpose,
    purpose_number,
    sign,
    sign_lower,
    verify,
    verify_lower,
)
from nurture.model.words import Purpose

OLD = "an old secret of enough length"
NEW = "a new secret of enough length"
KEYS = Keys.from_secrets([OLD])
URL_SAFE = set(string.ascii_letters + string.digits + "-_")

ids = st.lists(st.integers(min_value=0, max_value=2**48 - 1), max_size=8)
purposes = st.sampled_from(list(TokenPurpose))


@given(purposes, ids)
def test_a_token_carries_its_ids_there_and_back(purpose: TokenPurpose, numbers: list[int]) -> None:
    token = sign(KEYS, purpose, *numbers)
    assert set(token) <= URL_SAFE
    assert verify(KEYS, purpose, token) == tuple(numbers)
    lower = sign_lower(KEYS, purpose, *numbers)
    assert lower == lower.lower()
    assert verify_lower(KEYS, purpose, lower) == tuple(numbers)
    assert verify_lower(KEYS, purpose, lower.upper()) == tuple(numbers)


def test_every_other_character_in_every_place_is_refused() -> None:
    for make, check, alphabet in (
        (sign, verify, string.ascii_letters + string.digits + "-_=+/ \n"),
        (sign_lower, verify_lower, string.ascii_lowercase + "0123456789="),
    ):
        token = make(KEYS, "unsubscribe", 7, 8, 3)
        for place, is_now in enumerate(token):
            for other in alphabet:
                if other != is_now:
                    assert check(KEYS, "unsubscribe", token[:place] + other + token[place + 1 :]) is None


def test_a_token_is_not_made_of_more_than_it_can_carry() -> None:
    for ids in (range(9), (-1,), (2**48,)):
        with pytest.raises((ValueError, OverflowError)):
            sign(KEYS, TokenPurpose.CLICK, *ids)


def test_truncated_lengthened_and_foreign_tokens_are_refused() -> None:
    token = sign(KEYS, "click", 7, 8)
    for cut in range(len(token)):
        assert verify(KEYS, "click", token[:cut]) is None
    assert verify(KEYS, "click", token + "A") is None
    assert verify(KEYS, "click", token + "=") is None
    assert verify(KEYS, "click", "ż" * 34) is None
    assert verify(KEYS, "click", "A" * 100_000) is None
    assert verify(Keys.from_secrets([NEW]), "click", token) is None


def test_a_token_for_one_purpose_fails_for_every_other() -> None:
    for one in TokenPurpose:
        for other in TokenPurpose:
            found = verify(KEYS, other, sign(KEYS, one, 7, 8))
            assert found == ((7, 8) if one is other else None)


def test_a_hundred_thousand_guesses_find_nothing() -> None:
    token = sign(KEYS, "open", 7, 8)
    head, tail = token[:20], len(token) - 20
    for guess in range(100_000):
        spelled = f"{guess:x}".zfill(tail)
        assert verify(KEYS, "open", head + spelled) is None


def test_a_rotated_ring_signs_with_the_new_key_and_still_reads_the_old() -> None:
    rotated = Keys.from_secrets([NEW, OLD])
    assert verify(rotated, "unsubscribe", sign(KEYS, "unsubscribe", 1, 2, 3)) == (1, 2, 3)
    assert verify(KEYS, "unsubscribe", sign(rotated, "unsubscribe", 1, 2, 3)) is None
    assert verify(Keys.from_secrets([NEW]), "unsubscribe", sign(rotated, "unsubscribe", 9)) == (9,)
    assert address_hash(rotated, "a@example.com") == address_hash(KEYS, "a@example.com")


def test_a_verp_local_part_fits_64_octets() -> None:
    assert len("b+" + sign_lower(KEYS, "verp", 2**48 - 1)) <= 64


@pytest.mark.parametrize("other", ["A@Example.COM", " a@example.com ", "a@ｅxample.com"])
def test_spellings_of_one_mailbox_share_a_hash(other: str) -> None:
    assert address_hash(KEYS, other) == address_hash(KEYS, "a@example.com")
    assert address_hash(KEYS, "b@example.com") != address_hash(KEYS, "a@example.com")


def test_an_international_domain_hashes_like_its_ascii_form() -> None:
    assert address_hash(KEYS, "jiri@příklad.cz") == address_hash(KEYS, "jiri@xn--pklad-zsa96e.cz")


def test_a_ring_refuses_missing_and_short_secrets() -> None:
    for wrong in ([], ["short"], [NEW, "short"]):
        with pytest.raises(ValueError, match="secret"):
            Keys.from_secrets(wrong)


def test_secrets_never_show_in_a_repr() -> None:
    assert OLD not in repr(KEYS)


def test_every_consent_purpose_has_a_number_of_its_own() -> None:
    numbers = [purpose_number(p) for p in Purpose]
    assert len(set(numbers)) == len(Purpose)
    assert all(numbered_purpose(purpose_number(p)) is p for p in Purpose)
    assert numbered_purpose(99) is None
