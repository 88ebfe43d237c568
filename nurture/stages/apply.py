"""check -> plan -> apply: files become what runs, in one transaction, after saying what that does to the people inside.

`plan` only reads and can be made as often as one likes. `apply` refuses a plan that the world has overtaken and an
edit whose large numbers nobody has said back. Rolling back is applying old content as a new version.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

from nurture.authoring.reading import Reading, kind_of, read_file, read_sources, template_name
from nurture.decide import change
from nurture.decide.enter import leave
from nurture.errors import Conflict, NurtureError, Refused, UsageError
from nurture.model.campaign import Campaign, Send
from nurture.model.change import Ask, Change, Effect, Redirect, Standing
from nurture.model.library import Library
from nurture.model.words import CampaignStatus, EnrollmentState
from nurture.store import Connection, Store, campaigns, enrollments, messages, snapshots, wakeups
from nurture.store.campaigns import Version

Retire = Literal["finish", "leave"]
RULES_BATCH = 500
"""Leads looked at in one go when leave rules changed."""


@dataclass(frozen=True, slots=True)
class Draft:
    """What is to be applied. `retire`: campaigns whose file is gone on purpose; `rollback`: campaign -> old version."""

    library: Library
    sources: Mapping[str, str]
    retire: Mapping[str, Retire] = field(default_factory=dict)
    rollback: Mapping[str, int] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        texts = [f"{path}\0{campaigns.digest_of(text)}" for path, text in sorted(self.sources.items())]
        return campaigns.digest_of("\n".join([*texts, json.dumps([dict(self.retire), dict(self.rollback)], sort_keys=True)]))


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


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything one `apply` would do. `gone`: campaigns whose file is missing; they go on as they are."""

    id: str
    campaigns: tuple[CampaignPlan, ...]
    config: tuple[str, ...]
    templates: tuple[str, ...]
    gone: tuple[str, ...]
    sources_digest: str

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


# -- what runs ----------------------------------------------------------------------------------------------------


def live_library(conn: Connection) -> Library | None:
    """What was applied, read again by `authoring`; None when nothing was.

    Raises:
        NurtureError: the applied files do not read with this version of the program.
    """
    sources = campaigns.live_sources(conn)
    return _read(sources) if sources else None


def _read(sources: Mapping[str, str]) -> Library:
    reading = read_sources(sources)
    if reading.library is None or reading.errors:
        first = reading.errors[0] if reading.errors else "a company file is missing"
        raise NurtureError(
            f"what was applied does not read any more: {first}",
            fix="mend the file under campaigns/ and run `nurture apply`; nothing runs until then",
        )
    return reading.library


def campaign_of(version: Version) -> Campaign:
    """A version's content as a campaign; read once per process."""
    noun = read_file(campaigns.path_of(version.campaign), version.source).noun
    if not isinstance(noun, Campaign):
        raise NurtureError(f"version {version.n} of `{version.campaign}` does not read any more")
    return noun


# -- drafts -------------------------------------------------------------------------------------------------------


def draft_of(reading: Reading, *, retire: Mapping[str, Retire] | None = None) -> Draft:
    """A folder's files as a draft.

    Raises:
        Refused: something in the files does not read; nothing half-read runs.
    """
    if reading.library is None or reading.errors:
        first = str(reading.errors[0]) if reading.errors else "a company file is missing"
        raise Refused(f"nothing was applied: {first}", code="unread", fix="run `nurture check` and mend what it lists")
    texts = {path: text for path, text in reading.sources.items() if kind_of(path) not in (None, "story")}
    return Draft(reading.library, texts, retire or {})


def rollback(conn: Connection, campaign: str, n: int | None = None) -> Draft:
    """What runs now, but for one campaign in an older version (by default the one before), with that version's copy.

    Raises:
        UsageError: no such version.
    """
    past = campaigns.history(conn, campaign)
    live = campaigns.versions(conn).get(campaign)
    if not past or live is None:
        raise UsageError(f"no campaign `{campaign}` was ever applied", fix="see `nurture status`")
    wanted = n if n is not None else next((v.n for v in past if v.n < live), None)
    old = next((v for v in past if v.n == wanted), None)
    if old is None or old.n == live:
        raise UsageError(f"`{campaign}` has no version {wanted if wanted else 'before this one'} to go back to",
                         fix=f"see `nurture status {campaign}`")
    sources = {**campaigns.live_sources(conn), campaigns.path_of(campaign): old.source}
    for name, texts in campaigns.template_sources(conn, old.templates.values()).values():
        sources = {path: text for path, text in sources.items() if _copy_name(path) != name}
        sources.update(texts)
    return Draft(_read(sources), sources, rollback={campaign: old.n})


