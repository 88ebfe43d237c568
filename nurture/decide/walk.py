"""One lead's way through one campaign: from where it stands, as far as it can go now.

The campaign is a tree of steps; flow falls through to the step after, and out of a branch to the step after the
branch. A position is a step id and an anchor; every due time is derived from the two, so an edited wait takes effect
wherever leads stand. A step that waits for nothing happens at its due moment, not at the moment somebody looked:
a slow worker and a virtual clock give the same dates. A mail happens when it really left.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from nurture.decide import condition as conditions
from nurture.decide.flow import flow_of, led_from
from nurture.decide.moment import due_at, later, why_due, why_late
from nurture.decide.variant import drawn_or_draw
from nurture.decide.window import slot, zone_of
from nurture.model.campaign import (
    Campaign,
    Choose,
    Condition,
    End,
    HandOff,
    IfUnknown,
    MoveTo,
    Notify,
    Score,
    Send,
    SetField,
    Step,
    WaitFor,
)
from nurture.model.company import Company
from nurture.model.facts import Lead, Snapshot
from nurture.model.intents import (
    Done,
    EndIntent,
    HandOffIntent,
    Intent,
    MoveIntent,
    NotifyIntent,
    Outcome,
    Position,
    ScoreIntent,
    SendIntent,
    SetFieldIntent,
    StepSend,
)
from nurture.model.words import MESSAGE_FINAL, WITH_SALES, MessageState, Truth

_GATE_ANSWERS_IN = timedelta(minutes=1)
"""A hand-off that is tried once is looked at again after the gate has had its turn."""


def advance(
    campaign: Campaign, position: Position, snapshot: Snapshot, *, entered_at: datetime, run: int,
    drawn: Mapping[str, str], sends: Mapping[str, StepSend], done: frozenset[str], company: Company, now: datetime,
) -> Outcome:
    """What one look at an enrollment leads to.

    `drawn` is what tests gave this lead (test name -> variant; a decided winner is put in here for those not yet
    drawn), `sends` the messages this run already has by step, `done` the steps it has passed. A step in `done` is
    never repeated. After a SendIntent the walk stops; the end of that message wakes it.
    """
    zone = zone_of(snapshot.lead, campaign, company)
    walk = _Walk(campaign, snapshot, entered_at, drawn, sends, company, now, zone, done)
    flow = flow_of(campaign)
    while position.step_id is not None:
        node = flow.get(position.step_id)
        if node is None:
            return walk.rest(None, None, f"the step `{position.step_id}` is no longer in the campaign")
        if node.step.id in done:
            position = Position(node.next_id, position.anchor_at)
            continue
        moved = walk.look(node.step, node.next_id, position)
        if isinstance(moved, Outcome):
            return moved
        position = moved
    return walk.rest(None, None, "reached the end of the campaign")


def deadline_of(
    campaign: Campaign, step: Step, waiting_since: datetime, lead: Lead, company: Company
) -> datetime | None:
    """When a step that has begun to wait gives up; None where it does not wait for anything."""
    match step.action:
        case WaitFor(within=duration):
            pass
        case HandOff(try_for=duration) if duration is not None:
            pass
        case HandOff():
            return waiting_since + _GATE_ANSWERS_IN
        case _:
            return None
    return later(waiting_since, duration, lead, company, zone_of(lead, campaign, company))


@dataclass(slots=True)
class _Walk:
    """One look: what is asked, and what has come of it so far."""

    campaign: Campaign
    snapshot: Snapshot
    entered_at: datetime
    drawn: Mapping[str, str]
    sends: Mapping[str, StepSend]
    company: Company
    now: datetime
    zone: ZoneInfo
    done: frozenset[str]
    passed: list[Done] = field(default_factory=list)
    intents: list[Intent] = field(default_factory=list)

    def rest(self, position: Position | None, due: datetime | None, why: str) -> Outcome:
        return Outcome(tuple(self.passed), tuple(self.intents), position, due, why)

    def go(self, step: Step, outcome: str, to: str | None, at: datetime, note: str = "") -> Position:
        self.passed.append(Done(step.id, outcome, note))
        return Position(to, at)

    def look(self, step: Step, next_id: str | None, position: Position) -> Position | Outcome:
        """Pass the step (a new position) or stay (an outcome)."""
        if isinstance(step.action, Send) and step.id in self.sends:
            return self._message(step, self.sends[step.id], next_id, position)
        if position.waiting_since is not None and not isinstance(step.action, Send):
            return self._act(step, next_id, position, position.waiting_since)
        due = due_at(self.campaign, step, position.anchor_at, self.snapshot.lead, self.company)
        opens = due if due > self.now else self._opens(step)
        if opens > self.now:
            return self.rest(Position(step.id, position.anchor_at), opens, self._waits(step, position, due, opens))
        if step.condition is not None:
            verdict = self._truth(step.condition)
            if verdict is Truth.UNKNOWN:
                verdict = Truth.YES if step.if_unknown == "then" else Truth.NO
                note = "the `if` is unknown for this lead"
            else:
                note = "the `if` did not hold"
            if verdict is Truth.NO:
                return self.go(step, "skipped", next_id, due, note)
        return self._act(step, next_id, Position(step.id, position.anchor_at), due)

    def _opens(self, step: Step) -> datetime:
        """An overdue mail waits for the window as well."""
        if not isinstance(step.action, Send):
            return self.now
        return slot(self.now, self.campaign.sending.window, self.company.quiet, self.zone)

    def _act(self, step: Step, next_id: str | None, position: Position, at: datetime) -> Position | Outcome:
        """Do the step's action. `at`: when it was due, or since when it has been waiting."""
        match step.action:
            case Send() as send:
                return self._send(step, send, position, at)
            case WaitFor() as wait:
                return self._wait_for(step, wait, next_id, position, at)
            case Choose() as choose:
                return self._choose(step, choose, next_id, at)
            case HandOff() as hand_off:
                return self._hand_off(step, hand_off, next_id, position, at)
            case MoveTo(track=track):
                self.intents.append(MoveIntent(step.id, track))
                return self.go(step, f"move to {track}", None, at)
            case End(reason=reason, rest_for=rest_for):
                self.intents.append(EndIntent(step.id, reason, rest_for))
                return self.go(step, "end", None, at, reason)
            case Score(points=points, because=because):
                self.intents.append(ScoreIntent(step.id, points, because))
                return self.go(step, f"score {points / 1000:+g}", next_id, at, because)
            case SetField(field=name, value=value):
                self.intents.append(SetFieldIntent(step.id, name, value))
                return self.go(step, f"set {name}", next_id, at, f"to {value}")
            case Notify(to=to, message=message):
                self.intents.append(NotifyIntent(step.id, to, message))
                return self.go(step, f"notify {to}", next_id, at)

    def _send(self, step: Step, send: Send, position: Position, due: datetime) -> Outcome:
        variant = None
        if send.test is not None:
            variant = drawn_or_draw(self.snapshot.lead.id, send.test, self.drawn)
        self.intents.append(SendIntent(step.id, send, variant, due))
        stay = Position(step.id, position.anchor_at, position.waiting_since or due)
        return self.rest(stay, None, f"`{step.id}` is on its way: {self._why(step, position)}")

    def _message(self, step: Step, sent: StepSend, next_id: str | None, position: Position) -> Position | Outcome:
        uncertain = sent.state is MessageState.UNKNOWN
        if uncertain and self.campaign.sending.if_unknown_delivery == "assume_sent":
            note = "the server never answered; taken as sent, so that nobody gets it twice"
            return self.go(step, "unknown", next_id, sent.at or self.now, note)
        if sent.state in MESSAGE_FINAL:
            return self.go(step, sent.state.value, next_id, sent.at or self.now, self._why_then(step, sent, position))
        stay = Position(step.id, position.anchor_at, position.waiting_since or self.now)
        return self.rest(stay, None, f"`{step.id}` is on its way: {self._why(step, position)}")

    def _why_then(self, step: Step, sent: StepSend, position: Position) -> str:
        """Why a mail left when it did. What was not sent has a reason of its own, and it stands with the message."""
        if sent.state is not MessageState.SENT or sent.at is None:
            return ""
        due = due_at(self.campaign, step, position.anchor_at, self.snapshot.lead, self.company)
        return self._why(step, position) + why_late(max(due, position.waiting_since or due), sent.at, sent.why)

    def _wait_for(
        self, step: Step, wait: WaitFor, next_id: str | None, position: Position, since: datetime
    ) -> Position | Outcome:
        truth = self._truth(wait.condition)
        if truth is Truth.YES:
            already = position.waiting_since is None
            note = "already true on arrival" if already else ""
            return self._branch(step, wait, "then", next_id, since if already else self.now, note)
        deadline = deadline_of(self.campaign, step, since, self.snapshot.lead, self.company)
        if deadline is None or deadline <= self.now:
            end = deadline or self.now
            if truth is Truth.UNKNOWN:
                return self._branch(step, wait, step.if_unknown or "skip", next_id, end, "cannot be seen for this lead")
            return self._branch(step, wait, "otherwise", next_id, end, f"not within {wait.within}")
        turn = self._next_change(wait.condition)
        due = deadline if turn is None else min(deadline, turn)
        stay = Position(step.id, position.anchor_at, since)
        return self.rest(stay, due, f"`{step.id}` waits until {self._say(deadline)} at the latest")

    def _branch(
        self, step: Step, wait: WaitFor, way: IfUnknown, next_id: str | None, at: datetime, note: str
    ) -> Position:
        word = {"then": "yes", "otherwise": "no", "skip": "skipped"}[way]
        steps = {"then": wait.then, "otherwise": wait.otherwise, "skip": ()}[way]
        return self.go(step, f"wait_for: {word}", steps[0].id if steps else next_id, at, note)

    def _choose(self, step: Step, choose: Choose, next_id: str | None, at: datetime) -> Position:
        """The first branch that holds. `if_unknown`: take an unknown one, pass it over, or end the choice."""
        for branch in choose.branches:
            truth = self._truth(branch.condition)
            if truth is Truth.UNKNOWN and step.if_unknown == "skip":
                return self.go(step, "choose: skipped", next_id, at, "a branch cannot be decided for this lead")
            if truth is Truth.YES or (truth is Truth.UNKNOWN and step.if_unknown == "then"):
                first = branch.steps[0].id if branch.steps else next_id
                return self.go(step, f"choose: {first or 'the end'}", first, at)
        if choose.otherwise:
            return self.go(step, f"choose: {choose.otherwise[0].id}", choose.otherwise[0].id, at, "otherwise")
        return self.go(step, "choose: none", next_id, at, "no branch holds")

    def _hand_off(
        self, step: Step, hand_off: HandOff, next_id: str | None, position: Position, since: datetime
    ) -> Position | Outcome:
        """Ask the gate; a lead that is with sales has passed. Asked once, or on every event for `try_for`."""
        lead = self.snapshot.lead
        if self.snapshot.open_handoff is not None or lead.stage in WITH_SALES:
            return self.go(step, f"handed off to {hand_off.queue}", next_id, self.now)
        asked_before = position.waiting_since is not None
        deadline = deadline_of(self.campaign, step, since, lead, self.company) or self.now
        ready = hand_off.only_when is None or self._truth(hand_off.only_when) is Truth.YES
        if asked_before and deadline <= self.now:
            return self._not_handed_off(step, hand_off, next_id, deadline)
        if not asked_before and not ready and hand_off.try_for is None:
            return self._not_handed_off(step, hand_off, next_id, since)
        if ready:
            self.intents.append(HandOffIntent(step.id, hand_off.queue, hand_off.note))
        due = max(deadline, self.now + _GATE_ANSWERS_IN) if not asked_before else deadline
        turn = self._next_change(hand_off.only_when) if hand_off.only_when is not None else None
        stay = Position(step.id, position.anchor_at, since)
        what = "the gate" if ready else "its own `only_when`"
        return self.rest(stay, due if turn is None else min(due, turn), f"`{step.id}`: {what} has not said yes yet")

    def _not_handed_off(self, step: Step, hand_off: HandOff, next_id: str | None, at: datetime) -> Position:
        match hand_off.if_not:
            case MoveTo(track=track):
                self.intents.append(MoveIntent(step.id, track))
                return self.go(step, f"not handed off: move to {track}", None, at)
            case End(reason=reason, rest_for=rest_for):
                self.intents.append(EndIntent(step.id, reason, rest_for))
                return self.go(step, "not handed off: end", None, at, reason)
        return self.go(step, "not handed off", next_id, at)

    def _truth(self, condition: Condition) -> Truth:
        return conditions.evaluate(
            condition, self.snapshot, since=self.entered_at, company=self.company, now=self.now,
            campaign=self.campaign, sends=self.sends,
        )

    def _next_change(self, condition: Condition) -> datetime | None:
        return conditions.next_change(
            condition, self.snapshot, since=self.entered_at, company=self.company, now=self.now,
            campaign=self.campaign, sends=self.sends,
        )

    def _say(self, at: datetime) -> str:
        return f"{at.astimezone(self.zone):%a %d %b %Y %H:%M} ({self.zone.key})"

    def _waits(self, step: Step, position: Position, due: datetime, opens: datetime) -> str:
        said = f"`{step.id}` is due {self._say(opens)}: {self._why(step, position)}"
        return said if opens == due else f"{said}; that has passed, and the next sending window opens then"

    def _why(self, step: Step, position: Position) -> str:
        """The wait and what moved it."""
        return why_due(
            self.campaign, step, position.anchor_at, self.snapshot.lead, self.company, before=self._before(step.id)
        )

    def _before(self, step_id: str) -> str:
        """What the waits of this step count from: the step that led here, or the way in."""
        if self.passed:
            return f"`{self.passed[-1].step_id}`"
        led = [name for name in led_from(self.campaign, step_id) if name in self.done]
        if led:
            return f"`{led[-1]}`"
        return "the step before" if self.done else "entering the campaign"
