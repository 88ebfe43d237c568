"""P8: a simulation tells what production does, given the same files, the same events and the same clock.

The simulation jumps from due moment to due moment over a database in memory. Production reads what was applied from a
real database, is asked every day or so whether or not anything is due, and meets events while it waits.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from nurture import pipeline
from nurture.acts import apply as applying
from nurture.assembly import refresh
from nurture.authoring import read_sources
from nurture.insight.story import tell
from nurture.rehearse.ahead import ahead
from nurture.rehearse.happen import CannotHappen, happen
from nurture.rehearse.world import World as Rehearsal
from nurture.rehearse.world import fresh_store
from nurture.store import Store
from nurture.store.facts import stories
from nurture.store.running import rehearsals
from tests.applying.test_apply_properties import SLOW, files
from tests.applying.world import BASE, START, S, World, campaign_file, draft

END = START + timedelta(days=60)
DEEDS = {
    "clicked": "any",
    "form": "buyers-guide",
    "did": "booked-demo",
    "withdraws": "nurture_email",
    "visited": "/pricing",
}
LEAVES = "leave_when: [{ did: booked-demo }]"
Happening = tuple[int, str]


@st.composite
def happenings(draw: st.DrawFn) -> list[Happening]:
    """(hours after the start, what). The form comes first: it is how people get in."""
    later = st.tuples(st.integers(1, 24 * 20), st.sampled_from(sorted(DEEDS)))
    return [(0, "form"), *sorted(draw(st.lists(later, max_size=4)))]


def simulated(file: list[S], happens: Sequence[Happening]) -> list[Any]:
    library = read_sources({**BASE, "campaigns/drip.yaml": campaign_file(file, extra=LEAVES)}).library
    assert library is not None
    world = Rehearsal(library, start=START, only=["drip"])
    log = play(world, happens, every=None)
    world.close()
    return log


def produced(store: Store, file: list[S], happens: Sequence[Happening]) -> list[Any]:
    World(store, used=True)
    made = draft(campaign_file(file, extra=LEAVES))
    applying.apply(store, made, now=START, by="test")
    world = Rehearsal(made.library, start=START, store=store)
    refresh(world.parts)
    return play(world, happens, every=timedelta(hours=31))


def play(world: Rehearsal, happens: Sequence[Happening], *, every: timedelta | None) -> list[Any]:
    """Let it all happen to one lead; returns the books: mails, steps, moves."""
    consents = ["privacy_notice", "nurture_email", "click_tracking"]
    lead = world.add_lead(email="a@example.org", fields={"company": "A"}, consents=consents, timezone="Europe/Berlin")
    for hours, what in happens:
        until(world, START + timedelta(hours=hours), every)
        try:
            happen(world, lead, what, DEEDS[what], {}, campaign=world.library.campaigns["drip"])
        except CannotHappen:
            continue
        world.run()
    until(world, END, every)
    with world.store.read() as conn:
        logs = stories.read(conn, lead, until=END)
        steps = rehearsals.steps_passed(conn, lead, "drip")
    mails = [(m["step_id"], m["state"], m["sent_at"], m["reason"]) for m in logs["message"]]
    runs = [(r["run"], r["state"], r["step_id"], r["ended_at"], r["end_reason"]) for r in logs["enrollment"]]
    return [mails, steps, runs, [(t["to_stage"], t["occurred_at"]) for t in logs["transition"]]]


def until(world: Rehearsal, end: datetime, every: timedelta | None) -> None:
    """To `end`: by due moments alone, or with a look at other times as well."""
    world.run()
    while True:
        due = pipeline.next_due(world.parts)
        now = world.clock.now()
        wanted = [max(due, now + timedelta(seconds=1))] if due is not None else []
        if every is not None:
            wanted.append(now + every)
        if not wanted or min(wanted) > end:
            break
        world.clock.jump(min(wanted))
        world.run()
    if world.clock.now() < end:
        world.clock.jump(end)


@SLOW
@given(files(), happenings())
def test_p8_a_simulation_tells_what_production_does(store: Store, file: list[S], happens: list[Happening]) -> None:
    assert produced(store, file, happens) == simulated(file, happens)


def test_what_explain_says_will_come_is_what_comes(store: Store) -> None:
    file = [S("s0", 0), S("s1", 3, "fork"), S("s2", 5), S("s3", 2, "score"), S("s4", 4)]
    World(store, used=True)
    made = draft(campaign_file(file, extra=LEAVES))
    applying.apply(store, made, now=START, by="test")
    world = Rehearsal(made.library, start=START, store=store)
    refresh(world.parts)
    consents = ["privacy_notice", "nurture_email", "click_tracking"]
    lead = world.add_lead(email="a@example.org", fields={}, consents=consents, timezone="Europe/Berlin")
    happen(world, lead, "form", "buyers-guide", {}, campaign=made.library.campaigns["drip"])
    until(world, START + timedelta(days=2), timedelta(hours=7))
    now = world.clock.now()
    told, zone = ahead(world.parts, lead, now=now, until=END)
    assert zone.key == "Europe/Berlin"
    until(world, END, timedelta(hours=31))
    with store.read() as conn:
        came = {(m["step_id"], m["sent_at"]) for m in stories.read(conn, lead, until=END)["message"]}
    assert {(m.who, m.at) for m in told if m.text.startswith("SEND")} == {(s, at) for s, at in came if at > now}
    assert {m.who for m in told} >= {"s1", "s3", "s4"}


def test_why_a_mail_comes_when_it_comes_is_told_before_and_after() -> None:
    """The wait, what moved it and what put it off: where the lead stands, in what comes, and in the story after it."""
    world = World(fresh_store())
    sends = "sending: { window: { days: mon-fri, from: 08:00, until: 18:00 }, at_most: 1 email per week,"
    world.apply(draft(campaign_file([S("s0", 0), S("s1", 5), S("s2", 1)]).replace("sending: {", sends)))
    world.people([("s0", 0)])
    world.now += timedelta(hours=5)
    world.run("plan", "send")
    world.now += timedelta(days=7, hours=-1)
    coming, _ = ahead(world.parts, 1, now=world.now, until=world.now + timedelta(days=20))
    said = "5 days after `s0`, moved from Sat 28 Nov 09:00 to Mon 30 Nov 08:00 by the campaign's window (in the lead's "
    said += "time zone, America/New_York); 1 hour later: at most 1 mail in 7 days (the limit of drip)"
    assert coming[0].why == said
    world.run("plan", "send")
    told = tell(world.parts, 1, now=world.now)
    assert told is not None
    assert told.standing[0].due_at == world.now + timedelta(hours=1)
    assert told.standing[0].why.startswith("`s1` is on its way: 5 days after `s0`, moved from Sat 28 Nov 09:00")
    assert told.standing[0].why.endswith("; put off: at most 1 mail in 7 days (the limit of drip)")
    world.now += timedelta(hours=1)
    world.run("plan", "send")
    told = tell(world.parts, 1, now=world.now)
    assert told is not None
    assert [e.text for e in told.entries if e.kind == "sent"][1] == f"SENT t/s1: {said}"
