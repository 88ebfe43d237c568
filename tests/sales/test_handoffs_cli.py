"""The desk of sales and the agreement, as commands on an installation with the shipped files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from nurture.cli import build
from nurture.cli.common import open_parts
from nurture.errors import NurtureError
from nurture.stages import hand_off, score
from tests.sales import world as qualify
from tests.sales.world import GOOD, SEED, WEBINAR, add_lead, happened

ROOT = Path(__file__).parents[2]
NOW = "2026-11-23T09:00:00Z"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A database with the shipped files applied and one lead that was handed over."""
    home = tmp_path_factory.mktemp("sales")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        for name, value in {
            "DATABASE_URL": f"sqlite:///{home}/nurture.db", "CAMPAIGNS_DIR": str(ROOT / "campaigns"),
            "TEMPLATES_DIR": str(ROOT / "templates"), "NOW": NOW, "PUBLIC_URL": "https://news.example.com",
        }.items():
            patch.setenv(f"NURTURE_{name}", value)
        run("apply", "--yes", "--by", "test")
        parts, clock = open_parts()
        patch.setattr(qualify, "KEYS", parts.keys)
        who = add_lead(
            parts.store, now=clock.now(), fields={**GOOD, "industry": "finance"}, email="anna@acme.example.org"
        )
        happened(parts.store, who, *SEED, WEBINAR, now=clock.now())
        for _ in range(3):
            for stage in (score, hand_off):
                stage.run(parts, now=clock.now(), limit=100, owner="test")
            with parts.store.begin() as conn:
                from nurture.store.facts import wakeups

                wakeups.hand_on(conn, wakeups.claim(conn, "advance", now=clock.now(), limit=9, owner="test"), "advance")
        yield home


def run(*words: str, fails: bool = False) -> str:
    done = CliRunner().invoke(build(), list(words))
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        if fails and isinstance(done.exception, NurtureError):
            return str(done.exception)
        raise done.exception
    assert fails or done.exit_code == 0, done.output
    return done.output


def read(*words: str) -> Any:
    return json.loads(run(*words, "--json"))


def test_the_desk_from_list_to_conversion(installed: Path) -> None:
    rows = read("sales", "list")
    assert [(r["handoff"], r["cell"], r["state"]) for r in rows] == [(1, "A2", "open")]
    owner = rows[0]["owner"]
    text = run("sales", "show", "1")
    assert "Anna Nowak, head of IT, Acme" in text and "https://news.example.com/handoff/" in text
    assert "Decide by" in text and "webinar attended" in text
    assert "not one of the sellers" in run("sales", "accept", "1", "--as", "mallory", fails=True)
    assert "needs a reason" in run("sales", "recycle", "1", "--as", owner, fails=True)
    assert "not a recycle reason" in run("sales", "recycle", "1", "--as", owner, "--reason", "mood", fails=True)
    assert read("sales", "accept", "1", "--as", owner)["stage"] == "sal"
    assert read("sales", "call", "1", "--as", owner, "--outcome", "reached")["repeated"] is False
    assert (
        read("sales", "qualify", "1", "--as", owner, "--bant", "need=yes", "--bant", "timeline=partly")["stage"]
        == "sql"
    )
    assert "is not a date" in run("sales", "recycle", "1", "--as", owner, "--revisit", "soon", fails=True)
    done = read("sales", "convert", "1", "--as", owner, "--deal", "new", "--amount", "1200", "--currency", "EUR")
    assert done["stage"] == "converted" and done["account_how"] == "new"
    assert read("sales", "convert", "1", "--as", owner)["repeated"] is True
    assert read("sales", "account", str(done["account"]))["people"][0]["stage"] == "converted"


def test_results_come_in_by_file(installed: Path) -> None:
    file = installed / "results.csv"
    file.write_text("result,lead,amount,currency\nwon,anna@acme.example.org,1200,EUR\nwon,nobody@example.org,1,EUR\n")
    states = [row["state"] for row in json.loads(run("sales", "results", str(file), "--json", fails=True))]
    assert states == ["applied", "refused"]


def test_reasons_are_shown_with_what_they_do(installed: Path) -> None:
    reasons = {(r["for"], r["reason"]) for r in read("sales", "reasons")}
    assert {("recycle", "bad_timing"), ("reject", "competitor")} <= reasons
    assert ("recycle", "sla_expired") not in reasons, "the clock's own reason is not for people"


def test_the_lifecycle_is_drawn(installed: Path) -> None:
    drawn = run("show", "lifecycle")
    assert drawn.startswith("stateDiagram-v2") and "nurturing --> mql" in drawn


def test_an_agreement_is_checked_compared_signed_and_tried_out(installed: Path) -> None:
    import shutil

    proposed = installed / "proposed"
    shutil.copytree(ROOT / "campaigns", proposed)
    assert json.loads(run("agreement", "check", "--json")) == []
    assert json.loads(run("agreement", "diff", "--json")) == []
    path = proposed / "agreement.yaml"
    path.write_text(path.read_text().replace("max_recycles: 3", "max_recycles: 2"))
    here = ("--campaigns", str(proposed))
    assert [c["path"] for c in json.loads(run("agreement", "diff", *here, "--json", fails=True))] == ["max_recycles"]
    codes = {r["code"] for r in json.loads(run("agreement", "check", *here, "--json", fails=True))}
    assert {"agreement-same-version", "agreement-not-simulated"} <= codes
    path.write_text(path.read_text().replace("  version: 1\n", "  version: 2\n", 1))
    for role, name in (("marketing", "Ines Example"), ("sdr", "Lena Example"), ("account_executive", "Marek Example")):
        run("agreement", "sign", "--role", role, "--name", name, "--on", "2026-11-20", *here)
    report = read("agreement", "simulate", "--days", "10", *here)
    assert report["from"]["agreement"] == 1 and report["to"]["agreement"] == 2
    kept = next((proposed / "simulations").glob("*.json")).read_text()
    assert "newly" not in json.loads(kept), "nobody's number stands in a file of the repository"
    assert json.loads(run("agreement", "check", *here, "--json")) == []
    assert "does not sign" in run("agreement", "sign", "--role", "cook", "--name", "x", *here, fails=True)


def test_everybody_is_scored_again_on_demand(installed: Path) -> None:
    assert read("rescore", "--workers", "1")["leads"] == 1
