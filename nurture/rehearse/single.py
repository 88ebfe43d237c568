"""One lead, or the people of a file, as `nurture simulate` is told about them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from nurture.authoring import read_sources
from nurture.errors import UsageError
from nurture.intake.map_file import read_map
from nurture.intake.people import PeopleImport, Source
from nurture.model.campaign import Campaign, Condition
from nurture.model.library import Library
from nurture.model.story import Story
from nurture.rehearse.simulate import Person
from nurture.rehearse.world import KEYS, fresh_store
from nurture.store.audience import people, snapshots

CONSENTS = "consents: [privacy_notice, nurture_email, commercial_offers, click_tracking, sales_contact]"
FILE = "campaigns/simulated.test.yaml"


def story_of(library: Library, campaign: str, *, lead: str, happens: Sequence[str], starts: str) -> Story:
    """A story without expectations, written in the words of story files and read by their reader.

    Raises:
        UsageError: what was typed does not read as a lead or a happening.
    """
    lines = [
        f"test: simulated\ncampaign: {campaign}\nlead: {lead.strip() or likely(library.campaigns[campaign])}\n"
        f"starts: {starts.replace('T', ' ')}"
    ]
    lines += ["happens:", *(f"  - {one.strip()}" for one in happens)] if happens else []
    reading = read_sources({FILE: "\n".join([*lines, "expect: { reached: [] }", ""])})
    story = next(iter(reading.files[FILE].noun or ()), None)
    wrong = [
        p
        for p in reading.files[FILE].problems
        if p.severity == "error" and p.code not in ("unknown-campaign", "unknown-step")
    ]
    if not isinstance(story, Story) or wrong:
        raise UsageError(
            "; ".join(p.message for p in wrong) or "this does not read as a lead", fix=wrong[0].fix if wrong else ""
        )
    return story


def likely(campaign: Campaign) -> str:
    """A lead as this campaign expects it: every consent, and the points it asks for at the door."""
    points = door(campaign)
    return f"{{ {CONSENTS}{f', score: {points}' if points else ''} }}"


def door(campaign: Campaign) -> int:
    """The engagement points without which nobody gets in and stays."""
    doors = [t.value for t in campaign.enter.when if t.kind == "engagement_at_least"]
    asked = [c.value for c in _alone(campaign.enter.only_if) if c.op == "engagement_at_least"]
    floors = [c.value for rule in campaign.leave_when for c in _alone(rule.condition) if c.op == "engagement_below"]
    return max((int(p) for p in (*doors, *asked, *floors)), default=0)


def _alone(condition: Condition | None) -> tuple[Condition, ...]:
    """The facts that must hold whatever else does."""
    if condition is None:
        return ()
    return tuple(c for part in condition.parts for c in _alone(part)) if condition.op == "all" else (condition,)


def people_of(file: Path, mapping: Path | None, *, now: datetime) -> list[Person]:
    """The people of a CSV file as they would be imported: read into a store in memory and out again.

    Raises:
        UsageError: no mapping, or one that cannot be used.
    """
    if mapping is None:
        raise UsageError("people of a file need a mapping", fix="add --map campaigns/imports/....map.yaml")
    store = fresh_store()
    with file.open("rb") as content:
        job = PeopleImport(store, Source.of(content, file.name), read_map(mapping), keys=KEYS, now=now)
        job.forecast()
        job.write(by="simulation")
    with store.read() as conn:
        found = snapshots.load(conn, people.everyone(conn), now=now, with_events=False)
    return [
        Person(
            fields={name: held.value for name, held in s.lead.fields.items()},
            country=s.lead.country,
            timezone=s.lead.timezone,
            language=s.lead.language,
            consents=tuple(sorted({str(p) for (p, _), state in s.consents.items() if state.valid(now)})),
        )
        for s in found.values()
    ]
