"""Reports: two denominators, skipped stages not filled in, young cohorts marked, ever missed and past due apart."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from nurture.decide import benchmark
from nurture.decide.report import (
    STEPS,
    alignment,
    break_even,
    by_source,
    expected,
    funnel,
    pace,
    profiles,
    sla,
    stagnant,
)
from nurture.model.report import Journey, Level, Past, Stay, Timer, Trip

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)


def day(n: int) -> datetime:
    """So many days before now."""
    return NOW - timedelta(days=n)


def journey(lead: int, acquired: int, *detours: str, source: str = "fair", cycle: int = 1, **reached: int) -> Journey:
    entered = {name: day(n) for name, n in reached.items()}
    return Journey(lead, cycle, day(acquired), entered, frozenset(detours), source)


def test_every_rate_has_two_denominators() -> None:
    found = funnel(
        [journey(1, 300, early=299, fit=290, mql=280, sal=279), journey(2, 300, early=299, fit=250),
         journey(3, 300, "disqualified", early=299), journey(4, 300)],
        now=NOW,
    ).total
    fit, mql = found.step("fit"), found.step("mql")
    assert (fit.reached, fit.of_acquired.rate, fit.previous) == (2, 0.5, "early")
    assert fit.of_previous is not None
    assert fit.of_previous.rate == pytest.approx(2 / 3)
    assert mql.of_previous is not None
    assert (mql.of_previous.rate, mql.of_acquired.rate) == (0.5, 0.25)
    assert found.detours == {"recycled": 0, "disqualified": 1, "dormant": 0}


def test_skipped_stages_are_said_and_not_filled_in() -> None:
    """Leads that come as MQLs and are won elsewhere never were early, SAL or SQL here."""
    found = funnel([journey(n, 300, mql=300, **({"won": 200} if n < 2 else {})) for n in range(10)], now=NOW).total
    assert [(s.name, s.reached, s.skipped) for s in found.steps if s.name in ("early", "sal", "won")] == [
        ("early", 0, 10), ("sal", 0, 2), ("won", 2, 0)
    ]
    won = found.step("won")
    assert (won.previous, won.of_previous and won.of_previous.rate) == ("mql", 0.2)


def test_a_person_counts_once_per_cycle_and_new_names_apart() -> None:
    found = funnel(
        [journey(1, 300, mql=290), journey(1, 100, cycle=2, mql=99), journey(2, 300, mql=200)], now=NOW
    ).total
    assert found.step("acquired").reached == 3
    assert (found.mql_new, found.mql_existing) == (1, 2)


def test_young_cohorts_are_marked_by_how_long_winning_takes() -> None:
    old = [journey(n, 400, won=340) for n in range(30)]
    fresh = [journey(100 + n, 20) for n in range(5)]
    found = funnel(old + fresh, now=NOW)
    assert (found.mature_days, found.known_mature) == (60, True)
    assert [cohort.young for cohort in found.cohorts] == [False, True]
    assert funnel(fresh, now=NOW).known_mature is False


def test_cohorts_by_source_sum_to_all() -> None:
    rows = [journey(n, 300, source=("fair", "web")[n % 2], **({"mql": 290} if n % 3 else {})) for n in range(30)]
    found = funnel(rows, now=NOW, by=by_source)
    assert [cohort.name for cohort in found.cohorts] == ["fair", "web"]
    for step in STEPS:
        assert sum(cohort.step(step).reached for cohort in found.cohorts) == found.total.step(step).reached


def test_an_empty_store_is_an_empty_funnel() -> None:
    found = funnel([], now=NOW)
    assert found.cohorts == ()
    assert all(step.reached == 0 for step in found.total.steps)


def test_v19_what_a_selection_is_worth() -> None:
    won, per_hundred = expected(100, 20, 0.27)
    assert (round(won, 1), round(per_hundred, 1)) == (5.4, 5.4)
    assert round(100 * break_even(0.27, 0.04), 1) == 14.8


def test_several_stays_in_one_stage_add_up() -> None:
    stays = [Stay(1, 1, "mql", day(50), day(48)), Stay(1, 1, "mql", day(20), day(14)),
             Stay(2, 1, "mql", day(9), day(5)), Stay(3, 1, "mql", day(3), None)]
    found = pace(stays, ["early", "mql"])
    assert [(p.stage, p.people, p.median_days, p.inside) for p in found] == [("mql", 2, 6.0, 1)]


def test_ever_missed_and_past_due_are_two_numbers() -> None:
    def timer(due: int, *, met: int | None = None, breached: int | None = None, closed: int | None = None) -> Timer:
        moments = [None if n is None else day(n) for n in (met, breached, closed)]
        return Timer("decision", "jana", day(due + 1), day(due), *moments)

    rows = sla([timer(10, met=11), timer(10, met=5, breached=10), timer(10, breached=10), timer(10),
                timer(-5), timer(10, closed=11)], now=NOW)
    assert len(rows) == 1
    row = rows[0]
    assert (row.timers, row.met_in_time, row.ever_missed, row.past_due, row.running) == (6, 1, 3, 2, 3)


def test_alignment_counts_decisions_and_never_the_undecided() -> None:
    found = alignment([
        Trip(1, "accepted", "jana", "A1", "fair", accepted=True), Trip(2, "rejected", "jana", "B2", reason="other"),
        Trip(3, "recycled", "petr", "A1", reason="bad_timing", accepted=True), Trip(4, "open", "petr", "A1"),
        Trip(5, "expired", "petr", "A1", rework=True),
    ])
    total = found["all"][0]
    assert (total.trips, total.decided, total.accepted.hits) == (5, 3, 2)
    assert total.reasons == {"bad_timing": 1, "other": 1}
    assert total.other.rate == 0.5
    assert [row.name for row in found["owner"]] == ["jana", "petr"]
    assert [row.name for row in found["source"]] == ["fair", "unknown"]


def test_won_leads_stand_beside_the_others_as_they_were() -> None:
    found = profiles([
        Past(1, "won", "A1", 80.0, 4, "fair", ("form", "webinar_attended"), ("guide", "guide"), 30.0),
        Past(2, "won", "A2", 60.0, 4, "web", ("webinar_attended",), ("guide",), 10.0),
        Past(3, "rejected", "B2", 40.0, 3, None, (), (), 0.0),
    ])
    assert [p.end for p in found] == ["won", "rejected"]
    won = found[0]
    assert (won.leads, won.median_engagement, won.median_days) == (2, 70.0, 20.0)
    assert won.contents == {"guide": 2}
    assert won.last_touches == {"webinar_attended": 2, "form": 1}


def test_stagnation_is_beyond_the_limit_and_longest_first() -> None:
    stays = [Stay(1, 1, "mql", day(4), None), Stay(2, 1, "mql", day(9), None), Stay(3, 1, "mql", day(2), None),
             Stay(4, 1, "mql", day(30), day(1)), Stay(5, 1, "customer", day(900), None)]
    assert [(row["lead"], row["days"]) for row in stagnant(stays, {"mql": 3}, now=NOW)] == [(2, 9), (1, 4)]


BENCHMARKS = {"won_per_handed": 0.27, "won_per_handed_untreated": 0.04, "ready_at_first_touch": [0.05, 0.15],
              "handed_share": 0.20, "of_our_own": "whatever"}


def company(acquired: int, handed: int, won: int) -> list[Journey]:
    """A company like that of the article: one in five handed over, some of them at once."""
    return [
        journey(n, 300, **({"mql": 300 if n < handed // 2 else 250} if n < handed else {}),
                **({"won": 100} if n < won else {}))
        for n in range(acquired)
    ]


def test_the_companys_rates_stand_beside_the_benchmarks_each_with_its_denominator_and_view() -> None:
    """S3-11, S3-16, S1-17: about a fifth, 27 % against 4 %; whose view it is."""
    told = {(c.name, c.of): c for c in benchmark.compare(company(1000, 200, 54), BENCHMARKS)}
    handed, won = told["handed over", "acquired"], told["won", "handed over"]
    assert (handed.share.rate, handed.told, handed.view) == (0.2, "in line", "marketing")
    assert (won.share.rate, won.told, won.view) == (0.27, "in line", "both")
    assert told["handed over within a day", "acquired"].share.hits == 100
    assert told["won", "acquired"].share.rate == pytest.approx(0.054)
    untreated = {c.of: c.told for c in benchmark.compare(company(1000, 900, 36), BENCHMARKS) if c.name == "won"}
    assert untreated["handed over"] == "below"
    few = benchmark.compare(company(20, 4, 2), BENCHMARKS)
    assert {c.told for c in few} == {"not enough data"}, "two of four are no 50 %"


@pytest.mark.parametrize("wrong", [None, "many", [0.5], [0.3, 0.1], 2, -0.1, {"a": 1}])
def test_a_benchmark_that_is_no_share_is_none(wrong: object) -> None:
    assert benchmark.band_of(wrong) is None


def test_selecting_pays_from_a_share_on() -> None:
    """V19 with the company's own rate: 4/27 of all acquired have to be handed over."""
    worth = benchmark.worth_it(company(1000, 200, 54), BENCHMARKS)
    assert worth is not None and worth[0] == pytest.approx(0.148, abs=0.001) and worth[1].rate == 0.2
    assert benchmark.worth_it(company(20, 4, 2), BENCHMARKS) is None
    assert benchmark.worth_it(company(1000, 200, 54), {}) is None


def test_a_stage_that_keeps_the_wrong_people_is_said() -> None:
    """S2-04: fewer and better from stage to stage."""
    good = [journey(n, 300, mql=290, **({"sal": 280} if n < 60 else {}), **({"won": 100} if n < 50 else {}))
            for n in range(200)]
    assert benchmark.upside_down(benchmark.quality(good)) == []
    wrong = [journey(n, 300, mql=290, **({"sal": 280} if n >= 100 else {}), **({"won": 100} if n < 90 else {}))
             for n in range(200)]
    assert ("mql", "sal") in benchmark.upside_down(benchmark.quality(wrong))


def test_levels_of_ones_own_are_counted_once_per_lead() -> None:
    """S1-19, S4-02."""
    who = ((1, 1), (1, 1), (2, 1), (1, 2))
    moves = [Level(lead, cycle, "met", day(3)) for lead, cycle in who]
    found = benchmark.by_level(moves, ["called", "met"], 10)
    assert [(name, share.hits, share.n) for name, share in found] == [("called", 0, 10), ("met", 3, 10)]
