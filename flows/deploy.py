"""The schedule as Prefect wants it: `prefect.yaml` is written from the list in `schedule.py` and never by hand.

`python -m flows.deploy` writes it; a test compares. `nurture server-setup` makes the rest on a server.
"""

from __future__ import annotations

import io
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from flows.schedule import SCHEDULE, Job

POOL = "nurture-process"
ENVIRONMENT = {"NURTURE_MODE": "server", "DO_NOT_TRACK": "1", "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30"}
HEAD = """\
# Written by `python -m flows.deploy` from flows/schedule.py: change the list there.
#
#   prefect server start                                 # on PostgreSQL: PREFECT_SERVER_DATABASE_CONNECTION_URL
#   nurture server-setup                                 # work pool, and what tidies up after lost machines
#   prefect --no-prompt deploy --all
#   prefect worker start --pool nurture-process --type process --limit 1     # on every worker
#
# Workers read NURTURE_DATABASE_URL, NURTURE_SECRET_KEY, NURTURE_SMTP_URL and NURTURE_PUBLIC_URL from their environment.
"""


def document() -> dict[str, Any]:
    """The whole of prefect.yaml as data."""
    return {"name": "nurture", "pull": [], "deployments": [_deployment(job) for job in SCHEDULE]}


def _deployment(job: Job) -> dict[str, Any]:
    return {
        "name": job.name,
        "description": job.says,
        "entrypoint": job.flow,
        "tags": job.tags,
        "parameters": job.parameters,
        # The slug lets a changed interval change this schedule instead of adding one.
        "schedules": [{"cron": job.cron, "timezone": "UTC", "slug": job.name, "active": True}],
        # Runs that piled up while no worker was there are one run: the flow looks at what is due now.
        "concurrency_limit": {"limit": 1, "collision_strategy": "CANCEL_NEW", "grace_period_seconds": 60},
        "work_pool": {
            "name": POOL,
            "job_variables": {"env": dict(ENVIRONMENT)},
        },
    }


def rendered() -> str:
    """The text of prefect.yaml."""
    yaml = YAML()
    yaml.default_flow_style = False
    yaml.width = 120
    yaml.indent(mapping=2, sequence=4, offset=2)
    text = io.StringIO()
    yaml.dump(document(), text)
    return HEAD + text.getvalue()


def setup() -> list[str]:
    """Make on the server that PREFECT_API_URL names what deployments need. Safe to repeat. Returns what was done."""
    import asyncio

    return asyncio.run(_setup())


async def _setup() -> list[str]:
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.actions import WorkPoolCreate
    from prefect.exceptions import ObjectAlreadyExists

    done = []
    async with get_client() as client:
        try:
            await client.create_work_pool(WorkPoolCreate(name=POOL, type="process"))
            done.append(f"work pool {POOL} made")
        except ObjectAlreadyExists:
            done.append(f"work pool {POOL} was there")
        found = await client.find_automation(_zombies().name)
        if found is None:
            await client.create_automation(_zombies())
            done.append("runs of lost machines are marked as crashed after 90 seconds")
        else:
            done.append("runs of lost machines are tidied up already")
    return done


def _zombies() -> Any:
    """A machine that is lost leaves its runs RUNNING for ever. Only the view needs this: rows go by lease."""
    from prefect.automations import AutomationCore
    from prefect.client.schemas.objects import StateType
    from prefect.events.actions import ChangeFlowRunState
    from prefect.events.schemas.automations import EventTrigger, Posture
    from prefect.events.schemas.events import ResourceSpecification

    return AutomationCore(
        name="nurture: runs of lost machines",
        description="No heartbeat for 90 seconds: the run is marked as crashed. Its rows are taken up by the next run.",
        trigger=EventTrigger(
            after={"prefect.flow-run.heartbeat"},
            expect={
                "prefect.flow-run.heartbeat",
                "prefect.flow-run.Completed",
                "prefect.flow-run.Failed",
                "prefect.flow-run.Cancelled",
                "prefect.flow-run.Crashed",
            },
            match=ResourceSpecification({"prefect.resource.id": ["prefect.flow-run.*"]}),
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=timedelta(seconds=90),
        ),
        actions=[ChangeFlowRunState(state=StateType.CRASHED, message="no heartbeat: the machine is lost")],
    )


if __name__ == "__main__":
    Path("prefect.yaml").write_text(rendered(), encoding="utf-8")
    sys.stdout.write(f"prefect.yaml: {len(SCHEDULE)} deployments\n")
