"""The three examples of the language, word by word, as the nouns the engine runs."""

from __future__ import annotations

import pytest

from nurture.authoring import Reading, read_sources
from nurture.authoring.check import check
from nurture.model.campaign import (
    Campaign,
    Cap,
    Choose,
    Condition,
    Duration,
    End,
    HandOff,
    MoveTo,
    Score,
    Send,
    Until,
    WaitFor,
    Window,
)
from nurture.model.words import CampaignStatus, FunnelStage, Purpose, Stage
from tests.authoring.folders import TODAY, good

HEAD = """\
campaign: x
name: X
funnel_stage: awareness
track: education
owner: a@example.com
status: live
enter: {{ when: [{{ form: f }}], only_if: {{ consent: nurture_email }} }}
sending: {{ topic: t, sender: A <a@example.com> }}
steps:
{steps}
"""


def read(name: str) -> Campaign:
    found = read_sources(good()).library
    assert found is not None
    return found.campaigns[name]


def one(steps: str) -> Campaign:
    reading = read_sources({"campaigns/x.yaml": HEAD.format(steps=steps)})
    assert not reading.problems, reading.problems
    assert reading.library is not None
    return reading.library.campaigns["x"]


def test_the_first_example() -> None:
    c = read("awareness-buyers-guide")
    assert (c.name, c.funnel_stage, c.track, c.status) == ("Buyer's guide drip", FunnelStage.AWARENESS, "education",
                                                           CampaignStatus.LIVE)
    assert [(t.kind, t.value) for t in c.enter.when] == [("form", "buyers-guide"), ("tag_added", "webinar-attended")]
    assert c.enter.only_if is not None
    assert (c.enter.only_if.op, c.enter.only_if.value, c.enter.again) == ("consent", Purpose.NURTURE_EMAIL, "never")
    assert [(r.condition.op, r.condition.value, r.move_to) for r in c.leave_when] == [
        ("did", "booked-demo", None), ("engagement_at_least", 40, "business_case")]
    assert c.sending.window == Window(frozenset({0, 1, 2, 3}), 8 * 60 + 30, 17 * 60 + 30, "lead")
    assert c.sending.at_most == Cap(2, "week")
    assert c.sending.sender == "Ines at Acme <ines@example.com>"
    assert [s.id for s in c.steps] == ["guide", "three-mistakes", "checklist", "last-word", "done"]
    assert [s.after for s in c.steps] == [None, Duration(3, "days"), Duration(4, "days"), Duration(7, "days"),
                                          Duration(7, "days")]
    last = c.step("last-word")
    assert last is not None and last.condition is not None
    assert last.condition.op == "not"
    assert last.condition.parts[0].op == "clicked" and last.condition.parts[0].in_last == Duration(14, "days")
    assert c.steps[-1].action == End("Read the guide, not yet ready")


def test_the_second_example() -> None:
    c = read("consideration-proof")
    assert c.enter.again == Duration(180, "days")
    assert c.control_group == 5
    assert c.goal is not None and c.goal.within == Duration(30, "days")
    send = c.steps[0].action
    assert isinstance(send, Send) and send.test is not None and send.test.winner is not None
    assert [(v.name, v.share) for v in send.test.variants] == [("plain", 50), ("question", 50)]
    assert (send.test.winner.by, send.test.winner.after, send.test.winner.at_least) == ("clicks", Duration(3, "days"),
                                                                                        400)
    wait = c.steps[1]
    assert isinstance(wait.action, WaitFor) and wait.if_unknown == "skip"
    assert wait.action.condition.args == {"link": "read-the-story"} and wait.action.within == Duration(4, "days")
    assert wait.action.then[0].action == Score(15_000, "read the case study")
    choose = c.steps[2].action
    assert isinstance(choose, Choose)
    assert [p.op for p in choose.branches[0].condition.parts] == ["consent", "engagement_at_least", "fit_at_least"]
    assert choose.branches[0].steps[0].action == HandOff("inside-sales",
                                                         "{{ lead.company }} read {{ lead.clicked_last }}")


