"""impact: what applying a draft would do to the campaigns that run and to the people inside. Reads only."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal

from nurture.acts import agreed
from nurture.acts.draft import Draft, campaign_of, live_library, templates_of
from nurture.authoring.lint.renames import alike
from nurture.decide import change
from nurture.decide.agreement import Remark
from nurture.decide.condition import asks_unseen
from nurture.decide.effect import count, must_say
from nurture.decide.enter import leave
from nurture.model.campaign import Campaign
from nurture.model.change import Ask, Change, Effect, Redirect, Standing
from nurture.model.library import Library
from nurture.model.words import CampaignStatus
from nurture.store import Connection
from nurture.store.audience import snapshots
from nurture.store.programs import campaigns, enrollments, inside
from nurture.store.programs.campaigns import Version

RULES_BATCH = 500
"""Leads looked at in one go when leave rules changed."""


@dataclass(frozen=True, slots=True)
class CampaignPlan:
    """What applying does to one campaign. `base`: the version it was planned against (0: new)."""

    campaign: str
    kind: Literal["new", "changed", "retired", "gone"]
    base: int
    change: Change
    effect: Effect
    asks: tuple[Ask, ...] = ()
    sweep: tuple[str, ...] = ()
    redirects: Mapping[str, Redirect] = field(default_factory=dict)
    leaving: tuple[int, ...] = ()
    """Leads that a changed leave rule sends away."""
    visible: tuple[int, int] | None = None
    """(people inside whose clicks may be seen, people inside), where a step asks for clicks or visits."""
    renames: tuple[tuple[str, str], ...] = ()
    """(new step, step that is gone) where the one looks like the other and does not say `was`."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything one `apply` would do. `gone`: campaigns whose file is missing; they go on as they are."""

    id: str
    campaigns: tuple[CampaignPlan, ...]
    config: tuple[str, ...]
    templates: tuple[str, ...]
    gone: tuple[str, ...]
    sources_digest: str
    spread_hours: int = 6
    remarks: tuple[Remark, ...] = ()
    """What there is to say about the agreement and the sellers."""
    unsigned: Remark | None = None
    """Why an agreement that blocks refuses this: it changes what was agreed on, and somebody has not signed."""

    @property
    def empty(self) -> bool:
        return not (self.campaigns or self.config or self.templates)

    @property
    def asks(self) -> dict[str, int]:
        """The numbers to say back: `leave` -> 640, summed over the campaigns."""
        found: dict[str, int] = {}
        for one in self.campaigns:
            for ask in one.asks:
                found[ask.what] = found.get(ask.what, 0) + ask.count
        return found

    @property
    def people(self) -> int:
        return sum(one.effect.people for one in self.campaigns)

    def counts(self) -> dict[str, dict[str, int]]:
        return {one.campaign: one.effect.counts() for one in self.campaigns}


def plan(conn: Connection, draft: Draft, *, now: datetime) -> Plan:
    """What applying `draft` would do. Reads only."""
    applied = live_library(conn)
    live = campaigns.live_versions(conn)
    states = campaigns.running(conn)
    config = _config_changes(conn, draft)
    templates = _changed_templates(conn, draft)
    plans: list[CampaignPlan] = []
    for name in sorted(draft.library.campaigns):
        if name not in draft.retire:
            one = _plan_one(conn, draft, applied, live.get(name), name, templates, now)
            plans += [one] if one is not None else []
    missing = [name for name, state in states.items()
               if name not in draft.library.campaigns and state.state != CampaignStatus.RETIRED]
    plans += [_plan_retired(conn, draft, live[name], now) for name in sorted(draft.retire) if name in live]
    gone = tuple(name for name in missing if name not in draft.retire)
    base = {one.campaign: one.base for one in plans}
    counts = {one.campaign: one.effect.counts() for one in plans}
    key = json.dumps([base, counts, draft.digest], sort_keys=True)
    hours = int(draft.library.company.spread.total_seconds() // 3600)
    said = agreed.remarks(conn, draft.library, applied, now=now)
    unsigned = agreed.unsigned(said, draft.library, applied) if agreed.touched(config) else None
    return Plan(
        campaigns.digest_of(key), tuple(plans), config, tuple(sorted(templates)), gone, draft.digest, hours, said,
        unsigned,
    )


def _config_changes(conn: Connection, draft: Draft) -> tuple[str, ...]:
    before = campaigns.live_config(conn)
    after = {path: campaigns.digest_of(text) for path, text in draft.config().items()}
    return tuple(sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path)))


