"""check -> plan -> apply: files become what runs, in one transaction, after saying what that does to the people inside.

`plan` only reads and can be made as often as one likes. `apply` refuses a plan that the world has overtaken and an
edit whose large numbers nobody has said back. Rolling back is applying old content as a new version.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from nurture.acts.draft import (
    Draft,
    Retire,
    campaign_of,
    copy_name,
    draft_of,
    live_library,
    retirement,
    rollback,
    templates_of,
)
from nurture.acts.impact import CampaignPlan, Plan, plan
from nurture.decide import change
from nurture.decide.effect import moved_too_far
from nurture.errors import Conflict, Refused, UsageError
from nurture.model.campaign import Campaign
from nurture.model.words import CampaignStatus, EnrollmentState
from nurture.store import Connection, Store
from nurture.store.facts import wakeups
from nurture.store.mail import messages
from nurture.store.programs import campaigns, enrollments, inside


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
        Refused: large numbers were not said back (`accept`), too many versions would be followed at once, or an
            agreement that blocks is not signed as it stands.
    """
    with store.read() as conn:
        made = plan(conn, draft, now=now)
        kept = campaigns.plan(conn, plan_id) if plan_id else None
    if plan_id and kept is None:
        raise UsageError(f"no plan `{plan_id}`", fix="run `nurture plan`; it prints the id")
    if kept is not None and kept.applied_at is not None:
        raise Conflict(
            f"the plan `{kept.id[:12]}` was applied on {kept.applied_at:%d %b %Y %H:%M}", fix="run `nurture plan`"
        )
    if kept is not None:
        _compare(kept, made)
    asks = {str(what): int(n) for what, n in (kept.counts.get("asks", {}) if kept else made.asks).items()}
    _must_be_said(asks or made.asks, accept or {})
    if made.empty:
        return made
    if made.unsigned is not None:
        text = f"{made.unsigned.text}, and the agreement says `enforce: block`"
        raise Refused(text, code=made.unsigned.code, fix=made.unsigned.fix)
    with store.begin() as conn:
        campaigns.one_at_a_time(conn)
        _still_current(conn, made)
        for one in made.campaigns:
            _write(conn, draft, one, now=now, by=by, plan_id=kept.id if kept else None, git_commit=git_commit)
        campaigns.put_config(conn, draft.config(), by=by, now=now)
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
        off = moved_too_far(promised, made.counts().get(name, {}))
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
            raise Conflict(
                f"somebody applied another version of `{one.campaign}` just now", fix="run `nurture plan` again"
            )


def _write(
    conn: Connection,
    draft: Draft,
    one: CampaignPlan,
    *,
    now: datetime,
    by: str,
    plan_id: str | None,
    git_commit: str | None,
) -> None:
    if one.kind == "retired":
        _retire(conn, one.campaign, draft.retire[one.campaign], now=now)
        return
    new = draft.library.campaigns[one.campaign]
    _not_too_many_versions(conn, new, one)
    n = one.base + 1
    source = draft.source_of(new)
    digests = {
        name: draft.library.templates[name].digest for name in templates_of(new) if name in draft.library.templates
    }
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
    if (
        held is not None
        and held.state == CampaignStatus.PAUSED
        and not paused
        and new.status is not CampaignStatus.PAUSED
    ):
        _spread_backlog(conn, one.campaign, now, draft.library.company.spread)
    campaigns.put_redirects(conn, one.campaign, n, one.redirects.values())
    wakeups.wake(conn, one.leaving, now=now, stage="advance")


def _not_too_many_versions(conn: Connection, new: Campaign, one: CampaignPlan) -> None:
    if new.in_flight != "finish" or not one.base:
        return
    followed = {n for _, n in inside.followed(conn, [new.id])} | {one.base + 1}
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
        texts.setdefault(copy_name(path) or "", {})[path] = text
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


# -- at once ----------------------------------------------------------------------------------------------------------


def pause(store: Store, names: list[str], *, now: datetime, by: str) -> list[str]:
    """Stop campaigns before their next message leaves. Returns those that were running."""
    stopped = []
    with store.begin() as conn:
        campaigns.one_at_a_time(conn)
        running = campaigns.running(conn)
        for name in names or list(running):
            if name not in running:
                raise UsageError(f"no campaign `{name}` is applied", fix=f"one of: {', '.join(running) or 'none'}")
            if running[name].state in (CampaignStatus.LIVE, CampaignStatus.REHEARSE):
                campaigns.set_state(conn, name, {"state": CampaignStatus.PAUSED, "paused_at": now, "paused_by": by})
                stopped.append(name)
        campaigns.note_applied(conn, now=now)
    return stopped


def resume(store: Store, names: list[str], *, now: datetime, over: timedelta | None = None) -> dict[str, int]:
    """Let paused campaigns go on. What came due meanwhile is spread `over` so long (company.yaml's `spread`).

    Campaign -> how much that was.
    """
    backlog: dict[str, int] = {}
    with store.begin() as conn:
        campaigns.one_at_a_time(conn)
        running = campaigns.running(conn)
        live = campaigns.live_versions(conn)
        for name in names or [n for n, r in running.items() if r.paused_at is not None]:
            if name not in running:
                raise UsageError(f"no campaign `{name}` is applied", fix=f"one of: {', '.join(running) or 'none'}")
            if running[name].paused_at is None:
                continue
            status = campaign_of(live[name]).status
            campaigns.set_state(conn, name, {"state": status, "paused_at": None, "paused_by": None, "resumed_at": now})
            backlog[name] = _spread_backlog(conn, name, now, over or _span(conn))
        campaigns.note_applied(conn, now=now)
    return backlog


def _span(conn: Connection) -> timedelta:
    library = live_library(conn)
    return library.company.spread if library else timedelta(hours=6)


def _spread_backlog(conn: Connection, campaign: str, now: datetime, over: timedelta) -> int:
    people, mails = inside.overdue(conn, campaign, now=now)
    inside.postpone(conn, {i: change.spread(i, 0, start=now, over=over) for i in people},
                       {i: change.spread(i, 1, start=now, over=over) for i in mails})
    return len(people) + len(mails)


__all__ = [
    "CampaignPlan", "Draft", "Plan", "Retire", "apply", "campaign_of", "draft_of", "keep", "pause", "plan", "resume",
    "retirement", "rollback",
]
