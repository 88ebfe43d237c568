"""The clock notices a campaign's file that breaks or goes away; the applied version runs on, and its owner is told."""

from __future__ import annotations

import logging
import shutil
import threading
from pathlib import Path

import pytest

from flows.clockwork import Clockwork
from flows.engine import PlainEngine
from flows.logs import PrivateLog, drain
from flows.watch import FolderWatch
from flows.work import Work, open_parts
from nurture.clock import VirtualClock
from nurture.settings import Settings
from nurture.store.programs import campaigns
from tests.flows.conftest import BEGIN, ROOT


@pytest.fixture
def clock(settings: Settings, tmp_path: Path) -> Clockwork:
    shutil.copytree(ROOT / "campaigns", tmp_path / "campaigns")
    parts = open_parts(settings)
    work = Work(parts, VirtualClock(BEGIN), "up@here:1", 1000)
    watch = FolderWatch(parts.store, tmp_path / "campaigns", settings.templates_dir)
    return Clockwork(parts.store, work, PlainEngine(work), watch=watch)


def troubles(clock: Clockwork) -> dict[str, str]:
    with clock.store.read() as conn:
        running = campaigns.running(conn)
        assert {one.state for one in running.values()} == {"live"}, "what was applied runs on"
        return {name: one.file_problem for name, one in running.items() if one.file_problem}


def alerts(clock: Clockwork) -> list[str]:
    with clock.store.read() as conn:
        return list(conn.exec_driver_sql("SELECT text FROM alert WHERE code = 'campaign_file' ORDER BY id").scalars())


def test_a_broken_and_a_deleted_file_are_told_once_by_the_clock_alone(
    clock: Clockwork, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "campaigns" / "welcome.yaml"
    good = path.read_text("utf-8")
    clock.tick()
    clock.tick()
    assert troubles(clock) == {} and alerts(clock) == []
    path.write_text(good.replace("funnel_stage: awareness", "funnel_stage: awarness"), "utf-8")
    clock.tick()
    assert troubles(clock) == {}, "it may be in the middle of being written"
    for _ in range(3):
        clock.tick()
    assert list(troubles(clock)) == ["welcome"] and "broken (line" in troubles(clock)["welcome"]
    assert len(alerts(clock)) == 1 and caplog.text.count("campaigns/welcome.yaml is broken") == 1
    path.write_text(good, "utf-8")
    clock.tick()
    clock.tick()
    assert troubles(clock) == {}
    path.unlink()
    clock.tick()
    clock.tick()
    assert "missing" in troubles(clock)["welcome"] and len(alerts(clock)) == 2
    shutil.rmtree(tmp_path / "campaigns")
    clock.tick()
    clock.tick()
    assert len(alerts(clock)) == 2, "a folder that is not there says nothing about any campaign"


def test_logs_end_and_are_for_this_account_alone(tmp_path: Path) -> None:
    said = tmp_path / "said"
    said.write_bytes("zażółć gęślą\n".encode() * 3000 + b"not text: \xff\n")
    path = tmp_path / "log" / "prefect.log"
    log = PrivateLog(path, largest=20_000, kept=2)
    for line in said.read_text("utf-8", "replace").splitlines():
        log.handle(logging.LogRecord("prefect", logging.INFO, "", 0, line, None, None))
    files = sorted(path.parent.iterdir())
    assert [f.name for f in files] == ["prefect.log", "prefect.log.1", "prefect.log.2"]
    assert all(f.stat().st_mode & 0o777 == 0o600 and f.stat().st_size <= 20_000 for f in files)
    drain(said.open("rb"), tmp_path / "drained.log")
    [thread.join(30) for thread in threading.enumerate() if thread.name == "prefect-log"]
    assert len((tmp_path / "drained.log").read_text("utf-8").splitlines()) == 3001
