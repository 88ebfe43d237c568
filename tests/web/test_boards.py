"""What marketing and sales find on their pages: people by a piece of a name, stories narrowed, pictures, reports."""

from __future__ import annotations

import csv
import io
from dataclasses import replace

import pytest
from sqlalchemy import text

from nurture.acts import privacy
from nurture.insight.reports import KINDS as REPORTS
from nurture.model.words import Purpose
from nurture.store.audience import people_list
from tests.applying.world import S, campaign_file, draft
from tests.web.conftest import World, make_world
from tests.web.test_staff import enter, user


@pytest.fixture
def office(world: World) -> World:
    library = draft(campaign_file([S("s1"), S("s2", kind="fork")])).library
    world.parts.library = replace(world.parts.library, campaigns=library.campaigns, tracks=library.tracks)
    user(world, "ines", "marketing")
    enter(world, "ines")
    return world


def test_people_are_found_as_somebody_at_a_desk_looks_for_them(store_url: str) -> None:
    for world in make_world(store_url):
        named = {"first_name": "Ada", "last_name": "Nowak", "company": "Žluťásek Ltd"}
        ada = world.lead("ada@example.com", fields=named)
        bob = world.lead("bob@other.example", fields={"first_name": "Bob", "company": "Nowak and Daughters"})
        cy = world.lead("cy_1@example.com", fields={"first_name": "C%", "company": "x"})
        found: dict[str, list[int]] = {}
        with world.store.read() as conn:
            for words in ("nowak", "Nowak", "ada now", "daughters", "@example.com", "bob@OTHER.example", "C%", "%", "_",
                          str(bob), "Žluť", "' or 1=1 --", "nobody"):
                rows, more = people_list.find(conn, search=words, stage=None, track=None, page=0)
                found[words] = sorted(row["id"] for row in rows)
                assert not more
            assert people_list.find(conn, search="", stage="customer", track=None, page=0) == ([], False)
        assert found["nowak"] == found["Nowak"] == [ada, bob]
        assert found["ada now"] == [ada] and found["daughters"] == [bob] and found["Žluť"] == [ada]
        assert found["@example.com"] == [ada, cy] and found["bob@OTHER.example"] == [bob]
        assert found["C%"] == [cy] and bob in found[str(bob)]
        assert found["%"] == found["_"] == found["' or 1=1 --"] == found["nobody"] == []


def test_lists_have_pages_and_say_when_there_is_nothing(office: World) -> None:
    assert "Nobody yet." in office.client.get("/leads").text
    for n in range(55):
        office.lead(f"p{n}@example.com", fields={"first_name": f"Person{n}"})
    first, second = office.client.get("/leads").text, office.client.get("/leads?n=1").text
    assert 'rel="next"' in first and 'rel="prev"' not in first
    assert 'rel="prev"' in second and 'rel="next"' not in second
    assert "Nobody like that." in office.client.get("/leads?q=nobody").text
    assert office.client.get("/leads?n=-5").status_code == office.client.get("/leads?n=99999999").status_code == 200
    assert "No campaign runs yet." in office.client.get("/campaigns").text


def test_a_story_is_narrowed_and_an_objection_shows_no_score(office: World) -> None:
    lead = office.lead("ada@example.com", fields={"first_name": "Ada"})
    office.grant(lead, Purpose.NURTURE_EMAIL)
    office.mail(lead)
    everything = office.client.get(f"/leads/{lead}").text
    mails = office.client.get(f"/leads/{lead}?kind=mails").text
    consents = office.client.get(f"/leads/{lead}?kind=consent").text
    assert "awareness/guide" in everything and "awareness/guide" in mails and "awareness/guide" not in consents
    assert "Line by line" not in mails and "Engagement" in mails
    privacy.object_to_marketing(office.parts, lead, by="ines", source="letter", now=office.clock.now())
    objected = office.client.get(f"/leads/{lead}").text
    assert "there is no score" in objected and "Engagement" not in objected


def test_times_are_those_of_the_companys_clocks(office: World) -> None:
    lead = office.lead("ada@example.com")
    office.grant(lead, Purpose.NURTURE_EMAIL)
    page = office.client.get(f"/leads/{lead}").text
    assert "Mon 23 Nov 2026, 10:00" in page and 'datetime="2026-11-23T09:00:00+00:00"' in page
    assert "Times are those of Europe/Warsaw" in page


def test_a_campaign_has_its_picture_and_every_report_its_tables(office: World) -> None:
    page = office.client.get("/campaigns/drip").text
    assert "/campaigns/drip/picture.svg" in page and "send t/s1" in page
    picture = office.client.get("/campaigns/drip/picture.svg")
    assert picture.headers["content-type"].startswith("image/svg+xml") and "<script" not in picture.text
    assert "default-src 'none'" in picture.headers["content-security-policy"]
    assert office.client.get("/campaigns/nothing/picture.svg").status_code == 404
    office.lead("ada@example.com")
    for kind in ("funnel", *REPORTS):
        assert office.client.get(f"/reports?kind={kind}&days=30").status_code == 200
        assert list(csv.reader(io.StringIO(office.client.get(f"/reports/{kind}.csv").text)))
        assert office.client.get(f"/reports/{kind}.svg").headers["content-type"].startswith("image/svg+xml")
    for wrong in ("/reports?kind=nothing", "/reports/nothing.csv", "/reports/funnel.exe"):
        assert office.client.get(wrong).status_code == 404


def test_the_overview_counts_who_is_there(office: World) -> None:
    for n in range(3):
        office.lead(f"p{n}@example.com")
    with office.store.begin() as conn:
        conn.execute(text("update lead set email = null, email_key = null where id = 1"))
    page = office.client.get("/").text
    assert "<strong>3</strong> people known" in page and "<strong>2</strong> with an address" in page
