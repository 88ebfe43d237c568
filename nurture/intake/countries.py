"""Countries as files write them: `DE`, `DEU`, `276`, `Germany`, `Deutschland`, `Niemcy`."""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from typing import Final

from babel import Locale
from babel.core import get_global

LANGUAGES: Final = (
    "en", "de", "fr", "es", "it", "pl", "cs", "sk", "nl", "da", "sv", "nb", "fi", "pt", "hu", "ro", "hr", "sl", "et",
    "lv", "lt", "el", "bg", "uk", "tr",
)
"""Names are looked up in these languages; where two disagree, the earlier one decides."""
_SPOKEN: Final = {
    "czech republic": "CZ", "great britain": "GB", "england": "GB", "scotland": "GB", "wales": "GB",
    "northern ireland": "GB", "holland": "NL", "the netherlands": "NL", "slovak republic": "SK", "turkey": "TR",
    "united states of america": "US", "us of america": "US", "republic of ireland": "IE", "macedonia": "MK",
    "burma": "MM", "ivory coast": "CI", "cape verde": "CV", "swaziland": "SZ", "viet nam": "VN", "el": "GR",
    "česká republika": "CZ", "ceska republika": "CZ", "slovenská republika": "SK", "bundesrepublik deutschland": "DE",
    "rzeczpospolita polska": "PL", "republik österreich": "AT",
    "russian federation": "RU", "republic of korea": "KR", "korea": "KR", "hong kong": "HK", "macau": "MO",
}
"""What people write and the tables of names do not have."""
_NO_COUNTRIES: Final = frozenset({"EU", "EZ", "UN", "ZZ", "XA", "XB"})


@lru_cache(maxsize=2_000)
def country_of(text: str) -> str | None:
    """The ISO code of a country by its code (two letters, three, or digits) or its name; None for nobody's country."""
    known = _plain(text)
    if not known:
        return None
    upper = known.upper()
    if len(upper) == 2 and upper in _codes():
        return upper
    aliases = get_global("territory_aliases").get(upper)
    if aliases and len(aliases) == 1 and aliases[0] in _codes():
        return str(aliases[0])
    return _SPOKEN.get(known) or _names("en").get(known) or _elsewhere().get(known)


def _plain(text: str) -> str:
    """Lower case, no dots (`U.S.A.`), single spaces."""
    return " ".join(unicodedata.normalize("NFC", text).casefold().replace(".", " " if ". " in text else "").split())


@lru_cache(maxsize=1)
def _codes() -> frozenset[str]:
    codes = (str(code) for code in Locale("en").territories)
    return frozenset(code for code in codes if len(code) == 2 and code.isalpha()) - _NO_COUNTRIES


@lru_cache(maxsize=32)
def _names(language: str) -> dict[str, str]:
    territories = Locale(language).territories
    return {_plain(str(territories[code]).removesuffix(" SAR China")): code for code in _codes() if code in territories}


@lru_cache(maxsize=1)
def _elsewhere() -> dict[str, str]:
    found: dict[str, str] = {}
    for language in LANGUAGES:
        for name, code in _names(language).items():
            found.setdefault(name, code)
    return found
