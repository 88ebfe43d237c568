"""What somebody is told whose data came from elsewhere (Art. 14): who has it, from where, what for, and how to end it.

No advertising, no picture, no link of a campaign: it is owed, not wanted.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final, NamedTuple

from babel.dates import format_date

from nurture.model.company import Company

SUBJECT: Final[Mapping[str, str]] = {
    "en": "Where {company} has your address from",
    "pl": "Skąd {company} ma Twój adres",
    "cs": "Odkud má {company} vaši adresu",
    "de": "Woher {company} Ihre Adresse hat",
    "ru": "Откуда у {company} ваш адрес",
}
TEXT: Final[Mapping[str, str]] = {
    "en": """Hello,

we have your e-mail address, and what belongs to it, since {day}. It is not from you; its source is: {source}.

We keep it to find out whether what we do concerns your work, on the ground of our legitimate interest. We write to \
you about it only where the law lets us.

You can see all of it, correct it, take it along, have it deleted, or object to any use of it here:
{link}

You can also complain to your data protection authority.{policy}

{sender}
""",
    "pl": """Dzień dobry,

od dnia {day} mamy Twój adres e-mail i związane z nim dane. Nie pochodzą one od Ciebie; ich źródło to: {source}.

Przechowujemy je, aby ustalić, czy to, czym się zajmujemy, dotyczy Twojej pracy; podstawą jest nasz prawnie \
uzasadniony interes. Piszemy o tym tylko tam, gdzie pozwala na to prawo.

Tutaj można wszystko zobaczyć, poprawić, zabrać ze sobą, usunąć albo sprzeciwić się każdemu wykorzystaniu danych:
{link}

Masz też prawo wnieść skargę do organu ochrony danych.{policy}

{sender}
""",
    "cs": """Dobrý den,

od {day} máme vaši e-mailovou adresu a údaje, které k ní patří. Nejsou od vás; jejich zdroj je: {source}.

Uchováváme je, abychom zjistili, zda se to, co děláme, týká vaší práce; děláme to na základě našeho oprávněného zájmu. \
Píšeme vám o tom jen tam, kde to právo dovoluje.

Zde si můžete všechno prohlédnout, opravit, odnést s sebou, nechat smazat nebo vznést námitku proti jakémukoli použití:
{link}

Můžete také podat stížnost u úřadu pro ochranu osobních údajů.{policy}

{sender}
""",
    "de": """Guten Tag,

wir haben Ihre E-Mail-Adresse und was dazugehört seit dem {day}. Wir haben sie nicht von Ihnen; die Quelle ist: \
{source}.

Wir bewahren sie auf, um herauszufinden, ob das, was wir tun, Ihre Arbeit betrifft. Das beruht auf unserem \
berechtigten Interesse. Darüber schreiben wir Ihnen nur, wo das Recht es uns erlaubt.

Hier können Sie alles ansehen, berichtigen, mitnehmen, löschen lassen oder jeder Verwendung widersprechen:
{link}

Sie können sich auch bei Ihrer Datenschutzbehörde beschweren.{policy}

{sender}
""",
    "ru": """Здравствуйте,

с {day} у нас есть ваш адрес электронной почты и связанные с ним данные. Мы получили их не от вас; их источник: \
{source}.

Мы храним их, чтобы понять, касается ли вашей работы то, чем мы занимаемся, на основании нашего законного интереса. \
Мы пишем вам об этом только там, где это разрешает закон.

Здесь можно всё посмотреть, исправить, забрать с собой, удалить или возразить против любого использования:
{link}

Вы также можете пожаловаться в орган по защите данных.{policy}

{sender}
""",
}
POLICY: Final[Mapping[str, str]] = {
    "en": " Our privacy policy:", "pl": " Nasza polityka prywatności:", "cs": " Naše zásady ochrany osobních údajů:",
    "de": " Unsere Datenschutzerklärung:", "ru": " Наша политика конфиденциальности:",
}  # fmt: skip


class Notice(NamedTuple):
    subject: str
    text: str


def notice(language: str | None, *, company: Company, source: str, since: datetime, link: str) -> Notice:
    """The mail, in the person's language where we have it, else the company's, else English."""
    spoken = ((language or "").replace("_", "-").split("-")[0], company.language)
    words = next((one for one in spoken if one in TEXT), "en")
    sender = ", ".join(filter(None, (company.legal_name, company.postal_address, company.registration)))
    policy = f"{POLICY[words]} {company.privacy_url}" if company.privacy_url else ""
    day = format_date(since, "long", locale=words)
    return Notice(
        SUBJECT[words].format(company=company.name),
        TEXT[words].format(day=day, source=source, link=link, policy=policy, sender=sender),
    )
