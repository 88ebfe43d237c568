"""WHEN things run: one schedule, and Prefect flows that wrap the pipeline. No logic lives here."""

import os

# Before anything imports Prefect, in every process that runs a flow: nothing here phones home.
os.environ.setdefault("DO_NOT_TRACK", "1")
os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
