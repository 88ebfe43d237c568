"""`nurture doctor`: what an installation stands on, and the help page that groups the commands."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Literal

import pytest
from typer.testing import CliRunner

from nurture import pipeline
from nurture.cli import PANELS, build
from nurture.cli.doctor import agreement as inside_agreement
from nurture.cli.doctor import servers
from nurture.settings import load_settings
from nurture.store import open_store
from nurture.store.running import clock_owner
from tests.faults.hell import Fault, HellServer
from tests.sales.world import AGREEMENT, parts


@pytest.fixture
def greeter() -> Iterator[HellServer]:
    with HellServer(auth=("acme", "right")) as server:
        yield server


def states() -> tuple[int, dict[str, str]]:
    done = CliRunner().invoke(build(), ["doctor", "--json"])
    return done.exit_code, {row["what"]: row["state"] for row in json.loads(done.stdout)}


def test_a_mail_server_that_does_not_let_us_in_is_told(tmp_path: Path, greeter: HellServer) -> None:
    def says(user: str, **more: object) -> tuple[str, str]:
        url = f"smtp://{user}127.0.0.1:{greeter.port}"
        chosen = load_settings().model_copy(update={"smtp_url": url, "smtp_routes": {}, **more})
        (found,) = servers(chosen)
        return found.state, found.says

    assert says("acme:right@")[0] == "good" and not greeter.accepted
    state, said = says("acme:wrong@")
    assert state == "bad" and "does not let us in: 535" in said and "wrong" not in said
    greeter.faults = [Fault("greeting", "say", "554 go away", times=None)]
    assert "turns us away: 554 go away" in says("acme:right@")[1]


def test_what_is_missing_on_a_fresh_machine_is_said_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, greeter: HellServer
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NURTURE_SMTP_URL", f"smtp://127.0.0.1:{greeter.port}")
    code, found = states()
    assert code == 1
    assert (found["campaigns"], found["clock"], found["sign-in"]) == ("bad", "bad", "look")
    assert found["mail server"] == "good"
    assert (found["database"], found["secret key"], found["public url"]) == ("good", "good", "look")
    greeter.faults = [Fault("greeting", "say", "554 go away", times=None)]
    assert states()[1]["mail server"] == "bad"
    monkeypatch.setenv("NURTURE_SMTP_URL", "smtp://127.0.0.1:1")
    monkeypatch.setenv("NURTURE_PUBLIC_URL", "https://mail.example.com")
    monkeypatch.setenv("NURTURE_NOW", "2026-11-23T09:00:00Z")
    chosen, store = load_settings(), open_store(f"sqlite:///{tmp_path}/var/nurture.db")
    now = chosen.clock().now()
    with store.begin() as conn:
        clock_owner.take(conn, owner="up@here", mode="embedded", now=now, wall=now, detail="")
    store.close()
    found = states()[1]
    assert (found["mail server"], found["public url"], found["clock"]) == ("bad", "good", "good")
    told = CliRunner().invoke(build(), ["doctor"])
    assert "fix: nurture check, nurture apply" in told.stdout
    assert "runs in up@here" in told.stdout


@pytest.mark.parametrize(("day", "enforce", "state", "says"), [
    ("2026-11-23", "warn", "good", "next review 2027-02-01"),
    ("2027-01-25", "warn", "look", "is due on 2027-02-01"),
    ("2027-02-02", "block", "look", "was due on 2027-02-01"),
    ("2027-04-01", "warn", "look", "hand-offs go on"),
    ("2027-04-01", "block", "bad", "nothing is handed over"),
])
def test_the_doctor_sees_an_agreement_that_nobody_reviewed(
    sqlite_url: str, day: str, enforce: Literal["warn", "block"], state: str, says: str
) -> None:
    """An overdue review is seen by whoever looks, before somebody wonders why nothing comes."""
    store = open_store(sqlite_url)
    world = parts(store, agreement=replace(AGREEMENT, enforce=enforce))
    world.applied = "x"
    at = datetime.fromisoformat(f"{day}T09:00+00:00")
    found = next(inside_agreement(world, at))
    assert (found.state, found.what) == (state, "agreement") and says in found.says
    # Managers hear of it on the board, once, also in a week in which no timer runs.
    assert ("recycle" in pipeline.due_now(world, now=at)) is (state != "good")
    pipeline.run_stage(world, "recycle", now=at, owner="a")
    assert "recycle" not in pipeline.due_now(world, now=at)
    store.close()


def test_the_help_page_groups_commands_that_exist() -> None:
    app = build()
    names = {info.name for info in (*app.registered_commands, *app.registered_groups)}
    assert names >= set(PANELS)
