"""How a program that runs for long ends, and what it does when its key is not the one its database was begun with."""

from __future__ import annotations

import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest

from nurture.assembly import ANOTHER_KEY, assemble
from nurture.cli.common import open_database
from nurture.errors import Refused
from nurture.model.words import Stage
from nurture.settings import Settings, load_settings
from nurture.store import Store
from nurture.store.tables import LeadRow
from nurture.store.tables.columns import core

LISTENER = """
import os, signal, sys, threading
from nurture.cli.up import end_at_signals, say
from flows.schedule import SCHEDULE
from nurture.model.intents import Tally
sys.stdin.read()
say(SCHEDULE[0], {"send": Tally(due=1, sent=1)})
print("nobody hears this", flush=True)
stop = threading.Event()
end_at_signals(stop)
os.kill(os.getpid(), getattr(signal, sys.argv[1]))
sys.exit(0 if stop.wait(5) else 4)
"""


@pytest.mark.parametrize("signal", ["SIGHUP", "SIGTERM"])
def test_a_closed_pipe_stops_nothing_and_a_closed_terminal_ends_in_order(signal: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", LISTENER, signal],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as started:  # fmt: skip
        assert started.stdin and started.stdout and started.stderr
        started.stdout.close()
        started.stdin.close()
        assert (started.wait(30), started.stderr.read()) == (0, b"")


def _with(store: Store, tmp_path: Path, *secrets: str) -> None:
    first, *old = secrets
    chosen: Settings = load_settings(var_dir=tmp_path, secret_key=first, old_secret_keys=tuple(old))
    assemble(store, chosen)


def test_a_database_knows_the_key_it_was_begun_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, now: datetime
) -> None:
    one, two, three = ("a" * 40, "b" * 40, "c" * 40)
    monkeypatch.setenv("NURTURE_DATABASE_URL", f"sqlite:///{tmp_path / 'x.db'}")
    store = open_database()
    _with(store, tmp_path, one)
    _with(store, tmp_path, two)  # nobody is in it: nothing hangs on the first
    with store.begin() as conn:
        conn.execute(core(LeadRow).insert().values(**_somebody(now)))
    _with(store, tmp_path, three, two)
    for wrong in ((one,), (two, three)):
        with pytest.raises(Refused) as said:
            _with(store, tmp_path, *wrong)
        assert said.value.code == ANOTHER_KEY
        assert "NURTURE_SECRET_KEY" in said.value.fix
    _with(store, tmp_path, two)
    store.close()


def _somebody(now: datetime) -> dict[str, object]:
    return {"external_id": "x", "stage": Stage.IDENTIFIED, "created_at": now, "updated_at": now}
