"""`nurture check`: the findings of reading and of every rule, over all files at once. No database, no clock."""

from __future__ import annotations

from datetime import date

from nurture.authoring.desk import nearest, problem
from nurture.authoring.lint.company import company
from nurture.authoring.lint.consent import consent
from nurture.authoring.lint.copies import copies
from nurture.authoring.lint.flow import flow
from nurture.authoring.lint.folder import Folder
from nurture.authoring.lint.names import names
from nurture.authoring.lint.pace import pace
from nurture.authoring.lint.scores import agreed, gate, scores
from nurture.authoring.lint.stories import stories
from nurture.authoring.reading import Reading, unwatched
from nurture.model.campaign import Campaign, Step
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
    for rule in (names, consent, pace, company, scores, gate, copies, stories):
        found.update(rule(folder))
    found.update(flow(folder, today))
    found.update(agreed(folder, today))
    if before is not None:
        found.update(_renamed(folder, Folder(before)))
    return found


def _renamed(folder: Folder, before: Folder) -> list[Problem]:
    """Steps that are new by name and old by what they do."""
    found = []
    old = {c.id: c for c, _ in before.campaigns}
    for campaign, file in folder.campaigns:
        if campaign.id not in old:
            continue
        gone = _only_in(old[campaign.id], campaign)
        for step in _only_in(campaign, old[campaign.id]):
            twin = next((g for g in gone if g.action == step.action), None)
            twin_name = twin.id if twin else nearest(step.id, [g.id for g in gone])
            if step.was is None and twin_name is not None:
                found.append(problem("rename-without-was", file.spot("step", step.id, "step"),
                                     f"`{step.id}` looks like `{twin_name}`, which is gone", f"add `was: {twin_name}`"))
    return found


def _only_in(campaign: Campaign, other: Campaign) -> list[Step]:
    names = {step.id for step in other.walk()}
    return [step for step in campaign.walk() if step.id not in names]
