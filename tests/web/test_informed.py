"""Whose data came from elsewhere is told so within a month (Art. 14; C18)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from nurture.mail.notice import SUBJECT, TEXT, notice
from nurture.model.consent import add_months
from nurture.model.words import Purpose
from nurture.stages import sweep
from nurture.store.audience import leads
from nurture.store.facts import backlog
from tests.web.conftest import World

SOURCE = "Directory of plants\r\nBcc: evil@example.com"


def found(world: World, email: str, *, origin: str = "enriched", source: str = SOURCE, **more: Any) -> int:
    with world.store.begin() as conn:
        stored = leads.find_or_create(
            conn, email=email, fields={}, origin=origin, source=source, now=world.clock.now(), keys=world.keys, **more
        )
    assert stored.lead_id is not None
    return stored.lead_id


def swept(world: World, at: datetime) -> list[Any]:
    with world.store.read() as conn:
        assert backlog.due(conn, now=at)["sweep"] <= 2
    sweep.run(world.parts, now=at, limit=100, owner="w")
    with world.store.read() as conn:
        assert backlog.due(conn, now=at)["sweep"] == 0
    return world.rows("select target, subject, payload, due_at from outbox where kind = 'lead_mail' order by id")


def test_c18_who_was_found_elsewhere_is_told_within_a_month_once_and_can_end_it(world_everywhere: World) -> None:
    world = world_everywhere
    start = world.clock.now()
    lead = found(world, "ada@example.com", language="de", country="DE")
    found(world, "own.form@example.com", origin="declared")
    with world.store.read() as conn:
        due = backlog.next_due(conn)
    assert due is not None and start + timedelta(days=20) < due < add_months(start, 1) - timedelta(days=6)
    assert swept(world, due - timedelta(seconds=1)) == []
    ((target, subject, payload, _),) = swept(world, due)
    assert target == "ada@example.com" and subject == "Woher Acme Ihre Adresse hat"
    said = str(payload)
    assert "Directory of plants" in said and "\\r" not in said and "23. November 2026" in said
    assert world.url("preferences", 0, lead) in said.replace("http://testserver", "")
    assert world.client.get(world.url("preferences", 0, lead)).status_code == 200
    assert len(swept(world, due + timedelta(days=40))) == 1


@pytest.mark.parametrize(
    "heard",
    [
        "update message set state = 'sent'",
        "insert into suppression (address_hash, reason, scope, source, at) "
        "select email_hash, 'complained', 'all', 't', created_at from lead",
        "update lead set country = 'US'",
        "update lead set email = null, erased_at = created_at, inform_at = null",
    ],
)
def test_c18_nobody_is_told_who_heard_of_us_gets_nothing_or_is_nobodys_business(world: World, heard: str) -> None:
    lead = found(world, "ada@example.com")
    world.mail(lead)
    with world.store.begin() as conn:
        conn.execute(text("update message set state = 'planned'"))
        conn.execute(text(heard))
    assert swept(world, world.clock.now() + timedelta(days=31)) == []


def test_c18_who_took_note_of_the_privacy_notice_meanwhile_knows(world: World) -> None:
    lead = found(world, "ada@example.com")
    world.grant(lead, Purpose.PRIVACY_NOTICE)
    assert swept(world, world.clock.now() + timedelta(days=31)) == []


def test_c18_what_was_known_long_before_is_told_at_once(world: World) -> None:
    with world.store.begin() as conn:
        leads.upsert(conn, [leads.Person(
            email="ada@example.com", email_key="ada@example.com", email_hash="h", origin="enriched", source="a list",
            acquired_at=world.clock.now() - timedelta(days=200),
        )], now=world.clock.now())
    assert len(swept(world, world.clock.now())) == 1


@pytest.mark.parametrize("language", sorted(TEXT))
def test_c18_the_notice_says_all_it_has_to_in_every_language_and_sells_nothing(world: World, language: str) -> None:
    company = world.parts.library.company
    made = notice(language, company=company, source="a fair", since=world.clock.now(), link="https://x/p/1")
    for part in ("a fair", "2026", "https://x/p/1", company.legal_name, company.postal_address, company.privacy_url):
        assert part in made.text
    assert set(SUBJECT) == set(TEXT) and "{" not in made.text + made.subject
    assert notice("xx", company=company, source="s", since=world.clock.now(), link="l").subject == notice(
        company.language, company=company, source="s", since=world.clock.now(), link="l").subject
