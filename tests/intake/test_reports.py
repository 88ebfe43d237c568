"""Reports over a real store: a real company's funnel, every report on an empty store, safe CSV, clean pictures."""

from __future__ import annotations

import csv
import io
import json
from datetime import datetime
from pathlib import Path
from xml.etree import ElementTree

import pytest

from nurture.cli.common import emit_json
from nurture.insight import reports
from nurture.insight.pictures import Bar, bars
from nurture.intake.map_file import read_map
from nurture.intake.people import PeopleImport, Source
from nurture.intake.results import read_results, record_history
from nurture.model.tokens import Keys
from nurture.store import Store, open_store
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
