"""`nurture check`: the findings of reading and of every rule, over all files at once. No database, no clock."""

from __future__ import annotations

from datetime import date

from nurture.authoring.desk import problem
from nurture.authoring.lint.company import company
from nurture.authoring.lint.consent import consent
from nurture.authoring.lint.copies import copies
from nurture.authoring.lint.flow import flow
from nurture.authoring.lint.folder import Folder
from nurture.authoring.lint.markers import markers
from nurture.authoring.lint.names import names
from nurture.authoring.lint.pace import pace
from nurture.authoring.lint.renames import alike
from nurture.authoring.lint.scores import agreed, gate, scores
from nurture.authoring.lint.stories import stories
from nurture.authoring.reading import Reading, unwatched
from nurture.model.problem import Problem


def check(reading: Reading, *, today: date | None = None, before: Reading | None = None) -> tuple[Problem, ...]:
    """Every problem of every file, in reading order, each once.

    `today` lets rules about dates speak (a past `send_on`, an overdue review); `before` is what is applied now, or an
    earlier state of the folder, and lets a rename be noticed.
    """
    with unwatched():
        return tuple(sorted(_found(reading, today, before)))


def _found(reading: Reading, today: date | None, before: Reading | None) -> set[Problem]:
    folder = Folder(reading)
    found = set(reading.problems)
    for rule in (names, consent, pace, company, scores, gate, copies, markers, stories):
        found.update(rule(folder))
    found.update(flow(folder, today))
    found.update(agreed(folder, today))
    if before is not None:
        found.update(_renamed(folder, Folder(before)))
    return found


def _renamed(folder: Folder, before: Folder) -> list[Problem]:
    old = {c.id: c for c, _ in before.campaigns}
    return [
        problem("rename-without-was", file.spot("step", step.id, "step"),
                f"`{step.id}` looks like `{twin.id}`, which is gone", f"add `was: {twin.id}`")
        for campaign, file in folder.campaigns if campaign.id in old
        for step, twin in alike(old[campaign.id], campaign)
    ]
