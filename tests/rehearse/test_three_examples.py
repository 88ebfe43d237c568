"""The three campaigns the language was designed by: they check clean and run, each with a story in the design's shape.

A story says what its lead is: fit and the gate's facts are never assumed, so a hand-off needs them said.
"""

from __future__ import annotations

from functools import cache

import pytest

from nurture.authoring import Reading, read_sources
from nurture.authoring.check import check
from nurture.model.problem import Severity
from nurture.rehearse.story import Told, tell
from tests.authoring.folders import TODAY, good

STORIES = {
    "awareness-buyers-guide": """\
test: never clicks and gets all four mails
lead: { consents: [nurture_email, click_tracking] }
starts: Mon 2026-06-01 09:00
expect: { sent: [guide, three-mistakes, checklist, last-word], ended: done }
""",
    "consideration-proof": """\
test: clicks, sits through a webinar, says yes to a call
lead:
  score: 60
  fit: A
  consents: [privacy_notice, nurture_email, click_tracking]
  timezone: Europe/Berlin
  fields: { first_name: Marta, last_name: Example, company: Example Works, role: CIO, employees: 300, industry: steel }
  country: DE
starts: Fri 2026-10-09 17:00
happens:
  - { after: 4 days, clicked: case-study, link: read-the-story }
  - { after: 5 days, attended: live-tour, minutes: 45 }
  - { after: 6 days, consents_to: sales_contact }
expect: { sent: [case-study, numbers], handed_off: inside-sales, within: 12 days }
never: { sent: [second-try] }
""",
    "recycled-reengage": """\
test: silent to the end and let go
lead: { consents: [nurture_email, click_tracking], recycle_reason: unresponsive }
starts: Tue 2026-06-02 09:00
expect: { sent: [quiet-time, last-call], ended: let-go }
never: { reached: [warm] }
""",
}


@cache
def reading() -> Reading:
    told = {f"campaigns/{name}.test.yaml": f"campaign: {name}\n{text}" for name, text in STORIES.items()}
    return read_sources({**good(), **told})


def run(campaign: str) -> Told:
    library = reading().library
    assert library is not None
    return tell(next(story for story in library.stories if story.campaign == campaign), library)


def test_the_examples_check_clean() -> None:
    assert [p for p in check(reading(), today=TODAY) if p.severity is not Severity.INFO] == []
    assert {f.noun.id for f in reading().of("campaign")} == set(STORIES)


@pytest.mark.parametrize("campaign", STORIES)
def test_a_story_of_each_example_passes(campaign: str) -> None:
    told = run(campaign)
    assert told.failures == (), "\n".join(f"{m.at:%d %b %H:%M} {m.who} {m.text} {m.why}" for m in told.moments)
    assert told.moments
