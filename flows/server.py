"""Prefect's API and UI for one machine: a child process that never outlives us and never takes us down.

`python -m flows.server` is the child: it ends as soon as the pipe to its parent closes, which the operating system does
however the parent dies. Left to itself it would go on listening after a kill -9.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx

from flows.logs import drain
from nurture.errors import Unavailable, UsageError

START_SECONDS = 120.0
"""A cold start makes Prefect's database first, which takes ten seconds on a quiet machine."""
REST_SECONDS = 30.0
"""Between two attempts to start it again."""


class PrefectServer:
    """Starts, watches and stops the child. `healthy()` is cheap enough to be asked before every run."""

    def __init__(self, port: int, environment: dict[str, str], log: Path) -> None:
        self.port = port
        self.environment = environment
        self.log = log
        self.url = f"http://127.0.0.1:{port}"
        self._child: subprocess.Popen[bytes] | None = None
        self._tidied: subprocess.Popen[bytes] | None = None
        self._started_at = 0.0
        self._lock = threading.Lock()
        self._http = httpx.Client(timeout=2, verify=False)  # noqa: S501 -- plain http to this machine

    def start(self) -> None:
        """Start the child and return at once; it is healthy a few seconds later."""
        with self._lock:
            self._child = subprocess.Popen(
                [sys.executable, "-m", "flows.server", str(self.port)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env={**os.environ, **self.environment},
                start_new_session=True,
            )
            assert self._child.stdout is not None
            drain(self._child.stdout, self.log)
            self._started_at = time.monotonic()

    def healthy(self) -> bool:
        """Whether it answers now. A child that ended is started again, at most every half minute."""
        child = self._child
        if child is None:
            return False
        if child.poll() is not None:
            if time.monotonic() - self._started_at > REST_SECONDS:
                self.start()
            return False
        try:
            answers = self._http.get(f"{self.url}/api/health").status_code == httpx.codes.OK
            if answers and self._tidied is not child:
                self._tidied = child
                self._close_stale_runs()
        except httpx.HTTPError:
            return False
        return answers

    def _close_stale_runs(self) -> None:
        """Runs of a process that was killed stay RUNNING for ever. No run of ours is under way when this is called."""
        api = f"{self.url}/api/flow_runs"
        under_way = {"flow_runs": {"state": {"type": {"any_": ["RUNNING", "PENDING"]}}}, "limit": 200}
        for run in self._http.post(f"{api}/filter", json=under_way).json():
            crashed = {"type": "CRASHED", "name": "Crashed", "message": "its process has ended"}
            self._http.post(f"{api}/{run['id']}/set_state", json={"state": crashed, "force": True})

    def wait(self, seconds: float = START_SECONDS) -> bool:
        """Wait until it is healthy; False where it ended or did not come up in time."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if self.healthy():
                return True
            if self._child is None or self._child.poll() is not None:
                return False
            time.sleep(0.1)
        return False

    def stop(self) -> None:
        with self._lock:
            child, self._child = self._child, None
        if child is None:
            return
        if child.stdin is not None:
            child.stdin.close()
        try:
            child.wait(timeout=5)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def check_host(host: str) -> None:
    """Raises UsageError where this machine cannot listen on `host` at all, whatever the port."""
    with socket.socket() as probe:
        try:
            probe.bind((host, 0))
        except (OSError, UnicodeError) as wrong:
            raise UsageError(
                f"The web app cannot listen on `{host}`: it is no IPv4 address of this machine.",
                fix="take 127.0.0.1 (only this machine) or 0.0.0.0 (every network); --host or NURTURE_HOST",
            ) from wrong


def check_port(host: str, port: int, what: str, fix: str) -> None:
    """Raises Unavailable where somebody else listens on `port` already."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as taken:
            raise Unavailable(f"{what} cannot listen on {host}:{port}: {taken.strerror}.", fix=fix) from taken


def is_free(host: str, port: int) -> bool:
    try:
        check_port(host, port, "", "")
    except Unavailable:
        return False
    return True


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _end_with_parent() -> None:
    sys.stdin.buffer.read()
    os._exit(0)


def serve(port: int) -> None:
    """The child's whole life."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    import uvicorn
    from prefect.server.api.server import create_app

    uvicorn.run(create_app(), host="127.0.0.1", port=port, log_level="warning", timeout_keep_alive=30)


if __name__ == "__main__":
    serve(int(sys.argv[1]))
