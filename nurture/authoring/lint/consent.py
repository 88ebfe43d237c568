"""Who may be written to and handed over: consent at entry, at each mail, at the hand-off; offers; the unknown."""

from __future__ import annotations

from collections.abc import Iterator

from nurture.authoring.conditions import CLICKS
from nurture.authoring.desk import problem
from nurture.authoring.lint.folder import Folder, Visit, facts, guaranteed, visits
from nurture.authoring.reading import File
from nurture.model.campaign import Campaign, Choose, Condition, HandOff, WaitFor
from nurture.model.problem import Problem
from nurture.model.words import MAIL_PURPOSES, ContentKind, Purpose


def consent(folder: Folder) -> Iterator[Problem]:
    for campaign, file in folder.campaigns:
        entry = guaranteed(campaign.enter.only_if, "consent")
        yield from _entry(folder, campaign, file, entry)
        given = (campaign.enter.only_if,) if campaign.enter.only_if else ()
        for visit in visits(campaign.steps, given, frozenset()):
            yield from _mail(folder, campaign, file, visit, entry)
            yield from _hand_off(file, visit)
            yield from _unknown(visit, entry)


def _entry(folder: Folder, campaign: Campaign, file: File, entry: frozenset[Purpose]) -> Iterator[Problem]:
    unread = campaign.enter.only_if is None and ("enter", "asks") in file.spots
    if not campaign.enter.when or entry & MAIL_PURPOSES or unread:
        return
    kinds = {t.kind for step in campaign.walk() for t in folder.template_of(step)}
    if kinds and all(folder.library.company.purposes.get(kind) is None for kind in kinds):
        return
    yield problem("no-consent-on-enter", file.spot("enter", "when"),
                  f"`{campaign.id}` lets people in without asking for consent",
                  "add `only_if: { consent: nurture_email }`")


def _held(visit: Visit, *more: Condition | None) -> frozenset[Purpose]:
    """Purposes that surely are agreed to when this step acts."""
    return frozenset().union(*(guaranteed(c, "consent") for c in (*visit.given, visit.step.condition, *more)))


def _mail(folder: Folder, campaign: Campaign, file: File, visit: Visit, entry: frozenset[Purpose]) -> Iterator[Problem]:
    track = folder.library.tracks.tracks.get(campaign.track)
    for template in folder.template_of(visit.step):
        place = file.spot("step", visit.step.id, "send")
        needed = folder.library.company.purposes.get(template.kind)
        if entry and needed is not None and needed not in _held(visit):
            yield problem("consent-not-enough", place,
                          f"`{template.name}` needs consent to {needed}, and `{visit.step.id}` does not ask for it",
                          f"add `if: {{ consent: {needed} }}` to the step")
        if template.kind is ContentKind.OFFER and track is not None and track.early_leads and "tracks" in folder.has:
            yield problem("offer-to-early-leads", place,
                          f"`{template.name}` is an offer, and early leads reach the track `{campaign.track}`",
                          "move it to a track with `early_leads: false`")


def _hand_off(file: File, visit: Visit) -> Iterator[Problem]:
    action = visit.step.action
    if isinstance(action, HandOff) and Purpose.SALES_CONTACT not in _held(visit, action.only_when):
        yield problem("hand-off-without-consent", file.spot("step", visit.step.id),
                      f"`{visit.step.id}` hands a lead to sales without asking for consent",
                      "add `only_when: { consent: sales_contact }`")


def _unknown(visit: Visit, entry: frozenset[Purpose]) -> Iterator[Problem]:
    step = visit.step
    if step.if_unknown is not None or Purpose.CLICK_TRACKING in entry | _held(visit):
        return
    match step.action:
        case WaitFor(condition=condition):
            asked = [condition]
        case Choose(branches=branches):
            asked = [b.condition for b in branches]
        case _:
            return
    hidden = next((f for c in asked for f in facts(c) if f.op in CLICKS), None)
    if hidden is not None:
        yield problem("if-unknown-missing", hidden.place,
                      f"`{hidden.op}` is unknown of who allows no tracking, and `{step.id}` does not say what then",
                      "add `if_unknown: skip`, `then` or `otherwise`")
