"""What an edit does to the people inside: who stays, goes, leaves, is due earlier, and how many must be said back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from nurture.decide.flow import flow_of
from nurture.decide.moment import due_at
from nurture.decide.walk import deadline_of
from nurture.model.campaign import Campaign, HandOff
from nurture.model.change import Ask, Change, Effect, Redirect, Standing, StepEffect
from nurture.model.company import Company
from nurture.model.facts import Lead, Value
from nurture.model.intents import Position
from nurture.model.words import Stage

SOON = timedelta(hours=1)
_ASK_FROM, _ASK_SHARE, _ASK_ALWAYS = 25, 0.05, 500


def due_of(campaign: Campaign, position: Position, lead: Lead, company: Company) -> datetime | None:
    """When a position is due on its own. None: a mail on its way, an event, or the end."""
    node = flow_of(campaign).get(position.step_id or "")
    if node is None:
        return None
    if position.waiting_since is not None:
        return deadline_of(campaign, node.step, position.waiting_since, lead, company)
    return due_at(campaign, node.step, position.anchor_at, lead, company)


def count(
    old: Campaign, new: Campaign, change: Change, standings: Iterable[Standing], *, company: Company, now: datetime,
    redirects: Mapping[str, Redirect] | None = None, old_company: Company | None = None, into: Effect | None = None,
) -> Effect:
    """What the edit does to the people who stand in `old`. Adds to `into` where several versions are live."""
    redirects = change.redirects if redirects is None else redirects
    whole = into or Effect()
    by_step = {step.step: step for step in whole.steps}
    leads: dict[tuple[str | None, str | None], Lead] = {}
    for standing in standings:
        name = standing.step_id or "(done)"
        row = by_step.get(name)
        if row is None:
            row = by_step[name] = StepEffect(name)
            whole.steps.append(row)
        target = _target(row, standing, new, redirects)
        if standing.step_id in change.copy:
            row.new_copy += standing.count
        if target is None or standing.anchor_at is None or standing.step_id not in change.moves_people():
            continue
        lead = _lead(standing, leads)
        was = due_of(
            old, Position(standing.step_id, standing.anchor_at, standing.waiting_since), lead, old_company or company
        )
        due = due_of(
            new, Position(target, standing.anchor_at, _still_waits(standing, target, redirects)), lead, company
        )
        _timing_effect(row, standing.count, was, due, now)
        if standing.step_id in change.asked and standing.waiting_since is not None:
            row.asked += standing.count
        if _asked_for_sales(new, target, due, now, standing, change):
            whole.handed += standing.count
    return whole


def _target(row: StepEffect, standing: Standing, new: Campaign, redirects: Mapping[str, Redirect]) -> str | None:
    row.people += standing.count
    if standing.step_id is None or standing.step_id in flow_of(new):
        row.stays += standing.count
        return standing.step_id
    redirect = redirects.get(standing.step_id)
    if redirect is None or redirect.to_step is None:
        row.leaves += standing.count
        return None
    row.to_step = redirect.to_step
    if redirect.renamed:
        row.renamed += standing.count
    else:
        row.moved += standing.count
    return redirect.to_step


def _still_waits(standing: Standing, target: str, redirects: Mapping[str, Redirect]) -> datetime | None:
    redirect = redirects.get(standing.step_id or "")
    kept = target == standing.step_id or (redirect is not None and redirect.renamed)
    return standing.waiting_since if kept else None


def _timing_effect(row: StepEffect, count: int, was: datetime | None, due: datetime | None, now: datetime) -> None:
    if due is None or was is None:
        return
    # What is overdue either way is due now either way.
    due, was = max(due, now), max(was, now)
    if due == was:
        return
    if due < was:
        row.earlier += count
        row.at_once += count if due <= now + SOON < was else 0
    else:
        row.later += count


def _asked_for_sales(
    new: Campaign, target: str, due: datetime | None, now: datetime, standing: Standing, change: Change
) -> bool:
    if not isinstance(flow_of(new)[target].step.action, HandOff):
        return False
    arrives = target != standing.step_id and due is not None and due <= now + SOON
    return arrives or (standing.step_id in change.asked and standing.waiting_since is not None)


def _lead(standing: Standing, kept: dict[tuple[str | None, str | None], Lead]) -> Lead:
    if standing.fields:
        known = {name: Value(value) for name, value in standing.fields.items()}
        return Lead(0, Stage.NURTURING, timezone=standing.timezone, country=standing.country, fields=known)
    key = (standing.timezone, standing.country)
    found = kept.get(key)
    if found is None:
        found = kept[key] = Lead(0, Stage.NURTURING, timezone=standing.timezone, country=standing.country)
    return found


def must_say(effect: Effect) -> tuple[Ask, ...]:
    """The numbers that `--accept` has to repeat: more than 25 and more than 5 % of those inside, or more than 500."""
    people = effect.people
    counts = {
        "leave": effect.total("leaves") + effect.by_rules,
        "hand_off": effect.handed,
        "due": effect.total("at_once"),
    }
    return tuple(Ask(what, n, people) for what, n in counts.items()
                 if n > _ASK_ALWAYS or (n > _ASK_FROM and n > _ASK_SHARE * people))


def moved_too_far(promised: Mapping[str, int], found: Mapping[str, int], share: float = 0.05) -> list[str]:
    """Which counts differ from the plan's by more than `share` of what was promised (and by more than one person)."""
    said = []
    for name, before in promised.items():
        after = found.get(name, 0)
        if abs(after - before) > max(1.0, share * before):
            said.append(f"{name}: planned {before}, now {after}")
    return said
