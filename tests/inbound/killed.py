"""A process that takes in one maildir and is killed on the way."""

from __future__ import annotations

import os
import signal
from typing import Any

from nurture.acts.inbound import effects
from nurture.acts.inbound.watch import Watch
from nurture.mail.inbound.maildir import Maildir
from nurture.mail.memory import MemoryTransport
from nurture.parts import Parts
from nurture.store import open_store
from nurture.store.mail import inbound
from tests.mail.world import KEYS, NOW, PUBLIC, library


def die(*_: Any, **__: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def run(url: str, folder: str, at: str) -> None:
    """`at`: `effect` (written, not marked), `marked` (not committed), `committed` (the file not yet moved)."""
    parts = Parts(store=open_store(url), library=library(), keys=KEYS, transport=MemoryTransport(), public_url=PUBLIC)
    if at == "effect":
        real = effects.bounced

        def bounced(*given: Any, **named: Any) -> Any:
            real(*given, **named)
            die()

        effects.bounced = bounced
    elif at == "marked":
        mark = inbound.mark

        def marked(*given: Any, **named: Any) -> None:
            mark(*given, **named)
            die()

        inbound.mark = marked
    else:
        Maildir._done = die
    Watch(parts, [Maildir(folder)], lambda: NOW).once()
