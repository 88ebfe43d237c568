"""The languages pages speak: gettext catalogues read from `locales/*.po`, and the choice among them."""

from __future__ import annotations

import re
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Final

from babel import Locale
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import NullTranslations, Translations

from nurture.model.company import PAGE_LANGUAGES

FOLDER: Final = Path(__file__).parent / "locales"
NAMES: Final = PAGE_LANGUAGES
_ACCEPTED: Final = re.compile(r"([a-z]{2})(?:-[a-z]+)?\s*(?:;\s*q=([0-9.]+))?", re.IGNORECASE)


@lru_cache(maxsize=8)
def catalogue(language: str) -> NullTranslations:
    """The catalogue of one language; English speaks in the source's own words."""
    path = FOLDER / f"{language}.po"
    if language not in NAMES or not path.exists():
        return NullTranslations()
    with path.open("rb") as file:
        catalog = read_po(file, locale=language)
    compiled = BytesIO()
    write_mo(compiled, catalog)
    compiled.seek(0)
    return Translations(compiled)


def choose(*wanted: str | None, accepted: str = "", fallback: str = "en") -> str:
    """The first of `wanted` that we speak, else what the browser accepts, else `fallback`."""
    for name in wanted:
        if name and name[:2].lower() in NAMES:
            return name[:2].lower()
    weighed = sorted(
        ((_weight(q), -n, tag.lower()) for n, (tag, q) in enumerate(_ACCEPTED.findall(accepted[:200]))), reverse=True
    )
    spoken = next((tag for _, _, tag in weighed if tag in NAMES), None)
    return spoken or (fallback if fallback in NAMES else "en")


def _weight(q: str) -> float:
    try:
        return float(q) if q else 1.0
    except ValueError:
        return 0.0


@lru_cache(maxsize=8)
def locale(language: str) -> Locale:
    return Locale.parse(language)
