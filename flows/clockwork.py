"""The clock of one machine: every few seconds it asks what is due, and has the jobs of the schedule carried out.

One process at a time is the clock of a database. The calendar is not here: asking again changes nothing.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Callable
from datetime import UTC, datetime

from apscheduler.schedulers.background import BackgroundScheduler

from flows.engine import Engine
from flows.plain import RunFailed
from flows.schedule import SCHEDULE, Job
from flows.watch import FolderWatch
from flows.work import Work
from nurture.assembly import refresh
from nurture.clock import ClockJumpedBack
from nurture.errors import NurtureError, Refused
from nurture.model.intents import Tally
from nurture.pipeline import due_now
from nurture.store import Store
from nurture.store.running import clock_owner

log = logging.getLogger("nurture.flows")
RENEW_SECONDS = 10.0
Observer = Callable[[Job, dict[str, Tally]], None]


def wall() -> datetime:
    """Real time: leases of processes run in it, also where the work runs on a virtual clock."""
    return datetime.now(UTC)


class Clockwork:
    """Take the clock, tick, give it back.

    `observer` sees every job's books, `watch` the files of marketers; `lost` is set when somebody else became the
    clock.
    """

    def __init__(
        self,
        store: Store,
        work: Work,
        engine: Engine,
        observer: Observer | None = None,
        watch: FolderWatch | None = None,
    ) -> None:
        self.store = store
        self.watch = watch
        self.work = work
        self.engine = engine
        self.observer = observer
        self.lost = threading.Event()
        self._scheduler: BackgroundScheduler | None = None
        self._said = ""
        self._failing = False

    def take(self, mode: str = "embedded") -> None:
        """Become this database's clock. Raises Refused where another one is alive."""
        with self.store.begin() as conn:
            present = clock_owner.holder(conn)
            over = present.owner if present is not None and is_dead(present.owner) else None
            taken = clock_owner.take(
                conn,
                owner=self.work.owner,
                mode=mode,
                now=self.work.clock.now(),
                wall=wall(),
                detail=f"process {os.getpid()} on {socket.gethostname()}",
                over=over,
            )
        if not taken and present is not None:
            raise second_clock(present)

    def tick(self) -> dict[str, Tally]:
        """Carry out every job that has something due. Returns the books of this tick by stage."""
        books: dict[str, Tally] = {}
        if self.lost.is_set():
            return books
        self._failing = False
        applied = refresh(self.work.parts)
        self._look_at_files(again=applied)
        due = self._due(None)
        for job in SCHEDULE:
            if not any(due.get(stage) for stage in job.stages):
                continue
            if job.funnel_stage is not None and not any(self._due(job.funnel_stage).get(stage) for stage in job.stages):
                continue
            try:
                found = self.engine.run(job)
            except RunFailed as failed:
                self._failing = True
                self._say_once(f"{job.name} is tried again with each tick: {failed.told}")
                continue
            due = self._due(None)  # what one job did may be work for the next
            if self.observer is not None:
                self.observer(job, found)
            for stage, tally in found.items():
                books.setdefault(stage, Tally()).add(tally)
        return books

    def _look_at_files(self, *, again: bool) -> None:
        for wrong in self.watch.look(now=self.work.clock.now(), again=again) if self.watch is not None else ():
            log.error("%s (`nurture check` says how to mend it)", wrong)

    def _due(self, funnel_stage: str | None) -> dict[str, int]:
        return due_now(self.work.parts, now=self.work.clock.now(), funnel_stage=funnel_stage)

    def start(self, seconds: float) -> None:
        """Tick every `seconds` in the background until `stop`."""
        scheduler = BackgroundScheduler(timezone=UTC)
        # A tick that is late is made up for once, never dropped (the default drops what is a second late) and never
        # made up for twice; two never run at the same time.
        scheduler.add_job(
            self._guarded_tick,
            "interval",
            seconds=seconds,
            next_run_time=wall(),
            id="tick",
            misfire_grace_time=None,
            coalesce=True,
            max_instances=1,
        )
        scheduler.add_job(
            self._renew,
            "interval",
            seconds=RENEW_SECONDS,
            id="lease",
            misfire_grace_time=None,
            coalesce=True,
            max_instances=1,
        )
        scheduler.start()
        self._scheduler = scheduler

    def stop(self) -> None:
        """Let the tick that runs come to its end, then give the clock back."""
        if self._scheduler is not None:
            self._scheduler.shutdown(wait=True)
            self._scheduler = None
        try:
            with self.store.begin() as conn:
                clock_owner.release(conn, owner=self.work.owner, wall=wall())
        except NurtureError as away:
            log.warning("the clock was not given back (%s); its lease ends by itself", away.message)

    def _guarded_tick(self) -> None:
        try:
            self.tick()
            if not self._failing:
                self._said = ""
        except ClockJumpedBack as back:
            self._say_once(back.message)
        except NurtureError as known:
            self._say_once(f"{known.message} Nothing is lost; the next tick tries again.")
        except Exception:
            # The clock must outlive whatever one tick runs into.
            log.exception("a tick failed; the next one tries again")

    def _renew(self) -> None:
        try:
            now = self.work.clock.now()
            with self.store.begin() as conn:
                still = clock_owner.renew(conn, owner=self.work.owner, now=now, wall=wall())
        except NurtureError as known:
            self._say_once(known.message)
            return
        if not still:
            log.error("Another process has become the clock of this database; this one stops.")
            self.lost.set()

    def _say_once(self, message: str) -> None:
        if message != self._said:
            self._said = message
            log.error("%s", message)


def refuse_second(store: Store) -> None:
    """Raises Refused where another process is alive as the clock of this database; takes nothing."""
    with store.read() as conn:
        present = clock_owner.holder(conn)
    if present is not None and present.lease_until > wall() and not is_dead(present.owner):
        raise second_clock(present)


def second_clock(present: clock_owner.Holder) -> Refused:
    """Why two clocks on one database is one too many, and who the other one is."""
    return Refused(
        f"This database already has a clock: {present.detail} ({present.mode}), "
        f"last seen {present.lease_until - clock_owner.LEASE:%H:%M:%S} UTC.",
        code="second-clock",
        fix="Stop that one first, or give this one a database of its own (NURTURE_DATABASE_URL).",
    )


def is_dead(owner: str) -> bool:
    """Whether `role@host:pid` is a process of this machine that has ended. False where nobody here can know."""
    host, _, pid = owner.partition("@")[2].rpartition(":")
    if host != socket.gethostname() or not pid.isdigit():
        return False
    if int(pid) == os.getpid():
        return True
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False
