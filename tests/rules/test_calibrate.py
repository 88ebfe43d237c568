"""Calibration: intervals as published, points that recover a known truth, and nothing learnt from chance."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nurture.decide import bins, calibrate
from nurture.decide.interval import auc, auc_interval, deciles, drift, for_capacity, sweep, wilson


def chance(*words: object) -> float:
    """A stable number from 0 to 1 for a row."""
    told = "|".join(map(str, words)).encode()
    return int.from_bytes(hashlib.blake2b(told, digest_size=8).digest(), "big") / 2**64


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    [(27, 100, 0.193, 0.364), (4, 100, 0.016, 0.098), (3, 8, 0.137, 0.694), (0, 5, 0.0, 0.434)],
)
def test_v18_wilson(hits: int, n: int, low: float, high: float) -> None:
    share = wilson(hits, n)
    assert (round(share.low, 3), round(share.high, 3)) == (low, high)


@given(st.integers(0, 500), st.integers(0, 500))
def test_an_interval_holds_its_rate_and_stays_a_share(hits: int, more: int) -> None:
    share = wilson(hits, hits + more)
    assert 0.0 <= share.low <= share.rate <= share.high <= 1.0


def test_auc_counts_ties_as_half_and_knows_perfect_and_reversed() -> None:
    assert auc([1, 2, 3, 4], [False, False, True, True]) == 1.0
    assert auc([4, 3, 2, 1], [False, False, True, True]) == 0.0
    assert auc([1, 1, 1, 1], [False, True, False, True]) == 0.5
    assert auc([1, 2], [True, True]) == 0.5


def test_one_kind_of_outcome_alone_says_nothing_of_a_model() -> None:
    assert auc_interval(0.5, 9, 0) == auc_interval(0.5, 0, 9) == (0.0, 1.0)
    low, high = auc_interval(0.8, 200, 200)
    assert 0.75 < low < 0.8 < high < 0.85


@settings(max_examples=100)
@given(st.lists(st.tuples(st.integers(-9, 9), st.booleans()), min_size=2, max_size=40))
def test_auc_is_the_share_of_pairs_in_the_right_order(rows: list[tuple[int, bool]]) -> None:
    good = [score for score, won in rows if won]
    bad = [score for score, won in rows if not won]
    if not good or not bad:
        return
    pairs = sum((a > b) + 0.5 * (a == b) for a in good for b in bad) / (len(good) * len(bad))
    assert auc([s for s, _ in rows], [w for _, w in rows]) == pytest.approx(pairs)


def test_deciles_cover_everybody_once() -> None:
    scores = list(range(95))
    found = deciles(scores, [score >= 60 for score in scores])
    assert sum(one.share.n for one in found) == 95
    assert found[0].lift == pytest.approx(95 / 35)
    assert found[-1].captured == 1.0


def test_the_threshold_is_the_lowest_that_sales_can_take() -> None:
    cuts = sweep([10, 20, 20, 30, 40], [False, False, True, True, True])
    chosen = for_capacity(cuts, 2)
    assert chosen is not None
    assert (chosen.threshold, chosen.handed, chosen.won.hits) == (30, 2, 2)
    assert for_capacity(cuts, 0) is None


def test_drift_is_nothing_for_the_same_and_large_for_another_crowd() -> None:
    assert drift([10, 20, 30], [100, 200, 300]) == pytest.approx(0.0)
    assert drift([90, 10], [10, 90]) > 0.25


def truth(n: int = 4000) -> tuple[dict[str, list[bins.Value]], list[bool]]:
    """Rows whose chance of being won depends on role and visits and on nothing else."""
    table: dict[str, list[bins.Value]] = {"role": [], "visits": [], "colour": []}
    outcomes: list[bool] = []
    for row in range(n):
        role = ("head", "clerk", "student", None)[int(chance("role", row) * 4)]
        visits = float(int(chance("visits", row) * 12))
        table["role"].append(role)
        table["visits"].append(visits)
        table["colour"].append(("red", "blue")[int(chance("colour", row) * 2)])
        odds = 0.15 + (0.4 if role == "head" else -0.1 if role == "student" else 0.0) + (0.25 if visits >= 6 else 0.0)
        outcomes.append(chance("won", row) < odds)
    return table, outcomes


VALUE = st.one_of(st.none(), st.floats(allow_nan=False), st.text(max_size=5))
NUMERIC = {"role": False, "visits": True, "colour": False}


def test_points_recover_what_made_the_difference() -> None:
    table, outcomes = truth()
    model = calibrate.learn(table, outcomes, numeric=NUMERIC)
    assert model.columns == ("role", "visits")
    assert "colour" in model.left_out
    by_value = {line.one_of: line for line in model.lines if line.one_of}
    assert by_value["head",].points > 0 > by_value["student",].points
    assert by_value["head",].certain
    assert min(line.at_least or 0.0 for line in model.lines if line.column == "visits") == 6.0
    assert all(isinstance(line.points, int) and line.low <= line.points <= line.high for line in model.lines)


def test_the_best_lead_has_a_hundred_points_and_an_unknown_one_none() -> None:
    table, outcomes = truth()
    model = calibrate.learn(table, outcomes, numeric=NUMERIC)
    assert model.score({"role": "head", "visits": 11.0}) == 100
    assert model.score({}) == 0
    assert model.score({"role": "somebody new", "visits": "not a number"}) == 0
    rows = [{name: values[row] for name, values in table.items()} for row in range(50)]
    columns = {name: values[:50] for name, values in table.items()}
    assert model.scores(columns, 50) == [model.score(row) for row in rows]


def test_cross_validation_judges_only_what_it_has_not_seen() -> None:
    table, outcomes = truth()
    found = calibrate.cross_validate(table, outcomes, numeric=NUMERIC)
    assert found.auc == pytest.approx(0.78, abs=0.03)
    assert abs(found.memorised) < 0.02
    coin = [chance("coin", row) < 0.3 for row in range(len(outcomes))]
    luck = calibrate.cross_validate(table, coin, numeric=NUMERIC)
    assert luck.auc == pytest.approx(0.5, abs=0.03)


def test_many_empty_promises_do_not_make_a_model() -> None:
    rows = 600
    table: dict[str, list[bins.Value]] = {
        f"noise{i}": [f"v{int(chance(i, row) * 5)}" for row in range(rows)] for i in range(30)
    }
    outcomes = [chance("coin", row) < 0.3 for row in range(rows)]
    found = calibrate.cross_validate(table, outcomes, numeric=dict.fromkeys(table, False))
    assert found.auc == pytest.approx(0.5, abs=0.08)


def test_too_few_outcomes_are_said_plainly() -> None:
    assert calibrate.enough([True] * 19 + [False] * 500) is not None
    assert "19 good" in (calibrate.enough([True] * 19 + [False] * 500) or "")
    assert calibrate.enough([True] * 20 + [False] * 20) is None


def test_the_same_rows_give_the_same_points_in_any_run() -> None:
    table, outcomes = truth(1500)
    one = calibrate.learn(table, outcomes, numeric=NUMERIC)
    two = calibrate.learn(dict(table), list(outcomes), numeric=NUMERIC)
    assert one.lines == two.lines


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(VALUE, st.booleans()), max_size=60))
def test_every_value_falls_into_a_group(rows: list[tuple[bins.Value, bool]]) -> None:
    values = [value for value, _ in rows]
    outcomes = [won for _, won in rows]
    for numeric in (bins.is_number(values), False):
        groups = bins.group("x", values, outcomes, numeric=numeric, least=3)
        codes = groups.codes(values)
        assert all(0 <= code < groups.size for code in codes)
        assert all(code == bins.UNKNOWN for code, value in zip(codes, values, strict=True) if value is None)
