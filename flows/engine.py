"""Carrying out a job of the schedule: as a real flow run where Prefect answers, plainly where it does not."""

from __future__ import annotations

import contextvars
import importlib
import logging
import threading
from collections.abc import Callable
from typing import Any, Protocol, cast

import httpx

from flows.schedule import Job
from flows.work import Work, install
from nurture.model.intents import Tally

log = logging.getLogger("nurture.flows")
Books = dict[str, Tally]


class Engine(Protocol):
    runs: int
    """Flow runs made so far."""

    def run(self, job: Job) -> Books:
        """Work off what is due for `job`. Returns the books by stage; raises RunFailed where a stage failed."""


class PlainEngine:
    """The same functions without Prefect (`NURTURE_PREFECT=off`)."""

    def __init__(self, work: Work) -> None:
        self.work = work
        self.runs = 0

    def run(self, job: Job) -> Books:
        from flows.plain import work_off

        return work_off(self.work, job.stages, job.funnel_stage)


class PrefectEngine:
    """Real flow runs. Mail does not wait for Prefect: where its API is away the job runs plainly."""

    def __init__(self, work: Work, healthy: Callable[[], bool]) -> None:
        self.runs = 0
        self._plain = PlainEngine(work)
        self._healthy = healthy
        self._away = False
        self._lock = threading.Lock()
        self._context: contextvars.Context | None = None
        install(work)

    def run(self, job: Job) -> Books:
        if not self._healthy():
            self._note(away=True)
            return self._plain.run(job)
        self._note(away=False)
        try:
            return self._as_flow(job)
        except httpx.HTTPError as lost:
            # Tasks run on our side, so the work may well be done. Asking again finds out, and repeats nothing.
            log.warning("Prefect was lost during %s (%s); going on without it", job.name, type(lost).__name__)
            return self._plain.run(job)

    def _as_flow(self, job: Job) -> Books:
        module, _, name = job.flow.rpartition(".")
        flow = cast(Callable[..., Any], getattr(importlib.import_module(module), name))
        with self._lock:
            self.runs += 1
            self._context = self._context or _without_heartbeat()
            found = self._context.run(flow, **job.parameters)
        return {stage: Tally.from_dict(books) for stage, books in found.items()}

    def _note(self, *, away: bool) -> None:
        if away != self._away:
            self._away = away
            says = "does not answer; the work goes on without it" if away else "is back"
            log.warning("Prefect's API %s", says)


def _without_heartbeat() -> contextvars.Context:
    """Where flows run: with a heartbeat every sync flow waits up to a second for the thread that sends it.

    No variable can switch it off, and changing settings costs half a second, so it is done once for all runs.
    """
    from prefect.context import SettingsContext, get_settings_context
    from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY

    present = get_settings_context()
    quiet = present.settings.copy_with_update({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None})
    context = contextvars.copy_context()
    context.run(SettingsContext(profile=present.profile, settings=quiet).__enter__)
    return context
