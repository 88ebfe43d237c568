"""Reminders, escalations, and leads that sales let lie."""

from __future__ import annotations

from prefect import flow

from flows.batch import run


@flow(name="sla-sweep", flow_run_name="sla-sweep", persist_result=False)
def sla_sweep() -> dict[str, dict[str, int]]:
    """One batch. Returns the books by stage of the pipeline."""
    return run("sla-sweep", ("recycle",))
