"""WHEN things run: one schedule, and Prefect flows that wrap the pipeline. No logic here."""
