"""enlist: bring the people of a list into a campaign by hand, with a plan first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from nurture.decide import enter
from nurture.decide.enter import EntryDecision
from nurture.errors import UsageError
from nurture.model.campaign import Campaign
from nurture.model.facts import Snapshot
from nurture.model.intents import Tally
from nurture.parts import Parts
from nurture.stages.enroll import enter_lead, past_run
from nurture.store import Connection
from nurture.store.audience import snapshots
from nurture.store.programs import campaigns, enrollments, inside
from nurture.store.programs.enrollments import Enrolled

BATCH = 500


@dataclass(slots=True)
class Enlisted:
    """What enrolling a list would do, or did. `refused`: reason -> how many."""

    campaign: str
    list_name: str
    people: int = 0
    enter: int = 0
    control: int = 0
    leave_others: int = 0
    refused: Counter[str] = field(default_factory=Counter)

    @property
    def asks(self) -> int:
        """The number that must be said back, or 0: more than 500 mails cannot start by a slip of the finger."""
        return self.enter if self.enter > 500 else 0


def plan(parts: Parts, campaign_id: str, list_name: str, *, now: datetime) -> Enlisted:
    """Who of the list would enter, and why the others would not. Reads only."""
    campaign = _campaign(parts, campaign_id)
    told = Enlisted(campaign_id, list_name)
    with parts.store.read() as conn:
        for batch in _batches(conn, list_name):
            for _, decision, _ in _decisions(parts, conn, campaign, batch, list_name, now):
                _count(told, decision)
    return told


def carry_out(parts: Parts, campaign_id: str, list_name: str, *, now: datetime, by: str) -> Enlisted:
    """Enroll everybody of the list whom the campaign's rules let in, a batch per transaction.

    Doing it again enrolls nobody twice, so a run that was broken off is simply started once more.
    """
    campaign = _campaign(parts, campaign_id)
    told = Enlisted(campaign_id, list_name)
    with parts.store.read() as conn:
        if campaign_id in campaigns.stopped(conn):
            raise UsageError(f"`{campaign_id}` is paused or a draft", fix=f"run `nurture resume {campaign_id}` first")
        batches = _batches(conn, list_name)
    for batch in batches:
        with parts.store.begin() as conn:
            for snapshot, decision, runs in _decisions(parts, conn, campaign, batch, list_name, now):
                _count(told, decision)
                if decision.enters:
                    enter_lead(parts, conn, snapshot, decision, runs, now=now, by=by, tally=Tally())
    return told


def _batches(conn: Connection, list_name: str) -> list[list[int]]:
    ids = inside.on_list(conn, list_name)
    if not ids:
        raise UsageError(
            f"nobody is on the list `{list_name}`", fix="import people with a map that says `lists: [...]`"
        )
    return [ids[start : start + BATCH] for start in range(0, len(ids), BATCH)]


def _campaign(parts: Parts, campaign_id: str) -> Campaign:
    campaign = parts.library.campaigns.get(campaign_id)
    if campaign is None:
        raise UsageError(f"no campaign `{campaign_id}` is applied", fix="`nurture status` lists them")
    return campaign


def _decisions(
    parts: Parts, conn: Connection, campaign: Campaign, batch: list[int], list_name: str, now: datetime
) -> Iterator[tuple[Snapshot, EntryDecision, list[Enrolled]]]:
    found = snapshots.load(conn, batch, now=now)
    runs = enrollments.all_of(conn, found)
    for lead_id, snapshot in found.items():
        past = runs.get(lead_id, [])
        decision = enter.may_enter(
            campaign,
            snapshot,
            past=[past_run(run) for run in past],
            trigger_events=(),
            now=now,
            company=parts.library.company,
            tracks=parts.library.tracks,
            by_hand=f"list {list_name}",
        )
        yield snapshot, decision, past


def _count(told: Enlisted, decision: EntryDecision) -> None:
    told.people += 1
    if not decision.enters:
        told.refused[decision.reason] += 1
        return
    told.control += decision.control
    told.enter += not decision.control
    told.leave_others += len(decision.leaves)
