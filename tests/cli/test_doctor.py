"""`nurture doctor`: what an installation stands on, and the help page that groups the commands."""

from __future__ import annotations

import json
import socket
import threading
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
from nurture.settings import load_settings
from nurture.store import open_store
from nurture.store.running import clock_owner
from tests.sales.world import AGREEMENT, parts


@pytest.fixture
def greeter() -> Iterator[tuple[int, list[bytes]]]:
    """A port that says the line it is told to say, and ends."""
    words = [b"220 mail.example.com ESMTP\r\n"]
    with socket.create_server(("127.0.0.1", 0)) as listening:
        def serve() -> None:
            while True:
                try:
                    made, _ = listening.accept()
                except OSError:
                    return
                with made:
                    made.sendall(words[0])

        threading.Thread(target=serve, daemon=True).start()
        yield listening.getsockname()[1], words
        listening.shutdown(socket.SHUT_RDWR)


def states() -> tuple[int, dict[str, str]]:
    done = CliRunner().invoke(build(), ["doctor", "--json"])
    return done.exit_code, {row["what"]: row["state"] for row in json.loads(done.stdout)}


def test_what_is_missing_on_a_fresh_machine_is_said_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, greeter: tuple[int, list[bytes]]
) -> None:
    port, words = greeter
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NURTURE_SMTP_URL", f"smtp://127.0.0.1:{port}")
    code, found = states()
    assert code == 1
    assert (found["campaigns"], found["clock"], found["sign-in"]) == ("bad", "bad", "look")
    assert found["mail server"] == "good"
    assert (found["database"], found["secret key"], found["public url"]) == ("good", "good", "look")
    words[0] = b"554 go away\r\n"
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
