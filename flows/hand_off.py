"""The gate is asked; sales gets its packets."""

from __future__ import annotations

from prefect import flow

from flows.batch import run


@flow(name="hand-off", flow_run_name="hand-off", persist_result=False)
def hand_off() -> dict[str, dict[str, int]]:
    """One batch. Returns the books by stage of the pipeline."""
    return run("hand-off", ("hand_off", "deliver"))
