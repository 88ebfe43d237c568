"""What `nurture test` says when a story and the campaign disagree, and that a rehearsal is the production engine."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from nurture.errors import UsageError
from nurture.insight import draw
from nurture.model.campaign import Cap, Duration
from nurture.model.library import Library
from nurture.model.story import Expectation
from nurture.rehearse import simulate
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
    assert "by the campaign's window" in said[0], "Friday 17:00 is outside the window, and the line says so"
    assert any(line.startswith("Tue 09 Jun 17:00  read-it            wait_for: yes") for line in said)
    assert any(line.startswith("Thu 11 Jun 09:00  numbers            SEND consideration/numbers") for line in said)


def test_a_failure_names_the_first_difference() -> None:
    story = story_of(library(), "consideration-proof", lead=LEAD, happens=[], starts=START)
    told = tell(
        replace(story, expect=Expectation(sent=("numbers",)), never=Expectation(sent=("second-try",))), library()
    )
    assert told.failures[0] == "expected sent `numbers`, and it did not come about"
    assert told.failures[1].startswith("never sent `second-try`, and it came about on")
    late = replace(story, expect=Expectation(sent=("second-try",), within=Duration(2, "days")))
    assert tell(late, library()).failures == ("expected sent `second-try` within 2 days, it came 5 days too late",)
    at_once = [(m.at, m.who) for m in told.moments if m.who in ("read-it", "second-try")]
    assert [who for _, who in at_once] == ["read-it", "second-try"], "one moment, in the order of the steps"
    assert at_once[0][0] == at_once[1][0]


def test_what_is_known_of_a_lead_has_its_place() -> None:
    with pytest.raises(UsageError) as refused:
        story_of(library(), "consideration-proof", lead="{ employees: 80 }", happens=[], starts=START)
    assert "fields: { employees: 80 }" in refused.value.fix


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
    campaign = replace(campaign, sending=replace(campaign.sending, at_most=Cap(1, "week")))
    files = replace(library(), campaigns={campaign.id: campaign})
    start = datetime(2026, 10, 5, 9, tzinfo=UTC)
    one = simulate.run(files, campaign, people, start=start, days=25, seed=5, habits=habits)
    two = simulate.run(files, campaign, people, start=start, days=25, seed=5, habits=habits)
    assert one == two
    assert set(one.put_off) == {"at most 1 mail in 7 days (the limit of awareness-buyers-guide)"}
    assert sum(one.sends_per_day.values()) == sum(one.sends_per_step.values()) > 0
    assert one.entered + sum(one.not_entered.values()) == 12


def test_a_crowd_reacts_while_it_lives_and_not_when_all_is_over() -> None:
    """Everybody clicks within hours, half of them on the link the campaign waits for."""
    habits = simulate.Habits(
        tracks_clicks=1, clicks=1, visits_pricing=0, attends=0, replies=0, unsubscribes=0, bounces=0
    )
    people = [replace(p, score=45) for p in simulate.population(8, library(), seed=3, habits=habits)]
    campaign = library().campaigns["consideration-proof"]
    start = datetime(2026, 10, 5, 7, tzinfo=UTC)
    came = simulate.run(library(), campaign, people, start=start, days=10, seed=5, habits=habits)
    assert came.sends_per_step["numbers"] == 4, "who clicked the story's link"
    assert came.sends_per_step["second-try"] == 4, "who clicked another"
    assert came.control == came.ends.get("control", 0)


def test_sales_may_qualify_and_convert_in_a_story() -> None:
    says = [
        "{ after: 1 day, attended: phones, minutes: 60 }",
        "{ after: 1 day, visited: /pricing, topic: product-education }",
        "{ after: 2 days, sales: accept }",
        "{ after: 3 days, sales: qualify }",
        "{ after: 4 days, sales: convert }",
    ]
    who = (
        "{ score: 90, fit: A, consents: [privacy_notice, nurture_email, click_tracking, sales_contact], "
        "fields: { first_name: A, last_name: B, company: C, role: CIO, employees: 400 } }"
    )
    signed = "2026-11-13T17:00"
    told = tell(story_of(library(), "consideration-proof", lead=who, happens=says, starts=signed), library())
    assert not told.failures, told.failures
    assert [m.text for m in told.moments if m.who == "event"][-2:] == ["sales: qualify", "sales: convert"]


def test_without_a_lead_one_is_taken_that_the_campaign_expects() -> None:
    story = story_of(library(), "consideration-proof", lead="", happens=[], starts=START)
    assert story.lead.score == 40
    assert not tell(story, library()).failures


def test_paths_count_every_fork_and_the_hardest_week() -> None:
    campaign = library().campaigns["consideration-proof"]
    found, more = paths(campaign)
    assert not more
    assert {p.choices[0] for p in found} == {"read-it: yes", "read-it: no", "read-it: unknown"}
    assert max(p.hardest_week for p in found) <= (allowed_per_week(campaign) or 0)
    assert {p.ends for p in found} >= {"is handed to inside-sales", "ends: Finished, not ready"}


def test_a_picture_says_what_is_waited_for_and_where_branches_meet_again() -> None:
    campaign = library().campaigns["recycled-reengage"]
    shown = draw.svg(campaign)
    assert "wait for clicked any or visited /pricing or replied any, at most 21 days" in shown
    assert "after 30 days, until budget_opens_on" in shown
    met = {(e.source, e.target, e.label) for e in draw.edges(campaign)}
    assert {("warm", "back-to-sales", ""), ("silence", "back-to-sales", "yes"), ("silence", "let-go", "no")} <= met
    assert shown.count("marker-end") == len([e for e in met if "over" not in e[:2] and e[0] != "start"])


def test_pictures_show_hostile_names_as_text() -> None:
    campaign = replace(library().campaigns["recycled-reengage"], name='"><script>alert(1)</script>')
    assert "<script>" not in draw.svg(campaign, {"quiet-time": 3})
    assert "<script>" not in draw.mermaid(campaign)
    assert "3 here" in draw.svg(campaign, {"quiet-time": 3})
