"""Signed tokens: the only form in which an id leaves the house.

A token is `key mark (1 byte) | ids (6 bytes each) | MAC (12 bytes)`, url-safe base64 without padding, or lower-case
base32 where a mail server may change the case. The MAC is keyed blake2b (96 bit) under a key of its own per purpose,
so a token for one purpose never verifies for another. What the ids mean, by purpose:

======================================  =========================================================
`open`, `click`, `honeypot`             (message_id, lead_id); a click's link index stands outside
`unsubscribe`                           (lead_id, message_id, purpose number, see `purpose_number`)
`preferences`, `may_call`               (lead_id, message_id; 0 without one)
`confirm`                               (lead_id, request id, expires at in epoch seconds)
`handoff`                               (handoff_id, version)
`magic`                                 (link id, expires at in epoch seconds)
`verp`                                  (message_id,), by `sign_lower`
`aside`                                 (id of a mail outside campaigns,), by `sign_lower`
`form`                                  (shown at in epoch seconds,)
`visit`                                 (lead_id, clicked at in epoch seconds)
======================================  =========================================================
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import hmac
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import blake2b
from typing import Any, Final

import idna

from nurture.model.words import Purpose

MAC_BYTES: Final = 12
ID_BYTES: Final = 6
MAX_IDS: Final = 8
_b64 = binascii.b2a_base64
_URL_SAFE: Final = bytes.maketrans(b"+/", b"-_")
MIN_SECRET: Final = 16


class TokenPurpose(StrEnum):
    OPEN = "open"
    CLICK = "click"
    HONEYPOT = "honeypot"
    UNSUBSCRIBE = "unsubscribe"
    PREFERENCES = "preferences"
    CONFIRM = "confirm"
    HANDOFF = "handoff"
    MAGIC = "magic"
    VERP = "verp"
    ASIDE = "aside"
    FORM = "form"
    VISIT = "visit"


@dataclass(frozen=True, slots=True)
class Keys:
    """The ring of secrets: the first signs, all verify.

    Old secrets stay in the ring for good: an unsubscribe link may be opened years after it was sent. The eldest (the
    last) also keys address hashes, which must find rows written before any rotation.
    """

    _signers: Mapping[str, tuple[bytes, Any]] = field(repr=False)
    _verifiers: Mapping[tuple[str, int], tuple[Any, ...]] = field(repr=False)
    _addresses: Any = field(repr=False)
    _ledger: Any = field(repr=False)

    @classmethod
    def from_secrets(cls, secrets: Sequence[str | bytes]) -> Keys:
        """Build the ring, newest secret first. Raises ValueError for an empty ring or a secret under 16 bytes."""
        raw = [s.encode() if isinstance(s, str) else bytes(s) for s in secrets]
        if not raw:
            raise ValueError("a ring of keys needs at least one secret")
        if any(len(s) < MIN_SECRET for s in raw):
            raise ValueError(f"a secret needs at least {MIN_SECRET} bytes")
        signers = {p.value: (bytes([_mark(raw[0])]), _hasher(raw[0], p.value)) for p in TokenPurpose}
        verifiers: dict[tuple[str, int], tuple[Any, ...]] = {}
        for secret in raw:
            for purpose in TokenPurpose:
                key = (purpose.value, _mark(secret))
                verifiers[key] = (*verifiers.get(key, ()), _hasher(secret, purpose.value))
        return cls(signers, verifiers, _hasher(raw[-1], "address", size=20), _hasher(raw[-1], "ledger", size=32))


def _derive(secret: bytes, purpose: str) -> bytes:
    """One key per purpose, however long the secret is."""
    root = blake2b(secret, digest_size=32, person=b"nurture ring").digest()
    return blake2b(purpose.encode(), key=root, digest_size=32, person=b"nurture purpose").digest()


def _hasher(secret: bytes, purpose: str, *, size: int = MAC_BYTES) -> Any:
    """A keyed hash that is copied per use: keying once halves the price of a token."""
    return blake2b(key=_derive(secret, purpose), digest_size=size)


def _mark(secret: bytes) -> int:
    """The key id: derived, so that nobody has to number secrets. Equal marks are fine, all of them are tried."""
    return blake2b(secret, digest_size=1, person=b"nurture mark").digest()[0]


def _seal(keys: Keys, purpose: str, ids: Sequence[int]) -> bytes:
    if len(ids) > MAX_IDS:
        raise ValueError(f"a token carries at most {MAX_IDS} ids")
    return _seal_packed(keys, purpose, pack(*ids))


def pack(*ids: int) -> bytes:
    """Ids as a token carries them. Whoever signs the same for several purposes packs once (`sign_packed`)."""
    try:
        return b"".join([i.to_bytes(ID_BYTES, "big") for i in ids])
    except OverflowError:
        raise OverflowError(f"{max(ids, key=abs)} does not fit into a token") from None


def _seal_packed(keys: Keys, purpose: str, packed: bytes) -> bytes:
    mark, hasher = keys._signers[purpose]
    body = mark + packed
    mac = hasher.copy()
    mac.update(body)
    sealed: bytes = body + mac.digest()
    return sealed


def _unseal(keys: Keys, purpose: str, sealed: bytes) -> tuple[int, ...] | None:
    length = len(sealed) - 1 - MAC_BYTES
    if length < 0 or length % ID_BYTES or length > MAX_IDS * ID_BYTES:
        return None
    body, mac = sealed[:-MAC_BYTES], sealed[-MAC_BYTES:]
    for hasher in keys._verifiers.get((purpose, sealed[0]), ()):
        wanted = hasher.copy()
        wanted.update(body)
        if hmac.compare_digest(wanted.digest(), mac):
            return tuple(int.from_bytes(body[i : i + ID_BYTES], "big") for i in range(1, len(body), ID_BYTES))
    return None


def sign(keys: Keys, purpose: str, *ids: int) -> str:
    """A url-safe token over 0..8 ids of 0..2**48-1 each; 34 characters for two ids."""
    return _plain(_seal(keys, purpose, ids))


def sign_packed(keys: Keys, purpose: str, packed: bytes) -> str:
    """Like `sign`, over what `pack` made of the ids."""
    # Written out: this runs for every address of every message.
    mark, hasher = keys._signers[purpose]
    mac = hasher.copy()
    mac.update(body := mark + packed)
    return _b64(body + mac.digest(), newline=False).translate(_URL_SAFE, b"=").decode()


def _plain(sealed: bytes) -> str:
    """Url-safe base64 without padding; what the library's own function does, without its detours."""
    return _b64(sealed, newline=False).translate(_URL_SAFE, b"=").decode()


