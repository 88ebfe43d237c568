"""What was applied and is running: sources of campaigns, templates and company files, redirects, pauses, plans."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import Any

from sqlalchemy import Connection, delete, func, select, tuple_, update
from sqlalchemy.sql import Select

from nurture.model.change import Redirect
from nurture.model.words import CampaignStatus, EnrollmentState
from nurture.store.tables import (
    CampaignRow,
    CampaignVersionRow,
    ConfigVersionRow,
    EnrollmentRow,
    LeadListRow,
    LeadRow,
    MessageRow,
    NoteRow,
    PlanRow,
    RedirectRow,
    TemplateVersionRow,
)
from nurture.store.tables.columns import core

_campaign = core(CampaignRow)
_version = core(CampaignVersionRow)
_config = core(ConfigVersionRow)
_template = core(TemplateVersionRow)
_redirect = core(RedirectRow)
_enrollment = core(EnrollmentRow)
_lead = core(LeadRow)
_list = core(LeadListRow)
_message = core(MessageRow)
_plan = core(PlanRow)
_note = core(NoteRow)

_APPLYING = 7_206_113
"""Any number, as long as nothing else locks by it."""
APPLIED = "applied"
"""Key of the note that holds the digest of what is applied."""
INSIDE = (EnrollmentState.ACTIVE, EnrollmentState.PAUSED)


@dataclass(frozen=True, slots=True)
class Running:
    """One campaign as it runs."""

    id: str
    version: int
    state: str
    track: str
    funnel_stage: str
    priority: int
    paused_at: datetime | None
    paused_by: str | None
    file_problem: str | None


@dataclass(frozen=True, slots=True)
class Version:
    """One applied content of a campaign file. `templates`: name -> digest."""

    campaign: str
    n: int
    digest: str
    source: str
    templates: Mapping[str, str]
    in_flight: str
    applied_by: str
    applied_at: datetime
    git_commit: str | None
    sweep: Sequence[str]
    swept_at: datetime | None


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan as kept between `nurture plan` and `nurture apply`."""

    id: str
    base: Mapping[str, int]
    counts: Mapping[str, Any]
    sources_digest: str
    applied_at: datetime | None


_VERSION = tuple(_version.c[name] for name in Version.__dataclass_fields__)


def _pairs(conn: Connection, query: Select[Any]) -> dict[Any, Any]:
    return {key: value for key, value in conn.execute(query)}  # rows are not tuples to the type checker


# -- reading ------------------------------------------------------------------------------------------------------


def running(conn: Connection) -> dict[str, Running]:
    columns = [_campaign.c[name] for name in Running.__dataclass_fields__]
    return {row.id: Running(*row) for row in conn.execute(select(*columns).order_by(_campaign.c.id))}


def stopped(conn: Connection) -> frozenset[str]:
    """Campaigns in which nothing happens now: paused by hand or by their file, drafts."""
    states = (CampaignStatus.PAUSED, CampaignStatus.DRAFT)
    return frozenset(conn.execute(select(_campaign.c.id).where(_campaign.c.state.in_(states))).scalars())


def versions(conn: Connection) -> dict[str, int]:
    """The version each campaign runs now."""
    return _pairs(conn, select(_campaign.c.id, _campaign.c.version))


def version(conn: Connection, campaign: str, n: int) -> Version | None:
    row = conn.execute(select(*_VERSION).where(_version.c.campaign == campaign, _version.c.n == n)).first()
    return None if row is None else Version(*row)


def history(conn: Connection, campaign: str) -> list[Version]:
    """Every applied version of a campaign, newest first."""
    query = select(*_VERSION).where(_version.c.campaign == campaign).order_by(_version.c.n.desc())
    return [Version(*row) for row in conn.execute(query)]


def live_versions(conn: Connection) -> dict[str, Version]:
    """The version that runs, by campaign."""
    query = select(*_VERSION).join(
        _campaign, (_campaign.c.id == _version.c.campaign) & (_campaign.c.version == _version.c.n)
    )
    return {row.campaign: Version(*row) for row in conn.execute(query)}


