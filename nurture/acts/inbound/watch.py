"""Watching the places mail comes from: each mail is taken once, one that breaks us is set aside, the rest goes on."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from threading import Event, Thread

from nurture.acts.inbound import arrivals
from nurture.errors import NurtureError, Unavailable
from nurture.mail.inbound.sources import Source
from nurture.model.inbound import Arrived
from nurture.parts import Parts

log = logging.getLogger("nurture.inbound")


class Watch:
    """`clock` is asked per mail. `counted` says what came in so far: kind -> how many, `repeated` apart."""

    def __init__(self, parts: Parts, sources: Sequence[Source], clock: Callable[[], datetime]) -> None:
        self.parts, self.sources, self.clock = parts, list(sources), clock
        self.counted: Counter[str] = Counter()
        self._stop = Event()
        self._threads: list[Thread] = []

    def take(self, arrived: Arrived) -> None:
        """Deal with one mail. Raises Unavailable where it has to come again; nothing else."""
        try:
            taken = arrivals.take(self.parts, arrived, now=self.clock())
        except Unavailable:
            raise
        except Exception as broken:
            # A mail that breaks us must neither be lost nor stop those behind it.
            log.exception("a mail could not be dealt with and waits for a human")
            why = broken.message if isinstance(broken, NurtureError) else f"our own fault: {type(broken).__name__}"
            taken = arrivals.keep(self.parts, arrived, why, now=self.clock())
        self.counted["repeated" if taken.id is None else taken.kind] += 1

    def once(self) -> Counter[str]:
        """Take whatever is there now."""
        for source in self.sources:
            source.once(self.take)
        return self.counted

    def start(self) -> None:
        """One thread per source, until `stop`."""
        for source in self.sources:
            thread = Thread(target=self._run, args=(source,), name=f"inbound-{source.name}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def _run(self, source: Source) -> None:
        while not self._stop.is_set():
            try:
                source.watch(self.take, self._stop, log.error)
            except NurtureError as known:
                log.error("%s", known.message)
                self._stop.wait(30)
            except Exception:
                # The thread is the only one that reads this mailbox: it must outlive a bug.
                log.exception("reading %s failed; it is tried again", source.name)
                self._stop.wait(30)

    def stop(self, timeout: float = 10) -> None:
        """Finish the mail in hand and end."""
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout)

    def wait(self, stop: Event) -> None:
        """Until `stop`, or until every source has ended."""
        while not stop.wait(0.5) and any(t.is_alive() for t in self._threads):
            pass