def verify(keys: Keys, purpose: str, token: str) -> tuple[int, ...] | None:
    """The ids, or None for anything that this ring did not sign for this purpose, byte by byte."""
    if len(token) > 128 or not token.isascii():
        return None
    try:
        sealed = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    except (binascii.Error, ValueError):
        return None
    # A decoder forgives stray characters and spare bits; one token must have one spelling.
    if base64.urlsafe_b64encode(sealed).rstrip(b"=").decode("ascii") != token:
        return None
    return _unseal(keys, purpose, sealed)


def sign_lower(keys: Keys, purpose: str, *ids: int) -> str:
    """A token of `a-z2-7` for local parts of addresses: 31 characters for one id."""
    return _lower(_seal(keys, purpose, ids))


def sign_lower_packed(keys: Keys, purpose: str, packed: bytes) -> str:
    """Like `sign_lower`, over what `pack` made of the ids."""
    return _lower(_seal_packed(keys, purpose, packed))


def sign_both(keys: Keys, purpose: str, packed: bytes) -> tuple[str, str]:
    """The same token in both spellings, `sign_packed` and `sign_lower_packed`, for the price of one MAC."""
    sealed = _seal_packed(keys, purpose, packed)
    return _plain(sealed), _lower(sealed)


_LOWER: Final = bytes(b"abcdefghijklmnopqrstuvwxyz234567"[i] if i < 32 else 0 for i in range(256))
_DIGITS: Final = 128
"""Five-bit digits that `_SPREAD` pulls apart; the longest token has 99."""


