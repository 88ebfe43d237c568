"""The ground is asked for again at the moment of sending, by the law of the country the person is in then (C1)."""

from __future__ import annotations

import email
import email.policy
from datetime import timedelta

import pytest
from sqlalchemy import text

from nurture.mail.reason import reason
from nurture.model.consent import Basis
from nurture.store import Store
from tests.applying.world import START, S, World, campaign_file, draft


@pytest.fixture
def planned(store: Store) -> World:
    """A mail to somebody in the United States, on a ground that is enough there, planned and not yet sent."""
    world = World(store)
    world.apply(draft(campaign_file([S("s1", days=0)])))
    world.people_at(1, version=1, email="lead1@example.org")
    change(world, "update consent_state set basis = 'legit_interest'")
    change(world, "update lead set country = 'US'")
    world.run("plan")
    assert outcome(world) == ("planned", None)
    return world


def change(world: World, sql: str) -> None:
    with world.store.begin() as conn:
        conn.execute(text(sql))


def outcome(world: World) -> tuple[str, str | None]:
    with world.store.read() as conn:
        return tuple(conn.execute(text("select state, reason from message")).one())


def told(world: World) -> str:
    message = email.message_from_bytes(world.transport.sent[-1].raw, policy=email.policy.default)
    plain = message.get_body(("plain",))
    assert plain is not None
    return " ".join(plain.get_content().split())


def test_c1_c18_enough_where_the_person_is_and_nobody_is_told_that_they_agreed(planned: World) -> None:
    planned.run("send")
    assert outcome(planned) == ("sent", None) and len(planned.transport.sent) == 1
    said = told(planned)
    assert "You did not ask for this mail" in said and "from elsewhere" in said and "you agreed" not in said


@pytest.mark.parametrize("basis", Basis)
@pytest.mark.parametrize("language", ["en", "pl", "cs", "de", "ru", "fr"])
def test_c18_every_ground_has_its_own_sentence(basis: Basis, language: str) -> None:
    said = reason(language, company="Acme", topic="Guides", since=START, basis=basis)
    agreed = reason(language, company="Acme", topic="Guides", since=START)
    assert "Acme" in said and "Guides" in said
    assert (said == agreed) is (basis is Basis.CONSENT)


@pytest.mark.parametrize("country", ["'PL'", "'DE'", "'CZ'", "NULL", "'XX'"])
def test_c1_a_country_learnt_after_planning_decides(planned: World, country: str) -> None:
    change(planned, f"update lead set country = {country}")
    planned.run("send")
    assert outcome(planned) == ("refused", "no_consent") and planned.transport.sent == []


def test_c1_a_ground_that_ran_out_after_planning_is_none(planned: World) -> None:
    until = planned.now - timedelta(seconds=1)
    with planned.store.begin() as conn:
        conn.execute(text("update consent_state set until = :u"), {"u": f"{until:%Y-%m-%d %H:%M:%S}.000000+00:00"[:26]})
    planned.run("send")
    assert outcome(planned) == ("refused", "no_consent") and planned.transport.sent == []


@pytest.mark.parametrize(
    ("language", "word"),
    [("en", "advertising"), ("pl", "reklama"), ("cs", "obchodní sdělení"), ("de", "Werbung"), ("ru", "реклама")],
)
def test_c12_who_never_agreed_is_told_that_it_is_advertising(language: str, word: str) -> None:
    for basis in (Basis.CANSPAM_OPTOUT, Basis.LEGIT_INTEREST):
        said = reason(language, company="Acme", topic="Guides", since=START, basis=basis)
        assert word in said.partition(".")[0]
