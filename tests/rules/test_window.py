"""Sending windows: every zone, midnight, both clock changes; traps T1, T3 and T7 of other engines."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from nurture.decide.window import is_open, next_close, next_open, slot, zone_of
from nurture.model.campaign import Window
from nurture.model.company import Company
from tests.rules.engine import BERLIN, COMPANY, OFFICE, at, campaign, snapshot

NIGHT = Window(frozenset(range(5)), 21 * 60, 6 * 60)
EVENING = Window(frozenset(range(5)), 21 * 60, 24 * 60)


@pytest.mark.parametrize(
    ("zone", "local", "window", "opens"),
    [
        ("America/New_York", "2026-06-05T12:00", EVENING, "2026-06-05T21:00"),
        ("Asia/Tokyo", "2026-06-05T12:00", Window(frozenset(range(5)), 8 * 60, 10 * 60), "2026-06-08T08:00"),
        ("America/New_York", "2026-10-30T18:00", OFFICE, "2026-11-02T09:00"),
        ("Europe/Berlin", "2026-06-05T17:00", OFFICE, "2026-06-08T09:00"),
        ("Europe/Berlin", "2026-06-05T16:59", OFFICE, "2026-06-05T16:59"),
        ("Pacific/Kiritimati", "2026-06-05T17:30", OFFICE, "2026-06-08T09:00"),
    ],
)
def test_t1_the_next_opening_is_computed_on_the_local_calendar(
    zone: str, local: str, window: Window, opens: str
) -> None:
    assert next_open(at(local, zone), window, ZoneInfo(zone)) == at(opens, zone)


def test_across_midnight_the_night_belongs_to_the_day_it_began_on() -> None:
    assert is_open(at("2026-06-06T05:59", "Europe/Berlin"), NIGHT, BERLIN), "Saturday morning is still Friday's night"
    assert not is_open(at("2026-06-06T22:00", "Europe/Berlin"), NIGHT, BERLIN)
    assert not is_open(at("2026-06-08T05:00", "Europe/Berlin"), NIGHT, BERLIN), "Sunday's night does not exist"
    assert next_open(at("2026-06-06T06:00", "Europe/Berlin"), NIGHT, BERLIN) == at("2026-06-08T21:00", "Europe/Berlin")
    assert next_close(at("2026-06-05T23:00", "Europe/Berlin"), NIGHT, BERLIN) == at("2026-06-06T06:00", "Europe/Berlin")


def test_equal_ends_are_a_whole_day() -> None:
    whole = Window(frozenset({0}), 8 * 60, 8 * 60)
    assert is_open(at("2026-06-09T07:59", "Europe/Berlin"), whole, BERLIN)
    assert not is_open(at("2026-06-09T08:00", "Europe/Berlin"), whole, BERLIN)


def test_a_window_inside_the_skipped_hour_is_absent_that_day() -> None:
    gap = Window(start=2 * 60, end=2 * 60 + 30)
    assert next_open(at("2026-03-29T00:10"), gap, BERLIN) == at("2026-03-30T02:00", "Europe/Berlin")


def test_a_window_that_begins_in_the_skipped_hour_opens_after_it() -> None:
    late = Window(start=2 * 60 + 30, end=5 * 60)
    assert next_open(at("2026-03-29T00:10"), late, BERLIN) == at("2026-03-29T03:00", "Europe/Berlin")


def test_a_window_inside_the_hour_that_comes_twice_opens_twice() -> None:
    twice = Window(start=2 * 60, end=2 * 60 + 30)
    first = next_open(at("2026-10-24T23:00"), twice, BERLIN)
    assert first == at("2026-10-25T00:00")
    shut = next_close(first, twice, BERLIN)
    assert shut == at("2026-10-25T00:30")
    assert next_open(shut, twice, BERLIN) == at("2026-10-25T01:00")


def test_a_window_without_days_says_so() -> None:
    with pytest.raises(ValueError, match="never opens"):
        next_open(at("2026-06-05T12:00"), Window(frozenset()), BERLIN)


def test_quiet_hours_and_window_together() -> None:
    quiet = Window(start=20 * 60, end=10 * 60, zone="Europe/Berlin")
    assert slot(at("2026-06-05T08:00", "Europe/Berlin"), OFFICE, quiet, BERLIN) == at(
        "2026-06-05T10:00", "Europe/Berlin"
    )
    assert slot(at("2026-06-05T21:00", "Europe/Berlin"), None, quiet, BERLIN) == at("2026-06-06T10:00", "Europe/Berlin")
    never = Window(start=8 * 60, end=18 * 60)
    with pytest.raises(ValueError, match="leave no moment"):
        slot(at("2026-06-05T08:00"), OFFICE, never, BERLIN)


def test_a_window_in_a_named_zone_ignores_the_leads() -> None:
    office = Window(frozenset(range(5)), 9 * 60, 17 * 60, "Asia/Tokyo")
    assert slot(at("2026-06-08T00:30"), office, None, BERLIN) == at("2026-06-08T00:30")


def test_t7_the_zone_falls_back_to_campaign_and_company_never_to_utc() -> None:
    nowhere = {"timezone": None}
    assert zone_of(snapshot().lead, campaign(), COMPANY).key == "Europe/Berlin"
    assert zone_of(snapshot(lead=nowhere).lead, campaign(timezone="Asia/Tokyo"), COMPANY).key == "Asia/Tokyo"
    assert zone_of(snapshot(lead=nowhere).lead, campaign(), COMPANY).key == "Europe/Warsaw"
    assert zone_of(snapshot(lead={"timezone": "Mars/Olympus"}).lead, None, COMPANY).key == "Europe/Warsaw"
    broken = Company("A", "A", "B", "https://example.com", "../etc/passwd", "PL", "en")
    with pytest.raises(ValueError, match="not a time zone"):
        zone_of(snapshot(lead=nowhere).lead, None, broken)


ZONES = [
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "Africa/Casablanca",
    "Pacific/Apia",
    "America/Santiago",
    "Africa/Cairo",
    "Europe/Dublin",
    "UTC",
]
windows = st.builds(Window, st.frozensets(st.integers(0, 6), min_size=1), st.integers(0, 1439), st.integers(0, 1440))


@settings(max_examples=60, deadline=None)
@given(st.datetimes(datetime(2025, 1, 1), datetime(2028, 1, 1)), windows, st.sampled_from(ZONES))
@example(datetime(2026, 3, 29, 0, 10), Window(start=120, end=150), "Europe/Berlin")
@example(datetime(2026, 10, 25, 0, 40), Window(start=130, end=150), "Europe/Berlin")
def test_the_next_opening_is_the_first_open_minute(start: datetime, window: Window, name: str) -> None:
    zone, moment = ZoneInfo(name), start.replace(tzinfo=UTC, second=0, microsecond=0)
    found = next_open(moment, window, zone)
    assert found >= moment
    assert is_open(found, window, zone)
    minute = moment
    while minute < min(found, moment + timedelta(days=2)):
        assert not is_open(minute, window, zone)
        minute += timedelta(minutes=7)
    if found > moment:
        assert not is_open(found - timedelta(seconds=1), window, zone)
