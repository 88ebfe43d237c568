"""Where no clock runs beside the web app, somebody has to see that campaigns were applied elsewhere."""

from __future__ import annotations

import logging
import threading

from nurture.assembly import refresh
from nurture.errors import NurtureError
from nurture.parts import Parts

log = logging.getLogger(__name__)


class Follower(threading.Thread):
    """Loads what was applied into `parts`, every few seconds, until `stop` is called."""

    def __init__(self, parts: Parts, *, seconds: float = 5.0) -> None:
        super().__init__(name="follower", daemon=True)
        self.parts, self.seconds = parts, seconds
        self._over = threading.Event()

    def run(self) -> None:
        while not self._over.wait(self.seconds):
            try:
                refresh(self.parts)
            except NurtureError as no:
                # What is in force stays in force; the next look may find a database that answers.
                log.warning("what was applied was not loaded: %s", no.message)

    def stop(self) -> None:
        self._over.set()
        self.join(10)