def retirement(conn: Connection, campaign: str, how: Retire) -> Draft:
    """What runs now, but for one campaign that ends.

    Raises:
        UsageError: it does not run.
    """
    running = campaigns.running(conn).get(campaign)
    if running is None or running.state == CampaignStatus.RETIRED:
        raise UsageError(f"no campaign `{campaign}` is running", fix="see `nurture status`")
    sources = campaigns.live_sources(conn)
    return Draft(_read(sources), sources, {campaign: how})


def _copy_name(path: str) -> str | None:
    """The template a file is a copy of."""
    parsed = template_name(path) if kind_of(path) == "copy" else None
    return None if parsed is None else parsed[0]


# -- plan ---------------------------------------------------------------------------------------------------------


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
    return Plan(campaigns.digest_of(key), tuple(plans), config, tuple(sorted(templates)), gone, draft.digest)


def _config_changes(conn: Connection, draft: Draft) -> tuple[str, ...]:
    before = campaigns.live_config(conn)
    after = {path: campaigns.digest_of(text) for path, text in _config_of(draft).items()}
    return tuple(sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path)))


def _config_of(draft: Draft) -> dict[str, str]:
    return {path: text for path, text in draft.sources.items() if kind_of(path) not in (None, "campaign", "copy", "story")}


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
    source = _source_of(draft, new)
    if campaigns.digest_of(source) == live.digest and not used and not quiet:
        return None
    old = campaign_of(live)
    known = campaigns.redirects(conn, name)
    told = change.diff(old, new, known=known, templates=frozenset(used), quiet_changed=quiet)
    redirects = change.normalise(known, told, new)
    whole = Effect()
    sweep: set[str] = set()
    for (_, n), people in campaigns.followed(conn, [name]).items():
        version = live if n == live.n else campaigns.version(conn, name, n)
        if version is None or new.in_flight == "finish":
            whole.pinned += people
            continue
        origin = campaign_of(version)
        edit = told if n == live.n else change.diff(origin, new, known=known, templates=frozenset(used), quiet_changed=quiet)
        change.effect(origin, new, edit, _stands(conn, name, n, edit, origin, new), company=company, now=now,
                      redirects=redirects, old_company=old_company, into=whole)
        sweep |= edit.moves_people()
    leaving = _leaving(conn, old, new, draft.library, now)
    whole.by_rules = len(leaving)
    return CampaignPlan(name, "changed", live.n, told, whole, change.must_say(whole), tuple(sorted(sweep)), redirects, leaving)


def _source_of(draft: Draft, campaign: Campaign) -> str:
    return draft.sources.get(campaigns.path_of(campaign.id)) or draft.sources[campaign.place.file]


def templates_of(campaign: Campaign) -> Iterator[str]:
    """Names of the templates a campaign sends."""
    for step in campaign.walk():
        if isinstance(step.action, Send):
            yield step.action.template
            yield from (v.template for v in (step.action.test.variants if step.action.test else ()) if v.template)


def _stands(conn: Connection, name: str, n: int, edit: Change, old: Campaign, new: Campaign) -> Iterator[Standing]:
    """People counted where nothing has to be computed, one by one where a due time may move."""
    moved = edit.moves_people()
    for step, count in campaigns.stands(conn, name, n).items():
        if step not in moved:
            yield Standing(step, count)
    if moved:
        fields = {s.until.field for c in (old, new) for s in c.walk() if s.until is not None}
        yield from campaigns.standings(conn, name, n, moved, fields=sorted(fields))


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
    for (_, n), people in campaigns.followed(conn, [name]).items():
        if how == "finish":
            whole.pinned += people
            continue
        stands = [Standing(step, count) for step, count in campaigns.stands(conn, name, n).items()]
        change.effect(old, replace(old, steps=()), Change(name), stands, company=draft.library.company, now=now, into=whole)
    said = Change(name, settings=(f"retired: the people inside {how}",))
    return CampaignPlan(name, "retired", live.n, said, whole, change.must_say(whole))


# -- apply --------------------------------------------------------------------------------------------------------


def keep(store: Store, made: Plan, draft: Draft, *, now: datetime, by: str) -> None:
    """Keep a plan until it is applied."""
    with store.begin() as conn:
        campaigns.keep_plan(conn, {
            "id": made.id, "made_at": now, "made_by": by, "base": {one.campaign: one.base for one in made.campaigns},
            "counts": {"campaigns": made.counts(), "asks": made.asks, "retire": dict(draft.retire),
                       "rollback": dict(draft.rollback)},
            "sources_digest": made.sources_digest,
        })


