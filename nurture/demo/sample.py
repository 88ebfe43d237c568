"""The demo's leads: made up by a seeded generator, spread like the leads of two public files.

The shares below were read off the columns of those files (a course seller's leads, a marketplace's qualified leads);
no row, name or address comes from them. Every address ends in `.example`, which no mail can reach.

`python -m nurture.demo.sample` writes the file that ships (`leads.csv`).
"""

from __future__ import annotations

import csv
import io
import random
import sys
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import date, timedelta
from pathlib import Path
from typing import Final, TypeVar

from nurture.demo.names import COMPANY_ENDS, COMPANY_STARTS, FIRST_NAMES, LAST_NAMES, ROLES

SHIPPED: Final = Path(__file__).with_name("leads.csv")
SHIPPED_MAP: Final = Path(__file__).with_name("leads.map.yaml")
COUNT: Final = 400
SEED: Final = 7
BEGIN: Final = date(2026, 11, 23)
"""The demo's first day, a Monday; every date in the file lies before it."""

# Shares in per mille. Course seller: `Lead Source` and `Lead Origin`.
SOURCES: Final = {
    "search ad": 311,
    "direct": 276,
    "chat": 192,
    "organic search": 125,
    "referral": 56,
    "partner site": 28,
    "social": 12,
}
# Course seller: `TotalVisits`, unknown left out.
VISITS: Final = {
    0: 243,
    1: 43,
    2: 182,
    3: 143,
    4: 123,
    5: 86,
    6: 50,
    7: 36,
    8: 24,
    9: 19,
    10: 20,
    12: 15,
    15: 10,
    20: 6,
}
# Course seller: `Last Activity`, put into the words of a company that sells to companies.
LAST_ACTIVITY: Final = {
    "mail opened": 366,
    "called us": 305,
    "chat": 103,
    "page visited": 70,
    "asked for the guide": 58,
    "mail bounced": 36,
    "mail link clicked": 33,
    "form sent": 12,
    "unsubscribed": 9,
    "": 8,
}
# Course seller: `Do Not Email`.
DO_NOT_EMAIL: Final = 81
# Course seller: empty or "Select" in `Country`, in the occupation, and in the specialisation.
NO_COUNTRY: Final = 150
NO_ROLE: Final = 281
NO_INDUSTRY: Final = 219
# Marketplace: `first_contact_date` by month, the last ten of them, oldest first.
MONTHS: Final = (239, 386, 312, 416, 445, 200, 1141, 1028, 1174, 1352)
# Marketplace: share of the eleven biggest landing pages of `landing_page_id`; the rest is a long tail.
LANDING_PAGES: Final = (114, 110, 62, 56, 49, 41, 39, 36, 19, 14, 14)
# Marketplace: `lead_type` as size of company.
SIZES: Final = {(5, 19): 91, (20, 49): 190, (50, 249): 394, (250, 999): 175, (1000, 6000): 150}
# Ours: where the example company sells.
COUNTRIES: Final = {"PL": 400, "CZ": 220, "DE": 200, "AT": 60, "GB": 60, "SE": 30, "US": 30}
LANGUAGES: Final = {"PL": "pl", "CZ": "cs", "DE": "de", "AT": "de"}
INDUSTRIES: Final = {
    "industry": 220,
    "finance": 170,
    "health": 150,
    "logistics": 150,
    "retail": 110,
    "services": 90,
    "public": 60,
    "technology": 50,
}
DEVICES: Final = {"company phones": 420, "a mix": 260, "private phones": 160, "shared tablets": 160}

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SampleLead:
    """One row, in the order of the columns."""

    lead_id: str
    email: str
    first_name: str
    last_name: str
    company: str
    role: str
    country: str
    language: str
    industry: str
    employees: str
    device_kind: str
    source: str
    landing_page: str
    first_contact: str
    visits: str
    last_activity: str
    do_not_email: str
    agrees_mail: str
    agrees_offers: str
    agrees_call: str
    agrees_tracking: str
    consent_source: str
    consent_at: str
    consent_wording: str


