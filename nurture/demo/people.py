"""The people of the demo: what each is like, and what they do with a mail. Everything follows from the seed."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from nurture.demo.letter import Letter
from nurture.demo.names import COMPANY_ENDS, COMPANY_STARTS, FIRST_NAMES, LAST_NAMES, ROLES
from nurture.demo.sample import SampleLead, ascii_name

BROWSERS: Final = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/143.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko)"
    " Version/18.6 Safari/605.1.15",
    "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"
    " Version/18.6 Mobile/15E148 Safari/604.1",
)
PICTURE_PROXY: Final = "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)"
SCANNER: Final = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/119.0.0.0 Safari/537.36"
)
"""Scanners call themselves browsers; what gives them away is how they click."""
SCANNED_DOMAINS: Final = 0.12
PROXIED: Final = 0.3


@dataclass(frozen=True, slots=True)
class Act:
    """Something somebody does at a moment. `what`: picture, click, scan, unsubscribe, page_unsubscribe, confirm, visit,
    attend, event. `target` is an address or a path of the company's own site."""

    at: datetime
    what: str
    email: str
    target: str = ""
    letter: Letter | None = None
    data: dict[str, str | int] = field(default_factory=dict)


@dataclass(slots=True)
class Person:
    """`interest` 0..1 drives everything a person does; `known` is what they would say about themselves in a form."""

    email: str
    interest: float
    scanned: bool
    proxied: bool
    agent: str
    known: dict[str, str]
    chance: random.Random
    gone: bool = False
    forms: set[str] = field(default_factory=set)


def person(seed: int, address: str, row: SampleLead | None = None) -> Person:
    """The person behind an address: the same for the same seed, whoever else there is."""
    chance = random.Random(f"{seed}:{address}")
    domain = address.partition("@")[2]
    at_home = random.Random(f"{seed}:{domain}")
    known = (
        {}
        if row is None
        else {
            name: getattr(row, name)
            for name in ("first_name", "last_name", "company", "role", "employees", "device_kind", "industry")
            if getattr(row, name)
        }
    )
    return Person(
        email=address,
        interest=chance.betavariate(1.3, 2.4),
        scanned=at_home.random() < SCANNED_DOMAINS,
        proxied=chance.random() < PROXIED,
        agent=chance.choice(BROWSERS),
        known={**_made_up(chance, address), **known},
        chance=chance,
    )


def stranger(seed: int, number: int) -> Person:
    """Somebody who comes to the site by themselves, with the interest that takes."""
    chance = random.Random(f"{seed}:stranger:{number}")
    language = chance.choice(("en", "en", "pl", "cs", "de"))
    first, last = chance.choice(FIRST_NAMES[language]), chance.choice(LAST_NAMES[language])
    start, end = chance.choice(COMPANY_STARTS), chance.choice(COMPANY_ENDS)
    made = person(seed, f"{ascii_name(first)}.{ascii_name(last)}{number}@{start}-{end}.example".lower())
    made.known |= {
        "first_name": first,
        "last_name": last,
        "company": f"{start} {end}",
        "role": ROLES[language][number % 4],
    }
    made.interest = 0.45 + 0.5 * chance.random()
    return made


def _made_up(chance: random.Random, address: str) -> dict[str, str]:
    local, _, domain = address.partition("@")
    first, _, last = local.partition(".")
    return {
        "first_name": first.title(),
        "last_name": (last or "Example").title(),
        "company": domain.split(".")[0].replace("-", " ").title(),
        "role": chance.choice(ROLES["en"]),
        "employees": str(chance.choice((30, 120, 300, 900, 2500))),
        "device_kind": chance.choice(("company phones", "a mix", "private phones", "shared tablets")),
        "industry": chance.choice(("industry", "finance", "health", "logistics")),
        "phone": "+48221234567",
        "devices": str(chance.choice((25, 80, 240))),
        "call_time": "mornings",
        "timeline": "this quarter",
        "part_in_decision": chance.choice(("I decide", "I recommend", "I do the work")),
        "works_council": "no",
        "need": "Phones that are ready on the first day",
        "current_solution": "a spreadsheet",
    }


def on_arrival(someone: Person, letter: Letter, at: datetime) -> list[Act]:
    """What follows from one mail: first the machines around the person, then perhaps the person."""
    acts = _machines(someone, letter, at)
    if letter.confirm is not None:
        if someone.chance.random() < 0.85:
            acts.append(Act(reading_time(someone, at, 0.5), "confirm", someone.email, letter.confirm, letter))
        return acts
    chance, interest = someone.chance, someone.interest
    draws = [chance.random() for _ in range(4)]
    if someone.gone or draws[0] > 0.3 + 0.65 * interest:
        return acts
    opened = reading_time(someone, at, 4)
    if letter.picture:
        acts.append(Act(opened, "picture", someone.email, letter.picture, letter))
    if draws[1] < 0.004 + (0.025 if interest < 0.25 else 0):
        acts.append(
            Act(
                opened + timedelta(seconds=40),
                "unsubscribe" if draws[2] < 0.6 else "page_unsubscribe",
                someone.email,
                "",
                letter,
            )
        )
        someone.gone = True
    elif letter.links and draws[2] < 0.08 + 0.85 * interest:
        link = letter.links[min(int(draws[3] ** 2 * len(letter.links)), len(letter.links) - 1)]
        acts.append(Act(opened + timedelta(seconds=chance.randint(15, 240)), "click", someone.email, link, letter))
    return acts


def _machines(someone: Person, letter: Letter, at: datetime) -> list[Act]:
    acts = []
    if someone.scanned:
        acts.append(Act(at + timedelta(seconds=2), "scan", someone.email, "", letter))
    if someone.proxied and letter.picture:
        acts.append(
            Act(at + timedelta(seconds=30), "picture", someone.email, letter.picture, letter, {"agent": PICTURE_PROXY})
        )
    return acts


def reading_time(someone: Person, at: datetime, hours: float) -> datetime:
    """When a person gets round to it: some hours later, by day."""
    moment = at + timedelta(hours=someone.chance.lognormvariate(0, 0.9) * hours, minutes=3)
    if not 6 <= moment.hour < 20:
        moment = (moment + timedelta(days=moment.hour >= 20)).replace(hour=7, minute=someone.chance.randint(0, 59))
    return moment
