"""`*.test.yaml`: what a story names is in its campaign, and it can pass."""

from __future__ import annotations

from collections.abc import Iterator

from nurture.authoring.desk import did_you_mean, listing, problem
from nurture.authoring.lint.folder import Folder, unknown, words
from nurture.authoring.lint.pace import days_of
from nurture.model.campaign import Campaign, Send
from nurture.model.problem import Place, Problem
from nurture.model.story import Story
from nurture.model.words import Purpose

MAIL = ("clicked", "opened", "replied")


def stories(folder: Folder) -> Iterator[Problem]:
    told = set()
    campaigns = {campaign.id: campaign for campaign, _ in folder.campaigns}
    for story in (story for file in folder.reading.of("story") for story in file.noun or ()):
        told.add(story.campaign)
        campaign = campaigns.get(story.campaign)
        if campaign is not None:
            yield from _steps(story, campaign)
            yield from _surroundings(folder, story)
            yield from _happenings(folder, story, campaign)
            yield from _impossible(story)
            yield from _unseen(story)
        elif "campaign" not in folder.lost:
            yield unknown("unknown-campaign", "campaign", story.campaign, story.named, campaigns)
    for campaign, _ in folder.campaigns:
        if folder.has and campaign.id not in told and "story" not in folder.lost:
            yield problem("no-story", campaign.place, f"`{campaign.id}` has no story",
                          f"`nurture new --story {campaign.id}` writes one")


def _steps(story: Story, campaign: Campaign) -> Iterator[Problem]:
    steps = {step.id for step in campaign.walk()}
    for part in (story.expect, story.never):
        for key in ("sent", "refused", "postponed", "reached"):
            for step in getattr(part, key):
                if step not in steps:
                    place = part.places.get(f"{key}:{step}") or part.places.get(key) or story.place
                    yield unknown("unknown-step", "step", step, place, steps)
        if part.ended is not None and part.ended not in {*steps, "any"}:
            yield unknown("unknown-step", "step", part.ended, part.places.get("ended", story.place), steps)


def _surroundings(folder: Folder, story: Story) -> Iterator[Problem]:
    """Tracks, queues and reasons of sales: with a slip of the pen a story can only fail, or it says nothing."""
    reason, reasons = story.lead.recycle_reason, folder.agreement.recycle_reasons
    if reason is not None and reason not in reasons:
        yield problem("unknown-reason", story.place, f"sales has no reason `{reason}`.{did_you_mean(reason, reasons)}",
                      f"one of {listing(reasons, 14)}")
    tracks, queues = folder.library.tracks.tracks, folder.library.sales.queues
    if "tracks" in folder.has and story.lead.track is not None and story.lead.track not in tracks:
        yield unknown("unknown-track", "track", story.lead.track, story.place, tracks, "tracks stand in tracks.yaml")
    for part in (story.expect, story.never):
        to, queue = part.moved_to, part.handed_off
        if "tracks" in folder.has and to is not None and to not in tracks:
            place = part.places.get("moved_to", story.place)
            yield unknown("unknown-track", "track", to, place, tracks, "tracks stand in tracks.yaml")
        if "sales" in folder.has and queue is not None and queue not in {*queues, "any"}:
            place = part.places.get("handed_off", story.place)
            yield unknown("unknown-queue", "queue", queue, place, queues, "queues stand in sales.yaml")


def _happenings(folder: Folder, story: Story, campaign: Campaign) -> Iterator[Problem]:
    steps = {step.id: step for step in campaign.walk()}
    for event in story.happens:
        if event.what not in MAIL or event.value == "any":
            continue
        step = steps.get(event.value)
        if step is None:
            if event.value not in folder.contents:
                yield unknown("unknown-step", "step", event.value, event.place, steps)
        elif not isinstance(step.action, Send):
            yield problem("not-a-mail", event.place, f"`{event.value}` sends no mail", "name a step with `send`")
        else:
            yield from _link(folder, step.action.template, str(event.args.get("link", "")), event.place)


def _link(folder: Folder, name: str, link: str, place: Place) -> Iterator[Problem]:
    template = folder.library.templates.get(name)
    if template is not None and link and link not in template.links:
        hint = did_you_mean(link, template.links)
        yield problem("unknown-link", place, f"the email `{name}` has no link `{link}`.{hint}",
                      "name a link of the copy")


def _unseen(story: Story) -> Iterator[Problem]:
    """Clicks of a lead who never agrees to click tracking; a story may mean just that."""
    agreed = set(story.lead.consents)
    for event in sorted(story.happens, key=lambda e: days_of(e.after)):
        if event.what == "consents_to":
            agreed |= {str(purpose) for purpose in words(event.value)}
        if event.what == "clicked" and Purpose.CLICK_TRACKING.value not in agreed:
            yield problem("click-unseen", event.place, "nobody may see this click: the lead did not agree to it",
                          "add `click_tracking` to `consents`, unless that is the point of the story")


def _impossible(story: Story) -> Iterator[Problem]:
    both = sorted(set(story.expect.sent) & set(story.never.sent))
    if both:
        yield problem("story-impossible", story.never.places.get("sent", story.place),
                      f"`{both[0]}` must be sent and must not", "remove one of them")