def test_the_third_example() -> None:
    c = read("recycled-reengage")
    assert c.enter.when[0].kind == "recycled" and c.enter.when[0].value == ("unresponsive",)
    assert c.enter.only_if is not None and c.enter.only_if.op == "all"
    field = c.enter.only_if.parts[1].parts[0]
    assert (field.op, field.value, field.args) == ("field", "country", {"one_of": ("US", "CA")})
    assert c.steps[0].until == Until("budget_opens_on", Duration(90, "days"))
    back = c.steps[-1].action
    assert isinstance(back, HandOff)
    assert back.try_for == Duration(45, "days") and back.if_not == MoveTo("business_case")
    walked = [s.id for s in c.walk()]
    assert walked == ["quiet-time", "any-sign-of-life", "warm", "last-call", "silence", "let-go", "back-to-sales"]
    let_go = c.step("let-go")
    assert let_go is not None and let_go.action == End("No sign of life", Duration(365, "days"))


def test_several_keys_in_one_block_must_all_hold() -> None:
    step = one("  - { step: a, if: { consent: sales_contact, fit_at_least: B }, end: x }").steps[0]
    assert step.condition is not None
    assert (step.condition.op, [p.op for p in step.condition.parts]) == ("all", ["consent", "fit_at_least"])


def test_one_word_stays_one_word_and_a_list_means_any_of_them() -> None:
    steps = one("  - { step: a, if: { tag: x }, send: t/a }\n  - { step: b, if: { tag: [x, y] }, end: x }").steps
    assert [s.condition.value for s in steps if s.condition] == ["x", ("x", "y")]


def test_words_of_yaml_1_1_are_text() -> None:
    campaign = one("""\
  - step: no
    if: { field: country, one_of: [NO, no, yes, on, off, y] }
    send: t/a
  - step: on
    if: { field: opens, is: 17:30 }
    end: yes""")
    asked = [s.condition.args for s in campaign.steps if s.condition]
    assert asked == [{"one_of": ("NO", "no", "yes", "on", "off", "y")}, {"is": "17:30"}]
    assert [s.id for s in campaign.steps] == ["no", "on"] and campaign.steps[1].action == End("yes")


@pytest.mark.parametrize(("said", "value"), [("true", True), ("1", 1), ("-1.5", -1.5), ("0o17", "0o17"), ("'1'", "1"),
                                             ("1_000", "1_000"), ("2026-11-01", "2026-11-01"), ("~x", "~x")])
def test_values_are_read_as_yaml_1_2_means_them(said: str, value: object) -> None:
    step = one(f"  - {{ step: a, if: {{ field: f, is: {said} }}, end: x }}").steps[0]
    assert step.condition == Condition("field", "f", args={"is": value},
                                       place=step.condition.place if step.condition else None)


def test_set_notify_move_and_dates() -> None:
    campaign = one("""\
  - { step: a, set: { industry: finance } }
  - { step: b, notify: omar@example.com, message: "{{ lead.company }} is back" }
  - { step: c, send_on: 2027-03-04 10:00, send: t/a }
  - { step: d, was: old-d, after: 5 business days, move_to: business_case }""")
    assert [type(s.action).__name__ for s in campaign.steps] == ["SetField", "Notify", "Send", "MoveTo"]
    assert campaign.steps[2].send_on == "2027-03-04T10:00"
    assert campaign.steps[3].was == "old-d" and campaign.steps[3].after == Duration(5, "business_days")