def generate(count: int = COUNT, seed: int = SEED) -> list[SampleLead]:
    """`count` rows, the same for the same seed. About one in twelve is broken or repeated, as in every real list."""
    chance = random.Random(seed)
    companies = [_company(chance) for _ in range(max(1, count * 2 // 5))]
    rows = [_lead(chance, number, chance.choice(companies)) for number in range(1, count + 1)]
    return _with_flaws(chance, rows)


def as_csv(rows: Sequence[SampleLead]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, [f.name for f in fields(SampleLead)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(row) for row in rows)
    return text.getvalue()


@dataclass(frozen=True, slots=True)
class _Company:
    name: str
    domain: str
    country: str
    industry: str
    employees: int
    devices: str


def _company(chance: random.Random) -> _Company:
    start, end = chance.choice(COMPANY_STARTS), chance.choice(COMPANY_ENDS)
    low, high = _pick(chance, SIZES)
    return _Company(
        name=f"{start} {end}",
        domain=f"{start}-{end}".lower().replace(" ", "-") + ".example",
        country=_pick(chance, COUNTRIES),
        industry=_pick(chance, INDUSTRIES),
        employees=chance.randint(low, high),
        devices=_pick(chance, DEVICES),
    )


def _lead(chance: random.Random, number: int, company: _Company) -> SampleLead:
    language = LANGUAGES.get(company.country, "en")
    first, last = chance.choice(FIRST_NAMES[language]), chance.choice(LAST_NAMES[language])
    contact = _first_contact(chance)
    activity = _pick(chance, LAST_ACTIVITY)
    agrees = activity != "unsubscribed" and chance.random() < 0.86
    known = chance.random() < 0.72
    return SampleLead(
        lead_id=f"A{number:05d}",
        email="" if chance.random() < 0.06 else f"{ascii_name(first)}.{ascii_name(last)}@{company.domain}",
        first_name=first,
        last_name=last if known else "",
        company=company.name if known or chance.random() < 0.5 else "",
        role=_maybe(chance, NO_ROLE, chance.choice(ROLES[language])),
        country=_maybe(chance, NO_COUNTRY, company.country),
        language=language,
        industry=_maybe(chance, NO_INDUSTRY, company.industry),
        employees=_maybe(chance, NO_INDUSTRY, str(company.employees)),
        device_kind=_maybe(chance, 640, company.devices),
        source=_pick(chance, SOURCES),
        landing_page=_landing_page(chance),
        first_contact=contact.isoformat(),
        visits=str(_pick(chance, VISITS)),
        last_activity=activity,
        do_not_email="yes" if chance.randrange(1000) < DO_NOT_EMAIL else "no",
        agrees_mail=_yes(agrees),
        agrees_offers=_yes(agrees and chance.random() < 0.45),
        agrees_call=_yes(agrees and chance.random() < 0.55),
        agrees_tracking=_yes(agrees and chance.random() < 0.68),
        consent_source="guide form" if agrees else "",
        consent_at=contact.isoformat() if agrees else "",
        consent_wording=f"sample-guide.v1.{language}" if agrees else "",
    )


def _with_flaws(chance: random.Random, rows: list[SampleLead]) -> list[SampleLead]:
    """What real lists have: addresses that are none, people twice, consent that nobody can prove."""
    flawed = list(rows)
    for position in chance.sample(range(len(rows)), len(rows) // 50):
        flawed[position] = _but(rows[position], email=rows[position].email.replace("@", " at ") or "nobody@")
    for position in chance.sample(range(len(rows)), len(rows) // 40):
        flawed[position] = _but(flawed[position], consent_source="", consent_at="", consent_wording="")
    flawed += [_but(chance.choice(rows), lead_id="") for _ in range(len(rows) // 80)]
    return flawed


def _but(row: SampleLead, **changes: str) -> SampleLead:
    return SampleLead(**{**asdict(row), **changes})


def _first_contact(chance: random.Random) -> date:
    month = chance.choices(range(len(MONTHS)), MONTHS)[0]
    days_ago = (len(MONTHS) - 1 - month) * 30 + chance.randint(2, 30)
    return BEGIN - timedelta(days=days_ago)


def _landing_page(chance: random.Random) -> str:
    place = chance.randrange(1000)
    for number, share in enumerate(LANDING_PAGES, start=1):
        place -= share
        if place < 0:
            return f"lp-{number:02d}"
    return f"lp-{chance.randint(12, 120):02d}"


def _pick(chance: random.Random, shares: Mapping[T, int]) -> T:
    return chance.choices(list(shares), list(shares.values()))[0]


def _maybe(chance: random.Random, unknown: int, value: str) -> str:
    """`value`, or nothing in `unknown` of a thousand cases."""
    return "" if chance.randrange(1000) < unknown else value


def _yes(is_so: bool) -> str:
    return "yes" if is_so else "no"


def ascii_name(name: str) -> str:
    """A name as it stands in an address."""
    plain = name.replace("ł", "l").replace("Ł", "L").replace("ß", "ss")
    return "".join(c for c in unicodedata.normalize("NFD", plain) if c.isascii() and c.isalpha()).lower()


if __name__ == "__main__":
    SHIPPED.write_text(as_csv(generate()), encoding="utf-8")
    sys.stdout.write(f"{SHIPPED.name}: {COUNT} leads, seed {SEED}\n")
