"""`nurture new`: a commented campaign for a stage, its mails and its story, that check clean as they are."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from textwrap import dedent, indent
from typing import Final
from urllib.parse import urlsplit

from nurture.authoring.frame import LAYOUTS
from nurture.model.campaign import Campaign, Send, Step
from nurture.model.library import Library
from nurture.model.words import FunnelStage

TRACKS: Final[Mapping[FunnelStage, tuple[str, ...]]] = {
    FunnelStage.AWARENESS: ("education", "welcome"), FunnelStage.CONSIDERATION: ("business_case", "consideration"),
    FunnelStage.DECISION: ("decision", "business_case"), FunnelStage.RECYCLED: ("reengage",),
}
"""Tracks that usually serve a stage; the first that exists is taken."""


@dataclass(frozen=True, slots=True)
class Draft:
    """What a new campaign is about; what is not given comes from the company's files."""

    id: str
    stage: FunnelStage
    track: str
    topic: str
    sender: str
    owner: str
    queue: str
    reason: str


def draft_for(library: Library, campaign: str, stage: FunnelStage, track: str | None = None) -> Draft:
    """Fill in from the company's files what was not said."""
    tracks = library.tracks.tracks
    usual = next((t for t in TRACKS[stage] if t in tracks), next(iter(tracks), TRACKS[stage][0]))
    seller = next((s for s in library.sales.sellers.values() if s.role == "marketing"), None)
    address = seller.email if seller else library.company.support_email or _mailbox(library.company.website)
    name = seller.name.split()[0] if seller else "The team"
    chosen = track or usual
    reasons = [r.id for r in library.agreement.recycle_reasons.values() if r.track == chosen]
    return Draft(
        id=campaign, stage=stage, track=chosen, topic=next(iter(library.company.topics), "guides"),
        sender=f"{name} at {library.company.name} <{address}>", owner=address,
        queue=library.sales.default_queue or next(iter(library.sales.queues), "inside-sales"),
        reason=reasons[0] if reasons and "unresponsive" not in reasons else "unresponsive",
    )


def _mailbox(website: str) -> str:
    host = (urlsplit(website).hostname or "").removeprefix("www.")
    return f"marketing@{host or 'example.com'}"


def files(draft: Draft, *, layouts: bool = False) -> dict[str, str]:
    """Path -> text of the campaign, its story and its mails; with `layouts` also a plain frame for them."""
    mails = MAILS[draft.stage]
    made = {f"campaigns/{draft.id}.yaml": _campaign(draft), f"campaigns/{draft.id}.test.yaml": _story(draft)}
    for name, subject in mails.items():
        made[f"templates/{draft.stage}/{draft.id}-{name}.en.md"] = _mail(draft, name, subject)
    return {**made, **LAYOUTS} if layouts else made


MAILS: Final[Mapping[FunnelStage, Mapping[str, str]]] = {
    FunnelStage.AWARENESS: {"first": "What you asked for", "second": "The mistake most people make"},
    FunnelStage.CONSIDERATION: {"story": "How somebody like you went about it",
                                "numbers": "What it costs and what it saves",
                                "short": "The same story in two minutes"},
    FunnelStage.DECISION: {"plan": "A plan for the first two weeks", "questions": "Five questions before you sign"},
    FunnelStage.RECYCLED: {"news": "What is new since we spoke", "still": "Shall we go on?"},
}

_HEAD: Final = """\
# yaml-language-server: $schema=./campaign.schema.json
campaign: {id}
name: {title}                # what colleagues call it
funnel_stage: {stage}
track: {track}               # the lane it serves (tracks.yaml)
owner: {owner}               # gets its alerts
status: draft                # draft -> rehearse (written, not sent) -> live

enter:
  when:                      # any one of these starts it
{enter}
  only_if:
    consent: nurture_email   # nobody gets mail who did not agree
  again: {again}

leave_when:                  # asked on every event and before each mail
  - {{ bounced: hard }}

sending:
  topic: {topic}             # the name the unsubscribe page shows
  sender: {sender}
  window: {{ days: mon-thu, from: 08:30, until: 17:30, timezone: lead }}
  at_most: 2 emails per week

steps:
"""

