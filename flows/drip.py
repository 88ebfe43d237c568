"""Mails: leads enter campaigns, steps come due, messages leave. One flow, a deployment per funnel stage."""

from __future__ import annotations

from prefect import flow

from flows.batch import run
from flows.schedule import DRIP_STAGES


@flow(name="drip", flow_run_name="drip {funnel_stage}", persist_result=False)
def drip(funnel_stage: str) -> dict[str, dict[str, int]]:
    """One batch for the campaigns of `funnel_stage`. Returns the books by stage of the pipeline."""
    return run(f"drip-{funnel_stage}", DRIP_STAGES, funnel_stage)
