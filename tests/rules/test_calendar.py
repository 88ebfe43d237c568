"""Calendar steps, business days and business minutes, across clock changes."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nurture.decide.calendar import add, add_business_minutes, business_days_on, closed_days, resolve
from nurture.model.agreement import Calendar
from tests.rules.engine import BERLIN, at, wait

WARSAW = Calendar("Europe/Warsaw", 9 * 60, 17 * 60, holidays=frozenset({date(2026, 11, 11)}))


@pytest.mark.parametrize(
    ("start", "minutes", "end"),
    [
        ("2026-11-20T16:30", 480, "2026-11-23T16:30"),
        ("2026-11-21T11:00", 60, "2026-11-23T10:00"),
        ("2026-10-23T16:00", 480, "2026-10-26T16:00"),
        ("2026-11-10T16:00", 480, "2026-11-12T16:00"),
        ("2026-11-23T09:00", 480, "2026-11-23T17:00"),
        ("2026-11-23T03:00", 1, "2026-11-23T09:01"),
        ("2026-11-23T17:00", 0, "2026-11-23T17:00"),
    ],
)
def test_business_minutes_of_the_golden_vectors(start: str, minutes: int, end: str) -> None:
    assert add_business_minutes(at(start, "Europe/Warsaw"), minutes, WARSAW) == at(end, "Europe/Warsaw")


def test_a_clock_change_between_does_not_move_the_local_hour() -> None:
    due = add_business_minutes(at("2026-10-23T16:00", "Europe/Warsaw"), 480, WARSAW)
    assert due == datetime(2026, 10, 26, 15, 0, tzinfo=UTC)


def test_a_calendar_without_open_days_is_an_error() -> None:
    with pytest.raises(ValueError, match="never opens"):
        add_business_minutes(at("2026-11-23T09:00"), 10, Calendar(days=frozenset()))


def test_public_holidays_of_a_country_are_closed_for_business_minutes() -> None:
    polish = Calendar("Europe/Warsaw", 9 * 60, 17 * 60, country="PL")
    start = at("2026-11-10T16:00", "Europe/Warsaw")
    assert add_business_minutes(start, 480, polish) == at("2026-11-12T16:00", "Europe/Warsaw")


def test_business_days_skip_weekends_and_holidays() -> None:
    poland = closed_days("PL")
    assert business_days_on(date(2026, 11, 10), 1, poland) == date(2026, 11, 12)
    assert business_days_on(date(2026, 11, 10), 1, None) == date(2026, 11, 11)
    assert business_days_on(date(2026, 11, 13), 5, None) == date(2026, 11, 20)
    assert closed_days("PL", ["2026-11-12"])(date(2026, 11, 12))
    assert not closed_days("ZZ")(date(2026, 12, 25))
    assert not closed_days(None)(date(2026, 12, 25))


def test_a_business_day_wait_keeps_the_hour() -> None:
    start = at("2026-11-10T16:20", "Europe/Warsaw")
    due = add(start, wait(1, "business_days"), ZoneInfo("Europe/Warsaw"), closed=closed_days("PL"))
    assert due == at("2026-11-12T16:20", "Europe/Warsaw")


def test_days_are_calendar_steps_and_hours_are_exact() -> None:
    before = at("2026-10-24T12:00", "Europe/Berlin")
    assert add(before, wait(1), BERLIN) == at("2026-10-25T12:00", "Europe/Berlin")
    assert add(before, wait(1), BERLIN) - before == timedelta(hours=25)
    assert add(before, wait(24, "hours"), BERLIN) - before == timedelta(hours=24)
    assert add(before, wait(90, "minutes"), BERLIN) - before == timedelta(minutes=90)


def test_a_skipped_time_is_the_first_moment_after_the_gap() -> None:
    assert resolve(date(2026, 3, 29), 2 * 60 + 30, BERLIN) == at("2026-03-29T01:00")
    start = at("2026-03-28T02:30", "Europe/Berlin")
    assert add(start, wait(1), BERLIN) == at("2026-03-29T01:00")


def test_a_time_that_comes_twice_is_the_first() -> None:
    assert resolve(date(2026, 10, 25), 2 * 60 + 30, BERLIN) == at("2026-10-25T00:30")


def test_months_end_where_the_month_ends() -> None:
    start = at("2026-01-31T10:00", "Europe/Berlin")
    assert add(start, wait(1, "months"), BERLIN) == at("2026-02-28T10:00", "Europe/Berlin")
    leap = at("2028-02-29T10:00", "Europe/Berlin")
    assert add(leap, wait(1, "years"), BERLIN) == at("2029-02-28T10:00", "Europe/Berlin")
    assert add(start, wait(2, "weeks"), BERLIN) == at("2026-02-14T10:00", "Europe/Berlin")


ZONES = [
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "America/Sao_Paulo",
    "Africa/Cairo",
]


@given(
    st.datetimes(datetime(2024, 1, 1), datetime(2029, 1, 1)),
    st.sampled_from(ZONES),
    st.integers(0, 400),
    st.integers(0, 400),
)
def test_a_longer_wait_is_never_earlier(start: datetime, name: str, one: int, more: int) -> None:
    zone, moment = ZoneInfo(name), start.replace(tzinfo=UTC)
    assert moment - timedelta(hours=1) <= add(moment, wait(one), zone) <= add(moment, wait(one + more), zone)


@given(st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1)), st.integers(0, 3000), st.integers(0, 3000))
def test_business_minutes_add_up(start: datetime, one: int, two: int) -> None:
    moment = start.replace(tzinfo=UTC, microsecond=0)
    halfway = add_business_minutes(moment, one, WARSAW)
    assert (
        add_business_minutes(halfway, two, WARSAW) == add_business_minutes(moment, one + two, WARSAW) or one + two == 0
    )