_STEPS: Final[Mapping[FunnelStage, str]] = {
    FunnelStage.AWARENESS: """\
        - step: first
          send: {folder}-first

        - step: second
          after: 4 days            # counted from when the first mail really left
          send: {folder}-second

        - step: done
          after: 7 days
          end: Read it, not yet ready
        """,
    FunnelStage.CONSIDERATION: """\
        - step: story
          send: {folder}-story

        - step: read-it
          wait_for: {{ clicked: story, link: read-more }}
          within: 4 days
          if_unknown: skip         # who does not allow tracking is neither yes nor no: go on
          then:
            - step: interested
              score: +15
              because: read the story
            - step: numbers
              after: 1 day
              send: {folder}-numbers
          otherwise:
            - step: short
              send: {folder}-short

        - step: to-sales
          after: 5 days
          hand_off: {queue}        # asks the gate of agreement.yaml
          note: "{{{{ lead.company }}}} read {{{{ lead.clicked_last }}}}"
          only_when: {{ consent: sales_contact }}
          try_for: 14 days
          if_not: {{ end: "Read it, not ready" }}
        """,
    FunnelStage.DECISION: """\
        - step: plan
          send: {folder}-plan

        - step: questions
          after: 5 days
          send: {folder}-questions

        - step: to-sales
          after: 2 days
          hand_off: {queue}        # asks the gate of agreement.yaml
          note: "{{{{ lead.company }}}} read {{{{ lead.clicked_last }}}}"
          only_when: {{ consent: sales_contact }}
          try_for: 30 days
          if_not: {{ end: Not ready to talk }}
        """,
    FunnelStage.RECYCLED: """\
        - step: news
          after: 30 days           # begins when a silent cool-off is over
          send: {folder}-news

        - step: sign-of-life
          wait_for:
            any:
              - clicked: any
              - replied: any
          within: 21 days
          if_unknown: otherwise    # asking once more hurts nobody
          then:
            - step: warm
              score: +20
              because: came back after sales
          otherwise:
            - step: still
              send: {folder}-still

        - step: rest
          after: 14 days
          end: Asked twice
          rest_for: 180 days
        """,
}

_ENTER: Final[Mapping[FunnelStage, str]] = {
    FunnelStage.AWARENESS: "- tag_added: {id}  # change this: form, tag_added, list, did, engagement_at_least",
    FunnelStage.CONSIDERATION: "- engagement_at_least: 30",
    FunnelStage.DECISION: "- engagement_at_least: 50",
    FunnelStage.RECYCLED: "- recycled: [{reason}]     # reasons of agreement.yaml",
}


def _campaign(draft: Draft) -> str:
    words = {
        "id": draft.id, "stage": draft.stage.value, "track": draft.track, "owner": draft.owner, "topic": draft.topic,
        "sender": draft.sender, "queue": draft.queue, "reason": draft.reason, "title": title(draft.id),
        "again": "after 180 days" if draft.stage is FunnelStage.RECYCLED else "never",
        "folder": f"{draft.stage}/{draft.id}",
    }
    enter = indent(_ENTER[draft.stage].format(**words), "    ")
    return _aligned(_HEAD.format(**words, enter=enter)) + indent(dedent(_STEPS[draft.stage]).format(**words), "  ",
                                                                 lambda line: bool(line.strip()))


def _aligned(text: str) -> str:
    """Comments in one column, where the line leaves room for it."""
    lines = (re.fullmatch(r"(.*?\S) +(# .*)", line) for line in text.split("\n"))
    return "\n".join(f"{found[1]:<40} {found[2]}" if found else line
                     for found, line in zip(lines, text.split("\n"), strict=True))


def title(name: str) -> str:
    return name.replace("-", " ").replace("_", " ").capitalize()


def _mail(draft: Draft, name: str, subject: str) -> str:
    depth = "awareness" if draft.stage is FunnelStage.AWARENESS else "consideration"
    return dedent(f"""\
        ---
        content: {draft.id}-{name}       # never sent twice to one person
        kind: educational
        depth: {depth}
        topics: [{draft.topic}]
        subject: {subject}
        preheader: One thought, two minutes
        ---
        # {subject}

        Hello {{{{ lead.first_name | default('there') }}}},

        one thought about {title(name).lower()}: write it here.

        **[Read more](https://www.example.com/{draft.id}/{name} "read-more")**
        """)


_TOLD: Final[Mapping[FunnelStage, tuple[str, str]]] = {
    FunnelStage.AWARENESS: ("gets both mails and is done", "expect: { sent: [first, second], ended: done }"),
    FunnelStage.CONSIDERATION: (
        "reads the story and gets the numbers",
        "happens:\n  - { after: 2 days, clicked: story, link: read-more }\n"
        "expect: { sent: [story, numbers], reached: [interested] }\nnever: { sent: [short] }"),
    FunnelStage.DECISION: ("gets both mails", "expect: { sent: [plan, questions] }"),
    FunnelStage.RECYCLED: ("says nothing and rests", "expect: { sent: [news, still], ended: rest }"),
}


def _story(draft: Draft) -> str:
    says, rest = _TOLD[draft.stage]
    lead = "consents: [nurture_email, click_tracking]"
    if draft.stage is FunnelStage.RECYCLED:
        lead += f", stage: recycled, recycle_reason: {draft.reason}"
    return f"test: {says}\ncampaign: {draft.id}\nlead: {{ {lead} }}\nstarts: Mon 2026-06-01 09:00\n{rest}\n"


def story_for(campaign: Campaign) -> str:
    """A story of the shortest way through a campaign: what is sent when nothing happens."""
    sent = [step.id for step in _plain_way(campaign) if isinstance(step.action, Send)]
    shown = ", ".join(sent)
    return (
        f"test: nothing happens\ncampaign: {campaign.id}\nlead: {{ consents: [nurture_email, click_tracking] }}\n"
        f"starts: Mon 2026-06-01 09:00\nexpect: {{ sent: [{shown}] }}\n"
    )


def _plain_way(campaign: Campaign) -> list[Step]:
    """The steps outside branches, up to the first that depends on the lead."""
    found: list[Step] = []
    for step in campaign.steps:
        if step.condition is not None or not isinstance(step.action, Send):
            break
        found.append(step)
    return found