def _spreading() -> tuple[tuple[int, int, int], ...]:
    """Masks and shifts that turn digits of five bits into bytes, halving the blocks in each step."""
    steps, half = [], _DIGITS // 2
    while half:
        low = sum(((1 << 5 * half) - 1) << 8 * block for block in range(0, _DIGITS, 2 * half))
        steps.append((low, low << 5 * half, 3 * half))
        half //= 2
    return tuple(steps)


_SPREAD: Final = _spreading()


def _lower(sealed: bytes) -> str:
    """Base32 in lower case without padding, all digits at once: an eighth of the library's price, per message."""
    length = -(-len(sealed) * 8 // 5)
    number = int.from_bytes(sealed, "big") << (length * 5 - len(sealed) * 8)
    for low, high, shift in _SPREAD if length > 64 else _SPREAD[1:] if length > 32 else _SPREAD[2:]:
        number = number & low | (number & high) << shift
    return number.to_bytes(length, "big").translate(_LOWER).decode("ascii")


def verify_lower(keys: Keys, purpose: str, token: str) -> tuple[int, ...] | None:
    """Like `verify`, for `sign_lower`; upper-casing on the way does no harm."""
    if len(token) > 128 or not token.isascii():
        return None
    upper = token.upper()
    try:
        sealed = base64.b32decode(upper + "=" * (-len(upper) % 8))
    except (binascii.Error, ValueError):
        return None
    if base64.b32encode(sealed).rstrip(b"=").decode("ascii") != upper:
        return None
    return _unseal(keys, purpose, sealed)


def normal_address(address: str) -> str:
    """The form in which two spellings of one mailbox are the same: folded case, NFKC, the domain as A-labels."""
    if address.isascii():
        return address.strip().lower()
    local, at, domain = unicodedata.normalize("NFKC", address).strip().rpartition("@")
    # The standard library's codec is of 2003: it takes `ß` for `ss`, and so a domain for somebody else's.
    with contextlib.suppress(idna.IDNAError):
        domain = idna.encode(domain, uts46=True).decode("ascii")
    return f"{local.casefold()}{at}{domain.lower()}"


def address_hash(keys: Keys, address: str) -> str:
    """The keyed hash (40 hex characters) under which suppression knows an address after it has been erased.

    Takes any spelling; without the ring's eldest secret nobody can test a guess against it.
    """
    hasher = keys._addresses.copy()
    hasher.update(normal_address(address).encode())
    return str(hasher.hexdigest())


def ledger_hash(keys: Keys, *parts: str) -> str:
    """The keyed hash (64 hex characters) that chains the consent ledger.

    Keyed, so that whoever has only the database cannot link a changed chain anew.
    """
    hasher = keys._ledger.copy()
    for part in parts:
        # With its length in front, no two lists of parts read the same.
        raw = part.encode()
        hasher.update(len(raw).to_bytes(4, "big") + raw)
    return str(hasher.hexdigest())


PURPOSE_NUMBERS: Final[Mapping[Purpose, int]] = {
    Purpose.PRIVACY_NOTICE: 1,
    Purpose.NEWSLETTER: 2,
    Purpose.NURTURE_EMAIL: 3,
    Purpose.COMMERCIAL_OFFERS: 4,
    Purpose.SALES_CONTACT: 5,
    Purpose.OPEN_TRACKING: 6,
    Purpose.CLICK_TRACKING: 7,
    Purpose.PROFILING: 8,
}
"""Fixed for ever: these numbers stand in links that were already sent."""


def purpose_number(purpose: Purpose) -> int:
    return PURPOSE_NUMBERS[purpose]


def numbered_purpose(number: int) -> Purpose | None:
    """The purpose behind a number in a token, or None."""
    return next((p for p, n in PURPOSE_NUMBERS.items() if n == number), None)
