"""Business time, escalation, and the patience with small teams (V11 ... V14)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from nurture.decide import sla
from nurture.decide.calendar import add_business_minutes
from nurture.model.agreement import Agreement, Calendar, Sla
from tests.sales.world import AGREEMENT

WARSAW = ZoneInfo("Europe/Warsaw")
CALENDAR = Calendar(zone="Europe/Warsaw", holidays=frozenset({date(2026, 11, 11), date(2026, 12, 25)}))


@pytest.mark.parametrize(("minutes", "start", "due"), [
    (480, (2026, 11, 20, 16, 30), (2026, 11, 23, 16, 30)),
    (60, (2026, 11, 21, 11, 0), (2026, 11, 23, 10, 0)),
    (480, (2026, 10, 23, 16, 0), (2026, 10, 26, 16, 0)),
    (480, (2026, 11, 10, 16, 0), (2026, 11, 12, 16, 0)),
], ids=["V11", "V12", "V13", "V14"])
def test_golden_business_minutes(minutes: int, start: tuple[int, ...], due: tuple[int, ...]) -> None:
    got = add_business_minutes(datetime(*start, tzinfo=WARSAW), minutes, CALENDAR)
    assert got == datetime(*due, tzinfo=WARSAW).astimezone(UTC)


def test_how_long_sales_has_depends_on_cell_and_hurry() -> None:
    assert [
        sla.decision_minutes(AGREEMENT, cell=c, fast=f) for c, f in (("A1", True), ("A1", False), ("B2", False))
    ] == [60, 240, 480]


def steps(
    agreement: Agreement, *, expires: bool, kind: sla.Timed = "decision", passes: bool = False
) -> list[tuple[int, str]]:
    """Every step that a sweep each quarter of an hour takes, of a timer that nobody meets."""
    start = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
    timer = sla.start(kind, agreement, now=start)
    taken: list[tuple[int, str]] = []
    level, now = 0, start
    for _ in range(4 * 24 * 60):
        now += timedelta(minutes=15)
        step = sla.next_step(kind, started=start, due=timer.due_at, minutes=timer.minutes, level=level,
                             agreement=agreement, now=now, expires=expires, passes=passes)
        if step is not None:
            taken.append((step.level, step.action))
            level = step.level
    return taken


def test_an_undecided_lead_is_escalated_in_four_steps() -> None:
    assert steps(AGREEMENT, expires=True) == [
        (100, "remind"),
        (150, "tell_manager"),
        (200, "reassign"),
        (300, "expire"),
    ]


def test_without_expiry_nothing_is_taken_away_and_nothing_is_forgotten() -> None:
    """60 days of nobody deciding: 480 business minutes are a day, so 2400 percent are 24 working days."""
    told = [(n, "tell_manager") for n in (150, 300, 600, 1200, 2400)]
    assert steps(AGREEMENT, expires=False) == [(100, "remind"), *told]
    assert steps(AGREEMENT, expires=False, passes=True) == sorted([(100, "remind"), (200, "reassign"), *told])
    assert [sla.may_pass(sellers=n, via=v) for n, v in ((2, "score"), (3, "hand_raise"), (9, "manual_pull"))] == [
        False, True, False]
    assert steps(AGREEMENT, expires=False, kind="qualification") == [(100, "remind")]
    assert steps(AGREEMENT, expires=True, kind="qualification") == [(100, "expire")]
    assert steps(AGREEMENT, expires=True, kind="first_touch") == [(100, "remind"), (150, "tell_manager")]


def test_small_teams_and_people_who_asked_are_treated_with_patience() -> None:
    assert not sla.may_expire(AGREEMENT, sellers=2, fast=False, via="score")
    assert sla.may_expire(AGREEMENT, sellers=3, fast=False, via="score")
    assert not sla.may_expire(AGREEMENT, sellers=9, fast=True, via="hand_raise")
    wanted = Agreement(1, date(2026, 1, 1), date(2027, 1, 1), sla=Sla(expire=True))
    assert sla.may_expire(wanted, sellers=1, fast=False, via="score")


def test_a_decision_may_be_taken_back_until_the_next_working_day_closes() -> None:
    friday = datetime(2026, 11, 20, 14, 0, tzinfo=UTC)
    assert sla.end_of_next_working_day(friday, AGREEMENT) == datetime(2026, 11, 23, 16, 0, tzinfo=UTC)
    before_holiday = datetime(2026, 11, 10, 14, 0, tzinfo=UTC)
    assert sla.end_of_next_working_day(before_holiday, AGREEMENT) == datetime(2026, 11, 12, 16, 0, tzinfo=UTC)


def test_a_late_step_is_due_at_once_and_only_the_next_one() -> None:
    start = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
    timer = sla.start("decision", AGREEMENT, now=start)
    step = sla.next_step("decision", started=start, due=timer.due_at, minutes=timer.minutes, level=0,
                         agreement=AGREEMENT, now=start + timedelta(days=30), expires=True)
    assert step is not None and (step.level, step.action) == (100, "remind")


def test_a_step_is_due_at_its_moment_and_not_before() -> None:
    start = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
    timer = sla.start("decision", AGREEMENT, now=start)
    given = {"started": start, "due": timer.due_at, "minutes": timer.minutes, "level": 0, "agreement": AGREEMENT}
    early = timer.due_at - timedelta(microseconds=1)
    assert sla.next_step("decision", **given, now=early, expires=True) is None
    assert sla.next_step("decision", **given, now=timer.due_at, expires=True) is not None
