"""Running one `*.test.yaml` story through the real pipeline, and judging what came of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from nurture import pipeline
from nurture.decide import enter
from nurture.decide.calendar import add
from nurture.decide.moment import length
from nurture.decide.window import named_zone
from nurture.model.campaign import Campaign
from nurture.model.intents import Tally
from nurture.model.library import Library
from nurture.model.scoring import Criterion, Model, ValueRule
from nurture.model.story import Expectation, Story, StoryLead
from nurture.rehearse import timeline
from nurture.rehearse.happen import CannotHappen, happen
from nurture.rehearse.timeline import Moment
from nurture.rehearse.world import World
from nurture.stages import enroll
from nurture.store.audience import snapshots
from nurture.store.facts import stories
from nurture.store.programs import enrollments
from nurture.store.running import rehearsals
from nurture.store.sales import handoffs

LONGEST: Final = timedelta(days=800)
"""A story that has not ended by then never will."""
FIT_POINTS: Final = {"A": 100, "B": 60, "C": 30, "D": 0}
ADDRESS: Final = "story@example.org"


@dataclass(frozen=True, slots=True)
class Told:
    """How a story went. `failures` are sentences, what to look at first first; `reached` are the steps passed."""

    story: Story
    failures: tuple[str, ...]
    moments: tuple[Moment, ...]
    reached: frozenset[str]
    zone: ZoneInfo = ZoneInfo("UTC")
    """The lead's own time, in which its time line reads."""
    seconds: float = 0.0

    @property
    def passed(self) -> bool:
        return not self.failures


@dataclass(slots=True)
class _Came:
    """What came about, with when: the other side of `expect` and `never`."""

    sent: dict[str, datetime] = field(default_factory=dict)
    refused: dict[str, datetime] = field(default_factory=dict)
    postponed: dict[str, datetime] = field(default_factory=dict)
    reached: dict[str, datetime] = field(default_factory=dict)
    handed_off: dict[str, datetime] = field(default_factory=dict)
    moved_to: dict[str, datetime] = field(default_factory=dict)
    stages: dict[str, datetime] = field(default_factory=dict)
    ended: tuple[str, datetime] | None = None
    left: datetime | None = None
    best_score: int = 0


def tell(story: Story, library: Library) -> Told:
    """Run one story. Never raises for what the story says; that becomes a failure."""
    campaign = library.campaigns.get(story.campaign)
    if campaign is None:
        return Told(story, (f"there is no campaign `{story.campaign}`",), (), frozenset())
    zone = zone_of(story.lead, campaign, library)
    start = (
        story.starts.replace(tzinfo=zone).astimezone(UTC)
        if story.starts.tzinfo is None
        else story.starts.astimezone(UTC)
    )
    world = World(_with_fit(library, story.lead.fit), start=start, only=[campaign.id])
    try:
        return _Telling(world, story, campaign, zone, start).tell()
    finally:
        world.close()


def zone_of(lead: StoryLead, campaign: Campaign, library: Library) -> ZoneInfo:
    return named_zone(lead.timezone or campaign.timezone or library.company.timezone) or ZoneInfo("UTC")


def _with_fit(library: Library, band: str | None) -> Library:
    """A story may assume a fit band; its lead then has one criterion that gives just that."""
    if band is None:
        return library
    known = Criterion("story_fit", 100, (ValueRule(points=FIT_POINTS[band], otherwise=True),))

    def assume(model: Model) -> Model:
        return replace(model, fit=(known,), subtract=())

    return replace(library, scoring=replace(library.scoring, models=tuple(map(assume, library.scoring.models))))