def test_a_stage_and_a_window_over_midnight() -> None:
    text = HEAD.format(steps="  - { step: a, if: { lifecycle_is: [early, nurturing] }, end: x }").replace(
        "sender: A <a@example.com>", "sender: A <a@example.com>, window: { days: sat-mon, from: 22:00, until: 02:00 }")
    library = read_sources({"campaigns/x.yaml": text}).library
    assert library is not None
    campaign = library.campaigns["x"]
    assert campaign.sending.window == Window(frozenset({5, 6, 0}), 22 * 60, 2 * 60, "lead")
    assert campaign.steps[0].condition is not None
    assert campaign.steps[0].condition.value == (Stage.EARLY, Stage.NURTURING)


def test_reading_what_was_read_gives_the_same(reading: Reading) -> None:
    again = read_sources(reading.sources)
    assert again.library == reading.library
    assert again.library is not None and len(again.library.sha) == 64


def test_a_broken_campaign_leaves_the_others(reading: Reading) -> None:
    sources = {**reading.sources, "campaigns/awareness-buyers-guide.yaml": "campaign: ["}
    broken = read_sources(sources)
    assert broken.library is not None and broken.errors
    assert sorted(broken.library.campaigns) == ["consideration-proof", "recycled-reengage"]


def test_a_broken_company_file_leaves_nothing(reading: Reading) -> None:
    assert read_sources({**reading.sources, "campaigns/company.yaml": "name: ["}).library is None


def test_a_campaign_alone_can_be_tried_out() -> None:
    name = "campaigns/consideration-proof.yaml"
    library = read_sources({name: good()[name]}).library
    assert library is not None
    assert "product-education" in library.company.topics
    assert {"business_case", "education"} <= set(library.tracks.tracks)
    assert "inside-sales" in library.sales.queues and library.scoring.models[0].matrix["A1"].action == "handoff"


def test_the_digest_addresses_the_text() -> None:
    name = "campaigns/recycled-reengage.yaml"
    one_, other = (read_sources({name: text}).library for text in (good()[name], good()[name] + "# a comment\n"))
    assert one_ is not None and other is not None
    assert one_.campaigns["recycled-reengage"].digest != other.campaigns["recycled-reengage"].digest
    assert one_.config_sha == other.config_sha and one_.sha != other.sha


PROOF = "campaigns/consideration-proof.yaml"


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("control_group: 5%", "control_group: 100%", "out-of-range"),
        ("within: 4 days", "within: 0 days", "out-of-range"),
        ("days: mon-fri", "days: []", "bad-form"),
        ("consent: nurture_email", "consent: []", "bad-form"),
        ("consent: nurture_email", "any: []", "bad-form"),
    ],
)
def test_what_would_mean_nobody_or_never_is_refused(old: str, new: str, code: str) -> None:
    sources = good()
    assert old in sources[PROOF]
    found = check(read_sources({**sources, PROOF: sources[PROOF].replace(old, new, 1)}), today=TODAY)
    assert code in {p.code for p in found if p.place.file == PROOF}


@pytest.mark.parametrize("word", ["steps", "choose", "variants"])
def test_a_list_of_nothing_is_refused(word: str) -> None:
    sources = good()
    head, _, rest = sources[PROOF].partition(f"{word}:\n")
    indent = len(head) - len(head.rstrip(" "))
    kept = rest.split("\n")
    while kept and (not kept[0].strip() or len(kept[0]) - len(kept[0].lstrip()) > indent):
        kept.pop(0)
    empty = "{}" if word == "variants" else "[]"
    text = f"{head}{word}: {empty}\n" + "\n".join(kept)
    found = check(read_sources({**sources, PROOF: text}), today=TODAY)
    assert "bad-form" in {p.code for p in found if p.place.file == PROOF}


def test_all_that_is_wrong_with_a_story_is_said_at_once() -> None:
    text = "test: x\ncampaign: consideration-proof\nstarts: Mon 2026-06-02 09:00\nlead: { consents: [nurture_mail] }\n"
    found = read_sources({**good(), "campaigns/consideration-proof.test.yaml": text}).problems
    assert {p.code for p in found} == {"wrong-weekday", "not-a-choice"}
