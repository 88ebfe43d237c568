"""`nurture up` with Prefect beside it: real runs with their tally, nothing personal in them, and mail without it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from nurture.demo.mailbox import MailFolder
from nurture.settings import Settings
from tests.flows.conftest import ROOT, environment_of

pytestmark = [pytest.mark.prefect, pytest.mark.process, pytest.mark.xdist_group("prefect")]

PROGRAM = textwrap.dedent("""
    import os, signal, sys, time
    from datetime import datetime, timedelta, UTC
    import httpx
    from flows.installation import Installation
    from flows.schedule import SCHEDULE
    from nurture.clock import VirtualClock
    from nurture.settings import load_settings

    clock = VirtualClock(datetime(2026, 11, 23, 10, 0, tzinfo=UTC))
    with Installation(load_settings(port=0, prefect_port=0, now=None), clock=clock) as running:
        assert running.prefect.wait(), "Prefect did not come up"
        books = running.clockwork.tick()
        api = running.prefect.url + "/api"
        runs = httpx.post(api + "/flow_runs/filter", json={}).json()
        artifacts = httpx.post(api + "/artifacts/filter", json={}).json()
        print("RUNS", len(runs), running.engine.runs, sorted({r["state_type"] for r in runs}))
        print("TALLIES", sorted({a["key"] for a in artifacts}))
        print("SENT", books["send"].sent, books["send"].balanced())
        os.kill(running.prefect._child.pid, signal.SIGKILL)
        running.prefect._child.wait()
        clock.advance(timedelta(days=7))
        books = running.clockwork.tick()
        print("WITHOUT", running.engine.runs, books["send"].sent)
        sys.stdout.flush()
        if "--die" in sys.argv:
            running.prefect.start(); assert running.prefect.wait()
            print("CHILD", running.prefect._child.pid); sys.stdout.flush()
            os.kill(os.getpid(), signal.SIGKILL)
""")


@pytest.mark.timeout(280)
def test_runs_are_real_hold_nothing_personal_and_mail_goes_on_without_them(
    settings: Settings, mail: MailFolder, tmp_path: Path
) -> None:
    environment = {**os.environ, **environment_of(settings), "NURTURE_PREFECT": "on", "PYTHONPATH": str(ROOT)}
    for name in ("NURTURE_NOW", "PREFECT_API_URL"):
        environment.pop(name, None)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, "--die"],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    said = dict(line.split(" ", 1) for line in done.stdout.splitlines() if " " in line)
    assert done.returncode == -signal.SIGKILL, done.stdout + done.stderr
    on_server, made, states = said["RUNS"].split(" ", 2)
    assert int(on_server) == int(made) >= 3 and states == "['COMPLETED']"
    assert "tally-drip-awareness" in said["TALLIES"] and "tally-scoring" in said["TALLIES"]
    assert said["SENT"].endswith("True") and int(said["SENT"].split()[0]) >= 20
    runs_then, sent = said["WITHOUT"].split()
    assert runs_then == made and int(sent) >= 1, "without Prefect's API the same work was done plainly"
    assert mail.accepted == int(said["SENT"].split()[0]) + int(sent)
    assert ended(int(said["CHILD"])), "a kill -9 leaves no server behind"
    stored = b"".join(p.read_bytes() for p in (settings.var_dir / "prefect").glob("prefect.db*"))
    assert b"drip" in stored
    stored += b"".join(p.read_bytes() for p in (settings.var_dir / "log").glob("prefect.log*"))
    assert [m.recipient for m in mail.delivered if m.recipient.encode() in stored] == []


def ended(pid: int) -> bool:
    import time

    until = time.monotonic() + 15
    while time.monotonic() < until:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        if Path(f"/proc/{pid}/stat").exists() and ") Z" in Path(f"/proc/{pid}/stat").read_text():
            return True
        time.sleep(0.1)
    return False
