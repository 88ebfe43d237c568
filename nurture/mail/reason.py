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
    "ru": "Вы получаете это письмо, потому что {day} согласились получать сообщения от {company} на тему «{topic}».",
}
UNDATED: Final[Mapping[str, str]] = {
    "en": "You get this mail because you agreed to hear from {company} about “{topic}”.",
    "pl": "Otrzymujesz tę wiadomość, ponieważ wyrażono zgodę na wiadomości od {company} na temat „{topic}”.",
    "cs": "Tento e-mail dostáváte, protože jste souhlasili se zprávami od {company} na téma „{topic}“.",
    "de": "Sie erhalten diese E-Mail, weil Sie zugestimmt haben, von {company} zum Thema „{topic}“ zu hören.",
    "ru": "Вы получаете это письмо, потому что согласились получать сообщения от {company} на тему «{topic}».",
}
ASKED: Final[Mapping[str, str]] = {
    "en": "You get this mail because of something you asked {company} for.",
    "pl": "Otrzymujesz tę wiadomość w odpowiedzi na Twoją prośbę skierowaną do {company}.",
    "cs": "Tento e-mail dostáváte v odpovědi na vaši žádost u {company}.",
    "de": "Sie erhalten diese E-Mail, weil Sie {company} um etwas gebeten haben.",
    "ru": "Вы получаете это письмо в ответ на ваш запрос в {company}.",
}

CUSTOMER: Final[Mapping[str, str]] = {
    "en": "You get this mail about “{topic}” because you are a customer of {company}.",
    "pl": "Otrzymujesz tę wiadomość na temat „{topic}”, ponieważ łączy Cię umowa z {company}.",
    "cs": "Tento e-mail na téma „{topic}“ dostáváte, protože jste zákazníkem společnosti {company}.",
    "de": "Sie erhalten diese E-Mail zum Thema „{topic}“, weil Sie Kunde von {company} sind.",
    "ru": "Вы получаете это письмо на тему «{topic}», потому что вы клиент {company}.",
}
INQUIRED: Final[Mapping[str, str]] = {
    "en": "You get this mail about “{topic}” because you made an inquiry at {company}.",
    "pl": "Otrzymujesz tę wiadomość na temat „{topic}”, ponieważ przesłano zapytanie do {company}.",
    "cs": "Tento e-mail na téma „{topic}“ dostáváte, protože jste společnosti {company} poslali dotaz.",
    "de": "Sie erhalten diese E-Mail zum Thema „{topic}“, weil Sie bei {company} angefragt haben.",
    "ru": "Вы получаете это письмо на тему «{topic}», потому что вы отправили запрос в {company}.",
}
FOUND: Final[Mapping[str, str]] = {
    "en": "This is advertising. "
          "You did not ask for this mail: {company} has your address from elsewhere and writes because “{topic}” may "
          "concern your work. The links below end it at once, and show what we know about you and where it is from.",
    "pl": "To jest reklama. "
          "Ta wiadomość przychodzi bez Twojej prośby: {company} ma Twój adres z innego źródła i pisze, ponieważ temat "
          "„{topic}” może dotyczyć Twojej pracy. Odnośniki poniżej kończą to od razu i mówią, co o Tobie wiemy i skąd.",
    "cs": "Toto je obchodní sdělení. "
          "O tento e-mail jste nežádali: {company} má vaši adresu odjinud a píše, protože téma „{topic}“ se může týkat "
          "vaší práce. Odkazy níže to hned ukončí a ukáží, co o vás víme a odkud.",
    "de": "Dies ist Werbung. "
          "Sie haben diese E-Mail nicht angefordert: {company} hat Ihre Adresse aus anderer Quelle und schreibt, weil "
          "„{topic}“ Ihre Arbeit betreffen kann. Die Links unten beenden das sofort und sagen, was wir woher wissen.",
    "ru": "Это реклама. "
          "Вы не запрашивали это письмо: {company} получила ваш адрес из другого источника и пишет, потому что тема "
          "«{topic}» может касаться вашей работы. Ссылки ниже сразу это прекратят и скажут, что мы знаем и откуда.",
}
GROUNDS: Final[Mapping[str, Mapping[str, str]]] = {
    "soft_opt_in": CUSTOMER,
    "contract": CUSTOMER,
    "casl_implied_purchase": CUSTOMER,
    "casl_implied_inquiry": INQUIRED,
    "legit_interest": FOUND,
    "canspam_optout": FOUND,
}
"""Grounds other than consent: nobody is told that they agreed who did not (Art. 13, 14: where the data is from)."""


def reason(
    language: str, *, company: str, topic: str | None, since: datetime | None, basis: str | None = None
) -> str:
    """The sentence. Without a topic it is an answer to a request; an unknown language is answered in English.

    `basis` is the ground that the ledger names; None is consent.
    """
    words = language.replace("_", "-").split("-")[0]
    if topic is None:
        return ASKED.get(words, ASKED["en"]).format(company=company)
    if (told := GROUNDS.get(basis or "")) is not None:
        return told.get(words, told["en"]).format(company=company, topic=topic)
    if since is None:
        return UNDATED.get(words, UNDATED["en"]).format(company=company, topic=topic)
    try:
        locale = Locale.parse(words if words in AGREED else "en")
    except (UnknownLocaleError, ValueError):
        locale = Locale("en")
    day = format_date(since, "long", locale=locale)
    return AGREED.get(words, AGREED["en"]).format(day=day, company=company, topic=topic)
