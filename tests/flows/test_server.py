"""Server mode for real: a Prefect server on PostgreSQL, a process worker, and a scheduled deployment that completes."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from ruamel.yaml import YAML

from flows.clockwork import Clockwork
from flows.engine import PlainEngine
from flows.work import Work, open_parts
from nurture.clock import SystemClock
from nurture.demo.mailbox import MailFolder
from nurture.errors import Refused
from nurture.store import open_store
from nurture.store.running import clock_owner
from tests.flows.conftest import ROOT, installation, people
from tests.postgres import make_database

pytestmark = [pytest.mark.prefect, pytest.mark.postgres, pytest.mark.process, pytest.mark.xdist_group("prefect")]
PREFECT = Path(sys.executable).with_name("prefect")


@pytest.fixture
def server(tmp_path: Path, postgres: str) -> Iterator[dict[str, str]]:
    """The environment of everybody who talks to the server; it is up."""
    database = make_database(postgres, f"prefect_{os.getpid()}").replace("postgresql://", "postgresql+asyncpg://")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {
        **os.environ,
        "PREFECT_HOME": str(tmp_path / "prefect"),
        "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": database,
        "DO_NOT_TRACK": "1",
        "PYTHONPATH": str(ROOT),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_UI_STATIC_DIRECTORY": str(tmp_path / "ui"),
        "PREFECT_API_BLOCKS_REGISTER_ON_START": "false",
        "PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS": "2",
        "PREFECT_WORKER_QUERY_SECONDS": "2",
    }
    with (tmp_path / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [PREFECT, "server", "start", "--host", "127.0.0.1", "--port", str(port)],
            env=environment,
            cwd=tmp_path,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        until = time.monotonic() + 120
        while True:
            try:
                if httpx.get(f"{environment['PREFECT_API_URL']}/health").status_code == 200:
                    break
            except httpx.HTTPError:
                assert process.poll() is None, (tmp_path / "server.log").read_text()[-3000:]
            assert time.monotonic() < until, (tmp_path / "server.log").read_text()[-3000:]
            time.sleep(0.2)
        yield environment
    finally:
        end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    """Ask it to end, with all it started. Prefect sometimes waits for a run it has not begun: that is not our test."""
    os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def often(tmp_path: Path) -> Path:
    """prefect.yaml as it ships, two jobs of it, every ten seconds, so that a schedule is seen to fire."""
    yaml = YAML()
    shipped = yaml.load(ROOT / "prefect.yaml")
    shipped["deployments"] = [d for d in shipped["deployments"] if d["name"] in ("scoring", "drip-awareness")]
    for deployment in shipped["deployments"]:
        deployment["schedules"] = [{"interval": 10, "slug": deployment["name"], "active": True}]
    path = tmp_path / "prefect.yaml"
    yaml.dump(shipped, path)
    return path


@pytest.mark.slow
@pytest.mark.timeout(560)
def test_a_scheduled_deployment_completes_on_a_worker(
    server: dict[str, str], tmp_path: Path, postgres: str, mail: MailFolder
) -> None:
    made = installation(tmp_path, mail.port)
    url = make_database(postgres, f"served_{os.getpid()}")  # empty: the first command migrates it
    ours = {
        "NURTURE_DATABASE_URL": url,
        "NURTURE_SECRET_KEY": "k" * 48,
        "NURTURE_SMTP_URL": made.smtp_url,
        "NURTURE_CAMPAIGNS_DIR": str(ROOT / "campaigns"),
        "NURTURE_TEMPLATES_DIR": str(ROOT / "templates"),
        "NURTURE_VAR_DIR": str(tmp_path / "var"),
        "NURTURE_PUBLIC_URL": "https://nurture.example.com",
    }
    environment = {**server, **ours}
    leads = people(tmp_path / "leads.csv", 10)
    imported = ["import", str(leads), "--map", "nurture/demo/leads.map.yaml", "--yes"]
    run([sys.executable, "-m", "nurture.cli", *imported], environment, (0, 1))
    run([sys.executable, "-m", "nurture.cli", "apply", "--yes"], environment)
    assert "work pool" in run([sys.executable, "-m", "nurture.cli", "server-setup"], environment)
    assert "was there" in run([sys.executable, "-m", "nurture.cli", "server-setup"], environment), "safe to repeat"
    run([PREFECT, "--no-prompt", "deploy", "--all", "--prefect-file", str(often(tmp_path))], environment)
    with (tmp_path / "worker.log").open("wb") as log:
        worker = subprocess.Popen(
            [PREFECT, "worker", "start", "--pool", "nurture-process", "--type", "process", "--limit", "2"],
            env={**environment, "NURTURE_MODE": "server"},
            cwd=tmp_path,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        done = wait_for_runs(server["PREFECT_API_URL"], {"scoring"}, worker, tmp_path / "worker.log")
    finally:
        end(worker)
    assert all(not run["parameters"] or set(run["parameters"]) == {"funnel_stage"} for run in done)
    store = open_store(url)
    with store.read() as conn:
        present = clock_owner.holder(conn)
        scored = conn.exec_driver_sql("SELECT count(*) FROM transition").scalar_one()
        known = conn.exec_driver_sql("SELECT email, fields->>'last_name' FROM lead").all()
    assert present is not None and present.mode == "prefect"
    same = made.model_copy(update={"database_url": url, "secret_key": SecretStr(ours["NURTURE_SECRET_KEY"])})
    work = Work(open_parts(same), SystemClock(), "up@here:1", 100)
    with pytest.raises(Refused, match="already has a clock"):
        Clockwork(store, work, PlainEngine(work)).take()
    assert scored, "the run did the work"
    kept = everything(server["PREFECT_API_URL"]) + (tmp_path / "worker.log").read_text()
    assert "tally-scoring" in kept and len(known) >= 10
    assert [word for row in known for word in row if word and word in kept] == [], "nothing personal is with Prefect"


def everything(api: str) -> str:
    """Whatever Prefect keeps about runs: parameters, names, states, logs, artifacts, events."""
    tables = ("flow_runs", "task_runs", "logs", "artifacts")
    asked = {name: httpx.post(f"{api}/{name}/filter", json={}) for name in tables}
    asked["events"] = httpx.post(f"{api}/events/filter", json={"limit": 50})
    assert {name: answer.status_code for name, answer in asked.items() if answer.status_code != 200} == {}
    return "".join(answer.text for answer in asked.values())


def run(command: list[Any], environment: dict[str, str], fine: tuple[int, ...] = (0,)) -> str:
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode in fine, done.stdout + done.stderr
    return done.stdout


def wait_for_runs(api: str, wanted: set[str], worker: subprocess.Popen[bytes], log: Path) -> list[dict[str, Any]]:
    """Scheduled runs that completed, once every flow of `wanted` has one."""
    until = time.monotonic() + 300
    while time.monotonic() < until:
        asked = {"flow_runs": {"state": {"type": {"any_": ["COMPLETED"]}}}, "limit": 200}
        found = httpx.post(f"{api}/flow_runs/filter", json=asked).json()
        names = {run["name"].split()[0] for run in found}
        if wanted <= names:
            assert any(run["auto_scheduled"] for run in found), "the schedule made it, nobody by hand"
            return found
        assert worker.poll() is None, log.read_text()[-3000:]
        time.sleep(1)
    pytest.fail(f"no completed runs of {wanted}:\n{log.read_text()[-3000:]}")
