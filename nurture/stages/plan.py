"""plan: enrollments whose time has come walk on through their campaign; sends become planned messages."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

from nurture.decide import walk
from nurture.decide.calendar import add
from nurture.decide.edition import edition
from nurture.decide.permit import permit_planned
from nurture.decide.window import zone_of
from nurture.model.campaign import Campaign, Send
from nurture.model.facts import Snapshot
from nurture.model.intents import (
    EndIntent,
    HandOffIntent,
    MoveIntent,
    NotifyIntent,
    Outcome,
    Position,
    Postpone,
    Refusal,
    ScoreIntent,
    SendIntent,
    SetFieldIntent,
    StepSend,
    Tally,
)
from nurture.model.words import EnrollmentState, EventKind, MessageState
from nurture.parts import Parts
from nurture.stages import hand_off, rebase, tracks, trials
from nurture.store import Connection
from nurture.store.audience import people, snapshots
from nurture.store.facts import events
from nurture.store.mail import messages, outbox
from nurture.store.programs import campaigns, enrollments
from nurture.store.programs.enrollments import Enrolled
from nurture.store.sales import lifecycle

BATCH = 500
"""Enrollments per transaction: long enough to spread the commit, short enough that a click never waits for it."""


def run(parts: Parts, *, now: datetime, limit: int, owner: str, only: frozenset[str] | None = None) -> Tally:
    """Plan up to `limit` due enrollments (of `only`). Counts: looked_at, planned, passed, finished, left."""
    tally = Tally()
    while limit > 0:
        with parts.store.begin() as conn:
            if parts.applied and parts.applied != campaigns.applied_digest(conn):
                return tally  # Something else was applied a moment ago: these people follow files not loaded here yet.
            due = enrollments.claim_due(
                conn, now=now, limit=min(limit, BATCH), stopped=campaigns.stopped(conn), only=only
            )
            if not due:
                return tally
            if not tally.touched():
                trials.run(parts, conn, now=now, tally=tally)  # a winner matters to those who draw from here on
            _Batch(parts, conn, due, now).carry_out(tally)
        tally.count("looked_at", len(due))
        limit -= len(due)
    return tally


CUT_SHORT = "its step was taken out of the campaign, and nothing follows it"


@dataclass(slots=True)
class _Writes:
    """What a batch will write, kind by kind, so that each kind is one statement."""

    positions: list[dict[str, Any]] = field(default_factory=list)
    done: list[dict[str, Any]] = field(default_factory=list)
    draws: list[dict[str, Any]] = field(default_factory=list)
    messages: list[dict[str, Any]] = field(default_factory=list)
    events: list[events.NewEvent] = field(default_factory=list)
    journal: list[dict[str, Any]] = field(default_factory=list)
    outbox: list[dict[str, Any]] = field(default_factory=list)
    ends: dict[tuple[EnrollmentState, str], list[int]] = field(default_factory=lambda: defaultdict(list))
    moves: list[tuple[int, str, str]] = field(default_factory=list)
    """(lead, track, why), carried out once the runs that moved are closed."""
    exhausted: list[tuple[Snapshot, Campaign]] = field(default_factory=list)
    on_leads: list[Callable[[], object]] = field(default_factory=list)
    """What is done to the rows of leads: what campaigns set, and requests for a hand-off."""
    handoffs: bool = False


class _Batch:
    """One batch of due enrollments with everything their decisions need."""

    def __init__(self, parts: Parts, conn: Connection, due: Sequence[Enrolled], now: datetime) -> None:
        self.parts, self.conn, self.due, self.now = parts, conn, due, now
        ids = [e.id for e in due]
        leads = {e.lead_id for e in due}
        self.snapshots = snapshots.load(conn, leads, now=now)
        self.done = enrollments.steps_done(conn, ids)
        self.sends = enrollments.sends(conn, ids)
        self.draws = enrollments.draws(conn, leads)
        self.winners = enrollments.winners(conn)
        self.writes = _Writes()

    def carry_out(self, tally: Tally) -> None:
        for enrolled in self.due:
            self._one(enrolled, tally)
        w = self.writes
        if w.handoffs:
            # A hand-off takes a lead and then the count of the day. Who holds the count must not wait for a lead that
            # somebody else holds while they wait for the count: all leads first, in one order for everybody.
            lifecycle.hold(self.conn, {e.lead_id for e in self.due})
        enrollments.add_done(self.conn, w.done)
        enrollments.keep_draws(self.conn, w.draws)
        enrollments.move(self.conn, w.positions)
        for (state, reason), ids in w.ends.items():
            enrollments.end(self.conn, ids, state=state, reason=reason, now=self.now)
        for lead_id, track, why in w.moves:
            tracks.move(self.parts.library.tracks, self.conn, lead_id, track, now=self.now, reason=why)
        for snapshot, campaign in w.exhausted:
            tracks.exhausted(self.parts, self.conn, snapshot, campaign, now=self.now)
        messages.plan(self.conn, w.messages)
        events.record(self.conn, w.events, now=self.now)
        enrollments.journal(self.conn, w.journal)
        outbox.put(self.conn, w.outbox)
        for act in w.on_leads:
            act()

    def _one(self, enrolled: Enrolled, tally: Tally) -> None:
        snapshot = self.snapshots.get(enrolled.lead_id)
        campaign = self.parts.campaign(enrolled.campaign, enrolled.version_now)
        if snapshot is None or campaign is None:
            why = "the lead was erased or merged" if snapshot is None else "the campaign is no longer there"
            self.writes.ends[EnrollmentState.LEFT, why].append(enrolled.id)
            tally.count("left")
            return
        sends = self.sends.get(enrolled.id, {})
        position, version = rebase.place(self.parts, self.conn, enrolled, campaign)
        if position.step_id is None:
            self._cut_short(enrolled, campaign, snapshot, tally)
            return
        while True:
            outcome = self._look(enrolled, campaign, position, snapshot, sends)
            refused = self._act(enrolled, campaign, snapshot, outcome)
            tally.count("passed", len(outcome.done))
            if not refused:
                break
            # A send that the guard refuses for good completes its step at once: the walk goes on behind it.
            sends = {**sends, **refused}
            position = outcome.position or position
        tally.count("planned", sum(isinstance(i, SendIntent) for i in outcome.intents))
        self._settle(enrolled, campaign, snapshot, outcome, version, tally)

    def _cut_short(self, enrolled: Enrolled, campaign: Campaign, snapshot: Snapshot, tally: Tally) -> None:
        """An edit took out the step and all that followed. That is leaving: nobody went through anything."""
        self.writes.ends[EnrollmentState.LEFT, CUT_SHORT].append(enrolled.id)
        self._tell(enrolled, "left", CUT_SHORT, None)
        self.writes.exhausted.append((snapshot, campaign))
        tally.count("left")

    def _look(
        self,
        enrolled: Enrolled,
        campaign: Campaign,
        position: Position,
        snapshot: Snapshot,
        sends: Mapping[str, StepSend],
    ) -> Outcome:
        drawn = _drawn(campaign, self.draws.get(enrolled.lead_id, {}), self.winners)
        return walk.advance(
            campaign,
            position,
            snapshot,
            entered_at=enrolled.entered_at,
            run=enrolled.run,
            drawn=drawn,
            sends=sends,
            done=self.done.get(enrolled.id, frozenset()),
            company=self.parts.library.company,
            now=self.now,
        )

    def _act(self, enrolled: Enrolled, campaign: Campaign, snapshot: Snapshot, outcome: Outcome) -> dict[str, StepSend]:
        """Turn intents into writes. Returns sends that were refused on the spot."""
        refused: dict[str, StepSend] = {}
        for done in outcome.done:
            self.writes.done.append(
                {
                    "enrollment_id": enrolled.id,
                    "step_id": done.step_id,
                    "at": self.now,
                    "version": enrolled.version_now,
                    "outcome": done.outcome,
                    "note": done.note,
                }
            )
            self._tell(
                enrolled, "step", done.outcome if not done.note else f"{done.outcome}: {done.note}", done.step_id
            )
        self.done[enrolled.id] = self.done.get(enrolled.id, frozenset()) | {d.step_id for d in outcome.done}
        for intent in outcome.intents:
            if isinstance(intent, SendIntent):
                row = self._message(enrolled, campaign, snapshot, intent)
                self.writes.messages.append(row)
                if row["state"] == MessageState.REFUSED:
                    refused[intent.step_id] = StepSend(MessageState.REFUSED, self.now, row["content"])
            else:
                self._intent(enrolled, campaign, snapshot, intent)
        return refused

    def _message(
        self, enrolled: Enrolled, campaign: Campaign, snapshot: Snapshot, intent: SendIntent
    ) -> dict[str, Any]:
        name = _template_name(intent.send, intent.variant)
        template = self.parts.template_of(campaign.id, enrolled.version_now, name)
        company = self.parts.library.company
        test = intent.send.test
        if test is not None and intent.variant is not None:
            self.writes.draws.append(
                {
                    "lead_id": enrolled.lead_id,
                    "test": test.name,
                    "epoch": test.digest,
                    "variant": intent.variant,
                    "at": self.now,
                }
            )
        answer = permit_planned(snapshot, template, campaign, self.parts.library, at=intent.due_at, now=self.now)
        refused = isinstance(answer, Refusal)
        due_at = max(answer.until, intent.due_at) if isinstance(answer, Postpone) else intent.due_at
        purpose = company.purposes.get(template.kind)
        return {
            "lead_id": enrolled.lead_id,
            "enrollment_id": enrolled.id,
            "campaign": campaign.id,
            "track": campaign.track,
            "run": enrolled.run,
            "step_id": intent.step_id,
            "version": enrolled.version_now,
            "template": name,
            "template_digest": template.digest,
            "content": template.content,
            "edition": edition(template, snapshot, now=self.now),
            "kind": str(template.kind),
            "purpose": str(purpose) if purpose else None,
            "topic": campaign.sending.topic,
            "variant": intent.variant,
            "epoch": test.digest if test else None,
            "priority": campaign.priority,
            "rehearsal": campaign.status == "rehearse",
            "state": MessageState.REFUSED if refused else MessageState.PLANNED,
            "due_at": due_at,
            "planned_at": self.now,
            "ended_at": self.now if refused else None,
            "reason": getattr(answer, "code", None),
            "reason_text": getattr(answer, "text", None),
        }

    def _intent(self, enrolled: Enrolled, campaign: Campaign, snapshot: Snapshot, intent: Any) -> None:
        key = f"{enrolled.id}/{intent.step_id}"
        match intent:
            case ScoreIntent(step_id=step, points=points, because=because):
                self.writes.events.append(
                    events.NewEvent(
                        EventKind.POINTS,
                        self.now,
                        enrolled.lead_id,
                        key=f"points/{key}",
                        points=points,
                        campaign=campaign.id,
                        step=step,
                        data={"because": because},
                    )
                )
            case SetFieldIntent(field=name, value=value):
                learn = partial(people.learn, self.conn, enrolled.lead_id, {name: value}, origin="inferred",
                                source=f"campaign {campaign.id}", now=self.now)
                self.writes.on_leads.append(learn)
            case NotifyIntent(to=to, message=message):
                self.writes.outbox.append(
                    outbox.row(
                        "staff_mail",
                        to,
                        key=f"notify/{key}",
                        lead_id=enrolled.lead_id,
                        now=self.now,
                        subject=f"{campaign.name}: {intent.step_id}",
                        payload={"text": message, "campaign": campaign.id},
                    )
                )
            case MoveIntent(track=track):
                self.writes.moves.append((enrolled.lead_id, track, f"{campaign.id}/{intent.step_id}"))
            case HandOffIntent(queue=queue, note=note):
                ask = partial(hand_off.ask, self.parts, self.conn, enrolled.lead_id, queue=queue, note=note,
                              campaign=campaign.id, step_id=intent.step_id, now=self.now)
                self.writes.on_leads.append(ask)
                self.writes.handoffs = True
            case EndIntent(rest_for=rest) if rest is not None:
                until = add(self.now, rest, zone_of(snapshot.lead, campaign, self.parts.library.company))
                rest_until = partial(people.rest, self.conn, enrolled.lead_id, until=until)
                self.writes.on_leads.append(rest_until)

    def _settle(
        self, enrolled: Enrolled, campaign: Campaign, snapshot: Snapshot, outcome: Outcome, version: int, tally: Tally
    ) -> None:
        if outcome.position is None:
            reason = next((i.reason for i in outcome.intents if isinstance(i, EndIntent)), "")
            moved = next((i.track for i in outcome.intents if isinstance(i, MoveIntent)), None)
            reason = reason or (f"moved to {moved}" if moved else "went through every step")
            self.writes.ends[EnrollmentState.FINISHED, reason].append(enrolled.id)
            self._tell(enrolled, "finished", reason, None)
            self.writes.events.append(
                events.NewEvent(
                    EventKind.TRACK_COMPLETED,
                    self.now,
                    enrolled.lead_id,
                    key=f"completed/{enrolled.id}",
                    campaign=campaign.id,
                    content=campaign.track,
                    data={"reason": reason},
                )
            )
            if moved is None:
                self.writes.exhausted.append((snapshot, campaign))
            tally.count("finished")
            return
        self.writes.positions.append(
            {
                "b_id": enrolled.id,
                "step_id": outcome.position.step_id,
                "anchor_at": outcome.position.anchor_at,
                "waiting_since": outcome.position.waiting_since,
                "due_at": outcome.due_at,
                "why": outcome.why,
                "version_now": version,
            }
        )

    def _tell(self, enrolled: Enrolled, kind: str, text: str, step: str | None) -> None:
        self.writes.journal.append(
            {
                "lead_id": enrolled.lead_id,
                "at": self.now,
                "kind": kind,
                "campaign": enrolled.campaign,
                "step": step,
                "enrollment_id": enrolled.id,
                "text": text,
            }
        )


def _template_name(send: Send, variant: str | None) -> str:
    if send.test is not None and variant is not None:
        drawn = next((v for v in send.test.variants if v.name == variant), None)
        if drawn is not None and drawn.template is not None:
            return drawn.template
    return send.template


def _drawn(campaign: Campaign, drawn: Mapping[str, str], winners: Mapping[str, str]) -> dict[str, str]:
    """Test name -> variant: as drawn in the test's present epoch, else the winner where one is decided."""
    found: dict[str, str] = {}
    for step in campaign.walk():
        if isinstance(step.action, Send) and step.action.test is not None:
            test = step.action.test
            variant = drawn.get(f"{test.name}/{test.digest}") or winners.get(f"{test.name}/{test.digest}")
            if variant is not None:
                found[test.name] = variant
    return found
