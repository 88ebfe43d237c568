"""One schedule: the list in flows/schedule.py, prefect.yaml, and the stages of the pipeline say the same."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from ruamel.yaml import YAML

from flows import deploy, plain
from flows.schedule import SCHEDULE
from nurture.model.intents import Tally
from nurture.model.words import FunnelStage
from nurture.pipeline import STAGES

ROOT = Path(__file__).parents[2]


def test_prefect_yaml_is_what_the_schedule_says() -> None:
    assert (ROOT / "prefect.yaml").read_text(encoding="utf-8") == deploy.rendered()


def test_prefect_yaml_reads_back_as_the_schedule() -> None:
    deployments = YAML(typ="safe").load((ROOT / "prefect.yaml").read_text(encoding="utf-8"))["deployments"]
    assert [d["name"] for d in deployments] == [job.name for job in SCHEDULE]
    assert all(d["concurrency_limit"]["collision_strategy"] == "CANCEL_NEW" for d in deployments)
    assert all(d["schedules"][0]["slug"] == d["name"] for d in deployments)


def test_every_stage_of_the_pipeline_has_a_job() -> None:
    assert {stage for job in SCHEDULE for stage in job.stages} == set(STAGES)


def test_every_funnel_stage_has_its_drip() -> None:
    assert {job.funnel_stage for job in SCHEDULE if job.funnel_stage} == set(FunnelStage)


def test_sla_timers_are_looked_at_every_five_minutes_or_oftener() -> None:
    assert next(job for job in SCHEDULE if "recycle" in job.stages).minutes <= 5
    assert all(60 % job.minutes == 0 for job in SCHEDULE)


def test_every_flow_can_be_found_and_takes_its_parameters() -> None:
    """In a process of its own: importing flows imports Prefect."""
    program = (
        "import importlib, inspect\n"
        "from flows.schedule import SCHEDULE\n"
        "for job in SCHEDULE:\n"
        "    module, _, name = job.flow.rpartition('.')\n"
        "    flow = getattr(importlib.import_module(module), name)\n"
        "    assert set(inspect.signature(flow.fn).parameters) == set(job.parameters), job\n"
        "    assert flow.retries == 0, job\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=ROOT, timeout=120)


def test_the_schedule_itself_knows_no_prefect() -> None:
    program = "import sys, flows.schedule, flows.clockwork, flows.installation; assert 'prefect' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True, cwd=ROOT, timeout=120)


def test_every_count_of_a_run_stands_in_a_column_of_the_first_row() -> None:
    """Prefect's page shows no other columns."""
    score, send = Tally(due=5), Tally(due=3)
    score.add(Tally.from_dict({"scored": 20, "tracked": 1}))
    send.add(Tally.from_dict({"sent": 3}))
    told = plain.rows({"score": score, "send": send, "advance": Tally()})
    assert {tuple(row) for row in told} == {tuple(told[0])}
    assert [row["number"] for row in told if (row["stage"], row["what"]) == ("score", "scored")] == [20]
    assert {row["stage"] for row in told} == {"score", "send", "advance"}
