"""`nurture up` as a process of its own: what it says when it cannot, and that it drains when it is told to end."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import httpx
import pytest

from flows.clockwork import is_dead
from nurture.cli import main
from nurture.clock import ClockJumpedBack, SystemClock, VirtualClock
from nurture.demo.mailbox import MailFolder
from nurture.settings import Settings
from nurture.store import open_store
from nurture.store.running import clock_owner
from tests.flows.conftest import BEGIN, ROOT, environment_of

pytestmark = [pytest.mark.process, pytest.mark.xdist_group("up")]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def up(made: Settings, *argv: str, now: bool = True, **more: str) -> Iterator[subprocess.Popen[str]]:
    environment = {
        **os.environ,
        **environment_of(made, BEGIN + timedelta(hours=1)),
        "NURTURE_TICK_SECONDS": "0.2",
        **more,
    }
    if not now:
        del environment["NURTURE_NOW"]
    process = subprocess.Popen(
        [sys.executable, "-m", "nurture.cli", "up", *argv],
        cwd=ROOT,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def wait_for(url: str, seconds: float = 60) -> httpx.Response:
    until = time.monotonic() + seconds
    while True:
        try:
            return httpx.get(url)
        except httpx.HTTPError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)


def test_it_mails_serves_pages_and_drains_on_sigterm(settings: Settings, mail: MailFolder) -> None:
    port = free_port()
    with up(settings, "--port", str(port)) as process:
        assert wait_for(f"http://127.0.0.1:{port}/forms/newsletter").status_code == 200
        until = time.monotonic() + 60
        while mail.accepted < 20 and time.monotonic() < until:
            time.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        said, _ = process.communicate(timeout=60)
    assert process.returncode == 0, said
    assert mail.accepted >= 20
    assert "Ended. Nothing was lost." in said
    store = open_store(settings.database_url)
    with store.read() as conn:
        present = clock_owner.holder(conn)
    assert present is not None and present.lease_until <= SystemClock().now(), "the clock was given back"


def test_a_second_one_on_the_same_database_is_refused_in_one_message(settings: Settings) -> None:
    first, second = free_port(), free_port()
    with up(settings, "--port", str(first)):
        wait_for(f"http://127.0.0.1:{first}/forms/newsletter")
        with up(settings, "--port", str(second)) as other:
            said, _ = other.communicate(timeout=60)
    assert other.returncode != 0
    assert "already has a clock" in said and "fix:" in said and "Traceback" not in said


def test_a_port_in_use_is_one_message(settings: Settings) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with up(settings, "--port", str(taken.getsockname()[1])) as process:
            said, _ = process.communicate(timeout=60)
    assert process.returncode == 3
    assert "cannot listen on" in said and "--port" in said and "Traceback" not in said


@pytest.mark.parametrize(
    "url", ["mysql://x", "nonsense", "postgresql://nobody@127.0.0.1:1/none", "sqlite:////proc/none/n.db"]
)
def test_a_bad_database_is_one_message(
    settings: Settings, url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in {**environment_of(settings, BEGIN), "NURTURE_DATABASE_URL": url}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as ended:
        main(["up", "--port", str(free_port())])
    assert ended.value.code in (2, 3)
    said = capsys.readouterr().err
    assert "error:" in said and "Traceback" not in said


def test_a_machine_that_wakes_up_in_the_past_mails_nobody(settings: Settings, mail: MailFolder) -> None:
    store = open_store(settings.database_url)
    later = SystemClock().now() + timedelta(days=2)
    with store.begin() as conn:
        clock_owner.take(
            conn, owner="up@elsewhere:1", mode="embedded", now=later, wall=BEGIN - timedelta(days=9), detail=""
        )
    with up(settings, "--port", str(free_port()), now=False) as process:
        said, _ = process.communicate(timeout=60)
    assert process.returncode == 3
    assert "jumped back" in said and "--accept-clock" in said and "Traceback" not in said
    assert mail.accepted == 0


def test_clocks_never_go_back() -> None:
    clock = VirtualClock(BEGIN)
    clock.advance(timedelta(hours=1))
    with pytest.raises(ClockJumpedBack):
        clock.jump(BEGIN)
    ahead = SystemClock().now() + timedelta(hours=1)
    with pytest.raises(ClockJumpedBack):
        SystemClock(ahead).now()
    nudged = SystemClock().now() + timedelta(seconds=10)
    assert SystemClock(nudged).now() == nudged


def test_whether_an_owner_is_dead_is_known_for_this_machine_only() -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    here = socket.gethostname()
    assert is_dead(f"up@{here}:{gone.pid}")
    assert not is_dead(f"up@{here}:{os.getppid()}")
    assert not is_dead("up@somewhere-else:1")