def apply(
    store: Store, draft: Draft, *, now: datetime, by: str, plan_id: str | None = None,
    accept: Mapping[str, int] | None = None, git_commit: str | None = None,
) -> Plan:
    """Make `draft` what runs, in one transaction. Returns the plan as carried out.

    With `plan_id`, what is true now is compared with what that plan promised. Applying what runs already changes
    nothing.

    Raises:
        Conflict: the plan is stale: files or versions changed since, or a count moved by more than 5 %.
        Refused: large numbers were not said back (`accept`), or too many versions would be followed at once.
    """
    with store.read() as conn:
        made = plan(conn, draft, now=now)
        kept = campaigns.plan(conn, plan_id) if plan_id else None
    if plan_id and kept is None:
        raise UsageError(f"no plan `{plan_id}`", fix="run `nurture plan`; it prints the id")
    if kept is not None and kept.applied_at is not None:
        raise Conflict(f"the plan `{kept.id[:12]}` was applied on {kept.applied_at:%d %b %Y %H:%M}", fix="run `nurture plan`")
    if kept is not None:
        _compare(kept, made)
    asks = {str(what): int(n) for what, n in (kept.counts.get("asks", {}) if kept else made.asks).items()}
    _must_be_said(asks or made.asks, accept or {})
    if made.empty:
        return made
    with store.begin() as conn:
        _still_current(conn, made)
        for one in made.campaigns:
            _write(conn, draft, one, now=now, by=by, plan_id=kept.id if kept else None, git_commit=git_commit)
        campaigns.put_config(conn, _config_of(draft), by=by, now=now)
        campaigns.put_templates(conn, _template_rows(conn, draft, made), now=now)
        if kept is not None:
            said = ", ".join(f"{what}={n}" for what, n in (accept or {}).items())
            campaigns.mark_applied(conn, kept.id, accepted=said or None, now=now)
        campaigns.note_applied(conn, now=now)
    return made


def _compare(kept: campaigns.Planned, made: Plan) -> None:
    stale = "run `nurture plan` again and look at what it says now"
    if kept.sources_digest != made.sources_digest:
        raise Conflict("the files changed since this plan was made", fix=stale)
    if dict(kept.base) != {one.campaign: one.base for one in made.campaigns}:
        raise Conflict("somebody applied something since this plan was made", fix=stale)
    for name, promised in kept.counts.get("campaigns", {}).items():
        off = change.moved_too_far(promised, made.counts().get(name, {}))
        if off:
            raise Conflict(f"the people in `{name}` moved on since this plan was made ({'; '.join(off)})", fix=stale)


def _must_be_said(asks: Mapping[str, int], accept: Mapping[str, int]) -> None:
    words = {"leave": "leave", "due": "become due within an hour", "hand_off": "be offered to sales"}
    for what, count in asks.items():
        if accept.get(what) != count:
            raise Refused(
                f"{count} people would {words.get(what, what)}", code="blast_guard",
                fix=f'if that is what you want, say it back: --accept "{what}={count}"',
            )


def _still_current(conn: Connection, made: Plan) -> None:
    live = campaigns.versions(conn)
    for one in made.campaigns:
        if live.get(one.campaign, 0) != one.base:
            raise Conflict(f"somebody applied another version of `{one.campaign}` just now", fix="run `nurture plan` again")


def _write(
    conn: Connection, draft: Draft, one: CampaignPlan, *, now: datetime, by: str, plan_id: str | None, git_commit: str | None
) -> None:
    if one.kind == "retired":
        _retire(conn, one.campaign, draft.retire[one.campaign], now=now)
        return
    new = draft.library.campaigns[one.campaign]
    _not_too_many_versions(conn, new, one)
    n = one.base + 1
    source = _source_of(draft, new)
    digests = {name: draft.library.templates[name].digest for name in templates_of(new) if name in draft.library.templates}
    campaigns.add_version(conn, {
        "campaign": one.campaign, "n": n, "digest": campaigns.digest_of(source), "source": source, "templates": digests,
        "git_commit": git_commit, "applied_by": by, "applied_at": now, "plan_id": plan_id, "in_flight": new.in_flight,
        "sweep": list(one.sweep), "swept_at": None if one.sweep else now,
    })
    held = campaigns.running(conn).get(one.campaign)
    paused = held is not None and held.paused_at is not None
    campaigns.put_running(conn, one.campaign, {
        "version": n, "state": CampaignStatus.PAUSED if paused else new.status, "track": new.track,
        "funnel_stage": new.funnel_stage, "priority": new.priority, "file_problem": None,
    })
    if held is not None and held.state == CampaignStatus.PAUSED and not paused and new.status is not CampaignStatus.PAUSED:
        _spread_backlog(conn, one.campaign, now)
    campaigns.put_redirects(conn, one.campaign, n, one.redirects.values())
    wakeups.wake(conn, one.leaving, now=now, stage="advance")


