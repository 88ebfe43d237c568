"""A campaign rehearsed with many people: who they are comes from a file or a seed, what they do from plain rates."""

from __future__ import annotations

import heapq
import random
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from statistics import median
from typing import Any, Final

from nurture.decide import enter
from nurture.model.campaign import Campaign
from nurture.model.intents import Tally
from nurture.model.library import Library
from nurture.model.words import Purpose
from nurture.rehearse.happen import CannotHappen, happen
from nurture.rehearse.world import World
from nurture.stages import enroll
from nurture.store.audience import snapshots
from nurture.store.programs import enrollments
from nurture.store.running import rehearsals

MAIL: Final = (Purpose.PRIVACY_NOTICE, Purpose.NURTURE_EMAIL)


@dataclass(frozen=True, slots=True)
class Habits:
    """What simulated people do, as shares of one. Delays are drawn from long-tailed distributions, like people's."""

    tracks_clicks: float = 0.6
    """Share of people who agreed to click tracking."""
    agrees_to_offers: float = 0.5
    agrees_to_calls: float = 0.25
    clicks: float = 0.18
    """Chance that one mail is clicked."""
    visits_pricing: float = 0.25
    """Chance that a click goes on to the price list."""
    attends: float = 0.10
    """Chance, per mail, of attending a webinar in the week after."""
    replies: float = 0.01
    unsubscribes: float = 0.006
    bounces: float = 0.004


@dataclass(frozen=True, slots=True)
class Person:
    """One simulated lead as it enters."""

    fields: Mapping[str, Any] = field(default_factory=dict)
    consents: tuple[str, ...] = ()
    country: str | None = None
    timezone: str | None = None
    language: str | None = None
    score: float = 0.0


@dataclass(frozen=True, slots=True)
class Simulated:
    """What came of it. Days are ISO dates; `hours_to_handoff` one number per person handed over."""

    campaign: str
    people: int
    entered: int
    control: int
    not_entered: Mapping[str, int]
    """Why people did not enter -> how many."""
    sends_per_day: Mapping[str, int]
    sends_per_step: Mapping[str, int]
    refused: Mapping[str, int]
    put_off: Mapping[str, int]
    """Why mails left, or will leave, later than their steps say -> how many."""
    handoffs_per_day: Mapping[str, int]
    hours_to_handoff: tuple[float, ...]
    ends: Mapping[str, int]
    never_reached: tuple[str, ...]
    visible: int
    """People whose clicks may be seen."""
    capacity_per_day: int
    days: int

    @property
    def median_days_to_handoff(self) -> float | None:
        return median(self.hours_to_handoff) / 24 if self.hours_to_handoff else None


def population(n: int, library: Library, *, seed: int, habits: Habits, points: int = 0) -> list[Person]:
    """People drawn by seed: jobs, sizes and countries as a B2B vendor meets them; same seed, same people.

    `points`: what the campaign's door asks for; who has less would only be counted as not entered.
    """
    draw = random.Random(seed)
    people = []
    for i in range(n):
        size = int(min(max(draw.lognormvariate(5.2, 1.3), 3), 50_000))
        country = draw.choices(("PL", "CZ", "DE", "NO", "GB"), (40, 20, 20, 10, 10))[0]
        fields = {
            "first_name": f"P{i}",
            "last_name": "Simulated",
            "company": f"Company {i}",
            "employees": size,
            "role": draw.choices(
                ("Head of IT", "IT administrator", "CISO", "Procurement", "Student"), (30, 35, 15, 15, 5)
            )[0],
            "industry": draw.choices(("finance", "health", "industry", "retail", "education"))[0],
        }
        consents = [str(p) for p in MAIL]
        for purpose, share in (
            (Purpose.CLICK_TRACKING, habits.tracks_clicks),
            (Purpose.COMMERCIAL_OFFERS, habits.agrees_to_offers),
            (Purpose.SALES_CONTACT, habits.agrees_to_calls),
        ):
            if draw.random() < share:
                consents.append(str(purpose))
        people.append(
            Person(
                {k: v for k, v in fields.items() if draw.random() > 0.15 or k.endswith("name")},
                tuple(consents),
                country,
                {
                    "PL": "Europe/Warsaw",
                    "CZ": "Europe/Prague",
                    "DE": "Europe/Berlin",
                    "NO": "Europe/Oslo",
                    "GB": "Europe/London",
                }[country],
                score=max(draw.choice((0, 0, 10, 20, 45)), points),
            )
        )
    return people


def run(
    library: Library,
    campaign: Campaign,
    people: Sequence[Person],
    *,
    start: datetime,
    days: int,
    seed: int,
    habits: Habits,
    progress: Callable[[float], None] = lambda share: None,
) -> Simulated:
    """Let `people` enter over the first day and live for `days`, through the real pipeline on a virtual clock."""
    world = World(library, start=start, only=[campaign.id])
    try:
        return _Run(world, campaign, people, start, days, seed, habits, progress).run()
    finally:
        world.close()


