"""Which consent text a person sees, and keeping it for good at the moment somebody first agrees to it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from nurture.model.company import Wording
from nurture.model.words import Purpose
from nurture.store.privacy import consent
from nurture.web.house import House

BUILT_IN: Final[Mapping[Purpose, str]] = {
    Purpose.NEWSLETTER: "{company} may send me its newsletter by e-mail. I can stop at any time.",
    Purpose.NURTURE_EMAIL: "{company} may send me guides and articles by e-mail. I can stop at any time.",
    Purpose.COMMERCIAL_OFFERS: "{company} may send me offers and prices by e-mail. I can stop at any time.",
    Purpose.SALES_CONTACT: "{company}'s sales team may contact me. I can stop that at any time.",
    Purpose.OPEN_TRACKING: "{company} may measure whether I open its mails. Everything works without this.",
    Purpose.CLICK_TRACKING: "{company} may measure which links in its mails I follow. Everything works without this.",
    Purpose.PROFILING: "{company} may choose what I get by what interests me. Everything works without this.",
    Purpose.PRIVACY_NOTICE: "I have read the privacy notice of {company}.",
}
"""For an installation that has written no text of its own for a purpose. A change here needs a new version number."""


def newest(house: House, name: str, language: str) -> Wording | None:
    """The newest version of a named wording in the person's language, else the company's, else English, else any."""
    versions = [w for w in house.parts.library.wordings.values() if w.id == name]
    order = (language, house.company.language[:2], "en")
    versions.sort(key=lambda w: (order.index(w.language) if w.language in order else len(order), -w.version))
    return versions[0] if versions else None


def for_purpose(house: House, purpose: Purpose, language: str) -> Wording:
    """The company's text that names this purpose alone, else a built-in one."""
    names = sorted({w.id for w in house.parts.library.wordings.values() if w.purposes == (purpose,)})
    found = next((w for name in names if (w := newest(house, name, language)) is not None), None)
    if found is not None:
        return found
    text = BUILT_IN[purpose].format(company=house.company.name)
    return Wording(f"built-in-{purpose.value}", 1, "en", (purpose,), text)


def for_form(house: House, name: str, purpose: Purpose, language: str) -> Wording:
    return newest(house, name, language) or for_purpose(house, purpose, language)


def keep(conn: Any, wording: Wording, *, now: datetime) -> str:
    """Store the text as it was shown; returns the id that the ledger names."""
    consent.put_wording(
        conn, wording.key, wording.text, purposes=wording.purposes, language=wording.language,
        version=wording.version, now=now,
    )
    return wording.key
