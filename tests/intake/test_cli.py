"""The commands themselves: what they print, what they ask, how they end."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from nurture.cli import build
from nurture.errors import UsageError
from nurture.store import open_store
from nurture.store.schema import ensure

MAP = """
import: fair
email: email
fields: {first_name: first}
consent:
  - purposes: [nurture_email]
    declaration: {wording: fair.v1.en, text: I agree., evidence: archive 12, source: fair, collected: 2026-05-01,
                  signed_by: Ines Marketer, signed_on: 2026-05-02}
"""
LEADS = "email,first\nann@example.org,Ann\nbroken,Bob\nANN@example.org,Ann\n"


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database as an installation has it, to be copied."""
    path = tmp_path_factory.mktemp("migrated") / "nurture.db"
    store = open_store(f"sqlite:///{path}")
    ensure(store)
    store.close()
    return path


@pytest.fixture
def place(tmp_path: Path, migrated: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installation of its own, and two files to import."""
    shutil.copy(migrated, tmp_path / "nurture.db")
    monkeypatch.setenv("NURTURE_DATABASE_URL", f"sqlite:///{tmp_path}/nurture.db")
    monkeypatch.setenv("NURTURE_VAR_DIR", str(tmp_path / "var"))
    monkeypatch.setenv("NURTURE_NOW", "2026-11-23T09:00:00Z")
    (tmp_path / "fair.map.yaml").write_text(MAP, encoding="utf-8")
    (tmp_path / "leads.csv").write_text(LEADS, encoding="utf-8")
    return tmp_path


def run(*words: object, stdin: str | None = None) -> Result:
    return CliRunner().invoke(build(), [str(word) for word in words], input=stdin)


def test_the_mailable_count_comes_before_the_question_and_nobody_answering_writes_nothing(place: Path) -> None:
    asked = run("import", place / "leads.csv", "--map", place / "fair.map.yaml")
    assert isinstance(asked.exception, UsageError)
    assert "mailable afterwards: 1" in asked.output
    done = run("import", place / "leads.csv", "--map", place / "fair.map.yaml", "--yes", "--json")
    assert json.loads(done.stdout)["created"] == 1


def test_a_dry_run_says_what_would_happen_and_writes_nothing(place: Path) -> None:
    for _ in range(2):
        found = run("import", place / "leads.csv", "--map", place / "fair.map.yaml", "--dry-run", "--json")
        told = json.loads(found.stdout)
        assert (found.exit_code, told["new"], told["known"], told["mailable"]) == (1, 1, 0, 1)
        assert [row["line"] for row in told["skipped_rows"]] == [3, 4]


def test_standard_input_works_and_a_second_time_changes_nothing(place: Path) -> None:
    clean = "email,first\nann@example.org,Ann\n"
    for created, unchanged in ((1, 0), (0, 1)):
        done = run("import", "-", "--map", place / "fair.map.yaml", "--yes", "--json", stdin=clean)
        told = json.loads(done.stdout)
        assert (done.exit_code, told["created"], told["unchanged"]) == (0, created, unchanged)


def test_broken_rows_are_printed_one_by_one(place: Path) -> None:
    done = run("import", place / "leads.csv", "--map", place / "fair.map.yaml", "--yes")
    assert done.exit_code == 1
    assert "line 3: skipped: not a mail address" in done.output
    assert "line 4: skipped: the same person as line 2" in done.output


def test_every_mistake_of_a_map_is_named_with_its_place(place: Path) -> None:
    (place / "bad.yaml").write_text("import: x\nemial: a\nconsent:\n  - purposes: [newsleter]\n", encoding="utf-8")
    done = run("import", place / "leads.csv", "--map", place / "bad.yaml", "--yes")
    assert isinstance(done.exception, UsageError)
    assert "bad.yaml:2:1: error[import-map] a map has no `emial`" in done.output
    assert "bad.yaml:4:5:" in done.output


@pytest.mark.parametrize(
    "words",
    [
        ("import", "nowhere.csv", "--map", "fair.map.yaml"), ("import", "leads.csv"),
        ("import", "leads.csv", "--map", "nowhere.yaml"), ("report", "everything"), ("report", "--since", "soon"),
        ("import-attendance", "leads.csv", "--content", "w", "--tool", "fax"),
        ("import-attendance", "leads.csv", "--content", "w", "--zone", "Mars/Olympus"),
        ("calibrate", "leads.csv", "--map", "fair.map.yaml"),
        ("calibrate", "leads.csv", "--map", "fair.map.yaml", "--outcome", "won"),
        ("score-file", "leads.csv", "--map", "fair.map.yaml", "--scoring", "nowhere.yaml"),
    ],
)
def test_mistakes_end_in_a_sentence(place: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]) -> None:
    monkeypatch.chdir(place)
    done = run(*words)
    assert isinstance(done.exception, UsageError), done.output
    assert "Traceback" not in done.output


def test_a_report_in_every_form(place: Path) -> None:
    run("import", place / "leads.csv", "--map", place / "fair.map.yaml", "--yes")
    assert json.loads(run("report", "funnel", "--json").stdout)["total"]["steps"][0]["people"] == 1
    assert run("report", "funnel", "--csv").stdout.splitlines()[1].startswith("stage,view,people,")
    picture = place / "funnel.svg"
    assert run("report", "funnel", "--svg", picture).exit_code == 0
    assert picture.read_text(encoding="utf-8").startswith("<svg")


def test_too_few_outcomes_end_with_one(place: Path) -> None:
    (place / "leads.csv").write_text("email,first,won\na@example.org,A,1\nb@example.org,B,0\n", encoding="utf-8")
    done = run("calibrate", place / "leads.csv", "--map", place / "fair.map.yaml", "--outcome", "won")
    assert done.exit_code == 1
    assert "not enough data" in done.output


def test_a_list_from_a_file(place: Path) -> None:
    run("import", place / "leads.csv", "--map", place / "fair.map.yaml", "--yes")
    done = run("import-list", "invited", place / "leads.csv", "--json")
    told = json.loads(done.stdout)
    assert (told["added"], told["skipped_total"]) == (1, 1)
