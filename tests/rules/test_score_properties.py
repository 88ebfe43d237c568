"""What holds for every history, whatever the model: order, repeats, age, sums."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nurture.decide import score
from nurture.decide.fit import fit, verdict
from nurture.model.facts import Event, Value
from nurture.model.scoring import Criterion, Decay, Inactivity, Model, Rule, Subtraction, ValueRule
from nurture.model.words import Depth

AT = datetime(2026, 11, 22, 9, tzinfo=UTC)
KINDS = ("page_view", "download", "email_click", "webinar_attended", "points", "email_open", "unsubscribe")

decays = st.one_of(
    st.just(Decay()), st.builds(Decay, st.just("window"), st.integers(1, 90)),
    st.builds(Decay, st.just("half_life"), st.integers(1, 120)),
    st.builds(Decay, st.just("linear"), st.integers(1, 90), st.integers(1, 100)),
)


@st.composite
def models(draw: st.DrawFn, *, negative: bool = True) -> Model:
    rules = []
    for number in range(draw(st.integers(1, 5))):
        rules.append(Rule(
            f"r{number}", draw(st.sampled_from(KINDS)), draw(st.integers(-20 if negative else 0, 60)), draw(decays),
            dedupe=draw(st.sampled_from(("none", "asset", "message", "day"))),
            per_day=draw(st.none() | st.integers(1, 3)), cap=draw(st.none() | st.integers(1, 50)),
            group=draw(st.none() | st.just("g")), depth_counts=draw(st.booleans()),
        ))
    inactive = (Inactivity(60, -10), Inactivity(120, -20)) if draw(st.booleans()) else ()
    zone = draw(st.sampled_from(("UTC", "Australia/Sydney", "America/New_York", "Asia/Kathmandu")))
    return Model("m", rules=tuple(rules), groups={"g": draw(st.integers(1, 60))}, inactivity=inactive, zone=zone)


@st.composite
def histories(draw: st.DrawFn) -> list[Event]:
    events = []
    for number in range(draw(st.integers(0, 12))):
        kind = draw(st.sampled_from(KINDS))
        events.append(
            Event(
                number + 1,
                kind,
                AT - timedelta(hours=draw(st.integers(-48, 4000))),
                content=draw(st.none() | st.sampled_from("abc")),
                depth=draw(st.none() | st.sampled_from(list(Depth))),
                message_id=draw(st.none() | st.integers(1, 3)),
                points=draw(st.integers(-9000, 9000)) if kind == "points" else None,
                machine=draw(st.booleans()) and draw(st.booleans()),
                void=draw(st.booleans()) and draw(st.booleans()),
            )
        )
    return events


@given(models(), histories(), st.none() | st.integers(0, 3000), st.sampled_from((0.0, 0.25, 0.5, 1.0)))
@settings(max_examples=120, deadline=None)
def test_the_lines_sum_to_the_score_at_any_instant(
    model: Model, events: list[Event], since: int | None, carryover: float
) -> None:
    baseline = None if since is None else AT - timedelta(hours=since)
    for at in (AT, AT - timedelta(days=30), AT + timedelta(days=400)):
        got = score.lines(events, model, at=at, baseline_at=baseline, carryover=carryover)
        assert sum(line.points for line in got.lines) == got.score
        assert 0 <= got.score <= model.engagement_max * 1000
        assert score.total(events, model, at=at, baseline_at=baseline, carryover=carryover) == got.score


@given(models(), histories(), st.randoms(use_true_random=False))
@settings(max_examples=120, deadline=None)
def test_the_order_of_arrival_does_not_matter(model: Model, events: list[Event], chance: random.Random) -> None:
    shuffled = list(events)
    chance.shuffle(shuffled)
    assert score.total(shuffled, model, at=AT) == score.total(events, model, at=AT)
    renumbered = [replace(e, id=100 - n) for n, e in enumerate(shuffled)]
    assert score.total(renumbered, model, at=AT) == score.total(events, model, at=AT)


@given(models(), histories())
@settings(max_examples=100, deadline=None)
def test_delivering_again_adds_nothing(model: Model, events: list[Event]) -> None:
    assert score.total([*events, *events], model, at=AT) == score.total(events, model, at=AT)


@given(models(negative=False), histories(), st.integers(1, 200))
@settings(max_examples=120, deadline=None)
def test_fresher_never_scores_less(model: Model, events: list[Event], days: int) -> None:
    """The same history, looked at later, is never worth more: no rule rewards age."""
    past = [e for e in events if e.at <= AT and e.kind != "points"]
    assert score.total(past, model, at=AT + timedelta(days=days)) <= score.total(past, model, at=AT)


@given(models(negative=False), histories())
@settings(max_examples=100, deadline=None)
def test_machines_and_voided_events_count_for_nothing(model: Model, events: list[Event]) -> None:
    human = [e for e in events if not e.machine and not e.void]
    assert score.total(human, model, at=AT) == score.total(events, model, at=AT)


@pytest.mark.parametrize(("zone", "first", "then", "days"), [
    ("UTC", "2026-11-20T12:30", "2026-11-20T13:30", 1),
    ("Australia/Sydney", "2026-11-20T12:30", "2026-11-20T13:30", 2),  # 23:30 and 00:30
    ("Australia/Sydney", "2026-11-19T23:59", "2026-11-20T00:01", 1),
    ("America/New_York", "2026-11-20T04:30", "2026-11-20T05:30", 2),
    ("America/New_York", "2026-11-01T04:30", "2026-11-02T04:30", 1),  # clocks go back: a day of 25 hours
])
def test_a_day_is_the_companys(zone: str, first: str, then: str, days: int) -> None:
    """The day of a limit is a day of the people who set it, also where clocks change."""
    moments = [datetime.fromisoformat(f"{at}+00:00") for at in (first, then)]
    events = [Event(n, "page_view", at, path="/p") for n, at in enumerate(moments, 1)]
    for rule in (Rule("visit", "page_view", 2, per_day=1), Rule("visit", "page_view", 2, dedupe="day"),
                 Rule("visit", "email_click", 2), Rule("visit", "email_click", 2, dedupe="message")):
        seen = [replace(e, kind=rule.event, path=None) for e in events]
        got = score.lines(seen, Model("m", rules=(rule,), zone=zone), at=AT)
        assert got.score == (4000 if rule.event == "email_click" and rule.dedupe == "none" else days * 2000)
        assert all(zone in line.text for line in got.lines if line.kind == "per_day" or "same day" in line.text)


def test_an_ordered_pattern_scores_once_and_only_in_order() -> None:
    """S2-17: the case study, then the price list, within two weeks."""
    model = Model("m", rules=(Rule(
        "hot", "", 20, match={"within_days": 14},
        sequence=({"event": "download", "content": "case-study"}, {"event": "page_view", "url": "/pricing*"}),
    ),))

    def told(*days: tuple[str, float]) -> list[Event]:
        return [Event(n, "download" if what == "case" else "page_view", AT - timedelta(days=ago),
                      content="case-study" if what == "case" else None,
                      path="/pricing/list" if what == "price" else None) for n, (what, ago) in enumerate(days, 1)]

    assert score.total(told(("case", 10), ("price", 2)), model, at=AT) == 20_000
    assert score.total(told(("price", 10), ("case", 2)), model, at=AT) == 0
    assert score.total(told(("case", 30), ("price", 2)), model, at=AT) == 0
    assert score.total(told(("case", 30), ("case", 9), ("price", 2), ("price", 1)), model, at=AT) == 20_000


def test_depth_multiplies_and_a_cap_is_a_line_of_its_own() -> None:
    """S1-23."""
    model = Model("m", rules=(Rule("reads", "download", 10, dedupe="asset", cap=25, depth_counts=True),))
    events = [Event(n, "download", AT, content=f"c{n}", depth=depth) for n, depth in enumerate(Depth, 1)]
    got = score.lines(events, model, at=AT)
    assert [(line.kind, line.points) for line in got.lines] == [
        ("event", 20_000), ("event", 15_000), ("event", 10_000), ("rule_cap", -20_000)
    ]
    assert got.score == 25_000


def test_silence_costs_points_and_an_open_does_not_break_it() -> None:
    model = Model("m", rules=(Rule("d", "download", 30),), inactivity=(Inactivity(60, -10), Inactivity(120, -20)))
    read = [Event(1, "download", AT - timedelta(days=61), content="a")]
    assert score.total(read, model, at=AT) == 20_000
    assert score.total([*read, Event(2, "email_open", AT)], model, at=AT) == 20_000
    assert score.total([*read, Event(2, "email_click", AT)], model, at=AT) == 30_000
    assert score.total(read, model, at=AT + timedelta(days=60)) == 10_000


def test_an_organisation_counts_its_people_without_adding_them_up() -> None:
    """S4-13."""
    assert score.account_engagement([40_000, 20_000, 20_000]) == 50_000
    assert score.account_engagement([90_000, 90_000]) == 100_000
    assert score.account_engagement([]) == 0


@st.composite
def pictures(draw: st.DrawFn) -> Model:
    criteria = tuple(
        Criterion(field, draw(st.integers(1, 50)), rules=(
            ValueRule(draw(st.integers(0, 100)), one_of=("a", "b")),
            *([ValueRule(draw(st.integers(0, 100)), otherwise=True)] if draw(st.booleans()) else []),
        ), exclude=("b",) if draw(st.booleans()) else (), min_confidence=draw(st.sampled_from((0.0, 0.8))),
            max_age_days=draw(st.none() | st.just(30)))
        for field in draw(st.lists(st.sampled_from(("role", "size", "land")), unique=True))
    )
    taken = (Subtraction("role", draw(st.integers(1, 60)), ValueRule(0, one_of=("c",))),)
    return Model("m", fit=criteria, subtract=taken if draw(st.booleans()) else ())


known_values = st.dictionaries(st.sampled_from(("role", "size", "land")), st.builds(
    Value, st.sampled_from(("a", "b", "c", "", None)), st.just("declared"), st.sampled_from((0.5, 1.0)),
    st.sampled_from((None, AT, AT - timedelta(days=31), AT + timedelta(days=1))),
))


@settings(max_examples=100)
@given(pictures(), st.lists(known_values, min_size=1, max_size=4))
def test_a_verdict_in_bulk_is_the_fit_that_is_explained(model: Model, people: list[dict[str, Value]]) -> None:
    for values in people * 2:
        whole, quick = fit(values, model, at=AT), verdict(values, model, at=AT)
        assert quick == tuple(getattr(whole, name) for name in quick._fields)
