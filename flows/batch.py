"""One flow run is a batch: chunks of about a thousand rows as tasks, and a tally at the end.

Prefect's state is a view, our rows are the truth: a run may be repeated, die half-way or raise after its work was
done, and nothing is lost or done twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from prefect import task
from prefect.artifacts import create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.tasks import Task, exponential_backoff

from flows import plain
from flows.plain import RunFailed
from flows.work import current


async def _may_retry(_task: Task[..., Any], _run: TaskRun, state: State[Any]) -> bool:
    error = await state.aresult(raise_on_failure=False)
    return isinstance(error, RunFailed) and error.retry


@task(
    name="chunk",
    task_run_name="{stage} {number}",
    cache_policy=NO_CACHE,
    persist_result=False,
    retries=2,
    retry_delay_seconds=exponential_backoff(2),
    retry_jitter_factor=0.5,
    retry_condition_fn=_may_retry,
)
def chunk(stage: str, number: int, funnel_stage: str | None) -> dict[str, int]:
    """One batch of one stage as a task run; `number` only names it."""
    return plain.chunk(current(), stage, funnel_stage)


def run(job: str, stages: Sequence[str], funnel_stage: str | None = None) -> dict[str, dict[str, int]]:
    """Work off what is due for `stages`, then leave the tally as an artifact. Returns the books by stage."""
    books = plain.work_off(current(), stages, funnel_stage, chunk)
    create_table_artifact(key=f"tally-{job}", table=plain.rows(books), description=f"What {job} did in this run")
    return {stage: tally.as_dict() for stage, tally in books.items()}
