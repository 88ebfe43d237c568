"""How Prefect runs on one machine. Has to be in the environment before Prefect is first imported."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

import certifi

from nurture.errors import UsageError
from nurture.settings import Settings


def embedded(settings: Settings, port: int) -> dict[str, str]:
    """Prefect's settings for `nurture up`: its own folder and port, nothing phones home, no second scheduler."""
    home = settings.prefect_home
    return {
        "DO_NOT_TRACK": "1",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_HOME": str(home),
        "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": f"sqlite+aiosqlite:///{home / 'prefect.db'}",
        # Two copies of the UI are unpacked at start; the installed package may be read-only.
        "PREFECT_SERVER_UI_STATIC_DIRECTORY": str(home / "ui"),
        "PREFECT_SERVER_API_HOST": "127.0.0.1",
        "PREFECT_SERVER_API_PORT": str(port),
        # The clock is ours: nothing here schedules, so nothing needs to look for late runs.
        "PREFECT_SERVER_SERVICES_SCHEDULER_ENABLED": "false",
        "PREFECT_SERVER_SERVICES_LATE_RUNS_ENABLED": "false",
        "PREFECT_SERVER_SERVICES_FOREMAN_ENABLED": "false",
        # Nothing reacts to events here, and the pages of runs, tasks and artifacts are made from other tables. Keeping
        # every event cost a quarter of the server's work, and writers that waited for each other cost a third of a run.
        "PREFECT_SERVER_SERVICES_TRIGGERS_ENABLED": "false",
        "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_ENABLED": "false",
        # Nobody stores blocks here, and describing sixty kinds of them costs seconds of the first start.
        "PREFECT_API_BLOCKS_REGISTER_ON_START": "false",
        # With the default of one row per transaction a run of many tasks stalls the next run for half a minute.
        "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "200",
        "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "flow_runs",
        # Each run opens a client, and each client reads this file first, to speak plain http to this machine: one
        # certificate takes a millisecond, the usual 150 take 60.
        "PREFECT_API_SSL_CERT_FILE": str(_one_certificate(home)),
        "PREFECT_CLIENT_MAX_RETRIES": "1",
        "PREFECT_CLIENT_CSRF_SUPPORT_ENABLED": "false",
        # Our own log has the details, under our own rights; nothing personal goes to a second place.
        "PREFECT_LOGGING_TO_API_ENABLED": "false",
        "PREFECT_LOGGING_LEVEL": "CRITICAL",
    }


def _one_certificate(home: Path) -> Path:
    end = "-----END CERTIFICATE-----"
    path = home / "one-certificate.pem"
    if not path.exists():
        home.mkdir(parents=True, exist_ok=True)
        path.write_text(
            Path(certifi.where()).read_text(encoding="utf-8").partition(end)[0] + end + "\n", encoding="utf-8"
        )
    return path


def prepare(environment: Mapping[str, str]) -> None:
    """Put it into force. Raises UsageError where Prefect is imported already: it would not see it."""
    if "prefect" in sys.modules and any(os.environ.get(k) != v for k, v in environment.items()):
        raise UsageError("Prefect was imported before its settings were made.", fix="Start it from a fresh process.")
    os.environ.update(environment)
