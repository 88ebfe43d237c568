"""A changed agreement or scoring, tried out on the last days before anybody signs it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from sqlalchemy import func, select

from nurture.insight.forecast import forecast
from nurture.model.agreement import RequiredEvents
from nurture.model.scoring import Scoring
from nurture.model.words import Purpose
from nurture.store import Store
from nurture.store.tables import metadata
from tests.sales.world import AGREEMENT, MODEL, SEED, WEBINAR, add_lead, happened, library, parts, tick

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


def rows_of(store: Store) -> dict[str, int]:
    with store.read() as conn:
        return {t.name: conn.execute(select(func.count()).select_from(t)).scalar_one() for t in metadata.sorted_tables}


def people(store: Store) -> dict[str, int]:
    made = {}
    for name, facts, consents in (
        ("reads", SEED, None), ("attends", (*SEED, WEBINAR), None), ("no consent", SEED, [Purpose.PRIVACY_NOTICE]),
    ):
        more = {} if consents is None else {"consents": consents}
        made[name] = add_lead(store, now=NOW, email=f"{name.replace(' ', '')}@example.org", **more)
        happened(store, made[name], *[(k, d, {**m, "key": f"{name}{k}{d}"}) for k, d, m in facts], now=NOW)
    return made


def test_without_the_webinar_rule_the_readers_would_newly_qualify(store: Store) -> None:
    who = people(store)
    free = replace(AGREEMENT, version=5, required_events={"default": RequiredEvents()}, intent=({"type": "download"},))
    books = rows_of(store)
    made = forecast(store, library(), library(agreement=free), now=NOW, days=30)
    assert rows_of(store) == books, "a simulation writes nothing"
    assert [p.lead_id for p in made.newly] == [who["reads"]] and made.dropped == [] and made.leads == 3
    assert made.moved == 1, "who attended qualifies either way, only sooner"
    assert (made.newly[0].on, made.newly[0].cell) == (datetime(2026, 11, 18, tzinfo=UTC).date(), "A3")
    document = made.as_dict()
    assert document["by_cell"]["newly"] == {"A3": 1} and document["after"]["qualified"] == 2


def test_a_stricter_model_drops_leads_and_a_limit_makes_a_queue(store: Store) -> None:
    who = people(store)
    strict = replace(MODEL, engagement_bands={1: 95, 2: 90, 3: 85})
    made = forecast(store, library(), library(scoring=Scoring((strict,))), now=NOW)
    assert [p.lead_id for p in made.dropped] == [who["attends"]]
    many = [add_lead(store, now=NOW, email=f"m{n}@example.org") for n in range(4)]
    for lead in many:
        happened(store, lead, *[(k, d, {**m, "key": f"{lead}{k}{d}"}) for k, d, m in (*SEED, WEBINAR)], now=NOW)
    narrow = replace(AGREEMENT, max_new_handoffs_per_day=2)
    load = forecast(store, library(), library(agreement=narrow), now=NOW, days=10).after
    assert sum(load.per_day.values()) == 5 and max(load.handed.values()) == 2 and max(load.waiting.values()) == 3


def test_whom_sales_has_already_is_not_counted_again(store: Store) -> None:
    people(store)
    tick(parts(store), now=NOW)
    later = NOW.replace(month=12, day=20)
    made = forecast(store, library(), library(), now=later, days=10)
    assert sum(made.before.per_day.values()) == 0
