"""Two workers, two sellers, at the same moment: one wins, the other is told."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import func, select

from nurture.acts import desk
from nurture.errors import Conflict, NurtureError
from nurture.stages import hand_off, recycle, score
from nurture.store import Store, open_store
from nurture.store.sales import handoffs, lifecycle, timers
from nurture.store.tables import HandoffRow, OutboxRow, SalesDecisionRow, TakenRow, TransitionRow
from tests.sales.world import AGREEMENT, SEED, WEBINAR, add_lead, happened, parts, tick

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


def at_once(jobs: Sequence[Callable[[], Any]]) -> list[Any]:
    """Run the jobs in threads that start together; a job's result, or what it raised."""
    ready = threading.Barrier(len(jobs))
    results: list[Any] = [None] * len(jobs)

    def work(n: int) -> None:
        ready.wait()
        try:
            results[n] = jobs[n]()
        except NurtureError as known:
            results[n] = known

    threads = [threading.Thread(target=work, args=(n,)) for n in range(len(jobs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def count(store: Store, table: Any, *where: Any) -> int:
    with store.read() as conn:
        return int(conn.execute(select(func.count()).select_from(table).where(*where)).scalar_one())


def test_v17_two_workers_make_one_hand_off(store: Store, store_url: str) -> None:
    who = add_lead(store, now=NOW)
    happened(store, who, *SEED, WEBINAR, now=NOW)
    score.run(parts(store), now=NOW, limit=10, owner="a")
    stores = [open_store(store_url) for _ in range(4)]

    def job(mine: Store) -> Callable[[], Any]:
        def ask() -> Any:
            with mine.begin() as conn:
                return hand_off.ask(parts(mine), conn, who, now=NOW, via="score").handoff_id
        return ask

    results = at_once([job(s) for s in stores])
    for opened in stores:
        opened.close()
    assert len([r for r in results if isinstance(r, int)]) == 1, results
    assert not [r for r in results if isinstance(r, Exception)], results
    assert count(store, HandoffRow.__table__) == 1
    t = TransitionRow.__table__
    assert count(store, t, t.c.to_stage == "mql") == 1
    assert count(store, OutboxRow.__table__) == 1
    with store.read() as conn:
        assert conn.execute(select(TakenRow.__table__.c.n)).scalars().all() == [1]


def handed_over(store: Store) -> int:
    who = add_lead(store, now=NOW)
    happened(store, who, *SEED, WEBINAR, now=NOW)
    tick(parts(store), now=NOW)
    with store.read() as conn:
        found = handoffs.open_of(conn, who)
    assert found is not None
    return found.id


def test_two_sellers_accept_at_once_and_one_is_told(store: Store, store_url: str) -> None:
    number = handed_over(store)
    stores = {name: open_store(store_url) for name in ("jana", "piotr", "ola")}
    results = at_once([
        lambda name=name, mine=mine: desk.accept(parts(mine), number, by=name, now=NOW) for name, mine in stores.items()
    ])
    for opened in stores.values():
        opened.close()
    won = [r for r in results if isinstance(r, desk.Decided)]
    assert len(won) == 1 and all(isinstance(r, Conflict) for r in results if r is not won[0]), results
    assert count(store, SalesDecisionRow.__table__) == 1
    with store.read() as conn:
        assert {t["kind"] for t in timers.of_handoff(conn, number)} == {"decision", "first_touch", "qualification"}


def test_the_same_command_twice_at_once_decides_once(store: Store, store_url: str) -> None:
    number = handed_over(store)
    stores = [open_store(store_url) for _ in range(3)]
    results = at_once([
        lambda mine=mine: desk.recycle(parts(mine), number, reason="no_budget", by="jana", now=NOW, key="k1")
        for mine in stores
    ])
    for opened in stores:
        opened.close()
    assert sorted(r.repeated for r in results) == [False, True, True], results
    assert count(store, SalesDecisionRow.__table__) == 1


def test_accept_against_reject_leaves_one_of_them(store: Store, store_url: str) -> None:
    number = handed_over(store)
    one, other = open_store(store_url), open_store(store_url)
    results = at_once([
        lambda: desk.accept(parts(one), number, by="jana", now=NOW, expected_version=0),
        lambda: desk.reject(parts(other), number, reason="not_icp", by="piotr", now=NOW, expected_version=0),
    ])
    one.close()
    other.close()
    assert len([r for r in results if isinstance(r, Conflict)]) == 1, results
    assert count(store, SalesDecisionRow.__table__) == 1


def test_the_daily_limit_holds_across_workers(store: Store, store_url: str) -> None:

    few = replace(AGREEMENT, max_new_handoffs_per_day=2)
    leads = [add_lead(store, now=NOW, email=f"p{n}@example.org") for n in range(6)]
    for lead in leads:
        happened(store, lead, *[(k, d, {**m, "key": f"{lead}{k}{d}"}) for k, d, m in (*SEED, WEBINAR)], now=NOW)
    score.run(parts(store), now=NOW, limit=10, owner="a")
    stores = [open_store(store_url) for _ in leads]

    def job(mine: Store, lead: int) -> Callable[[], Any]:
        def ask() -> Any:
            with mine.begin() as conn:
                return hand_off.ask(parts(mine, agreement=few), conn, lead, now=NOW, via="score").handoff_id
        return ask

    results = at_once([job(s, lead) for s, lead in zip(stores, leads, strict=True)])
    for opened in stores:
        opened.close()
    assert len([r for r in results if isinstance(r, int)]) == 2, results
    assert count(store, HandoffRow.__table__) == 2
    with store.read() as conn:
        assert len(handoffs.next_in_queue(conn, limit=10)) == 4, "the others keep their place"


def test_campaigns_that_hand_over_many_never_lock_each_other_out(store: Store, store_url: str) -> None:
    """A batch holds its leads, in one order, before it takes the count of the day."""
    leads = [add_lead(store, now=NOW, email=f"p{n}@example.org") for n in range(6)]
    for lead in leads:
        happened(store, lead, *[(k, d, {**m, "key": f"{lead}{k}{d}"}) for k, d, m in (*SEED, WEBINAR)], now=NOW)
    score.run(parts(store), now=NOW, limit=10, owner="a")
    orders = [leads, leads[::-1], leads[3:], leads[:3][::-1]]
    stores = [open_store(store_url) for _ in orders]

    def job(mine: Store, order: list[int]) -> Callable[[], Any]:
        def batch() -> list[int | None]:
            with mine.begin() as conn:
                lifecycle.hold(conn, order)
                return [hand_off.ask(parts(mine), conn, lead, now=NOW).handoff_id for lead in order]
        return batch

    results = at_once([job(s, order) for s, order in zip(stores, orders, strict=True)])
    for opened in stores:
        opened.close()
    assert not [r for r in results if isinstance(r, Exception)], results
    assert count(store, HandoffRow.__table__) == 6


def test_a_seller_decides_while_the_clocks_are_swept(store: Store, store_url: str) -> None:
    """Three sweeps and a decision at the moment a deadline passes: one reminder, and the seller is not turned away."""
    number = handed_over(store)
    late = NOW + timedelta(minutes=241)
    stores = [open_store(store_url) for _ in range(4)]
    results = at_once([
        *(lambda mine=mine: recycle.run(parts(mine), now=late, limit=50, owner="a") for mine in stores[1:]),
        lambda: desk.accept(parts(stores[0]), number, by="jana", now=late),
    ])
    for opened in stores:
        opened.close()
    assert isinstance(results[-1], desk.Decided) and not [r for r in results if isinstance(r, Exception)], results
    assert count(store, OutboxRow.__table__, OutboxRow.__table__.c.key.like("sla/%")) <= 1
    with store.read() as conn:
        assert timers.of_handoff(conn, number)[0]["breached_at"] == NOW + timedelta(minutes=240)
