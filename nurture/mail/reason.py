"""Why somebody gets a mail, in the mail's language: one sentence for the footer."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from babel import Locale, UnknownLocaleError
from babel.dates import format_date

AGREED: Final[Mapping[str, str]] = {
    "en": "You get this mail because you agreed on {day} to hear from {company} about “{topic}”.",
    "pl": "Otrzymujesz tę wiadomość, ponieważ {day} wyrażono zgodę na wiadomości od {company} na temat „{topic}”.",
    "cs": "Tento e-mail dostáváte, protože jste {day} souhlasili se zprávami od {company} na téma „{topic}“.",
    "de": "Sie erhalten diese E-Mail, weil Sie am {day} zugestimmt haben, von {company} zum Thema „{topic}“ zu hören.",
}
UNDATED: Final[Mapping[str, str]] = {
    "en": "You get this mail because you agreed to hear from {company} about “{topic}”.",
    "pl": "Otrzymujesz tę wiadomość, ponieważ wyrażono zgodę na wiadomości od {company} na temat „{topic}”.",
    "cs": "Tento e-mail dostáváte, protože jste souhlasili se zprávami od {company} na téma „{topic}“.",
    "de": "Sie erhalten diese E-Mail, weil Sie zugestimmt haben, von {company} zum Thema „{topic}“ zu hören.",
}
ASKED: Final[Mapping[str, str]] = {
    "en": "You get this mail because of something you asked {company} for.",
    "pl": "Otrzymujesz tę wiadomość w odpowiedzi na Twoją prośbę skierowaną do {company}.",
    "cs": "Tento e-mail dostáváte v odpovědi na vaši žádost u {company}.",
    "de": "Sie erhalten diese E-Mail, weil Sie {company} um etwas gebeten haben.",
}


def reason(language: str, *, company: str, topic: str | None, since: datetime | None) -> str:
    """The sentence. Without a topic it is an answer to a request; an unknown language is answered in English."""
    words = language.replace("_", "-").split("-")[0]
    if topic is None:
        return ASKED.get(words, ASKED["en"]).format(company=company)
    if since is None:
        return UNDATED.get(words, UNDATED["en"]).format(company=company, topic=topic)
    try:
        locale = Locale.parse(words if words in AGREED else "en")
    except (UnknownLocaleError, ValueError):
        locale = Locale("en")
    day = format_date(since, "long", locale=locale)
    return AGREED.get(words, AGREED["en"]).format(day=day, company=company, topic=topic)
