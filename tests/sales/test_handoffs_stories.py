"""Random lives of leads: whatever people, sellers, clocks and the CRM do, in any order, the books stay consistent."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from nurture.acts import conversion, desk, reopen, results
from nurture.errors import Conflict, Refused
from nurture.model.lifecycle import PREVIOUS, TABLE
from nurture.model.words import WITH_SALES, ActorKind, Purpose, Stage
from nurture.store import Store, open_store
from nurture.store.tables import ConsentStateRow, HandoffRow, LeadRow, SlaTimerRow, TransitionRow
from tests.sales.world import SALES, SEED, WEBINAR, add_lead, happened, parts, tick

START = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
SELLERS = ("jana", "piotr", "ola")
REASONS = ("bad_timing", "no_budget", "unresponsive", "score_too_early", "still_researching")
HUMAN = {Stage.SAL, Stage.SQL, Stage.CONVERTED}


class Life:
    """One lead, and everything that may happen to it next."""

    def __init__(self, store: Store, seed: int) -> None:
        self.store, self.chance, self.now = store, random.Random(seed), START
        self.world = parts(store)
        self.lead = add_lead(store, now=START, email=f"p{seed}@example.org", stage=Stage.EARLY)
        happened(store, self.lead, *SEED, now=START)

    def step(self) -> str:
        often = [self.reads, self.attends, self.accepts, self.qualifies, self.converts, self.wins, self.loses]
        seldom = [self.asks, self.waits, self.waits_long, self.withdraws, self.grants, self.rejects, self.recycles,
                  self.undoes, self.takes, self.reopens]
        move: Callable[[], Any] = self.chance.choice([*often, *often, *often, *seldom])
        try:
            move()
        except (Refused, Conflict) as no:
            return f"{move.__name__}: {no.message}"
        finally:
            tick(self.world, now=self.now, rounds=3)
        return move.__name__

    def _fact(self, kind: str, **more: Any) -> None:
        self.now += timedelta(minutes=7)
        happened(self.store, self.lead, (kind, 0, more), now=self.now)

    def reads(self) -> None:
        self._fact("download", content=f"c{self.chance.randrange(9)}")

    def attends(self) -> None:
        self._fact(WEBINAR[0], content=f"w{self.chance.randrange(9)}", minutes=60)

    def asks(self) -> None:
        self._fact("hand_raise")

    def waits(self) -> None:
        self.now += timedelta(hours=self.chance.randrange(1, 30))

    def waits_long(self) -> None:
        self.now += timedelta(days=self.chance.choice([8, 40, 100, 200]))

    def _consent(self, status: str) -> None:
        t = ConsentStateRow.__table__
        with self.store.begin() as conn:
            mine = (t.c.lead_id == self.lead) & (t.c.purpose == Purpose.SALES_CONTACT)
            conn.execute(update(t).where(mine).values(status=status))
        self._fact("page_view", path="/preferences")

    def withdraws(self) -> None:
        self._consent("withdrawn")

    def grants(self) -> None:
        self._consent("granted")

    def _handoff(self) -> int:
        t = HandoffRow.__table__
        with self.store.read() as conn:
            found = conn.execute(select(t.c.id).where(t.c.lead_id == self.lead).order_by(t.c.id.desc())).scalars().all()
        if not found:
            raise Refused("nothing was handed over yet", code="test")
        return int(found[0] if self.chance.random() < 0.9 else self.chance.choice(found))

    def _seller(self) -> str:
        return self.chance.choice(SELLERS)

    def accepts(self) -> None:
        desk.accept(self.world, self._handoff(), by=self._seller(), now=self.now)

    def rejects(self) -> None:
        desk.reject(self.world, self._handoff(), reason="not_icp", by=self._seller(), now=self.now)

    def recycles(self) -> None:
        day = self.now.date() + timedelta(days=60) if self.chance.random() < 0.3 else None
        desk.recycle(self.world, self._handoff(), reason=self.chance.choice(REASONS), by=self._seller(), now=self.now,
                     revisit_on=day)

    def undoes(self) -> None:
        desk.undo(self.world, self._handoff(), by=self._seller(), now=self.now)

    def qualifies(self) -> None:
        desk.qualify(
            self.world, self._handoff(), bant={"need": "yes", "budget": "partly"}, by=self._seller(), now=self.now
        )

    def converts(self) -> None:
        conversion.convert(self.world, self._handoff(), conversion.Choice(deal=conversion.Deal()), by=self._seller(),
                           now=self.now)

    def _result(self, kind: str) -> None:
        one = results.Result(kind, lead=str(self.lead), reason="price", on=date(2027, 1, 1), key=f"{kind}{self.now}")
        done = results.record(self.world, [one], now=self.now)[0]
        if done.state == "refused":
            raise Refused(done.text, code="test")

    def wins(self) -> None:
        self._result("won")

    def loses(self) -> None:
        self._result(self.chance.choice(["lost", "churned"]))

    def reopens(self) -> None:
        reopen.reopen(self.world, self.lead, by="ines", note="again", now=self.now)

    def takes(self) -> None:
        desk.take(self.world, self.lead, by=self._seller(), reason="met", now=self.now)


def check(life: Life) -> None:
    """The invariants, after every step."""
    lead_t, handoff_t, timer_t, move_t = (r.__table__ for r in (LeadRow, HandoffRow, SlaTimerRow, TransitionRow))
    with life.store.read() as conn:
        lead = conn.execute(select(lead_t).where(lead_t.c.id == life.lead)).one()
        handed = conn.execute(select(handoff_t).where(handoff_t.c.lead_id == life.lead)).all()
        timers = conn.execute(select(timer_t).where(timer_t.c.lead_id == life.lead)).all()
        moves = conn.execute(select(move_t).where(move_t.c.lead_id == life.lead).order_by(move_t.c.id)).all()
    stage = Stage(lead.stage)
    open_ones = [h for h in handed if h.closed_at is None]
    assert (Stage(moves[-1].to_stage) if moves else Stage.EARLY) is stage, "the cache is what the log says"
    assert len(open_ones) == (1 if stage in WITH_SALES - {Stage.CONVERTED} else 0)
    assert lead.version == len(moves)
    allowed = {(m.id, s) for m in TABLE for s in m.sources}
    for before, move in zip([None, *moves], moves, strict=False):
        assert (move.rule, Stage(move.from_stage)) in allowed
        assert before is None or before.to_stage == move.from_stage
        if Stage(move.to_stage) in HUMAN:
            assert move.actor_kind == ActorKind.SALES and move.actor_id in SALES.sellers
        rule = next(m for m in TABLE if m.id == move.rule)
        assert rule.to in (PREVIOUS, Stage(move.to_stage))
    running = [t for t in timers if t.met_at is None and t.closed_at is None]
    assert {t.handoff_id for t in running} <= {h.id for h in open_ones}, "no clock runs for what is over"
    for handoff in handed:
        assert (handoff.closed_at is None) == (handoff.state in ("open", "accepted"))
        assert handoff.gate_evaluation_id is not None and handoff.agreement_sha
    assert lead.cycle == 1 + sum(m.rule in ("T21", "T22") for m in moves)


@pytest.mark.parametrize("seed", [*range(6), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(6, 40))])
def test_a_random_life_keeps_the_books(sqlite_url: str, seed: int) -> None:
    store = open_store(sqlite_url)
    life = Life(store, seed)
    told: list[str] = []
    for _ in range(30):
        told.append(life.step())
        try:
            check(life)
        except AssertionError as wrong:
            raise AssertionError(f"{wrong}\nafter: " + "\n".join(told)) from wrong
    store.close()
