"""Pixels and clicks: stored only as far as consent goes, answered always, never a way to somewhere else."""

from __future__ import annotations

import pytest

from nurture.model.words import Purpose
from nurture.stages import record
from tests.web.conftest import World

BROWSER = {"user-agent": "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/142.0 Safari/537.36"}
BOTH = (Purpose.OPEN_TRACKING, Purpose.CLICK_TRACKING)


def test_a_click_leads_to_the_stored_address_and_counts_after_the_hold(world_everywhere: World) -> None:
    world = world_everywhere
    lead = world.lead()
    world.grant(lead, *BOTH)
    message = world.mail(lead)
    world.after(hours=3)
    answer = world.client.get(world.url("click", message, lead, link=2), headers=BROWSER)
    assert answer.status_code == 302
    assert answer.headers["location"] == "https://example.com/page-2?a=1&b=%C5%BC"
    assert answer.headers["cache-control"] == "no-store"
    assert record.run(world.parts, now=world.clock.now(), limit=100, owner="t").as_dict().get("human") is None
    world.after(seconds=91)
    assert (record.run(world.parts, now=world.clock.now(), limit=100, owner="t").other or {}) == {"human": 1}
    kind, link, machine = world.rows("select kind, link, machine from event")[0]
    assert (kind, link, bool(machine)) == ("email_click", "link-2", False)
    assert world.one("select count(*) from wakeup") == 1


def test_c14_after_withdrawal_hits_are_answered_and_not_stored(world: World) -> None:
    lead = world.lead()
    world.grant(lead, *BOTH)
    message = world.mail(lead)
    world.after(minutes=5)
    assert world.client.get(world.url("open", message, lead)).status_code == 200
    world.after(minutes=5)
    world.client.post(world.url("preferences", message, lead), data={"tracking": ""})
    from nurture.decide import choices
    from nurture.store.privacy import consent

    with world.store.begin() as conn:
        states = consent.states(conn, [lead])[lead]
        consent.append(
            conn,
            choices.stop(lead, BOTH, states, now=world.clock.now(), proof={"source": "test"}),
            now=world.clock.now(),
            keys=world.keys,
        )
    pixel = world.client.get(world.url("open", message, lead))
    click = world.client.get(world.url("click", message, lead), headers=BROWSER)
    assert (pixel.status_code, pixel.headers["content-type"], click.status_code) == (200, "image/gif", 302)
    assert world.one("select count(*) from hit") == 1


@pytest.mark.parametrize("granted", [(), (Purpose.OPEN_TRACKING,), (Purpose.CLICK_TRACKING,)])
def test_opens_and_clicks_need_a_consent_each(world: World, granted: tuple[Purpose, ...]) -> None:
    lead = world.lead()
    world.grant(lead, *granted)
    message = world.mail(lead)
    world.after(hours=1)
    world.client.get(world.url("open", message, lead), headers=BROWSER)
    world.client.get(world.url("click", message, lead), headers=BROWSER)
    world.client.get(world.url("honeypot", message, lead), headers=BROWSER)
    kinds = {row[0] for row in world.rows("select kind from hit")}
    wanted = {"open"} if Purpose.OPEN_TRACKING in granted else {"click", "honeypot"} if granted else set()
    assert kinds == wanted


def test_head_is_answered_and_never_recorded(world: World) -> None:
    lead = world.lead()
    world.grant(lead, *BOTH)
    message = world.mail(lead)
    assert world.client.head(world.url("open", message, lead)).status_code == 200
    click = world.client.head(world.url("click", message, lead, link=1))
    assert (click.status_code, click.headers["location"]) == (302, "https://example.com/page-1?a=1&b=%C5%BC")
    assert world.client.head(world.url("honeypot", message, lead)).status_code == 404
    assert world.one("select count(*) from hit") == 0


@pytest.mark.parametrize(
    "index",
    [
        "3",
        "99999",
        "999999",
        "-1",
        "x",
        "0/..",
        "//evil.example",
        "https:%2F%2Fevil.example",
        "%2F%2Fevil.example",
        "0%0d%0aX:1",
        "٣",
        "0?u=https://evil.example",
    ],
)
def test_no_click_address_leads_anywhere_but_to_a_stored_link(world: World, index: str) -> None:
    lead = world.lead()
    message = world.mail(lead)
    answer = world.client.get(world.url("click", message, lead).rsplit("/", 1)[0] + "/" + index)
    assert answer.status_code == 404 or answer.headers["location"].startswith("https://example.com/page-0")
    assert "evil" not in answer.headers.get("location", "")
    assert "x" not in answer.headers


