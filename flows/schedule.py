"""THE schedule, once. One machine's clock walks this list; `prefect.yaml` is written from it (a test compares them).

The calendar itself (who gets what and when) lives in the campaigns and the database: a job only asks what is due now.
Asking too often costs a query, asking late delays a mail, asking twice changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from nurture.model.words import FunnelStage


@dataclass(frozen=True, slots=True)
class Job:
    """One deployment: which flow, for which stages of the pipeline, how often.

    `flow` is a function's path (`flows.drip.drip`). `minutes` divides 60. `funnel_stage` narrows a drip.
    """

    name: str
    flow: str
    stages: tuple[str, ...]
    minutes: int
    says: str
    funnel_stage: FunnelStage | None = None

    @property
    def cron(self) -> str:
        return f"*/{self.minutes} * * * *"

    @property
    def parameters(self) -> dict[str, str]:
        return {} if self.funnel_stage is None else {"funnel_stage": self.funnel_stage.value}

    @property
    def tags(self) -> list[str]:
        return ["nurture"] if self.funnel_stage is None else ["nurture", f"stage:{self.funnel_stage.value}"]


DRIP_STAGES: Final = ("rebase", "enroll", "plan", "send")


def _drip(stage: FunnelStage, says: str) -> Job:
    return Job(f"drip-{stage}", "flows.drip.drip", DRIP_STAGES, 5, says, stage)


SCHEDULE: Final[tuple[Job, ...]] = (
    Job(
        "scoring",
        "flows.scoring.scoring",
        ("record", "score", "advance"),
        2,
        "Clicks become facts, facts become scores, scores move leads.",
    ),
    Job(
        "hand-off", "flows.hand_off.hand_off", ("hand_off", "deliver"), 2, "The gate is asked; sales gets its packets."
    ),
    Job("sla-sweep", "flows.sla.sla_sweep", ("recycle",), 5, "Reminders, escalations, leads that sales let lie."),
    Job(
        "recycle",
        "flows.recycle.recycle",
        ("sweep", "domains"),
        15,
        "What time alone changes: cool-offs that end, silence, decay; whose servers take a domain's mail.",
    ),
    _drip(FunnelStage.AWARENESS, "Mails for people who learn that they have a problem."),
    _drip(FunnelStage.CONSIDERATION, "Mails for people who compare ways to solve it."),
    _drip(FunnelStage.DECISION, "Mails for people who choose."),
    _drip(FunnelStage.RECYCLED, "Mails for people whom sales gave back."),
)
"""In the order of the work: one pass carries a click as far as the mail that answers it."""
