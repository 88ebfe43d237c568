"""A disk that is full, really: the kernel refuses every byte more. One clear message, nothing half done, and with room
again everything goes on."""

from __future__ import annotations

import contextlib
import io
import os
import resource
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from nurture.cli import main
from nurture.model.words import Purpose
from nurture.settings import Settings
from tests.faults.book import note
from tests.flows.conftest import ROOT, command, environment_of, people
from tests.web.conftest import World
from tests.web.test_tracking import BROWSER

pytestmark = [pytest.mark.process, pytest.mark.xdist_group("kill")]


ROOM = 64 * 1024
"""What any file may still grow to: enough to open a database, far too little for what is asked."""


def without_room(act: Callable[[], object], room: int = ROOM) -> tuple[int, str]:
    """`act` in a process of its own for which every file is full at `room` bytes: how it ended and what it said."""
    told, say = os.pipe()
    child = os.fork()
    if child == 0:
        code = 70
        try:
            os.dup2(say, 1)
            os.dup2(say, 2)
            resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))
            with os.fdopen(1, "w") as out, contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
                try:
                    act()
                    code = 0
                except SystemExit as ended:
                    code = int(ended.code or 0)
        finally:
            os._exit(code)
    os.close(say)
    with os.fdopen(told, "r", errors="replace") as pipe:
        said = pipe.read()
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), said


def counts(made: Settings, *tables: str) -> list[int]:
    with contextlib.closing(sqlite3.connect(made.database_url.removeprefix("sqlite:///"))) as conn:
        return [conn.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables]


@pytest.mark.parametrize("what", ["import", "apply"])
def test_a_command_says_it_once_and_has_done_nothing(
    what: str, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = people(tmp_path / "more.csv", 2000)
    words = {
        "import": ["import", str(more), "--map", str(ROOT / "nurture/demo/leads.map.yaml"), "--yes"],
        "apply": ["apply", "--yes"],
    }[what]
    if what == "apply":
        changed = tmp_path / "campaigns"
        shutil.copytree(settings.campaigns_dir, changed)
        for file in changed.glob("*.yaml"):
            file.write_text(file.read_text("utf-8") + "\n# " + "grown " * 2000 + "\n", "utf-8")
        settings = settings.model_copy(update={"campaigns_dir": changed})
    for name, value in environment_of(settings).items():
        monkeypatch.setenv(name, value)
    tables = ("lead", "campaign_version", "message", "event")
    before = counts(settings, *tables)
    code, said = without_room(lambda: main(words))
    assert "Traceback" not in said, said
    assert code != 0 and said.count("the database does not answer") == 1, said
    assert counts(settings, *tables) == before, "nothing half done"
    printed = io.StringIO(command(environment_of(settings), *words)).getvalue()
    after = counts(settings, *tables)
    assert after[what == "apply"] > before[what == "apply"], printed
    note(mails=0, lost=0, twice=0, where="sqlite")


def test_a_click_that_cannot_be_kept_is_not_answered_as_if_it_were(world: World) -> None:
    lead = world.lead()
    world.grant(lead, Purpose.CLICK_TRACKING, Purpose.OPEN_TRACKING)
    message = world.mail(lead)
    world.after(hours=3)
    click, opened = world.url("click", message, lead, link=1), world.url("open", message, lead)
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, limit[1]))
    try:
        said = [world.client.get(url, headers=BROWSER).status_code for url in (opened, click)]
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert said == [200, 503], "the picture is shown all the same; whoever clicks is asked to come back in a moment"
    assert world.one("select count(*) from hit") == 0
    assert world.client.get(click, headers=BROWSER).status_code == 302 and world.one("select count(*) from hit") == 1
