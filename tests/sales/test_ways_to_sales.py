"""From a datum to a lead to sales, by every way there is: privacy, interest, samples, deeds in person, levels."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from nurture.acts import conversion, desk
from nurture.acts.conversion import Choice
from nurture.insight.story import tell
from nurture.model.lifecycle import temperature
from nurture.model.scoring import Decay, Rule, Scoring
from nurture.model.words import Purpose, Stage
from nurture.store import Store, open_store
from nurture.store.sales import accounts, handoffs
from nurture.store.tables import EventRow, GateEvaluationRow, LeadRow, OutboxRow
from nurture.store.tables.columns import core
from tests.sales.world import AGREEMENT, GOOD, MODEL, SEED, WEBINAR, add_lead, happened, parts, tick

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


@pytest.fixture
def store(sqlite_url: str) -> Any:
    opened = open_store(sqlite_url)
    opened.create()
    yield opened
    opened.close()


def row(store: Store, lead_id: int) -> Any:
    with store.read() as conn:
        return conn.execute(select(LeadRow.__table__).where(LeadRow.__table__.c.id == lead_id)).one()


@pytest.mark.parametrize(("consents", "stage"), [
    ((), Stage.IDENTIFIED),
    ((Purpose.NEWSLETTER, Purpose.CLICK_TRACKING), Stage.IDENTIFIED),
    ((Purpose.PRIVACY_NOTICE, Purpose.NEWSLETTER), Stage.EARLY),
    ((Purpose.PRIVACY_NOTICE,), Stage.EARLY),
])
def test_a_datum_becomes_a_lead_by_the_privacy_notice_alone(
    store: Store, consents: tuple[Purpose, ...], stage: Stage
) -> None:
    """S0-07, S1-07, D1: one field makes a very early lead; agreeing to tracking or letters makes none."""
    who = add_lead(store, now=NOW, stage=Stage.IDENTIFIED, fields={}, consents=consents)
    tick(parts(store), now=NOW)
    assert row(store, who).stage == stage
    assert temperature(Stage(row(store, who).stage)) == "cold", "S1-10: who only registers is cold"
    with store.read() as conn:
        assert handoffs.open_of(conn, who) is None


@pytest.mark.parametrize(("fields", "deeds", "stage"), [
    (GOOD, [("page_view", 1, {"path": "/a"})], Stage.NURTURING),
    (GOOD, [], Stage.EARLY),
    ({**GOOD, "role": "clerk", "employees": 3, "industry": "none", "country": "US"},
     [("page_view", 1, {"path": "/a"})], Stage.EARLY),
    ({}, [("page_view", 1, {"path": "/a"})], Stage.NURTURING),
])
def test_fit_and_a_minimum_of_interest_make_it_a_lead_to_nurture(
    store: Store, fields: dict[str, Any], deeds: list[Any], stage: Stage
) -> None:
    """S3-04: fits our picture and shows the least interest; what is not known is not bad."""
    who = add_lead(store, now=NOW, stage=Stage.EARLY, fields=fields, country="PL" if fields == GOOD else None)
    happened(store, who, *deeds, now=NOW)
    tick(parts(store), now=NOW)
    assert row(store, who).stage == stage


def test_a_sample_below_the_threshold_goes_to_sales_marked_once(store: Store) -> None:
    """S1-11: some who are not ready by the score are shown to sales, to learn what the score misses."""
    everybody = replace(AGREEMENT, exploration_percent=100.0)
    who = add_lead(store, now=NOW)
    happened(store, who, ("page_view", 1, {"path": "/a"}), now=NOW)
    tick(parts(store), now=NOW)
    assert row(store, who).stage == Stage.NURTURING
    happened(store, who, ("page_view", 0.5, {"path": "/b"}), now=NOW)
    tick(parts(store, agreement=everybody), now=NOW)
    with store.read() as conn:
        found = handoffs.open_of(conn, who)
    assert found is not None and (found.marked, found.via) == ("exploration", "exploration")
    unwilling = add_lead(store, now=NOW, email="no@example.org", consents=(Purpose.PRIVACY_NOTICE,))
    happened(store, unwilling, ("page_view", 1, {"path": "/a", "key": "u"}), now=NOW)
    tick(parts(store, agreement=everybody), now=NOW)
    assert row(store, unwilling).stage == Stage.NURTURING, "never without consent"


def test_being_there_in_person_and_finishing_a_track_score(store: Store) -> None:
    """S0-24, S2-07; S3-08: the channel and the touchpoint are two columns."""
    model = replace(MODEL, rules=(
        Rule("breakfast", "breakfast_attended", 40, Decay("half_life", 120)), Rule("track", "track_completed", 10),
    ))
    who = add_lead(store, now=NOW)
    happened(
        store, who, ("breakfast_attended", 0, {"channel": "in_person", "touchpoint": "breakfast in Prague"}),
        ("track_completed", 0, {"content": "education"}), now=NOW,
    )
    tick(parts(store, scoring=Scoring((model,), 1, "x")), now=NOW)
    assert row(store, who).engagement == 50_000
    t = EventRow.__table__
    with store.read() as conn:
        kept = conn.execute(select(t.c.channel, t.c.touchpoint).where(t.c.kind == "breakfast_attended")).one()
    assert tuple(kept) == ("in_person", "breakfast in Prague")


def test_v15_a_threshold_jumped_over_hands_over_once_however_often_it_is_looked_at(store: Store) -> None:
    who = add_lead(store, now=NOW)
    happened(store, who, *SEED, WEBINAR, now=NOW)
    for minutes in range(3):
        happened(store, who, ("page_view", 0, {"path": f"/again{minutes}"}), now=NOW)
        tick(parts(store), now=NOW + timedelta(minutes=minutes))
    with store.read() as conn:
        assert len(handoffs.of_lead(conn, who)) == 1
        passed = select(GateEvaluationRow.__table__.c.id).where(GateEvaluationRow.__table__.c.outcome == "pass")
        assert len(conn.execute(passed).all()) == 1


@pytest.mark.parametrize("kind", ["no-such-kind", "page_view"])
def test_late_future_unknown_and_repeated_events_are_kept_and_break_nothing(store: Store, kind: str) -> None:
    who = add_lead(store, now=NOW)
    for days, key in ((400, "late"), (-30, "ahead"), (400, "late"), (1, "odd")):
        happened(store, who, (kind, days, {"key": key, "data": {"x": [1, {"y": None}]}}), now=NOW)
    tick(parts(store), now=NOW)
    t = EventRow.__table__
    with store.read() as conn:
        kept = conn.execute(select(t.c.key).where(t.c.lead_id == who).order_by(t.c.key)).scalars().all()
    assert kept == ["ahead", "late", "odd"]
    assert row(store, who).engagement == (0 if kind == "no-such-kind" else 1954)


def test_a_past_moment_explained_from_the_stored_rows_is_what_was_seen_then(store: Store) -> None:
    """The lines sum to the score at any instant, past ones included, also before a refusal that came later."""
    who = add_lead(store, now=NOW)
    happened(store, who, *SEED, now=NOW)
    seen: dict[datetime, tuple[int, str, tuple[str, str]]] = {}
    at = NOW
    for day in range(6):
        at = NOW + timedelta(days=day)
        if day == 1:
            happened(store, who, (WEBINAR[0], 0, WEBINAR[2]), now=at)
        if day in (2, 4):
            with store.read() as conn:
                mine = handoffs.open_of(conn, who)
            assert mine is not None, day
            reason = "missing_data" if day == 4 else "still_researching"
            desk.recycle(parts(store), mine.id, reason=reason, by="jana", now=at)
            if day == 2:
                desk.undo(parts(store), mine.id, by="jana", now=at + timedelta(minutes=5))
        tick(parts(store), now=at + timedelta(minutes=10))
        then = tell(parts(store), who, now=at + timedelta(minutes=10))
        assert then is not None
        with store.read() as conn:
            _, *gate = handoffs.last_vectors(conn, [who])[who]
        seen[then.at] = (then.score.scores.engagement, then.stage, (gate[0], gate[1]))
        assert then.stored is None, "what stands now is worked out now"
    assert len({gate for *_, gate in seen.values()}) > 1
    for moment, (engagement, stage, gate_then) in seen.items():
        story = tell(parts(store), who, now=at + timedelta(days=90), at=moment)
        assert story is not None
        assert sum(line.points for line in story.score.since.lines) == story.score.scores.engagement
        assert (story.score.scores.engagement, story.stage) == (engagement, stage), moment
        assert story.stored is not None and story.stored.at <= moment
        assert (story.stored.outcome, story.stored.vector) == gate_then, moment
    before = tell(parts(store), who, now=at, at=NOW - timedelta(days=1))
    assert before is not None and before.stored is None


def test_a_company_is_a_lead_of_its_own_where_the_agreement_asks_for_nobodys_name(store: Store) -> None:
    """S1-01: an address of the house and no person; it is scored, handed over and becomes an account."""
    fields = {"company": "Acme Works", "employees": 250, "industry": "finance", "country": "PL", "role": "head of IT"}
    nameless = replace(AGREEMENT, required_fields=("company",), conversion_point="sal")
    who = add_lead(store, now=NOW, email="office@acme-works.example", fields=fields)
    happened(store, who, *SEED, WEBINAR, now=NOW)
    tick(parts(store), now=NOW)
    with store.read() as conn:
        assert handoffs.open_of(conn, who) is None, "the agreement of the other tests wants a name"
    happened(store, who, ("page_view", 0, {"path": "/z"}), now=NOW)
    world = parts(store, agreement=nameless)
    tick(world, now=NOW)
    with store.read() as conn:
        trip = handoffs.open_of(conn, who)
        assert trip is not None and trip.owner is not None
        mail = next(r for r in conn.execute(select(core(OutboxRow))) if r.handoff_id == trip.id)
    assert mail.subject == "Acme Works: cell A2" and mail.payload["text"].startswith("head of IT, Acme Works")
    desk.accept(world, trip.id, by=trip.owner, now=NOW)
    made = conversion.convert(world, trip.id, Choice(), by=trip.owner, now=NOW).more
    with store.read() as conn:
        account = accounts.get(conn, made["account"])
        assert account is not None and account.name == "Acme Works"
        assert accounts.contacts_of(conn, account.id)[0]["lead_id"] == who