class _Telling:
    def __init__(self, world: World, story: Story, campaign: Campaign, zone: ZoneInfo, start: datetime) -> None:
        self.world, self.story, self.campaign, self.zone, self.start = world, story, campaign, zone, start
        self.failures: list[str] = []
        self.extra: list[Moment] = []
        self.lead_id = 0
        self.best = 0

    def tell(self) -> Told:
        self.lead_id = self._lead()
        if self._enter():
            self._let_happen()
        came = self._came()
        self.failures += judge(self.story, came, start=self.start, zone=self.zone)
        moments = timeline.of(self.world, self.lead_id, self.campaign.id, since=self.start)
        return Told(
            self.story,
            tuple(self.failures),
            tuple(sorted([*self.extra, *moments], key=lambda m: m.at)),
            frozenset(came.reached),
            self.zone,
        )

    def _lead(self) -> int:
        lead = self.story.lead
        fields = {**lead.fields, **({"story_fit": lead.fit} if lead.fit else {})}
        lead_id = self.world.add_lead(
            email=str(fields.pop("email", ADDRESS)),
            fields=fields,
            consents=lead.consents,
            language=lead.language,
            country=lead.country or fields.get("country"),
            timezone=lead.timezone,
        )
        now = self.start
        for tag in lead.tags:
            happen(self.world, lead_id, "tag_added", tag, {})
        for name in lead.lists:
            happen(self.world, lead_id, "list", name, {})
        if lead.score:
            happen(self.world, lead_id, "score", lead.score, {})
        with self.world.store.begin() as conn:
            rehearsals.place(
                conn, lead_id, stage=lead.stage, track=lead.track, recycle_reason=lead.recycle_reason, now=now
            )
        # Score first, enter then: a story's lead is known before the campaign meets it.
        self._score()
        return lead_id

    def _score(self) -> None:
        for stage in ("score", "advance", "hand_off"):
            pipeline.run_stage(self.world.parts, stage, now=self.start, owner="story")

    def _enter(self) -> bool:
        now = self.start
        parts = self.world.parts
        campaign = parts.library.campaigns[self.campaign.id]
        with self.world.store.begin() as conn:
            runs = enrollments.all_of(conn, [self.lead_id]).get(self.lead_id, [])
            snapshot = snapshots.load(conn, [self.lead_id], now=now)[self.lead_id]
            decision = enter.may_enter(
                campaign,
                snapshot,
                past=[enroll.past_run(run) for run in runs],
                trigger_events=snapshot.events,
                company=parts.library.company,
                now=now,
                tracks=parts.library.tracks,
                by_hand="the story",
            )
            if not decision.enters:
                self.failures.append(f"the lead did not enter {campaign.id}: {decision.reason}")
                return False
            decision = replace(decision, control=False)
            enroll.enter_lead(parts, conn, snapshot, decision, runs, now=now, by="story", tally=Tally())
        return True

    def _let_happen(self) -> None:
        for one in sorted(self.story.happens, key=lambda h: add(self.start, h.after, self.zone)):
            at = add(self.start, one.after, self.zone)
            self.world.run_until(at, seen=self._look)
            try:
                said = happen(self.world, self.lead_id, one.what, one.value, one.args, campaign=self.campaign)
            except CannotHappen as cannot:
                self.failures.append(f"after {one.after}: {cannot}")
                continue
            self.extra.append(Moment(at, "event", said))
        self.world.run_until(self.start + LONGEST, stop=self._over, seen=self._look)

    def _look(self) -> None:
        """Points fade; what a story asks for is the best there was."""
        with self.world.store.read() as conn:
            self.best = max(self.best, rehearsals.engagement(conn, self.lead_id))

    def _over(self) -> bool:
        with self.world.store.read() as conn:
            return rehearsals.is_over(conn, self.lead_id)

    def _came(self) -> _Came:
        with self.world.store.read() as conn:
            logs = stories.read(conn, self.lead_id, until=self.world.clock.now())
            trips = handoffs.of_lead(conn, self.lead_id)
            done = rehearsals.steps_passed(conn, self.lead_id, self.campaign.id)
        came = _Came(reached={step: at for step, at, _ in done}, best_score=self.best)
        for row in logs["message"]:
            if row["campaign"] == self.campaign.id:
                _sort_message(came, row)
        came.handed_off = {trip.queue: trip.opened_at for trip in reversed(trips)}
        came.moved_to = {
            row["text"].removeprefix("moved to track "): row["at"] for row in logs["journal"] if row["kind"] == "moved"
        }
        came.stages = {row["to_stage"]: row["occurred_at"] for row in logs["transition"]}
        for run in (row for row in logs["enrollment"] if row["campaign"] == self.campaign.id):
            if run["state"] == "finished":
                came.ended = (done[-1][0] if done else "", run["ended_at"])
            elif run["state"] == "left":
                came.left = run["ended_at"]
        return came


def _sort_message(came: _Came, row: Mapping[str, Any]) -> None:
    step = row["step_id"]
    if row["state"] == "sent":
        came.sent[step] = row["sent_at"]
    elif row["state"] == "refused":
        came.refused[step] = row["ended_at"] or row["planned_at"]
    elif row["reason"]:
        came.postponed[step] = row["planned_at"]
    if row["state"] == "sent" and row["sent_at"] - row["planned_at"] > timedelta(minutes=1):
        came.postponed[step] = row["planned_at"]


