"""Clicks become facts, facts become scores, scores move leads."""

from __future__ import annotations

from prefect import flow

from flows.batch import run


@flow(name="scoring", flow_run_name="scoring", persist_result=False)
def scoring() -> dict[str, dict[str, int]]:
    """One batch. Returns the books by stage of the pipeline."""
    return run("scoring", ("record", "score", "advance"))