def live_sources(conn: Connection) -> dict[str, str]:
    """Path -> text of everything that was applied and runs: what `authoring.read_sources` reads."""
    found = _pairs(conn, select(_config.c.path, _config.c.source).where(_config.c.live))
    for _, sources in conn.execute(select(_template.c.name, _template.c.sources).where(_template.c.live)):
        found.update(sources)
    for v in live_versions(conn).values():
        found[path_of(v.campaign)] = v.source
    return found


def path_of(campaign: str) -> str:
    return f"campaigns/{campaign}.yaml"


def template_sources(conn: Connection, digests: Iterable[str]) -> dict[str, tuple[str, dict[str, str]]]:
    """Digest -> (name, path -> text) of applied templates, older ones included."""
    query = select(_template.c.digest, _template.c.name, _template.c.sources).where(
        _template.c.digest.in_(list(digests))
    )
    return {digest: (name, sources) for digest, name, sources in conn.execute(query)}


def live_templates(conn: Connection) -> dict[str, str]:
    """Template name -> digest of the copy that runs."""
    return _pairs(conn, select(_template.c.name, _template.c.digest).where(_template.c.live))


def redirects(conn: Connection, campaign: str) -> dict[str, Redirect]:
    """Where people on steps that are gone belong, in the version that runs now."""
    query = select(_redirect.c.step, _redirect.c.to_step, _redirect.c.renamed).where(_redirect.c.campaign == campaign)
    return {row.step: Redirect(*row) for row in conn.execute(query)}


def renames(conn: Connection) -> dict[str, list[Redirect]]:
    """Campaign -> the renames of its steps that were ever applied, each to the name of today."""
    query = select(_redirect.c.campaign, _redirect.c.step, _redirect.c.to_step, _redirect.c.renamed)
    found: dict[str, list[Redirect]] = {}
    for row in conn.execute(query.where(_redirect.c.renamed)):
        found.setdefault(row.campaign, []).append(Redirect(row.step, row.to_step, row.renamed))
    return found


def applied_digest(conn: Connection) -> str:
    """What is applied, in one word; whoever holds a library compares it and loads again when it differs."""
    value = conn.execute(select(_note.c.value).where(_note.c.key == APPLIED)).scalar()
    return str(value["digest"]) if value else ""


# -- applying -----------------------------------------------------------------------------------------------------


def one_at_a_time(conn: Connection) -> None:
    """Wait until nobody else is applying; SQLite's write lock does that already."""
    if conn.dialect.name == "postgresql":
        conn.execute(select(func.pg_advisory_xact_lock(_APPLYING)))


def add_version(conn: Connection, row: Mapping[str, Any]) -> None:
    """One immutable version; `row` has every column of `campaign_version`."""
    conn.execute(_version.insert().values(**row))


def put_running(conn: Connection, campaign: str, values: Mapping[str, Any]) -> None:
    """Make or change the row of a campaign as it runs."""
    if conn.execute(update(_campaign).where(_campaign.c.id == campaign).values(**values)).rowcount == 0:
        conn.execute(_campaign.insert().values(id=campaign, **values))


def put_redirects(conn: Connection, campaign: str, n: int, found: Iterable[Redirect]) -> None:
    """Replace the redirects of a campaign by those that lead to version `n`."""
    conn.execute(delete(_redirect).where(_redirect.c.campaign == campaign))
    rows = [
        {"campaign": campaign, "from_version": n, "step": r.step, "to_step": r.to_step, "renamed": r.renamed}
        for r in found
    ]
    if rows:
        conn.execute(_redirect.insert(), rows)


def put_templates(conn: Connection, rows: Sequence[Mapping[str, Any]], *, now: datetime) -> None:
    """Make these the templates that run: rows of (digest, name, sources). All others are kept for who needs them."""
    conn.execute(update(_template).where(_template.c.live).values(live=False))
    known = set(conn.execute(select(_template.c.digest)).scalars())
    fresh = {row["digest"]: row for row in rows}
    again = [digest for digest in fresh if digest in known]
    conn.execute(update(_template).where(_template.c.digest.in_(again)).values(live=True))
    new = [{**row, "applied_at": now, "live": True} for digest, row in fresh.items() if digest not in known]
    if new:
        conn.execute(_template.insert(), new)


