"""The way back: reasons, cool-offs, tracks, samples."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nurture.decide import recycle, resolver
from nurture.errors import Refused
from nurture.model.agreement import RecycleReason
from nurture.model.company import TrackRule
from nurture.model.facts import ConsentState, Event, Lead, Sent, Snapshot, Value
from nurture.model.words import Channel, ConsentStatus, Purpose, Stage
from tests.sales.world import AGREEMENT, TRACKS

NOW = datetime(2026, 11, 22, 9, tzinfo=UTC)
YES = ConsentState(ConsentStatus.GRANTED)
CONSENTS = {(Purpose.PRIVACY_NOTICE, Channel.EMAIL): YES, (Purpose.NURTURE_EMAIL, Channel.EMAIL): YES}


def back(reason: str, *, revisit: date | None = None) -> recycle.WayBack:
    found = recycle.reason_of(AGREEMENT, reason, by="crm")
    return recycle.way_back(found, now=NOW, calendar=AGREEMENT.calendar, revisit_on=revisit, tracks=TRACKS)


@pytest.mark.parametrize(
    ("reason", "days", "mode", "track"),
    [
        ("bad_timing", 90, "low_touch", "long_cycle"),
        ("no_budget", 180, "low_touch", "business_case"),
        ("not_decision_maker", 14, "normal", "champion"),
        ("still_researching", 7, "normal", "education"),
        ("score_too_early", 14, "normal", None),
        ("unresponsive", 30, "silent", "reengage"),
        ("missing_data", 0, "normal", "profiling"),
        ("chose_competitor", 270, "silent", "switch"),
        ("sla_expired", 0, "normal", None),
        ("churned", 180, "silent", "win_back"),
        ("opp_lost:price", 120, "low_touch", None),
    ],
)
def test_each_reason_knows_its_way_back(reason: str, days: int, mode: str, track: str | None) -> None:
    got = back(reason)
    assert got.cool_off_until == (NOW + timedelta(days=days) if days else None)
    assert (got.mode, got.track, got.baseline_at) == (mode, track, NOW)
    assert got.carryover == (1.0 if reason in ("missing_data", "sla_expired") else 0.0)


def test_v21_a_date_to_come_back_on_ends_the_cool_off_thirty_days_before() -> None:
    until = back("bad_timing", revisit=date(2027, 3, 1)).cool_off_until
    assert until == datetime(2027, 1, 29, 23, tzinfo=UTC), "30 January in Warsaw"
    with pytest.raises(Refused, match="not in the future"):
        back("bad_timing", revisit=date(2026, 11, 22))


def test_reasons_are_a_closed_list() -> None:
    for wrong in (None, "", "because"):
        with pytest.raises(Refused):
            recycle.reason_of(AGREEMENT, wrong)
    with pytest.raises(Refused) as no:
        recycle.reason_of(AGREEMENT, "sla_expired")
    assert no.value.code == "not_yours"
    own = replace(AGREEMENT, recycle_reasons={"later": RecycleReason("later", "later", cool_off_days=5)})
    assert recycle.reason_of(own, "later").cool_off_days == 5
    assert recycle.reason_of(own, "missing_data").track == "profiling"
    with pytest.raises(Refused):
        recycle.reason_of(own, "bad_timing")


def person(stage: Stage = Stage.NURTURING, *, consents: object = CONSENTS, events: tuple[Event, ...] = (),
           sent: tuple[Sent, ...] = (), **lead: object) -> Snapshot:
    return Snapshot(Lead(1, stage, "a@example.org", **lead), events, consents, sent)


def choose(snapshot: Snapshot, tracks: object = TRACKS) -> resolver.Choice:
    return resolver.choose(snapshot, tracks, AGREEMENT, now=NOW)


def test_the_resolver_asks_in_order() -> None:
    """§7.3"""
    assert choose(person(consents={})).track is None
    assert choose(replace(person(), suppressions=frozenset({"complained:all"}))).track is None
    assert choose(person(Stage.SAL)).track is None
    assert choose(person(Stage.RECYCLED, recycle_reason="no_budget")).track == "business_case"
    assert choose(person(Stage.RECYCLED, recycle_reason="score_too_early", track="champion")).track == "champion"
    assert choose(person(Stage.DORMANT)).track == "repermission"
    assert choose(person(Stage.EARLY)).track == "welcome"
    ruled = replace(TRACKS, rules=(TrackRule("r1", "nowhere"), TrackRule("r2", "business_case")))
    assert choose(person(), ruled).rule == "r2"
    assert choose(person()).track == "education"


@given(st.integers(1, 10**9), st.integers(0, 100))
def test_samples_are_stable_and_nested(lead: int, percent: int) -> None:
    inside = resolver.in_holdout(lead, "education", percent)
    assert inside == resolver.in_holdout(lead, "education", percent)
    if inside and percent < 100:
        assert resolver.in_holdout(lead, "education", percent + 1), "raising the share lets nobody out"
    assert not resolver.in_exploration(lead, 1, 0.0)


def test_samples_have_their_size() -> None:
    share = sum(resolver.in_holdout(n, "education", 10) for n in range(20_000)) / 20_000
    assert abs(share - 0.1) < 0.01
    explored = sum(resolver.in_exploration(n, 1, 1.0) for n in range(20_000)) / 20_000
    assert abs(explored - 0.01) < 0.003


def test_what_changed_since_the_refusal() -> None:
    then = NOW - timedelta(days=10)
    fields = {"role": Value("CIO", at=NOW - timedelta(days=1)), "company": Value("Acme", at=then - timedelta(days=9))}
    seen = person(fields=fields, events=(
        Event(1, "download", then - timedelta(days=1), content="old"), Event(2, "download", NOW, content="new"),
        Event(3, "email_open", NOW), Event(4, "page_view", NOW, machine=True),
    ))
    told = recycle.changed_since(seen, then, NOW)
    assert [row["about"] for row in told] == ["new", "role: CIO"]
