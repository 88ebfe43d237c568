"""What a flow run works on: the installation of this process, put there by `nurture up` or opened from the settings."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from datetime import timedelta

from flows.watch import FolderWatch
from nurture.clock import Clock, SystemClock
from nurture.errors import Refused
from nurture.parts import Parts
from nurture.settings import Settings
from nurture.store import Store
from nurture.store.running import clock_owner

SCHEDULE_LEASE = timedelta(minutes=10)
"""Longer than any interval of the schedule that matters: between two runs nobody else becomes the clock."""


@dataclass(frozen=True, slots=True)
class Work:
    """`parts` is what is in force; `owner` names this process on every row it claims.

    `watch` looks at the files of marketers where no clock of ours does (a worker's process).
    """

    parts: Parts
    clock: Clock
    owner: str
    limit: int
    watch: FolderWatch | None = None


_installed: Work | None = None


def install(work: Work | None) -> None:
    """Give the flows of this process something to work on (None: forget it)."""
    global _installed
    _installed = work


def current() -> Work:
    """The installed work; a worker's process opens its own from the settings on first use."""
    if _installed is None:
        install(_from_settings())
    assert _installed is not None
    return _installed


def look_at_files() -> None:
    """In a worker's process: tell the owners of campaigns whose file broke or went away."""
    work = current()
    if work.watch is not None:
        work.watch.look(now=work.clock.now())


def _from_settings() -> Work:
    from nurture.settings import load_settings

    settings = load_settings()
    parts, clock = open_parts(settings), settings.clock()
    _be_one_of_the_clocks(parts.store, clock)
    watch = FolderWatch(parts.store, settings.campaigns_dir, settings.templates_dir, patient=False)
    return Work(parts, clock, owner_name("worker"), settings.batch, watch)


def _be_one_of_the_clocks(store: Store, clock: Clock) -> None:
    """Workers share one entry as the clock of their database. Raises Refused where a `nurture up` is alive on it."""
    now = clock.now()
    with store.begin() as conn:
        taken = clock_owner.take(
            conn,
            owner="prefect",
            mode="prefect",
            now=now,
            wall=SystemClock().now(),
            detail="Prefect's schedule",
            lease=SCHEDULE_LEASE,
        )
    if not taken:
        raise Refused(
            "A `nurture up` is the clock of this database.",
            code="second-clock",
            fix="Stop it before workers run this database, or pause the deployments.",
        )


def open_parts(settings: Settings) -> Parts:
    """The installation's parts, its database brought to this program's schema."""
    from nurture.assembly import assemble
    from nurture.store import open_store
    from nurture.store.schema import ensure

    store = open_store(settings.database_url)
    ensure(store)
    return assemble(store, settings)


def owner_name(role: str) -> str:
    """`up@host:pid`: enough to see on one host whether the process still lives."""
    return f"{role}@{socket.gethostname()}:{os.getpid()}"
