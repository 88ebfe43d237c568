"""What a flow run works on: the installation of this process, put there by `nurture up` or opened from the settings."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass

from nurture.clock import Clock
from nurture.parts import Parts
from nurture.settings import Settings


@dataclass(frozen=True, slots=True)
class Work:
    """`parts` is what is in force; `owner` names this process on every row it claims."""

    parts: Parts
    clock: Clock
    owner: str
    limit: int


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


def _from_settings() -> Work:
    from nurture.settings import load_settings

    settings = load_settings()
    return Work(open_parts(settings), settings.clock(), owner_name("worker"), settings.batch)


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