def put_config(conn: Connection, sources: Mapping[str, str], *, by: str, now: datetime) -> list[str]:
    """Make these the company files, forms, wordings and layouts that run. Returns the paths that changed."""
    live = {
        path: (n, digest)
        for path, n, digest in conn.execute(select(_config.c.path, _config.c.n, _config.c.digest).where(_config.c.live))
    }
    highest = _pairs(conn, select(_config.c.path, func.max(_config.c.n)).group_by(_config.c.path))
    digests = {path: digest_of(text) for path, text in sources.items()}
    changed = [path for path, digest in digests.items() if live.get(path, (0, ""))[1] != digest]
    gone = [path for path in live if path not in sources]
    stale = [(path, live[path][0]) for path in (*changed, *gone) if path in live]
    if stale:
        conn.execute(update(_config).where(tuple_(_config.c.path, _config.c.n).in_(stale)).values(live=False))
    rows = [
        {
            "path": path,
            "n": highest.get(path, 0) + 1,
            "digest": digests[path],
            "source": sources[path],
            "live": True,
            "applied_by": by,
            "applied_at": now,
        }
        for path in changed
    ]
    if rows:
        conn.execute(_config.insert(), rows)
    return sorted([*changed, *gone])


def live_config(conn: Connection) -> dict[str, str]:
    """Path -> digest of the company files that run."""
    return _pairs(conn, select(_config.c.path, _config.c.digest).where(_config.c.live))


def note_applied(conn: Connection, *, now: datetime) -> str:
    """Compute and keep the digest of what is applied."""
    parts = [f"{r.id}@{r.version}:{r.state}" for r in running(conn).values()]
    parts += [f"{path}={digest}" for path, digest in sorted(live_config(conn).items())]
    parts += [f"{name}={digest}" for name, digest in sorted(live_templates(conn).items())]
    digest = digest_of("\n".join(parts))
    if conn.execute(update(_note).where(_note.c.key == APPLIED).values(value={"digest": digest}, at=now)).rowcount == 0:
        conn.execute(_note.insert().values(key=APPLIED, value={"digest": digest}, at=now))
    return digest


def digest_of(text: str) -> str:
    return blake2b(text.encode(), digest_size=16).hexdigest()


# -- plans --------------------------------------------------------------------------------------------------------


def keep_plan(conn: Connection, row: Mapping[str, Any]) -> None:
    """Keep a plan; the same plan made twice is one row."""
    conn.execute(delete(_plan).where(_plan.c.id == row["id"], _plan.c.applied_at.is_(None)))
    if conn.execute(select(_plan.c.id).where(_plan.c.id == row["id"])).first() is None:
        conn.execute(_plan.insert().values(**row))


def plan(conn: Connection, plan_id: str) -> Planned | None:
    """A kept plan by its id or the beginning of it."""
    columns = [_plan.c[name] for name in Planned.__dataclass_fields__]
    rows = conn.execute(select(*columns).where(_plan.c.id.startswith(plan_id, autoescape=True)).limit(2)).all()
    return Planned(*rows[0]) if len(rows) == 1 else None


def mark_applied(conn: Connection, plan_id: str, *, accepted: str | None, now: datetime) -> None:
    conn.execute(update(_plan).where(_plan.c.id == plan_id).values(applied_at=now, accepted=accepted))


# -- pausing ------------------------------------------------------------------------------------------------------


def set_state(conn: Connection, campaign: str, values: Mapping[str, Any]) -> bool:
    """Change a running campaign's state; False: no such campaign."""
    return bool(conn.execute(update(_campaign).where(_campaign.c.id == campaign).values(**values)).rowcount)


# -- following an edit --------------------------------------------------------------------------------------------


def unswept(conn: Connection) -> list[Version]:
    """Versions whose people on moved steps have not all been looked at."""
    query = select(*_VERSION).join(
        _campaign, (_campaign.c.id == _version.c.campaign) & (_campaign.c.version == _version.c.n)
    )
    return [
        Version(*row) for row in conn.execute(query.where(_version.c.swept_at.is_(None)).order_by(_version.c.campaign))
    ]


def mark_swept(conn: Connection, campaign: str, n: int, *, now: datetime) -> None:
    conn.execute(update(_version).where(_version.c.campaign == campaign, _version.c.n == n).values(swept_at=now))
