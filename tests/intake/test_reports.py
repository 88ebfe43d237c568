"""Reports over a real store: a real company's funnel, every report on an empty store, safe CSV, clean pictures."""

from __future__ import annotations

import csv
import io
import json
import re
from datetime import date, datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree

import pytest
from sqlalchemy import text

from nurture.cli.common import emit_json
from nurture.decide.sla import DEADLINES
from nurture.insight import reports
from nurture.insight.pictures import Bar, bars, png
from nurture.intake.map_file import read_map
from nurture.intake.people import PeopleImport, Source
from nurture.intake.results import read_results, record_history
from nurture.model.agreement import Agreement
from nurture.model.tokens import Keys
from nurture.store import Store, open_store
from nurture.store.audience import leads
from tests.conftest import ROOT

KEYS = Keys.from_secrets(["a secret of thirty-two characters"])
MAPS = ROOT / "campaigns" / "imports"


def test_the_funnel_of_a_real_company(sqlite_url: str, shared_data: Path, now: datetime) -> None:
    store = open_store(sqlite_url)
    with (shared_data / "olist_marketing_qualified_leads.csv").open("rb") as content:
        work = PeopleImport(store, Source.of(content, "mql.csv"), read_map(MAPS / "olist.map.yaml"), keys=KEYS, now=now)
        work.forecast()
        work.write()
    rules = read_map(MAPS / "olist_deals.map.yaml")
    with (shared_data / "olist_closed_deals.csv").open("rb") as content:
        reported, skipped, rows = read_results(store, Source.of(content, "deals.csv"), rules)
    assert (rows, len(reported), skipped.total) == (842, 842, 0)
    record_history(store, reported, rules, now=now, file_name="deals.csv", sha256="0", by="test")
    found = reports.funnel(store, now=now)
    steps = {step["stage"]: step for step in found.document["total"]["steps"]}
    assert (steps["acquired"]["people"], steps["mql"]["people"], steps["won"]["people"]) == (8000, 8000, 842)
    assert steps["won"]["of_previous"]["rate"] == pytest.approx(0.1052, abs=0.0001)
    assert steps["sal"]["skipped"] == 842
    months = {cohort["name"]: cohort for cohort in found.document["cohorts"]}
    assert (min(months), max(months)) == ("2017-06", "2018-05")
    assert sum(c["steps"][0]["people"] for c in found.document["cohorts"]) == 8000
    assert not any(c["young"] for c in found.document["cohorts"])
    by_source = reports.funnel(store, now=now, by="source").document["cohorts"]
    assert {c["name"] for c in by_source} >= {"paid search", "organic search", "unknown"}
    store.close()


@pytest.mark.parametrize("kind", ["funnel", *reports.KINDS])
def test_every_report_says_something_on_an_empty_store(
    store: Store, now: datetime, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    make = reports.funnel if kind == "funnel" else reports.KINDS[kind]
    found = make(store, now=now)
    emit_json(found.document)
    assert json.loads(capsys.readouterr().out)
    assert list(csv.reader(io.StringIO(reports.as_csv(found))))
    ElementTree.fromstring(found.picture)


@pytest.mark.parametrize(
    "payload", ["=1+1", "+1", "-1", "@A", "\tx", "\rx", "\nx", "＝1", "＋1", "－1", "＠x", '=HYPERLINK("http://x")']
)
def test_no_cell_is_a_formula(payload: str) -> None:
    assert reports.safe_cell(payload) == "'" + payload


def test_numbers_stay_numbers_and_words_stay_words() -> None:
    assert [reports.safe_cell(value) for value in (-3, 2.5, None, "a-b", "")] == [-3, 2.5, None, "a-b", ""]


def test_a_picture_carries_hostile_words_harmlessly() -> None:
    drawn = bars('<script>"', "&amp;", [Bar('"><svg onload=x>', 3, "<b>", 1, 5)])
    tree = ElementTree.fromstring(drawn)
    assert not [node for node in tree.iter() if node.tag.endswith("script")]
    assert "prefers-color-scheme: dark" in drawn
    assert tree.get("role") == "img"


AGREEMENT = Agreement(
    1, date(2026, 1, 1), date(2027, 1, 1), stagnation_days={"early": 10, "nurturing": 20},
    benchmarks={"handed_share": 0.2}, levels={"called": "Somebody called"},
)


def test_limits_of_stagnation_and_benchmarks_are_the_agreements(sqlite_url: str, now: datetime) -> None:
    store = open_store(sqlite_url)
    store.create()
    with store.begin() as conn:
        for n, (stage, days) in enumerate((("early", 11), ("early", 9), ("nurturing", 21), ("mql", 400))):
            leads.find_or_create(conn, email=f"p{n}@example.com", now=now - timedelta(days=days), keys=KEYS,
                                 fields={}, origin="declared", source="test")
            conn.execute(text("update lead set stage = :s where email = :e"), {"s": stage, "e": f"p{n}@example.com"})
    found = reports.stagnation(store, AGREEMENT, now=now)
    assert found.document["counts"] == {"nurturing": 1, "early": 1}
    funnel = reports.funnel(store, AGREEMENT, now=now)
    beside = next(sheet for sheet in funnel.sheets if "benchmarks" in sheet.title)
    assert beside.rows[0][5:] == ("20%", "not enough data")
    assert any("levels" in sheet.title for sheet in funnel.sheets)
    store.close()


def test_every_number_says_whose_view_it_is_and_conversion_never_stands_alone(
    sqlite_url: str, now: datetime
) -> None:
    """S1-17, S4-07: `conversion` may be a form, a lead becoming a contact, or a deal; so it is never said alone."""
    store = open_store(sqlite_url)
    store.create()
    for sheet in reports.funnel(store, AGREEMENT, now=now).sheets:
        assert "view" in sheet.columns or "view" in sheet.title or sheet.title.startswith("By "), sheet.title
    for kind, make in reports.KINDS.items():
        assert make(store, AGREEMENT, now=now).view in ("marketing", "sales", "both"), kind
    code = re.compile(r"{[{%].*?[%}]}", re.DOTALL)
    pages = (ROOT / "nurture" / "web" / "pages").glob("*.html")
    said = [code.sub(" ", page.read_text(encoding="utf-8")) for page in pages]
    said += DEADLINES.values()
    for make in reports.KINDS.values():
        found = make(store, AGREEMENT, now=now)
        said += [found.title, *found.notes, *(f"{s.title} {' '.join(s.columns)}" for s in found.sheets)]
    alone = re.compile(r"(?<!lead )\bconversions?\b", re.IGNORECASE)
    assert [text for text in said if alone.search(text)] == []
    store.close()


def test_a_picture_is_dots_too() -> None:
    made = png(bars("Funnel", "as of now", [Bar("acquired", 100, "100"), Bar("won", 5, "5", 0.1, 0.3)]))
    assert made.startswith(b"\x89PNG") and len(made) > 2000
    assert int.from_bytes(made[16:20], "big") == 2 * 760, "twice as wide, for sharp words"
