"""A plan over ten thousand people takes less than a second of work, on both databases."""

from __future__ import annotations

from time import process_time

from nurture.store import Store
from tests.applying.world import World, campaign_file, draft
from tests.bench.plan_bench import AFTER, BEFORE, fill


def test_ten_thousand_people_are_planned_in_a_second(store: Store) -> None:
    world = World(store)
    world.apply(draft(campaign_file(BEFORE)))
    fill(store, 10_000)
    edited = draft(campaign_file(AFTER))
    began = process_time()
    counts = world.plan(edited).counts()["drip"]
    spent = process_time() - began
    assert (counts["people"], counts["renamed"], counts["moved"]) == (10_000, 2_000, 2_000)
    assert spent < 1, f"{spent:.2f} s"
