"""Attendance reports of the common webinar tools, lists, and results that come back; each twice is once."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from nurture.errors import UsageError
from nurture.intake import attendance, listing
from nurture.intake.map_file import read_map
from nurture.intake.people import PeopleImport, Source
from nurture.intake.results import read_results, record_history
from nurture.intake.webinar_tools import Attendee, read_report
from nurture.model.tokens import Keys
from nurture.store import Store
from nurture.store.audience import leads
from nurture.store.tables import metadata
from tests.conftest import ROOT

KEYS = Keys.from_secrets(["a secret of thirty-two characters"])
WARSAW = ZoneInfo("Europe/Warsaw")

REPORTS = Path(__file__).parent / "reports"
"""Made-up people in the form in which each tool exports them."""


def report_of(tool: str) -> bytes:
    return (REPORTS / f"{tool}.csv").read_bytes()


def people_of(raw: bytes, tool: str) -> tuple[dict[str, Attendee], list[tuple[int, str]]]:
    found, skipped = read_report(raw, tool, zone=WARSAW)
    return {one.key: one for one in found}, skipped


def test_zoom_adds_up_two_devices_and_leaves_the_host_out() -> None:
    people, skipped = people_of(report_of("zoom"), "zoom")
    assert set(people) == {"ann@example.org", "bob@example.org"}
    ann = people["ann@example.org"]
    assert (ann.attended, ann.seconds, ann.joined) == (True, 3600, datetime(2026, 11, 20, 9, tzinfo=UTC))
    assert (ann.first_name, ann.last_name) == ("Ann", "Lee")
    assert not people["bob@example.org"].attended
    assert skipped == [(13, "no address for `Guest`")]


def test_teams_is_utf16_with_tabs_and_tells_organizers_apart() -> None:
    people, _ = people_of(report_of("teams"), "teams")
    assert set(people) == {"ann@example.org"}
    assert people["ann@example.org"].seconds == 59 * 60 + 30


@pytest.mark.parametrize("tool", ["gotowebinar", "livestorm"])
def test_gotowebinar_and_livestorm(tool: str) -> None:
    people, skipped = people_of(report_of(tool), tool)
    assert people["ann@example.org"].seconds == 3600
    assert not people["bob@example.org"].attended
    assert people["bob@example.org"].registered == datetime(2026, 11, 11, 7, tzinfo=UTC)
    assert skipped == []


@pytest.mark.parametrize(
    ("length", "seconds"), [("57", 3420), ("57 minutes", 3420), ("00:57:12", 3432), ("1 godz. 3 min", 3780), ("", 0)]
)
def test_any_tool_that_names_an_address_and_a_length(length: str, seconds: int) -> None:
    people, _ = people_of(f"E-mail;Duration;Attended\nann@example.org;{length};yes\n".encode(), "generic")
    assert people["ann@example.org"].seconds == seconds


@pytest.mark.parametrize("length", ["inf", "nan", "1e300", "99999999", "soon"])
def test_a_length_that_cannot_be_costs_its_row_only(length: str) -> None:
    people, skipped = people_of(f"Email,Duration\nann@example.org,{length}\nbob@example.org,5\n".encode(), "generic")
    assert set(people) == {"bob@example.org"}
    assert [line for line, _ in skipped] == [2]


@pytest.mark.parametrize("raw", [b"", b"a,b\n1,2\n", b"\x00\xff\x00", "Ž".encode("cp1250") * 50])
def test_a_file_without_people_is_said(raw: bytes) -> None:
    with pytest.raises(UsageError, match="no list of people"):
        read_report(raw, "generic", zone=WARSAW)


def stored(store: Store, table: str, *columns: str) -> list[tuple[object, ...]]:
    with store.read() as conn:
        rows = metadata.tables[table]
        return sorted((tuple(row) for row in conn.execute(select(*(rows.c[name] for name in columns)))), key=repr)


def test_attendance_becomes_events_once(store: Store, now: datetime) -> None:
    people, _ = read_report(report_of("zoom"), "zoom", zone=WARSAW)
    webinar = attendance.Webinar("securing-phones", topic="security")
    options = {"keys": KEYS, "file_name": "zoom.csv", "sha256": "0", "by": "ines"}
    report = attendance.record(store, people, webinar, now=now, **options)
    assert (report.people, report.attended, report.created, report.events) == (2, 1, 2, 4)
    assert stored(store, "event", "kind", "minutes", "content") == [
        ("webinar_attended", 60, "securing-phones"),
        ("webinar_missed", None, "securing-phones"),
        ("webinar_registered", None, "securing-phones"),
        ("webinar_registered", None, "securing-phones"),
    ]
    again = attendance.record(store, people, webinar, now=now, **options)
    assert (again.created, again.events) == (0, 0)
    assert len(stored(store, "import_run", "id")) == 1


def test_a_list_of_registrations_says_nothing_about_who_came(store: Store, now: datetime) -> None:
    """S0-27: before the webinar nobody missed it; afterwards the report says who did."""
    people, _ = read_report(report_of("zoom"), "zoom", zone=WARSAW)
    registered = [replace(one, attended=False, seconds=0, joined=None, left=None) for one in people]
    options: dict[str, Any] = {"keys": KEYS, "file_name": "zoom.csv", "sha256": "0", "by": "ines"}
    held = min(one.joined for one in people if one.joined)
    webinar = attendance.Webinar("securing-phones", at=held)
    assert attendance.record(store, registered, webinar, now=held - timedelta(hours=1), **options).events == 2
    assert attendance.record(store, registered, webinar, now=now, **options).events == 0
    assert attendance.record(store, people, webinar, now=now, **options).events == 2
    assert [kind for kind, in stored(store, "event", "kind")] == [
        "webinar_attended", "webinar_missed", "webinar_registered", "webinar_registered"]


def test_only_known_people_where_asked(store: Store, now: datetime) -> None:
    with store.begin() as conn:
        leads.find_or_create(conn, email="ann@example.org", fields={}, origin="declared", source="x", now=now,
                             keys=KEYS)
    people, _ = read_report(report_of("zoom"), "zoom", zone=WARSAW)
    report = attendance.record(store, people, attendance.Webinar("w"), keys=KEYS, now=now, file_name="z", sha256="0",
                               by="x", known_only=True)
    assert (report.unknown, report.created, report.attended) == (1, 0, 1)
    assert len(stored(store, "lead", "id")) == 1


@pytest.mark.parametrize("text", ["email\nann@example.org\nnobody@example.org\nnot an address@\n", "ANN@example.org\n"])
def test_a_list_takes_known_people_only_and_once(store: Store, now: datetime, text: str) -> None:
    with store.begin() as conn:
        leads.find_or_create(conn, email="ann@example.org", fields={}, origin="declared", source="x", now=now,
                             keys=KEYS)
    for added in (1, 0):
        report = listing.add(store, "fair", Source.of(io.BytesIO(text.encode()), "l.csv"), now=now)
        assert (report.added, report.already) == (added, 1 - added)
        assert report.skipped.total == len(text.splitlines()) - (2 if text.startswith("email") else 1)
    assert stored(store, "lead_list", "list_name") == [("fair",)]
    assert stored(store, "event", "kind") == [("list_added",)]


def test_results_come_back_once_and_only_for_known_leads(store: Store, now: datetime) -> None:
    folder = ROOT / "campaigns" / "imports"
    leads_file = b"mql_id,first_contact_date,landing_page_id,origin\naa,2018-01-05,p1,email\nbb,2018-01-06,p1,\n"
    work = PeopleImport(store, Source.of(io.BytesIO(leads_file), "mql.csv"), read_map(folder / "olist.map.yaml"),
                        keys=KEYS, now=now)
    work.forecast()
    assert work.write().created == 2
    deals = (
        b"mql_id,sr_id,won_date,business_segment,lead_type,business_type,declared_monthly_revenue\n"
        b"aa,seller-1,2018-02-26 19:58:54,pet,online medium,reseller,150.5\nzz,s,2018-02-01 00:00:00,,,,0\n"
    )
    rules = read_map(folder / "olist_deals.map.yaml")
    for new in (1, 0):
        source = Source.of(io.BytesIO(deals), "deals.csv")
        reported, skipped, rows = read_results(store, source, rules)
        assert (rows, [line for line, _ in skipped.lines]) == (2, [3])
        assert reported[0].amount == 15050
        told = record_history(store, reported, rules, now=now, file_name="d", sha256="0", by="x")
        assert told == new
    assert ("crm_won", datetime(2018, 2, 26, 21, 58, 54, tzinfo=UTC)) not in stored(store, "event", "kind")
    kinds = [kind for (kind,) in stored(store, "event", "kind")]
    assert kinds == ["crm_mql", "crm_mql", "crm_won", "imported", "imported", "tag_added", "tag_added"]


def test_both_real_files_import_with_their_maps(sqlite_url: str, shared_data: Path, now: datetime) -> None:
    from nurture.store import open_store

    store = open_store(sqlite_url)
    counts = {}
    for name, rules in (("x_education_leads", "x_education"), ("olist_marketing_qualified_leads", "olist")):
        with (shared_data / f"{name}.csv").open("rb") as content:
            work = PeopleImport(store, Source.of(content, name), read_map(ROOT / f"campaigns/imports/{rules}.map.yaml"),
                                keys=KEYS, now=now)
            forecast = work.forecast()
            report = work.write()
        counts[rules] = (report.rows, report.created, report.skipped.total, forecast.mailable, forecast.prospects)
    assert counts == {"x_education": (4588, 4588, 0, 4206, 0), "olist": (8000, 8000, 0, 0, 8000)}
    store.close()
