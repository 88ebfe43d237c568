"""The queue of leads: each goes the whole way once, and nothing newer is lost to older work."""

from __future__ import annotations

from datetime import datetime, timedelta

from nurture.store import Store
from nurture.store.facts import events, wakeups


def test_a_wakeup_goes_through_every_stage_and_is_gone(store: Store, now: datetime) -> None:
    with store.begin() as conn:
        wakeups.wake(conn, [7], now=now)
        for stage in wakeups.ORDER:
            claimed = wakeups.claim(conn, stage, now=now, limit=10, owner="w")
            assert [w.lead_id for w in claimed] == [7]
            wakeups.hand_on(conn, claimed, stage)
        assert wakeups.waiting(conn, now=now) == {}


def test_a_renewed_wakeup_survives_the_end_of_older_work(store: Store, now: datetime) -> None:
    with store.begin() as conn:
        wakeups.wake(conn, [7], now=now, stage="enroll")
        old = wakeups.claim(conn, "enroll", now=now, limit=10, owner="w")
        wakeups.wake(conn, [7], now=now)
        wakeups.hand_on(conn, old, "enroll")
        assert wakeups.waiting(conn, now=now) == {"score": 1}


def test_a_claimed_lead_is_nobody_elses_until_the_lease_ends(store: Store, now: datetime) -> None:
    with store.begin() as conn:
        wakeups.wake(conn, [7], now=now)
        assert wakeups.claim(conn, "score", now=now, limit=10, owner="a")
        assert not wakeups.claim(conn, "score", now=now, limit=10, owner="b")
        assert wakeups.claim(conn, "score", now=now + wakeups.LEASE, limit=10, owner="b")


def test_an_event_is_recorded_once_and_wakes_its_lead(store: Store, now: datetime) -> None:
    form = events.NewEvent("form", now - timedelta(hours=1), lead_id=3, content="guide")
    with store.begin() as conn:
        assert events.record(conn, [form, events.NewEvent("form", now, lead_id=4, content="guide")], now=now) == 2
        assert events.record(conn, [form], now=now) == 0
        assert wakeups.waiting(conn, now=now) == {"score": 2}
        assert [e.kind for e in events.of_leads(conn, [3], until=now)[3]] == ["form"]


def test_an_event_from_the_future_is_kept_flagged_and_counts_later(store: Store, now: datetime) -> None:
    ahead = now + timedelta(days=2)
    with store.begin() as conn:
        events.record(conn, [events.NewEvent("form", ahead, lead_id=3)], now=now)
        assert events.of_leads(conn, [3], until=now)[3] == []
        assert len(events.of_leads(conn, [3], until=ahead)[3]) == 1
