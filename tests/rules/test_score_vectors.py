"""Golden vectors V1 ... V10 of the scoring rules."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from nurture.decide import fit, score
from nurture.model.facts import Event, Value
from nurture.model.scoring import Criterion, Decay, Model, Rule, ValueRule

NOW = datetime(2026, 11, 22, 9, tzinfo=UTC)


def half(days: int) -> Decay:
    return Decay("half_life", days=days)


FIT = (
    Criterion("role", 30, (ValueRule(100, one_of=("head of IT", "CIO")), ValueRule(0, otherwise=True))),
    Criterion("size", 30, (ValueRule(100, at_least=50, at_most=5000), ValueRule(0, otherwise=True))),
    Criterion("industry", 20, (ValueRule(100, one_of=("finance",)), ValueRule(20, otherwise=True))),
    Criterion("country", 20, (ValueRule(100, one_of=("PL", "CZ")), ValueRule(0, otherwise=True))),
)
MODEL = Model(
    "default",
    fit=FIT,
    rules=(
        Rule("visits", "page_view", 2, half(30), per_day=6, group="web"),
        Rule("ebooks", "download", 15, half(60), dedupe="asset", group="content", cap=40),
        Rule("clicks", "email_click", 5, half(30), dedupe="message", cap=20),
        Rule("webinars", "webinar_attended", 30, half(90), dedupe="asset", cap=40),
        Rule("pricing", "pricing_view", 10, half(14), dedupe="day"),
    ),
    groups={"web": 20},
)


def event(number: int, kind: str, *, days: float = 0, hours: float = 0, **more: object) -> Event:
    return Event(number, kind, NOW - timedelta(days=days, hours=hours), **more)


SEED = [
    *(event(n, "page_view", days=d, path=f"/p{n}") for n, d in enumerate((28, 21, 14, 7, 2), 1)),
    event(6, "download", days=20, content="ebook-a"),
    event(7, "download", days=5, content="ebook-b"),
]
WEBINAR = event(8, "webinar_attended", hours=18, content="webinar-phones", minutes=60)


def test_v1_the_lead_of_the_article_scores_33_400() -> None:
    got = score.lines(SEED, MODEL, at=NOW)
    assert got.score == 33_400
    by_event = {line.event_id: line.points for line in got.lines}
    assert [by_event[n] for n in range(1, 8)] == [1047, 1231, 1447, 1701, 1910, 11906, 14158]
    assert score.engagement_band(got.score, MODEL) == 3


def test_v2_its_fit_is_80_to_100_with_four_fifths_known() -> None:
    values = {"role": Value("head of IT"), "size": Value(250), "country": Value("PL")}
    got = fit.fit(values, MODEL, at=NOW)
    assert (got.low, got.high, got.coverage, got.band, got.unknown) == (80_000, 100_000, 0.8, "A", ("industry",))


def test_v4_a_webinar_adds_29_827() -> None:
    got = score.lines([*SEED, WEBINAR], MODEL, at=NOW)
    assert got.score == 63_227
    assert score.engagement_band(got.score, MODEL) == 2


def test_v6_after_ninety_silent_days_25_047_is_left() -> None:
    later = NOW + timedelta(days=90)
    got = score.lines([*SEED, WEBINAR], MODEL, at=later)
    assert got.score == 25_047
    assert score.engagement_band(got.score, MODEL) == 3


def test_v7_after_a_recycle_only_new_events_count() -> None:
    later = NOW + timedelta(days=100)
    click = Event(9, "email_click", later, message_id=5)
    got = score.lines([*SEED, WEBINAR, click], MODEL, at=later, baseline_at=NOW)
    assert got.score == 5_000
    assert score.total([*SEED, WEBINAR, click], MODEL, at=later) > 5_000


def test_v8_four_clicks_in_one_message_count_once() -> None:
    clicks = [event(n, "email_click", message_id=7) for n in range(1, 5)]
    got = score.lines(clicks, MODEL, at=NOW)
    assert got.score == 5_000
    assert [line.kind for line in got.lines] == ["event", "duplicate", "duplicate", "duplicate"]


def test_v9_linear_decay() -> None:
    decay = Decay("linear", days=30, percent=50)
    left = [score.factor(decay, days * 24) for days in (0, 15, 30, 45, 60, 90)]
    assert left == [Decimal(x) for x in ("1", "0.75", "0.5", "0.25", "0", "0")]


def test_a_known_value_that_no_rule_names_gets_what_the_rest_gets() -> None:
    got = fit.fit({"role": Value("CIO"), "size": Value(9), "industry": Value("farming"), "country": Value("US")}, MODEL,
                  at=NOW)
    assert (got.low, got.high, got.unknown) == (34_000, 34_000, ()), "30 of the role, 20 % of 20 of the industry"


def test_v10_unknown_is_an_interval_and_not_bad() -> None:
    got = fit.fit({"role": Value("CIO"), "country": Value("CZ")}, MODEL, at=NOW)
    assert (got.low, got.high, got.coverage, got.band, got.band_high) == (50_000, 100_000, 0.5, "B", "A")
    assert got.unknown == ("size", "industry")
