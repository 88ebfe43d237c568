"""One flow run is a batch: chunks of about a thousand rows as tasks, and a tally at the end.

Prefect's state is a view, our rows are the truth: a run may be repeated, die half-way or raise after its work was
done, and nothing is lost or done twice.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from prefect import task
from prefect.artifacts import create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import TaskRun
from prefect.states import State
from prefect.tasks import Task, exponential_backoff

from flows.work import Work, current
from nurture.errors import NurtureError
from nurture.model.intents import Tally
from nurture.pipeline import due_now, run_stage

log = logging.getLogger("nurture.flows")
MOST_CHUNKS = 100
"""Task runs per flow run; what is left is due in the next run."""


class RunFailed(RuntimeError):
    """Says which stage failed and how, and no more: Prefect keeps this text, our own log has the details."""

    def __init__(self, stage: str, error: Exception) -> None:
        super().__init__(f"{stage}: {type(error).__name__}; the log of this process says more")
        self.retry = isinstance(error, NurtureError) and error.retry


async def _may_retry(_task: Task[..., Any], _run: TaskRun, state: State[Any]) -> bool:
    error = await state.result(raise_on_failure=False)
    return isinstance(error, RunFailed) and error.retry


@task(
    name="chunk", task_run_name="{stage} {number}", cache_policy=NO_CACHE, persist_result=False,
    retries=2, retry_delay_seconds=exponential_backoff(2), retry_jitter_factor=0.5, retry_condition_fn=_may_retry,
)
def chunk(stage: str, number: int, funnel_stage: str | None) -> dict[str, int]:
    """One batch of one stage, at the moment it runs. Returns its books."""
    return plain_chunk(current(), stage, funnel_stage)


def plain_chunk(work: Work, stage: str, funnel_stage: str | None) -> dict[str, int]:
    """`chunk` without Prefect."""
    try:
        tally = run_stage(
            work.parts(), stage, now=work.clock.now(), owner=work.owner, funnel_stage=funnel_stage, limit=work.limit
        )
    except Exception as error:
        # The details may name people; they stay in our log.
        log.exception("stage %s failed", stage)
        raise RunFailed(stage, error) from None
    return tally.as_dict()


def run(job: str, stages: Sequence[str], funnel_stage: str | None = None) -> dict[str, dict[str, int]]:
    """Work off what is due for `stages`, then leave the tally as an artifact. Returns the books by stage."""
    books = work_off(current(), stages, funnel_stage, as_task=True)
    create_table_artifact(key=f"tally-{job}", table=rows(books), description=f"What {job} did in this run")
    return {stage: tally.as_dict() for stage, tally in books.items()}


def work_off(work: Work, stages: Sequence[str], funnel_stage: str | None, *, as_task: bool) -> dict[str, Tally]:
    """Chunk after chunk, in the order of the stages, until nothing is due or the run is full."""
    books: dict[str, Tally] = {}
    number = 0
    while number < MOST_CHUNKS:
        due = due_now(work.parts(), now=work.clock.now(), funnel_stage=funnel_stage)
        waiting = [stage for stage in stages if due.get(stage)]
        if not waiting:
            break
        moved = 0
        for stage in waiting:
            number += 1
            found = chunk(stage, number, funnel_stage) if as_task else plain_chunk(work, stage, funnel_stage)
            tally = Tally.from_dict(found)
            moved += tally.touched()
            books.setdefault(stage, Tally()).add(tally)
        if not moved:
            break  # claimed by somebody else, or nothing can be done about it now
    return books


def rows(books: dict[str, Tally]) -> list[dict[str, str | int]]:
    """The tally as a table: what was due, what became of it, and whether that adds up."""
    return [
        {"stage": stage, "adds up": "yes" if tally.balanced() else "NO", **{k: v for k, v in tally.as_dict().items() if v}}
        for stage, tally in books.items()
    ] or [{"stage": "nothing was due", "adds up": "yes"}]
