"""What a flow run works on: the installation of this process, put there by `nurture up` or opened from the settings."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from dataclasses import dataclass

from nurture.clock import Clock
from nurture.parts import Parts


@dataclass(frozen=True, slots=True)
class Work:
    """`parts` gives what is in force now; `owner` names this process on every row it claims."""

    parts: Callable[[], Parts]
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
    from flows.installation import open_source
    from nurture.settings import load_settings

    settings = load_settings()
    source, _store = open_source(settings)
    return Work(source, settings.clock(), owner_name("worker"), settings.batch)


def owner_name(role: str) -> str:
    """`up@host:pid`: enough to see on one host whether the process still lives."""
    return f"{role}@{socket.gethostname()}:{os.getpid()}"
