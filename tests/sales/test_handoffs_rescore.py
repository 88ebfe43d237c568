"""Scoring everybody again gives what scoring one by one gives, and a new model is ramped."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import func, select

from nurture import pipeline
from nurture.cli.explain import as_document
from nurture.decide import score as rules
from nurture.insight import reports, story
from nurture.model.agreement import Sla
from nurture.model.campaign import Condition
from nurture.model.scoring import Scoring
from nurture.stages import rescore, score
from nurture.store import Store
from nurture.store.sales import handoffs
from nurture.store.sales.rescoring import WRITTEN
from nurture.store.tables import HandoffRow, LeadRow
from nurture.store.tables.columns import core
from nurture.store.tables.scores import ShadowScoreRow
from tests.sales.world import AGREEMENT, MODEL, SEED, WEBINAR, add_lead, happened, library, parts, tick

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
FACTS = (
    *SEED,
    WEBINAR,
    ("email_click", 3, {"message_id": 4}),
    ("points", 2, {"points": 7_000, "data": {"because": "x"}}),
)


def cached(store: Store) -> list[tuple[Any, ...]]:
    t = LeadRow.__table__
    with store.read() as conn:
        return [tuple(r) for r in conn.execute(select(t.c.id, *(t.c[n] for n in WRITTEN)).order_by(t.c.id))]


def people(store: Store, n: int, **columns: Any) -> list[int]:
    made = [add_lead(store, now=NOW, email=f"p{i}@example.org", **columns) for i in range(n)]
    for i, lead in enumerate(made):
        happened(store, lead, *[(k, d + i, {**m, "key": f"{lead}/{k}/{d}"}) for k, d, m in FACTS[i % 3:]], now=NOW)
    return made


def test_the_stream_gives_the_same_scores_as_one_by_one(store: Store) -> None:
    people(store, 7)
    people_back = add_lead(store, now=NOW, email="back@example.org", baseline_at=NOW - timedelta(days=4), carryover=0.5)
    happened(store, people_back, *FACTS, now=NOW)
    # Half a day of visits around midnight in Sydney: the limit for a day falls otherwise than by UTC.
    happened(store, people_back, *[("page_view", 2 + n / 24, {"path": f"/{n}"}) for n in range(12)], now=NOW)
    far = replace(MODEL, zone="Australia/Sydney", groups={**MODEL.groups, "web": 100})
    world = parts(store, scoring=Scoring((far,), sha="s"))
    done = rescore.rescore(store, world.library, now=NOW, wake=False)
    streamed = cached(store)
    score.run(world, now=NOW, limit=100, owner="a")
    assert cached(store) == streamed and done.leads == 8 and done.changed == 8
    near = parts(store, scoring=Scoring((replace(far, zone="UTC"),), sha="s"))
    assert rescore.rescore(store, near.library, now=NOW, wake=False).changed == 1
    rescore.rescore(store, world.library, now=NOW, wake=False)
    assert rescore.rescore(store, world.library, now=NOW, wake=False).changed == 0


def test_a_model_by_the_place_of_acquisition_is_the_same_in_the_stream(store: Store) -> None:
    """S1-08: a definition may depend on where somebody came from; S0-02."""
    fair = replace(MODEL, id="fair", applies_if=Condition("field", "source", args={"is": "fair"}))
    czech = replace(MODEL, id="czech", applies_if=Condition("field", "language", args={"is": "cs"}))
    for n, columns in enumerate(({"source": "fair"}, {"source": "web"}, {"language": "cs"}, {"timezone": "UTC"})):
        add_lead(store, now=NOW, email=f"p{n}@example.org", **columns)
    world = parts(store, scoring=Scoring((fair, czech, MODEL), sha="s"))
    rescore.rescore(store, world.library, now=NOW, wake=False)
    streamed = cached(store)
    assert [row[1] for row in streamed] == ["fair", "default", "czech", "default"]
    score.run(world, now=NOW, limit=10, owner="a")
    assert cached(store) == streamed


def test_a_new_model_wakes_who_moved_and_the_daily_limit_ramps_them(store: Store) -> None:
    """§3.5, trap 14: a published model cannot flood sales."""
    hard = replace(MODEL, engagement_bands={1: 99, 2: 98, 3: 97})
    few = replace(AGREEMENT, max_new_handoffs_per_day=2, sla=Sla(expire=False))
    people(store, 5)
    before = parts(store, scoring=Scoring((hard,), sha="old"), agreement=few)
    before.library = replace(before.library, config_sha="old")
    tick(before, now=NOW)
    after = parts(store, scoring=Scoring((MODEL,), sha="new"), agreement=few)
    after.library = replace(after.library, config_sha="new")
    seen = []
    for day in range(4):
        tick(after, now=NOW + timedelta(days=day))
        with store.read() as conn:
            seen.append(conn.execute(select(func.count()).select_from(HandoffRow.__table__)).scalar_one())
    assert seen == [2, 4, 5, 5]
    with store.read() as conn:
        assert handoffs.next_in_queue(conn, limit=9) == []


def test_another_way_to_count_scores_everybody_again(store: Store, monkeypatch: Any) -> None:
    people(store, 3)
    world = parts(store)
    tick(world, now=NOW)
    assert rescore.after_a_change(world, now=NOW) == 0
    assert "score" not in pipeline.due_now(world, now=NOW)
    monkeypatch.setattr(rules, "EDITION", rules.EDITION + 1)
    # Nobody did anything: the change alone is a reason to score.
    assert pipeline.due_now(world, now=NOW)["score"] == 3
    assert [rescore.after_a_change(world, now=NOW) for _ in range(2)] == [3, 0]
    assert "score" not in pipeline.due_now(world, now=NOW)


def test_a_shadow_model_is_kept_beside_and_decides_nothing(store: Store) -> None:
    lead = people(store, 1)[0]
    strict = replace(MODEL, id="strict", shadow=True, engagement_bands={1: 99, 2: 98, 3: 97})
    world = parts(store, scoring=Scoring((strict, MODEL), sha="s"))
    tick(world, now=NOW)
    with store.read() as conn:
        assert handoffs.open_of(conn, lead) is not None
    report = reports.shadow(store, now=NOW)
    assert report.sheets[0].rows == (("strict", "handoff", "nurture", 1),)
    assert report.sheets[1].rows[0] == ("strict", lead, "A2", "handoff", "A4", "nurture")
    lax = replace(strict, id="lax", engagement_bands={1: 3, 2: 2, 3: 1}, applies_if=Condition("field", "employees",
                  args={"at_least": 1}))
    tried = parts(store, scoring=Scoring((strict, lax, MODEL), sha="t"))
    rescore.rescore(store, tried.library, now=NOW)  # nobody did anything, and it speaks of everybody
    with store.read() as conn:
        kept = {r.model: (r.cell, r.action) for r in conn.execute(select(core(ShadowScoreRow)))}
    assert kept == {"strict": ("A4", "nurture"), "lax": ("A1", "handoff")}
    told = story.tell(world, lead, now=NOW)
    assert told is not None and told.score.scores.action == "handoff"
    assert [(s.model.id, s.scores.cell, s.scores.action) for s in told.shadows] == [("strict", "A4", "nurture")]
    document = as_document(told)["shadows"]
    assert [(s["model"], s["action"]) for s in document] == [("strict", "nurture")]


def test_a_change_of_model_is_written_down_with_both_scores(store: Store) -> None:
    lead = people(store, 1)[0]
    tick(parts(store), now=NOW)
    small = replace(MODEL, id="small", applies_if=Condition("field", "employees", args={"at_most": 300}))
    tick(parts(store, scoring=Scoring((small, MODEL), sha="b")), now=NOW)
    happened(store, lead, ("page_view", 0, {"path": "/z"}), now=NOW)
    tick(parts(store, scoring=Scoring((small, MODEL), sha="b")), now=NOW)
    t = LeadRow.__table__
    with store.read() as conn:
        assert conn.execute(select(t.c.model).where(t.c.id == lead)).scalar_one() == "small"


def test_two_processes_share_the_work(store: Store, monkeypatch: Any) -> None:
    people(store, 6)
    monkeypatch.setattr(rescore, "CHUNK", 2)
    told: list[tuple[int, int]] = []
    done = rescore.rescore(store, library(), now=NOW, workers=2, progress=lambda a, b: told.append((a, b)), wake=False)
    assert done.leads == 6 and told[-1] == (6, 6)
