"""Whatever tree of steps, zone, window and events: every walk ends, sends a step once, and only inside its window."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from nurture.decide.change import diff, normalise, rebase
from nurture.decide.flow import first_step, flow_of
from nurture.decide.walk import advance
from nurture.decide.window import is_open, zone_of
from nurture.model.campaign import (
    Branch,
    Campaign,
    Choose,
    Duration,
    End,
    HandOff,
    MoveTo,
    Notify,
    Score,
    Send,
    Step,
    Until,
    WaitFor,
    Window,
)
from nurture.model.intents import Position, SendIntent, StepSend
from nurture.model.words import MessageState, Purpose
from tests.rules.engine import COMPANY, campaign, event, fact, joined, snapshot

MANY = 10 if os.environ.get("NURTURE_TEST_ALL") else 1
START = datetime(2026, 3, 20, 8, 0, tzinfo=UTC)
ZONES = ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", None]
FINAL = [MessageState.SENT, MessageState.REFUSED, MessageState.FAILED, MessageState.UNKNOWN, MessageState.REHEARSED]

durations = st.builds(
    Duration, st.integers(0, 9), st.sampled_from(["minutes", "hours", "days", "business_days", "weeks", "months"])
)
conditions = st.sampled_from([
    fact("clicked", "any"), fact("tag", "vip"), joined("not", fact("clicked", "any", in_last=Duration(2, "days"))),
    fact("engagement_at_least", 40), joined("any", fact("visited", "/pricing"), fact("replied", "any")),
])
unknown = st.sampled_from([None, "then", "otherwise", "skip"])
windows = st.one_of(
    st.none(),
    st.builds(Window, st.frozensets(st.integers(0, 6), min_size=1), st.integers(0, 1439), st.integers(1, 1440)),
)


@dataclass
class Names:
    used: int = 0

    def next(self) -> str:
        self.used += 1
        return f"s{self.used}"


@st.composite
def steps(draw: st.DrawFn, names: Names, depth: int = 0) -> tuple[Step, ...]:
    return tuple(draw(step(names, depth)) for _ in range(draw(st.integers(1, 3 if depth else 5))))


@st.composite
def step(draw: st.DrawFn, names: Names, depth: int) -> Step:
    kinds = ["send", "send", "score", "notify", "hand_off"] + (["wait_for", "choose"] if depth < 2 else ["end", "move"])
    name = names.next()
    match draw(st.sampled_from(kinds)):
        case "wait_for":
            ways = draw(steps(names, depth + 1)), draw(steps(names, depth + 1))
            action: object = WaitFor(draw(conditions), draw(durations), *ways)
        case "choose":
            ways = draw(steps(names, depth + 1)), draw(steps(names, depth + 1))
            action = Choose((Branch(draw(conditions), ways[0]),), ways[1])
        case "hand_off":
            last = draw(st.sampled_from([None, MoveTo("champion"), End("not ready")]))
            action = HandOff("sales", "", draw(conditions), draw(st.one_of(st.none(), durations)), last)
        case "score":
            action = Score(1_000, "x")
        case "notify":
            action = Notify("ines", "x")
        case "end":
            action = End("over")
        case "move":
            action = MoveTo("champion")
        case _:
            action = Send(f"t/{name}")
    until = draw(st.one_of(st.none(), st.builds(Until, st.just("opens"), durations)))
    asked = draw(st.one_of(st.none(), conditions))
    return Step(name, action, None, draw(st.one_of(st.none(), durations)), until, None, asked, draw(unknown))


@st.composite
def campaigns(draw: st.DrawFn) -> Campaign:
    return campaign(*draw(steps(Names())), window=draw(windows))


@settings(max_examples=50 * MANY, deadline=None)
@given(campaigns(), st.sampled_from(ZONES), st.lists(st.integers(0, 90 * 24), max_size=4), st.booleans(), st.data())
def test_every_walk_ends_and_sends_each_step_once_in_its_window(
    plan: Campaign, zone: str | None, clicks: list[int], seen: bool, data: st.DataObject
) -> None:
    events = [
        event("email_click", (START + timedelta(hours=h)).replace(tzinfo=None).isoformat(), campaign="drip", id=i)
        for i, h in enumerate(clicks)
    ]
    consents = (Purpose.NURTURE_EMAIL, Purpose.CLICK_TRACKING) if seen else (Purpose.NURTURE_EMAIL,)
    who = snapshot(*events, consents=consents, lead={"timezone": zone})
    sends: dict[str, StepSend] = {}
    done: set[str] = set()
    position, now = Position(first_step(plan), START), START
    for _ in range(400):
        outcome = advance(
            plan,
            position,
            who,
            entered_at=START,
            run=1,
            drawn={},
            sends=sends,
            done=frozenset(done),
            company=COMPANY,
            now=now,
        )
        assert not done & {d.step_id for d in outcome.done}, "a step is passed once"
        done |= {d.step_id for d in outcome.done}
        mails = [i for i in outcome.intents if isinstance(i, SendIntent)]
        assert len(mails) <= 1
        for mail in mails:
            assert mail.step_id not in sends
            assert mail.due_at <= now
            if plan.sending.window is not None:
                assert is_open(now, plan.sending.window, zone_of(who.lead, plan, COMPANY))
            later = timedelta(minutes=data.draw(st.integers(0, 3000)))
            now += later
            sends[mail.step_id] = StepSend(data.draw(st.sampled_from(FINAL)), now, mail.step_id)
        if outcome.position is None:
            return
        assert outcome.why, "whoever waits can be told why"
        assert mails or outcome.due_at is not None, "nobody waits for nothing"
        if outcome.due_at is not None:
            assert outcome.due_at > now, "a wait lies ahead"
            now = outcome.due_at
        position = outcome.position
    raise AssertionError("this walk never ends")


@settings(max_examples=50 * MANY, deadline=None)
@given(campaigns(), campaigns(), campaigns())
def test_p3_every_position_of_any_old_version_is_a_step_or_the_end(
    first: Campaign, second: Campaign, third: Campaign
) -> None:
    known = normalise({}, diff(first, second), second)
    known = normalise(known, diff(second, third, known=known), third)
    for old in (first, second):
        for name in flow_of(old):
            moved = rebase(Position(name, START, START), third, known)
            assert moved.step_id is None or moved.step_id in flow_of(third)
            assert moved.anchor_at == START
    for redirect in known.values():
        assert redirect.to_step is None or redirect.to_step in flow_of(third), "one look-up is enough"