def judge(story: Story, came: _Came, *, start: datetime, zone: ZoneInfo) -> list[str]:
    """The differences between what was told and what came: what is missing, then what was not to be."""
    late = add(start, story.expect.within, zone) if story.expect.within else None
    return [*_missing(story.expect, came, late, str(story.expect.within)), *_forbidden(story.never, came, zone)]


def _missing(expect: Expectation, came: _Came, late: datetime | None, within: str) -> Iterable[str]:
    for word in ("sent", "refused", "postponed", "reached"):
        have: Mapping[str, datetime] = getattr(came, word)
        for step in getattr(expect, word):
            yield from _in_time(f"{word} `{step}`", have.get(step), late, within)
    order = [came.sent[step] for step in expect.sent if step in came.sent]
    if order != sorted(order):
        yield "the mails came in another order: " + ", ".join(sorted(came.sent, key=lambda s: came.sent[s]))
    if expect.handed_off is not None:
        at = _any_or(came.handed_off, expect.handed_off)
        yield from _in_time(f"handed off to `{expect.handed_off}`", at, late, within)
    if expect.moved_to is not None:
        yield from _in_time(f"moved to `{expect.moved_to}`", came.moved_to.get(expect.moved_to), late, within)
    if expect.stage is not None:
        yield from _in_time(f"stage `{expect.stage}`", came.stages.get(expect.stage), late, within)
    if expect.ended is not None:
        by = came.ended is not None and expect.ended in ("any", came.ended[0])
        at = came.ended[1] if by and came.ended else None
        yield from _in_time(
            f"ended at `{expect.ended}`" + (f" (it ended at `{came.ended[0]}`)" if came.ended and not by else ""),
            at,
            late,
            within,
        )
    if expect.left:
        yield from _in_time("left the campaign", came.left, late, within)
    if expect.score_at_least is not None and came.best_score < expect.score_at_least * 1000:
        yield f"expected a score of at least {expect.score_at_least}, the best was {came.best_score / 1000:.1f}"


def _in_time(what: str, at: datetime | None, late: datetime | None, within: str) -> Iterable[str]:
    if at is None:
        yield f"expected {what}, and it did not come about"
    elif late is not None and at > late:
        yield f"expected {what} within {within}, it came {length(at - late)} too late"


def _forbidden(never: Expectation, came: _Came, zone: ZoneInfo) -> Iterable[str]:
    for word in ("sent", "refused", "postponed", "reached"):
        have: Mapping[str, datetime] = getattr(came, word)
        yield from (
            f"never {word} `{step}`, and it came about on {have[step].astimezone(zone):%a %d %b %H:%M}"
            for step in getattr(never, word)
            if step in have
        )
    if never.handed_off is not None and (at := _any_or(came.handed_off, never.handed_off)):
        yield f"never handed off to `{never.handed_off}`, and it came about on {at.astimezone(zone):%a %d %b %H:%M}"
    if never.moved_to is not None and never.moved_to in came.moved_to:
        yield f"never moved to `{never.moved_to}`, and it came about"
    if never.stage is not None and never.stage in came.stages:
        yield f"never stage `{never.stage}`, and it came about"
    if never.ended is not None and came.ended is not None and never.ended in ("any", came.ended[0]):
        yield f"never ended at `{never.ended}`, and it did"
    if never.left and came.left is not None:
        yield "never left the campaign, and it did"
    if never.score_at_least is not None and came.best_score >= never.score_at_least * 1000:
        yield f"never a score of {never.score_at_least}, and it reached {came.best_score / 1000:.1f}"


def _any_or(found: Mapping[str, datetime], wanted: str) -> datetime | None:
    return min(found.values(), default=None) if wanted == "any" else found.get(wanted)


def uncovered(campaigns: Mapping[str, Campaign], told: Sequence[Told]) -> dict[str, list[str]]:
    """Campaign -> the steps no story reaches."""
    reached: dict[str, set[str]] = {}
    for one in told:
        reached.setdefault(one.story.campaign, set()).update(one.reached)
    missing = {c.id: [s.id for s in c.walk() if s.id not in reached.get(c.id, set())] for c in campaigns.values()}
    return {campaign: steps for campaign, steps in missing.items() if steps}