def _changed_templates(conn: Connection, draft: Draft) -> frozenset[str]:
    before = campaigns.live_templates(conn)
    return frozenset(name for name, t in draft.library.templates.items() if before.get(name) != t.digest)


def _plan_one(
    conn: Connection, draft: Draft, applied: Library | None, live: Version | None, name: str,
    templates: frozenset[str], now: datetime,
) -> CampaignPlan | None:
    new = draft.library.campaigns[name]
    used = templates & set(templates_of(new))
    company, old_company = draft.library.company, applied.company if applied else None
    quiet = old_company is not None and change.bare(old_company.quiet) != change.bare(company.quiet)
    if live is None or applied is None:
        return CampaignPlan(name, "new", 0, change.diff(None, new), Effect())
    source = draft.source_of(new)
    if campaigns.digest_of(source) == live.digest and not used and not quiet:
        return None
    old = campaign_of(live)
    known = campaigns.redirects(conn, name)
    told = change.diff(old, new, known=known, templates=frozenset(used), quiet_changed=quiet)
    redirects = change.normalise(known, told, new)
    whole = Effect()
    sweep: set[str] = set()
    for (_, n), people in inside.followed(conn, [name]).items():
        version = live if n == live.n else campaigns.version(conn, name, n)
        if version is None or new.in_flight == "finish":
            whole.pinned += people
            continue
        origin = campaign_of(version)
        edit = (
            told
            if n == live.n
            else change.diff(origin, new, known=known, templates=frozenset(used), quiet_changed=quiet)
        )
        count(origin, new, edit, _stands(conn, name, n, edit, origin, new), company=company, now=now,
                      redirects=redirects, old_company=old_company, into=whole)
        sweep |= edit.moves_people()
    leaving = _leaving(
        conn, replace(old, former=change.former(known.values())),
        replace(new, former=change.former(redirects.values())), draft.library, now,
    )
    whole.by_rules = len(leaving)
    seen = inside.visible(conn, name) if any(asks_unseen(s) for s in new.walk()) else None
    return CampaignPlan(
        name, "changed", live.n, told, whole, must_say(whole), tuple(sorted(sweep)), redirects, leaving, seen,
        tuple((step.id, twin.id) for step, twin in alike(old, new)),
    )


def _stands(conn: Connection, name: str, n: int, edit: Change, old: Campaign, new: Campaign) -> Iterator[Standing]:
    """People counted where nothing has to be computed, one by one where a due time may move."""
    moved = edit.moves_people()
    for step, people in inside.stands(conn, name, n).items():
        if step not in moved:
            yield Standing(step, people)
    if moved:
        fields = {s.until.field for c in (old, new) for s in c.walk() if s.until is not None}
        yield from inside.standings(conn, name, n, moved, fields=sorted(fields))


def _leaving(conn: Connection, old: Campaign, new: Campaign, library: Library, now: datetime) -> tuple[int, ...]:
    """Leads inside who leave by the new rules and would not have left by the old ones."""
    if change.bare(old.leave_when) == change.bare(new.leave_when):
        return ()
    found: list[int] = []
    for batch in enrollments.inside(conn, new.id, size=RULES_BATCH):
        leads = snapshots.load(conn, batch, now=now)
        for lead_id, snapshot in leads.items():
            since, company = batch[lead_id], library.company
            goes = leave(new, snapshot, entered_at=since, company=company, now=now)
            if goes and not leave(old, snapshot, entered_at=since, company=company, now=now):
                found.append(lead_id)
    return tuple(found)


def _plan_retired(conn: Connection, draft: Draft, live: Version, now: datetime) -> CampaignPlan:
    name, how, whole = live.campaign, draft.retire[live.campaign], Effect()
    old = campaign_of(live)
    for (_, n), people in inside.followed(conn, [name]).items():
        if how == "finish":
            whole.pinned += people
            continue
        stands = [Standing(step, people) for step, people in inside.stands(conn, name, n).items()]
        count(
            old, replace(old, steps=()), Change(name), stands, company=draft.library.company, now=now, into=whole
        )
    said = Change(name, settings=(f"retired: the people inside {how}",))
    return CampaignPlan(name, "retired", live.n, said, whole, must_say(whole))
