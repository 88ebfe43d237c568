"""`*.test.yaml` -> `Story`, or several: a file may be one story or a list of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from nurture.authoring import values as v
from nurture.authoring.block import Block, Word, Words
from nurture.authoring.desk import Desk
from nurture.authoring.shapes import ANY, SCALAR, SLUG, TEXT, array, choice, ref, several, table, whole
from nurture.authoring.tree import Node
from nurture.model.campaign import Duration
from nurture.model.problem import Place
from nurture.model.story import Expectation, Happening, Story, StoryLead
from nurture.model.words import Purpose, Stage

STORY: Final[Words] = {
    "test": Word("What it shows, as a sentence.", TEXT, True, ("clicks, agrees to a call, is handed off",)),
    "campaign": Word("The campaign it walks through.", SLUG, True, ("consideration-proof",)),
    "lead": Word("Who walks through.", ref("story_lead"), False),
    "starts": Word("Date and time in the lead's zone; a weekday before it is checked.", TEXT, True,
                   ("Fri 2026-06-05 17:00",)),
    "happens": Word("What happens, after how long from the start.", array(ref("happening"))),
    "expect": Word("What must come about.", ref("expectation")),
    "never": Word("What must not.", ref("expectation")),
}
STORY_LEAD: Final[Words] = {
    "score": Word("Engagement points at the start.", whole(0, 100)),
    "fit": Word("A fit band to assume.", choice(("A", "B", "C", "D"))),
    "consents": Word("What the lead agreed to.", array(choice(Purpose))),
    "fields": Word("Profile values.", table(SCALAR)),
    "tags": Word("Tags.", array(SLUG)), "lists": Word("Lists.", array(SLUG)),
    "stage": Word("Lifecycle stage; nurturing when left out.", choice(Stage)),
    "track": Word("The track it is on; the campaign's when left out.", SLUG),
    "timezone": Word("Its time zone.", TEXT), "language": Word("Its language.", TEXT),
    "country": Word("Its country.", TEXT),
    "recycle_reason": Word("Why sales gave it back.", SLUG),
}
HAPPENINGS: Final[Words] = {
    "clicked": Word("Clicks in the mail of this step.", SLUG, False, ("case-study",)),
    "opened": Word("Opens the mail of this step.", SLUG), "replied": Word("Answers the mail of this step.", SLUG),
    "visited": Word("Is on this page.", TEXT, False, ("/pricing",)), "did": Word("An event of this kind.", SLUG),
    "attended": Word("Is at this webinar or event.", SLUG), "downloaded": Word("Takes this content.", SLUG),
    "form": Word("Sends this form.", SLUG), "tag_added": Word("Gets this tag.", SLUG),
    "list": Word("Is put on this list.", SLUG),
    "consents_to": Word("Agrees to this.", several(choice(Purpose))),
    "withdraws": Word("Withdraws this.", several(choice(Purpose))),
    "unsubscribes": Word("From this topic, or all.", TEXT), "complains": Word("Marks a mail as spam.", ANY),
    "bounced": Word("The next mail comes back.", choice(("hard", "soft"))),
    "sets": Word("Profile values change.", table(SCALAR)), "score": Word("Engagement points, from elsewhere.",
                                                                         ref("points")),
    "sales": Word("Sales decides.", choice(("accept", "recycle", "reject", "qualify", "convert"))),
}
HAPPENING_ARGS: Final[Words] = {
    "link": Word("With clicked: the named link.", SLUG), "minutes": Word("With attended: how long.", whole(1, 1440)),
    "reason": Word("With sales: the reason.", SLUG), "topic": Word("With did, attended, downloaded.", SLUG),
    "revisit_on": Word("With sales: recycle. A date.", TEXT),
}
EXPECTATION: Final[Words] = {
    "sent": Word("Steps whose mail left; in `expect` in this order.", several(SLUG)),
    "refused": Word("Steps whose mail the guard refused.", several(SLUG)),
    "postponed": Word("Steps whose mail waited.", several(SLUG)),
    "reached": Word("Steps that were done.", several(SLUG)),
    "handed_off": Word("The queue, or any.", SLUG), "moved_to": Word("The track.", SLUG),
    "ended": Word("The step that ended it, or any.", SLUG), "left": Word("Left by a rule.", {"type": "boolean"}),
    "stage": Word("The stage in the end.", choice(Stage)), "score_at_least": Word("Points in the end.", whole(0, 100)),
    "within": Word("All of it in this time.", ref("duration")),
}
_WEEKDAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_STARTS: Final = re.compile(r"(?:(Mon|Tue|Wed|Thu|Fri|Sat|Sun) )?([0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2})")

_VALUES: Final[Mapping[str, v.Reader[Any]]] = {
    **dict.fromkeys(("clicked", "opened", "replied", "did", "attended", "downloaded", "form", "tag_added", "list"),
                    v.slug),
    "visited": v.line, "consents_to": v.many(v.one_of(Purpose)), "withdraws": v.many(v.one_of(Purpose)),
    "unsubscribes": v.line, "complains": v.scalar, "bounced": v.choice("hard", "soft"), "sets": v.anything,
    "score": v.points, "sales": v.choice("accept", "recycle", "reject", "qualify", "convert"),
    "link": v.slug, "minutes": v.whole(1, 1440), "reason": v.slug, "topic": v.slug, "revisit_on": v.day,
}


def read_stories(root: Node, desk: Desk) -> tuple[Story, ...]:
    """The stories of a file that can be run, in its order."""
    told = [_story(node, desk) for node in (root.items if root.kind == "list" else [root])]
    return tuple(story for story in told if story is not None)


def _story(root: Node, desk: Desk) -> Story | None:
    block = Block(root, desk, STORY)
    starts = block.get("starts", _starts)
    happens = tuple(h for n in block.items("happens") if (h := _happening(n, desk)) is not None)
    name, campaign = block.get("test", v.line), block.get("campaign", v.slug)
    lead = block.get("lead", _lead, StoryLead())
    expect, never = (block.get(word, _expectation, Expectation()) for word in ("expect", "never"))
    if name is None or campaign is None or starts is None:
        return None
    return Story(
        name, campaign, lead, starts, happens, expect, never, block.place("test"), block.place("campaign"),
    )


def _starts(node: Node, desk: Desk) -> datetime | None:
    found = _STARTS.fullmatch(node.text) if node.kind == "text" else None
    try:
        made = datetime.fromisoformat(found.group(2)) if found else None  # local on purpose: the lead's zone
    except ValueError:
        made = None
    if found is None or made is None or not 1900 <= made.year <= 2200:
        v.not_like(node, desk, "Fri 2026-06-05 17:00", "2026-06-05 17:00")
        return None
    if found.group(1) and found.group(1) != _WEEKDAYS[made.weekday()]:
        desk.find("wrong-weekday", node.place,
                  f"{made:%Y-%m-%d} is a {_WEEKDAYS[made.weekday()]}, not a {found.group(1)}",
                  f"write `{_WEEKDAYS[made.weekday()]} {found.group(2)}`")
        return None
    return made


def _lead(node: Node, desk: Desk) -> StoryLead:
    block = Block(node, desk, STORY_LEAD, unknown="what is known of the lead stands in `fields: { employees: 80 }`")
    purposes = block.get("consents", v.many(v.one_of(Purpose)), ())
    stage = block.get("stage", v.one_of(Stage))
    return StoryLead(
        fields={name: v.scalar(value, desk) for name, _, value in block.pairs("fields")},
        consents=tuple(p.value for p in purposes),
        tags=block.get("tags", v.many(v.slug), ()),
        lists=block.get("lists", v.many(v.slug), ()),
        score=block.get("score", v.whole(0, 100)),
        fit=block.get("fit", v.choice("A", "B", "C", "D")),
        stage=None if stage is None else stage.value,
        track=block.get("track", v.slug),
        timezone=block.get("timezone", v.zone),
        language=block.get("language", v.language),
        country=block.get("country", v.country),
        recycle_reason=block.get("recycle_reason", v.slug),
    )


def _happening(node: Node, desk: Desk) -> Happening | None:
    words: Words = {"after": Word("How long from the start.", ref("duration"), True, ("4 days",)), **HAPPENINGS,
                    **HAPPENING_ARGS}
    block = Block(node, desk, words)
    kinds = [key for key in HAPPENINGS if block.has(key)]
    if len(kinds) != 1:
        if not block.guessed:
            v.not_like(node, desk, "{ after: 4 days, clicked: case-study, link: read-the-story }")
        return None
    after, value = block.get("after", v.duration), block.get(kinds[0], _VALUES[kinds[0]])
    args = {key: found for key in HAPPENING_ARGS if (found := block.get(key, _VALUES[key])) is not None}
    return None if after is None or value is None else Happening(after, kinds[0], value, args, block.place(kinds[0]))


def _expectation(node: Node, desk: Desk) -> Expectation:
    block = Block(node, desk, EXPECTATION)
    stage = block.get("stage", v.one_of(Stage))
    steps = {key: block.get(key, v.many(v.slug), ()) for key in ("sent", "refused", "postponed", "reached")}
    within: Duration | None = block.get("within", v.duration)
    return Expectation(
        **steps, handed_off=block.get("handed_off", v.slug), moved_to=block.get("moved_to", v.slug),
        ended=block.get("ended", v.slug), left=block.get("left", v.yes_no),
        stage=None if stage is None else stage.value,
        score_at_least=block.get("score_at_least", v.whole(0, 100)), within=within, places=_places(block),
    )


def _places(block: Block) -> dict[str, Place]:
    """Where each named step stands, so that a story about a step that is gone can be shown."""
    made: dict[str, Place] = {}
    for key, (_, value) in block.node.pairs.items():
        made[key] = value.place
        for node in value.items:
            made.setdefault(f"{key}:{node.text}", node.place)
    return made