def test_a_stored_link_that_is_no_web_address_is_not_followed(world: World) -> None:
    from sqlalchemy import text

    lead = world.lead()
    message = world.mail(lead)
    for bad in ("javascript:alert(1)", "data:text/html,x", "//evil.example", "ftp://example.com", "/relative"):
        with world.store.begin() as conn:
            conn.execute(text("update link set url = :u where idx = 0"), {"u": bad})
        assert world.client.get(world.url("click", message, lead)).status_code == 404


def test_forged_and_foreign_tokens_get_the_same_answer(world: World) -> None:
    lead = world.lead()
    message = world.mail(lead)
    real = world.url("click", message, lead)
    token = real.split("/")[2]
    answers = {
        (a.status_code, a.content)
        for a in (
            world.client.get(f"/c/{token[:-1]}{'A' if token[-1] != 'A' else 'B'}/0"),
            world.client.get("/c/x/0"),
            world.client.get("/c/"),
            world.client.get(real.rsplit("/", 1)[0] + "/77"),
            world.client.get(world.url("click", 999, lead)),
            world.client.get(world.url("open", message, lead).replace("/o/", "/c/") + "/0"),
        )
    }
    assert answers == {(404, b"Not found\n")}


def test_a_late_burst_folds_an_earlier_human_click_back_and_tells_the_owner(world: World) -> None:
    from sqlalchemy import insert

    from nurture.store.tables import HandoffRow

    lead = world.lead()
    world.grant(lead, *BOTH)
    message = world.mail(lead)
    world.after(hours=1)
    world.client.get(world.url("click", message, lead, link=0), headers=BROWSER)
    world.after(minutes=2)
    record.run(world.parts, now=world.clock.now(), limit=100, owner="t")
    assert not world.one("select machine from event")
    with world.store.begin() as conn:
        conn.execute(
            insert(HandoffRow).values(lead_id=lead, queue="inside", owner="iva", opened_at=world.clock.now(), packet={})
        )
    for link in range(3):
        world.client.get(world.url("click", message, lead, link=link), headers=BROWSER)
    world.after(minutes=2)
    tally = record.run(world.parts, now=world.clock.now(), limit=100, owner="t").other or {}
    assert tally == {"machine": 3, "folded_back": 1, "owners_told": 1}
    assert {bool(row[0]) for row in world.rows("select machine from event")} == {True}
    assert world.rows("select code, for_whom from alert") == [("click_was_machine", "iva")]
    assert world.one("select count(*) from handoff where closed_at is null") == 1


def test_hits_keep_the_network_and_never_the_whole_address(world: World) -> None:
    from starlette.testclient import TestClient

    from nurture.web.app import create_app

    lead = world.lead()
    world.grant(lead, *BOTH)
    message = world.mail(lead)
    with TestClient(create_app(world.parts, world.clock), client=("203.0.113.77", 1)) as client:
        client.get(world.url("open", message, lead), headers={**BROWSER, "cookie": "a=b", "sec-purpose": "prefetch"})
    prefix, headers = world.rows("select ip_prefix, headers from hit")[0]
    assert prefix == "203.0.113.0/24"
    assert "203.0.113.77" not in str(headers)
    assert "cookie" not in str(headers)


def test_a_flood_on_one_address_stays_bounded(world: World) -> None:
    lead = world.lead()
    world.grant(lead, *BOTH)
    message = world.mail(lead)
    world.after(hours=1)
    for _ in range(250):
        world.client.get(world.url("click", message, lead), headers=BROWSER)
    world.after(minutes=3)
    assert (record.run(world.parts, now=world.clock.now(), limit=100, owner="t").other or {})["flood"] == 50
    assert world.one("select count(*) from hit where verdict = 'held'") == 0
    assert world.one("select count(*) from event") == 200


def test_c15_hygiene_keeps_the_day_of_the_last_open_and_nothing_else(world_everywhere: World) -> None:
    from dataclasses import replace

    world = world_everywhere
    company = replace(world.parts.library.company, hygiene_opens=True)
    world.parts.library = replace(world.parts.library, company=company)
    lead, refused = world.lead(), world.lead("no@example.com")
    world.grant(refused, Purpose.OPEN_TRACKING)
    world.client.post(world.url("preferences", 0, refused), data={"object": "1"})
    messages = {who: world.mail(who) for who in (lead, refused)}
    for _ in range(3):
        world.after(days=1)
        for who, message in messages.items():
            world.client.get(world.url("open", message, who), headers=BROWSER)
    assert world.one("select count(*) from hit") == 0
    assert str(world.one("select last_open_on from lead where id = :i", i=lead)) == str(world.clock.now().date())
    assert world.one("select last_open_on from lead where id = :i", i=refused) is None
