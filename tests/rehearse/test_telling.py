"""What `nurture test` says when a story and the campaign disagree, and that a rehearsal is the production engine."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from nurture.model.library import Library
from nurture.model.story import Expectation
from nurture.rehearse import draw, simulate
from nurture.rehearse.paths import allowed_per_week, paths
from nurture.rehearse.single import story_of
from nurture.rehearse.story import tell
from nurture.rehearse.timeline import lines
from tests.rehearse.test_shipped_stories import shipped

START = "2026-06-05T17:00"
LEAD = "{ score: 60, consents: [privacy_notice, nurture_email, click_tracking], timezone: Europe/Berlin }"


def library() -> Library:
    found = shipped().library
    assert found is not None
    return found


def test_the_story_of_the_design_comes_out_at_the_designs_moments() -> None:
    clicks = "{ after: 4 days, clicked: case-study, link: read-the-story }"
    told = tell(story_of(library(), "consideration-proof", lead=LEAD, happens=[clicks], starts=START), library())
    from zoneinfo import ZoneInfo

    said = lines(told.moments, ZoneInfo("Europe/Berlin"))
    assert said[0].startswith("Mon 08 Jun 09:00  case-study         SEND consideration/case-study")
    assert "sending window" in said[0], "Friday 17:00 is outside the window, and the line says so"
    assert any(line.startswith("Tue 09 Jun 17:00  read-it            wait_for: yes") for line in said)
    assert any(line.startswith("Thu 11 Jun 09:00  numbers            SEND consideration/numbers") for line in said)


def test_a_failure_names_the_first_difference() -> None:
    story = story_of(library(), "consideration-proof", lead=LEAD, happens=[], starts=START)
    told = tell(
        replace(story, expect=Expectation(sent=("numbers",)), never=Expectation(sent=("second-try",))), library()
    )
    assert told.failures[0] == "expected sent `numbers`, and it did not come about"
    assert told.failures[1].startswith("never sent `second-try`, and it came about on")


def test_a_reaction_to_a_mail_that_never_came_is_said() -> None:
    early = "{ after: 1 hour, clicked: numbers, link: any }"
    told = tell(story_of(library(), "consideration-proof", lead=LEAD, happens=[early], starts=START), library())
    assert "has not been sent yet" in told.failures[0]


def test_who_may_not_enter_is_told_why() -> None:
    told = tell(
        story_of(
            library(), "consideration-proof", lead="{ score: 60, consents: [privacy_notice] }", happens=[], starts=START
        ),
        library(),
    )
    assert told.failures[0].startswith("the lead did not enter consideration-proof: `only_if` does not hold")
    assert not [m for m in told.moments if m.text.startswith("SEND")]


def test_the_same_seed_gives_the_same_crowd_and_the_same_result() -> None:
    habits = simulate.Habits()
    people = simulate.population(12, library(), seed=5, habits=habits)
    campaign = library().campaigns["awareness-buyers-guide"]
    start = datetime(2026, 10, 5, 9, tzinfo=UTC)
    one = simulate.run(library(), campaign, people, start=start, days=25, seed=5, habits=habits)
    two = simulate.run(library(), campaign, people, start=start, days=25, seed=5, habits=habits)
    assert one == two
    assert sum(one.sends_per_day.values()) == sum(one.sends_per_step.values()) > 0
    assert one.entered + sum(one.not_entered.values()) == 12


def test_paths_count_every_fork_and_the_hardest_week() -> None:
    campaign = library().campaigns["consideration-proof"]
    found, more = paths(campaign)
    assert not more
    assert {p.choices[0] for p in found} == {"read-it: yes", "read-it: no", "read-it: unknown"}
    assert max(p.hardest_week for p in found) <= (allowed_per_week(campaign) or 0)
    assert {p.ends for p in found} >= {"is handed to inside-sales", "ends: Finished, not ready"}


def test_pictures_show_hostile_names_as_text() -> None:
    campaign = replace(library().campaigns["recycled-reengage"], name='"><script>alert(1)</script>')
    assert "<script>" not in draw.svg(campaign, {"quiet-time": 3})
    assert "<script>" not in draw.mermaid(campaign)
    assert "3 here" in draw.svg(campaign, {"quiet-time": 3})
