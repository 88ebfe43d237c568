"""One running installation on one machine: database, web app, clock, and Prefect beside it. `nurture up` is this."""

from __future__ import annotations

import logging
import socket
import threading
import time
from typing import Self

import uvicorn

from flows.clockwork import Clockwork, Observer, refuse_second
from flows.engine import Engine, PlainEngine, PrefectEngine
from flows.environment import embedded, prepare
from flows.first_start import lay_out
from flows.server import PrefectServer, check_host, check_port, free_port
from flows.watch import FolderWatch
from flows.work import Work, open_parts, owner_name
from nurture.acts.inbound.watch import Watch
from nurture.clock import Clock, SystemClock
from nurture.errors import Unavailable, UsageError
from nurture.mail.inbound.sources import parse_sources
from nurture.settings import Settings
from nurture.store import Store
from nurture.store.running import clock_owner

log = logging.getLogger("nurture.flows")
DRAIN_SECONDS = 20


class Installation:
    """Everything `nurture up` starts, in the order that lets each part fail with one clear message.

    `clock` None: the machine's own. Use as a context manager; leaving it drains and stops.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Clock | None = None,
        observer: Observer | None = None,
        demo: bool = False,
        accept_clock: bool = False,
    ) -> None:
        if settings.mode == "server":
            raise UsageError(
                "`nurture up` is the clock of one machine; in server mode the clock is Prefect's schedule.",
                fix="Run `nurture web` here and `prefect worker start` on the workers, or unset NURTURE_MODE.",
            )
        self.settings = settings
        self.demo = demo
        self.observer = observer
        self.accept_clock = accept_clock
        self.clock = clock
        self.prefect: PrefectServer | None = None
        self.engine: Engine | None = None
        self._web: uvicorn.Server | None = None
        self._web_thread: threading.Thread | None = None
        self._socket: socket.socket | None = None

    def __enter__(self) -> Self:
        try:
            self.open()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def open(self) -> None:
        """Take what only one process can have (port, clock), then start what takes time."""
        self.parts = open_parts(self.settings)
        # Before the port, which the other one holds as well: another port would be the wrong advice.
        refuse_second(self.parts.store)
        self._socket = listen(self.settings.host, self.settings.port)
        self.clock = self.clock or self._own_clock(self.parts.store)
        self.work = Work(self.parts, self.clock, owner_name("up"), self.settings.batch)
        self.engine = self._engine()
        watch = FolderWatch(self.parts.store, self.settings.campaigns_dir, self.settings.templates_dir)
        self.clockwork = Clockwork(self.parts.store, self.work, self.engine, self.observer, watch)
        self.inbound = self._inbound()
        self.clockwork.take()
        if self.prefect is not None:
            self.prefect.start()
        self._start_web()
        self.inbound.start()

    def _own_clock(self, store: Store) -> Clock:
        with store.read() as conn:
            before = clock_owner.holder(conn)
        clock = self.settings.clock(before.last_now if before is not None else None)
        if self.accept_clock and isinstance(clock, SystemClock):
            clock.accept()
        return clock

    def _engine(self) -> Engine:
        if not self.settings.prefect:
            return PlainEngine(self.work)
        port = self.settings.prefect_port or free_port()
        fix = "Say another port with NURTURE_PREFECT_PORT, or run without it: NURTURE_PREFECT=off."
        check_port("127.0.0.1", port, "Prefect's API", fix)
        environment = embedded(self.settings, port)
        prepare(environment)
        lay_out(self.settings.prefect_home)
        self.prefect = PrefectServer(port, environment, self.settings.var_dir / "log" / "prefect.log")
        return PrefectEngine(self.work, self.prefect.healthy)

    def _inbound(self) -> Watch:
        """Whatever reads the mail that comes in; nothing where no place is set."""
        clock = self.clock
        assert clock is not None
        return Watch(self.parts, parse_sources(self.settings.inbound, today=lambda: clock.now().date()), clock.now)

    def _start_web(self) -> None:
        from nurture.web import serving
        from nurture.web.app import app_of

        assert self.clock is not None and self._socket is not None
        app = app_of(self.settings, self.parts, self.clock, demo=self.demo)
        config = serving.config(
            app, trusted_proxies=self.settings.trusted_proxies, timeout_graceful_shutdown=5
        )
        self._web = uvicorn.Server(config)
        self._web_thread = threading.Thread(target=self._web.run, args=([self._socket],), name="web", daemon=True)
        self._web_thread.start()
        until = time.monotonic() + 15
        while not self._web.started and time.monotonic() < until:
            if not self._web_thread.is_alive():
                raise Unavailable("The web app did not start; the lines above say why.")
            time.sleep(0.01)

    @property
    def url(self) -> str:
        port = self._socket.getsockname()[1] if self._socket is not None else self.settings.port
        return f"http://{self.settings.host}:{port}"

    def run(self, stop: threading.Event) -> None:
        """Tick until `stop` is set or the clock was taken over."""
        self.clockwork.start(self.settings.tick_seconds)
        while not stop.wait(0.5) and not self.clockwork.lost.is_set():
            pass

    def close(self) -> None:
        """Drain: no new tick, the running one ends, answers under way are given, then everything stops."""
        if hasattr(self, "inbound"):
            self.inbound.stop()
        if hasattr(self, "clockwork"):
            self.clockwork.stop()
        if self._web is not None and self._web_thread is not None:
            self._web.should_exit = True
            self._web_thread.join(timeout=DRAIN_SECONDS)
        if self._socket is not None:
            self._socket.close()
        if self.prefect is not None:
            self.prefect.stop()
        if hasattr(self, "parts"):
            self.parts.store.close()


def listen(host: str, port: int) -> socket.socket:
    """A listening socket for the web app.

    Raises:
        UsageError: `host` is no IPv4 address of this machine.
        Unavailable: the port is taken.
    """
    check_host(host)
    fix = f"Stop what runs there, or choose another: nurture up --port {port + 1}."
    check_port(host, port, "The web app", fix)
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind((host, port))
    made.listen(2048)
    return made
