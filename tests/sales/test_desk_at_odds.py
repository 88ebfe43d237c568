"""What must not happen around the desk of sales: leads that come back unchanged, are forgotten, or belong to nobody."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import select

from nurture import pipeline
from nurture.acts import desk, worked
from nurture.errors import Refused
from nurture.model.words import Stage
from nurture.parts import Parts
from nurture.stages import hand_off, recycle
from nurture.store import Store
from nurture.store.audience import people
from nurture.store.sales import handoffs
from nurture.store.tables import AlertRow, OutboxRow
from nurture.store.tables.columns import core
from tests.sales.test_handoffs import handed_over, lead, open_handoff
from tests.sales.world import AGREEMENT, SALES, SEED, WEBINAR, add_lead, happened, parts, tick

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


def test_a_lead_given_back_for_data_waits_until_it_is_known(store: Store) -> None:
    who, handoff_id = handed_over(store)
    world = parts(store)
    with pytest.raises(Refused, match="nothing a lead can tell") as odd:
        desk.return_for_data(world, handoff_id, missing=("shoe size",), by="jana", now=NOW)
    assert odd.value.code == "unknown_field"
    done = desk.return_for_data(world, handoff_id, missing=("Phone", "industry", "phone"), by="jana", now=NOW)
    assert done.more["fields"] == ["phone", "industry"]
    later = NOW + timedelta(days=1)
    tick(world, now=later)
    assert open_handoff(store, who) is None
    with store.read() as conn:
        seen = hand_off.look(world, conn, who, now=later).result
    assert seen is not None and [p.missing for p in seen.why_not] == ["the field phone"]
    for value in ({"phone": "+48 1"}, {"industry": "finance"}):
        assert open_handoff(store, who) is None
        with store.begin() as conn:
            people.learn(conn, who, value, origin="declared", source="form", now=later)
        happened(store, who, ("form", 0, {"content": str(value)}), now=later)
        tick(world, now=later)
    again = open_handoff(store, who)
    assert again is not None
    with pytest.raises(Refused, match=f"handed over again since: hand-off {again.id}"):
        desk.undo(world, handoff_id, by="jana", now=later)


def test_a_lead_given_back_for_data_and_asking_for_a_call_gets_it(store: Store) -> None:
    who, handoff_id = handed_over(store)
    desk.return_for_data(parts(store), handoff_id, missing=("phone",), by="jana", now=NOW)
    later = NOW + timedelta(hours=1)
    happened(store, who, ("hand_raise", 0, {}), now=later)
    tick(parts(store), now=later)
    found = open_handoff(store, who)
    assert found is not None and found.fast


def test_nobody_rests_for_more_than_three_years(store: Store) -> None:
    _, handoff_id = handed_over(store)
    for day, code in ((date(2026, 11, 23), "revisit_past"), (date(2032, 1, 1), "revisit_far")):
        with pytest.raises(Refused) as no:
            desk.recycle(parts(store), handoff_id, reason="bad_timing", by="jana", now=NOW, revisit_on=day)
        assert no.value.code == code
    desk.recycle(parts(store), handoff_id, reason="bad_timing", by="jana", now=NOW, revisit_on=date(2029, 11, 1))


def test_who_waits_for_room_gets_it_when_a_day_begins_or_sales_decides(store: Store) -> None:
    """No deadline is due here: room alone is a reason to look."""
    world = parts(store, agreement=replace(AGREEMENT, max_new_handoffs_per_day=1))
    both = [add_lead(store, now=NOW, email=f"a{n}@example.org") for n in range(2)]
    for who in both:
        happened(store, who, *SEED, WEBINAR, now=NOW)
    run(world, NOW)
    first = next(who for who in both if open_handoff(store, who))
    other = next(who for who in both if who != first)
    took = open_handoff(store, first)
    assert took is not None and took.owner is not None
    desk.accept(world, took.id, by=took.owner, now=NOW)
    worked.log_call(world, took.id, by=took.owner, now=NOW)
    run(world, NOW + timedelta(minutes=30))
    assert open_handoff(store, other) is None
    run(world, NOW.replace(hour=23, minute=5))  # five minutes into Warsaw's next day
    assert open_handoff(store, other) is not None


def test_leads_of_a_seller_who_left_are_passed_on_or_told_of(store: Store) -> None:
    who, handoff_id = handed_over(store)
    busy, taken = handed_over(store, email="b@example.org")
    with store.read() as conn:
        owners = [handoffs.get(conn, h).owner for h in (handoff_id, taken)]
    desk.accept(parts(store), taken, by=owners[1] or "", now=NOW)
    left = {i: s for i, s in SALES.sellers.items() if i not in owners}
    queue = replace(SALES.queues["inside"], members=tuple(m for m in SALES.queues["inside"].members if m in left))
    world = parts(store, sales=replace(SALES, sellers=left, queues={"inside": queue}))
    for _ in range(2):
        recycle.run(world, now=NOW, limit=50, owner="t")
    with store.read() as conn:
        now_with = handoffs.get(conn, handoff_id).owner
        told = sorted(r.target for r in conn.execute(select(core(OutboxRow)))
                      if "is not in sales.yaml any more" in r.payload.get("text", ""))
        alerts = [r.code for r in conn.execute(select(core(AlertRow)))]
    assert now_with in queue.members and alerts == ["seller_gone"]
    assert told == sorted([f"{now_with}@example.com", "dana@example.com"])
    assert [lead(store, n).stage for n in (who, busy)] == [Stage.MQL, Stage.SAL]


def run(world: Parts, now: datetime) -> None:
    pipeline.run_due(world, now=now, owner="t", stages={"sweep", "score", "advance", "hand_off", "recycle"})