def _not_too_many_versions(conn: Connection, new: Campaign, one: CampaignPlan) -> None:
    if new.in_flight != "finish" or not one.base:
        return
    followed = {n for _, n in campaigns.followed(conn, [new.id])} | {one.base + 1}
    if len(followed) > change.MOST_LIVE_VERSIONS:
        raise Refused(
            f"people inside `{new.id}` would follow {len(followed)} versions at once", code="too_many_versions",
            fix="say `in_flight: follow`, or wait until older versions have drained (see `nurture status`)",
        )


def _retire(conn: Connection, campaign: str, how: Retire, *, now: datetime) -> None:
    campaigns.set_state(conn, campaign, {"state": CampaignStatus.RETIRED, "file_problem": None})
    if how == "leave":
        reason = "the campaign was retired"
        ids = enrollments.ids_inside(conn, campaign)
        for start in range(0, len(ids), 5000):
            part = ids[start : start + 5000]
            enrollments.end(conn, part, state=EnrollmentState.LEFT, reason=reason, now=now)
            messages.withdraw(conn, part, text=reason, now=now)


def _template_rows(conn: Connection, draft: Draft, made: Plan) -> list[dict[str, Any]]:
    """The draft's templates, and those of campaigns that go on without a file."""
    texts: dict[str, dict[str, str]] = {}
    for path, text in draft.sources.items():
        texts.setdefault(_copy_name(path) or "", {})[path] = text
    rows: list[dict[str, Any]] = [
        {"digest": template.digest, "name": name, "sources": texts[name]}
        for name, template in draft.library.templates.items()
    ]
    without = {*made.gone, *(one.campaign for one in made.campaigns if one.kind == "retired")}
    live = campaigns.live_versions(conn)
    kept = {name: digest for c in without if c in live for name, digest in live[c].templates.items()}
    wanted = {digest for name, digest in kept.items() if name not in draft.library.templates}
    for digest, (name, sources) in campaigns.template_sources(conn, wanted).items():
        rows.append({"digest": digest, "name": name, "sources": sources})
    return rows


# -- at once ------------------------------------------------------------------------------------------------------


def pause(store: Store, names: list[str], *, now: datetime, by: str) -> list[str]:
    """Stop campaigns before their next message leaves. Returns those that were running."""
    stopped = []
    with store.begin() as conn:
        running = campaigns.running(conn)
        for name in names or list(running):
            if name not in running:
                raise UsageError(f"no campaign `{name}` is applied", fix=f"one of: {', '.join(running) or 'none'}")
            if running[name].state in (CampaignStatus.LIVE, CampaignStatus.REHEARSE):
                campaigns.set_state(conn, name, {"state": CampaignStatus.PAUSED, "paused_at": now, "paused_by": by})
                stopped.append(name)
        campaigns.note_applied(conn, now=now)
    return stopped


def resume(store: Store, names: list[str], *, now: datetime) -> dict[str, int]:
    """Let paused campaigns go on. What came due meanwhile is spread over some hours. Campaign -> how much that was."""
    backlog: dict[str, int] = {}
    with store.begin() as conn:
        running = campaigns.running(conn)
        live = campaigns.live_versions(conn)
        for name in names or [n for n, r in running.items() if r.paused_at is not None]:
            if name not in running:
                raise UsageError(f"no campaign `{name}` is applied", fix=f"one of: {', '.join(running) or 'none'}")
            if running[name].paused_at is None:
                continue
            status = campaign_of(live[name]).status
            campaigns.set_state(conn, name, {"state": status, "paused_at": None, "paused_by": None, "resumed_at": now})
            backlog[name] = _spread_backlog(conn, name, now)
        campaigns.note_applied(conn, now=now)
    return backlog


def _spread_backlog(conn: Connection, campaign: str, now: datetime) -> int:
    people, mails = campaigns.overdue(conn, campaign, now=now)
    campaigns.postpone(conn, {i: change.spread(i, 0, start=now) for i in people},
                       {i: change.spread(i, 1, start=now) for i in mails})
    return len(people) + len(mails)
