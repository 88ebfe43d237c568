"""What time alone changes: cool-offs that end, silence, decay."""

from __future__ import annotations

from prefect import flow

from flows.batch import run
from flows.work import look_at_files


@flow(name="recycle", flow_run_name="recycle", persist_result=False)
def recycle() -> dict[str, dict[str, int]]:
    """One batch. Returns the books by stage of the pipeline."""
    look_at_files()
    return run("recycle", ("sweep", "domains"))
