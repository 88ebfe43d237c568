"""The benchmark's installation: leads who all differ, each with a mail due, and the real sender on a real database."""

from __future__ import annotations

import resource
from datetime import timedelta
from typing import Any

import uvloop
from sqlalchemy import insert

from nurture.mail.smtp import SmtpTransport
from nurture.mail.transport import Route
from nurture.model.campaign import Cap, Window
from nurture.model.library import Library
from nurture.model.template import Copy
from nurture.model.words import Purpose
from nurture.parts import Parts
from nurture.stages import send
from nurture.store import Store, open_store
from nurture.store.tables import ConsentStateRow
from tests.bench import letter
from tests.mail.world import KEYS, NOW, PUBLIC, World, campaign, company, library, template

NAMES = ("Anna", "José", "Zoë", "John", "Mary", "Łukasz", "Priya", "Chen", "Fatima", "Kim", "Søren", "Olga")
COMPANIES = ("Müller & Söhne", "Nordwind", "Example Ltd", "Acme Sample", "O'Hara \"Best\" Tools", "")
CONNECTIONS = 10
ZONES = ("Europe/Berlin", "Europe/Warsaw", "Europe/London", "Europe/Lisbon", None)
LETTERS = "abcdefghijklmnoprstuwz"


def cpu() -> float:
    """CPU seconds of this process so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def person(i: int) -> dict[str, Any]:
    r = i * 2654435761 & 0xFFFFFFFF
    last = "".join(LETTERS[r >> shift & 15] for shift in (3, 9, 14, 18, 23)).capitalize()
    return {
        "first_name": NAMES[r % len(NAMES)], "last_name": last, "company": COMPANIES[r // 13 % len(COMPANIES)],
        "interest": "reporting", "city": ("Berlin", "", "Kraków")[r // 3 % 3], "team_size": 3 + r % 40,
    }


def applied() -> Library:
    """One campaign with the bench's letter, under caps and quiet hours like a real company's."""
    copy = Copy("en", letter.SUBJECT, "Ten minutes, one plan", letter.HTML, "html", letter.TEXT)
    ours = company(at_most=(Cap(1, "day"), Cap(3, "week"), Cap(10, "month")), quiet=Window(start=20 * 60, end=7 * 60))
    return library(
        company=ours, templates={"awareness/guide": template(copies={"en": copy})},
        campaigns={"guide": campaign(steps=campaign().steps[:1])},
    )  # fmt: skip


def transport(port: int, connections: int = CONNECTIONS) -> SmtpTransport:
    return SmtpTransport([Route("main", "127.0.0.1", port, connections=connections)], loop=uvloop.new_event_loop)


def world(url: str, port: int) -> World:
    store = open_store(url)
    store.create()
    return World(store, transport(port), applied())


def parts_of(store: Store, port: int) -> Parts:
    """What a worker's process has, over a database that `world` has made."""
    made = applied()
    return Parts(
        store=store, library=made, keys=KEYS, transport=transport(port), public_url=PUBLIC,
        versions=dict.fromkeys(made.campaigns, 1), templates={t.digest: t for t in made.templates.values()},
    )  # fmt: skip


def fill(made: World, n: int, first: int) -> None:
    """n leads with a message due each: no two alike in name, zone and the moment they agreed."""
    ids = range(first, first + n)
    leads = [
        {"fields": {k: {"v": v} for k, v in person(i).items()}, "timezone": ZONES[i % len(ZONES)]} for i in ids
    ]
    made.add(n, first=first, each=leads, purposes=())
    agreed = [
        {"lead_id": i, "purpose": purpose, "channel": "email", "status": "granted", "basis": "consent",
         "since": NOW - timedelta(days=9, seconds=i % 1_000_000)}
        for i in ids for purpose in (Purpose.NURTURE_EMAIL, Purpose.CLICK_TRACKING)
    ]  # fmt: skip
    with made.store.begin() as conn:
        conn.execute(insert(ConsentStateRow), agreed)


def drain(parts: Parts) -> int:
    """Send all that is due; how many left."""
    sent = 0
    while (tally := send.run(parts, now=NOW, limit=1000, owner="bench")).due:
        assert tally.sent == tally.due and tally.balanced()
        sent += tally.sent
    return sent
