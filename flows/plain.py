"""A batch without Prefect: the same chunks in the same order. `batch.py` wraps each of them in a task."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from flows.work import Work
from nurture.errors import NurtureError
from nurture.model.intents import Tally
from nurture.pipeline import due_now, run_stage

log = logging.getLogger("nurture.flows")
MOST_CHUNKS = 100
"""Chunks (and so task runs) of one run; what is left is due in the next."""
Chunk = Callable[[str, int, str | None], dict[str, int]]


class RunFailed(RuntimeError):
    """Says which stage failed and how, and no more: Prefect keeps this text, our own log has the details.

    `told` is for whoever runs this: the sentence of an error we know, with how to mend it.
    """

    def __init__(self, stage: str, error: Exception) -> None:
        super().__init__(f"{stage}: {type(error).__name__}; the log of this process says more")
        self.retry = isinstance(error, NurtureError) and error.retry
        self.told = str(self)
        if isinstance(error, NurtureError):
            self.told = f"{error.message.rstrip('.')}. {error.fix}".strip()


def chunk(work: Work, stage: str, funnel_stage: str | None) -> dict[str, int]:
    """One batch of one stage, at the moment it runs. Returns its books."""
    try:
        tally = run_stage(
            work.parts, stage, now=work.clock.now(), owner=work.owner, funnel_stage=funnel_stage, limit=work.limit
        )
    except NurtureError as known:
        raise RunFailed(stage, known) from None
    except Exception as error:
        # The details may name people; they stay in our log.
        log.exception("stage %s failed", stage)
        raise RunFailed(stage, error) from None
    return tally.as_dict()


def work_off(
    work: Work, stages: Sequence[str], funnel_stage: str | None, carry_out: Chunk | None = None
) -> dict[str, Tally]:
    """Chunk after chunk, in the order of the stages, until nothing is due or the run is full. Returns the books."""
    books: dict[str, Tally] = {}
    number = 0
    while number < MOST_CHUNKS:
        due = due_now(work.parts, now=work.clock.now(), funnel_stage=funnel_stage)
        moved = 0
        for stage in (stage for stage in stages if due.get(stage)):
            number += 1
            found = carry_out(stage, number, funnel_stage) if carry_out else chunk(work, stage, funnel_stage)
            tally = Tally.from_dict(found)
            moved += tally.touched()
            books.setdefault(stage, Tally()).add(tally)
        if not moved:
            break  # nothing is due, or others have claimed it
    return books


def rows(books: dict[str, Tally]) -> list[dict[str, str | int]]:
    """The tally as a table: a row for each thing that was counted, and whether the stage's numbers add up.

    Stages count different things, and Prefect's page shows the columns of the first row only.
    """
    table: list[dict[str, str | int]] = []
    for stage, tally in books.items():
        told = {what.replace("_", " "): n for what, n in tally.as_dict().items() if n} or {"nothing to do": 0}
        adds_up = "yes" if tally.balanced() else "NO"
        table += [{"stage": stage, "what": what, "number": n, "adds up": adds_up} for what, n in told.items()]
    return table or [{"stage": "none", "what": "nothing was due", "number": 0, "adds up": "yes"}]