class _Run:
    def __init__(
        self,
        world: World,
        campaign: Campaign,
        people: Sequence[Person],
        start: datetime,
        days: int,
        seed: int,
        habits: Habits,
        progress: Callable[[float], None],
    ) -> None:
        self.world, self.campaign, self.people, self.start, self.days = world, campaign, people, start, days
        self.draw, self.habits, self.progress = random.Random(seed + 1), habits, progress
        self.deeds: list[tuple[datetime, int, int, str, Any, dict[str, Any]]] = []
        self.looked_at = start - timedelta(seconds=1)
        self.n = 0
        self.entered = self.control = 0
        self.kept_out: Counter[str] = Counter()

    def run(self) -> Simulated:
        leads = [self._add(i, person) for i, person in enumerate(self.people)]
        self.world.run()
        for lead_id in leads:
            self._enter(lead_id)
        end = self.start + timedelta(days=self.days)
        while self._live_until(self._next_deed(end)) < end:
            self._do(*heapq.heappop(self.deeds)[2:])
        return self._result(end)

    def _next_deed(self, end: datetime) -> datetime:
        return min(self.deeds[0][0], end) if self.deeds else end

    def _live_until(self, moment: datetime) -> datetime:
        """Up to `moment`, or up to a deed that a mail on the way there calls forth before it. Returns which."""
        while True:
            self.world.run_until(moment, stop=partial(self._called, moment), seen=self._react)
            if not self._called(moment):
                return moment
            moment = self._next_deed(moment)

    def _called(self, before: datetime) -> bool:
        return self._next_deed(before) < before

    def _add(self, i: int, person: Person) -> int:
        lead_id = self.world.add_lead(
            email=f"p{i}@simulated.example.org",
            fields=person.fields,
            consents=person.consents,
            language=person.language,
            country=person.country,
            timezone=person.timezone,
        )
        if person.score:
            happen(self.world, lead_id, "score", person.score, {})
        return lead_id

    def _enter(self, lead_id: int) -> None:
        parts, now = self.world.parts, self.world.clock.now()
        with self.world.store.begin() as conn:
            runs = enrollments.all_of(conn, [lead_id]).get(lead_id, [])
            inside = [run for run in runs if run.ended_at is None]
            if inside:
                self.entered += 1
                self.control += any(run.state == "control" for run in inside)
                return
            snapshot = snapshots.load(conn, [lead_id], now=now)[lead_id]
            decision = enter.may_enter(
                parts.library.campaigns[self.campaign.id],
                snapshot,
                past=[enroll.past_run(r) for r in runs],
                trigger_events=snapshot.events,
                company=parts.library.company,
                now=now,
                tracks=parts.library.tracks,
                by_hand="the simulation",
            )
            if decision.enters and enroll.enter_lead(
                parts, conn, snapshot, decision, runs, now=now, by="simulation", tally=Tally()
            ):
                self.control += decision.control
                self.entered += 1
            else:
                self.kept_out[decision.reason] += 1

    def _react(self) -> None:
        """Plan what people do about the mails that have just reached them."""
        now = self.world.clock.now()
        self.progress(min((now - self.start) / timedelta(days=self.days), 1.0))
        with self.world.store.read() as conn:
            fresh = rehearsals.sent_after(conn, self.looked_at, campaign=self.campaign.id)
        self.looked_at = now
        for _, lead_id, step, links in fresh:
            self._answer(now, lead_id, step, links)

    def _answer(self, now: datetime, lead_id: int, step: str, links: Sequence[str]) -> None:
        chance, h = self.draw.random, self.habits
        if chance() < h.bounces:
            self._later(now, 0.02, lead_id, "bounced", "hard", {})
            return
        if chance() < h.clicks:
            hours = self.draw.lognormvariate(1.2, 1.4)
            link = {"link": self.draw.choice(links)} if links else {}
            self._later(now, hours, lead_id, "clicked", step, link)
            if chance() < h.visits_pricing:
                self._later(now, hours + 0.1, lead_id, "visited", "/pricing", {"depth": "decision"})
        if chance() < h.attends:
            self._later(
                now,
                self.draw.uniform(20, 160),
                lead_id,
                "attended",
                "webinar",
                {"minutes": self.draw.choice((12, 35, 60))},
            )
        if chance() < h.replies:
            self._later(now, self.draw.lognormvariate(2, 1), lead_id, "replied", "any", {})
        if chance() < h.unsubscribes:
            self._later(now, self.draw.lognormvariate(1, 1.5), lead_id, "unsubscribes", True, {})

    def _later(self, now: datetime, hours: float, lead_id: int, what: str, value: Any, args: dict[str, Any]) -> None:
        self.n += 1
        heapq.heappush(self.deeds, (now + timedelta(hours=hours), self.n, lead_id, what, value, args))

    def _do(self, lead_id: int, what: str, value: Any, args: dict[str, Any]) -> None:
        try:
            happen(self.world, lead_id, what, value, args, campaign=self.campaign)
        except CannotHappen:
            # A reaction that has lost its mail (somebody was erased meanwhile) is no reaction.
            return

    def _result(self, end: datetime) -> Simulated:
        with self.world.store.read() as conn:
            rows = rehearsals.messages_of(conn, self.campaign.id)
            trips = rehearsals.handoffs(conn)
            ends = rehearsals.ends_of(conn, self.campaign.id)
            passed = rehearsals.steps_ever(conn, self.campaign.id)
        sent = [row for row in rows if row.state == "sent"]
        return Simulated(
            campaign=self.campaign.id,
            people=len(self.people),
            entered=self.entered,
            control=self.control,
            not_entered=self.kept_out,
            sends_per_day=_by_day(row.at for row in sent),
            sends_per_step=Counter(row.step for row in sent),
            refused=Counter(row.reason or "" for row in rows if row.state == "refused"),
            put_off=Counter(row.said for row in rows if row.said and row.state != "refused"),
            handoffs_per_day=_by_day(trips),
            hours_to_handoff=tuple((at - self.start) / timedelta(hours=1) for at in trips),
            ends=ends,
            never_reached=tuple(s.id for s in self.campaign.walk() if s.id not in passed),
            visible=sum("click_tracking" in p.consents for p in self.people),
            capacity_per_day=self.world.library.agreement.max_new_handoffs_per_day,
            days=self.days,
        )


def _by_day(moments: Iterable[datetime]) -> dict[str, int]:
    return dict(sorted(Counter(f"{at:%Y-%m-%d}" for at in moments).items()))
