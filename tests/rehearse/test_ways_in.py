"""Ways in that take two steps, and what runs beside a track: through the whole pipeline, all shipped campaigns."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from nurture.rehearse.happen import happen
from nurture.rehearse.world import World
from nurture.store.audience import snapshots
from nurture.store.programs import enrollments
from tests.rehearse.test_shipped_stories import shipped

START = datetime(2026, 11, 23, 9, tzinfo=UTC)


def runs(world: World, lead_id: int) -> list[str]:
    with world.store.read() as conn:
        return [run.campaign for run in enrollments.all_of(conn, [lead_id]).get(lead_id, [])]


def asked_for_the_guide(confirmed_after: timedelta) -> tuple[World, int]:
    library = shipped().library
    assert library is not None
    world = World(library, start=START)
    lead_id = world.add_lead(email="marta@works.example.com", fields={}, consents=["privacy_notice"])
    happen(world, lead_id, "form", "buyers-guide", {})
    world.run()
    assert runs(world, lead_id) == [], "nobody gets mail before the address is confirmed"
    world.run_until(START + confirmed_after)
    happen(world, lead_id, "consents_to", ["nurture_email"], {})
    world.run()
    return world, lead_id


def test_the_guide_starts_when_the_address_is_confirmed() -> None:
    world, lead_id = asked_for_the_guide(timedelta(days=2))
    assert runs(world, lead_id) == ["awareness-buyers-guide"]
    world.run_until(START + timedelta(days=60))
    assert runs(world, lead_id).count("awareness-buyers-guide") == 1
    world.close()


def test_a_form_of_last_year_starts_nothing() -> None:
    world, lead_id = asked_for_the_guide(timedelta(days=300))
    assert "awareness-buyers-guide" not in runs(world, lead_id)
    world.close()


def test_mails_around_the_webinar_go_on_beside_the_track() -> None:
    library = shipped().library
    assert library is not None
    world = World(library, start=START)
    consents = ["privacy_notice", "nurture_email", "click_tracking"]
    lead_id = world.add_lead(email="jan@works.example.com", fields={}, consents=consents)
    happen(world, lead_id, "form", "buyers-guide", {})
    world.run()
    happen(world, lead_id, "form", "webinar", {})
    world.run()
    assert sorted(runs(world, lead_id)) == ["awareness-buyers-guide", "webinar"]
    happen(world, lead_id, "score", 45, {})
    world.run_until(START + timedelta(days=1))
    happen(world, lead_id, "attended", "phones-in-order", {"minutes": 45})
    world.run_until(START + timedelta(days=4))
    with world.store.read() as conn:
        steps = [sent.step for sent in snapshots.ledger(conn, [lead_id])[lead_id] if sent.campaign == "webinar"]
        track = snapshots.load(conn, [lead_id], now=world.clock.now())[lead_id].lead.track
    assert track == "business_case", "the score moved the lead on"
    assert "thank-you" in steps, "and the webinar's mails still came"
    world.close()
