"""What stands in for company files that are missing, so that one campaign alone can be tried out.

`check` says that they are missing. Everything campaigns name exists: topics, tracks and queues are taken from them.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from nurture.authoring.scoring import default_matrix
from nurture.model.agreement import Agreement
from nurture.model.campaign import Campaign, HandOff, MoveTo
from nurture.model.company import Company, Queue, Sales, Seller, Topic, Track, Tracks
from nurture.model.scoring import Decay, Model, Rule, Scoring
from nurture.model.words import ContentKind, Purpose


def company_for(campaigns: Iterable[Campaign]) -> Company:
    """A company called Example, with the topics that campaigns name."""
    topics = {c.sending.topic: Topic(c.sending.topic, c.sending.topic.replace("-",
                                                                              " ").capitalize()) for c in campaigns}
    return Company(
        name="Example", legal_name="Example Ltd", postal_address="1 Example Street, Example Town",
        website="https://www.example.com", timezone="UTC", country="GB", language="en",
        support_email="help@example.com", topics=topics,
        purposes={
            ContentKind.EDUCATIONAL: Purpose.NURTURE_EMAIL, ContentKind.PRODUCT: Purpose.NURTURE_EMAIL,
            ContentKind.OFFER: Purpose.COMMERCIAL_OFFERS, ContentKind.OPERATIONAL: None,
            ContentKind.SALES_ASSIST: Purpose.SALES_CONTACT,
        },
    )


def tracks_for(campaigns: Iterable[Campaign]) -> Tracks:
    """The tracks that campaigns are on or move leads to, and the three every installation has."""
    names = ["welcome", "profiling", "repermission"]
    for campaign in campaigns:
        names += [campaign.track, *(rule.move_to for rule in campaign.leave_when if rule.move_to)]
        for step in campaign.walk():
            match step.action:
                case MoveTo(track=track) | HandOff(if_not=MoveTo(track=track)):
                    names.append(track)
    return Tracks({name: Track(name, name.replace("_", " ").capitalize()) for name in dict.fromkeys(names) if name})


def sales_for(campaigns: Iterable[Campaign]) -> Sales:
    """The queues that campaigns hand off to, with one seller."""
    seller = Seller("example", "Example Seller", "seller@example.com")
    queues = {step.action.queue: Queue(step.action.queue, step.action.queue, ("example",))
              for c in campaigns for step in c.walk() if isinstance(step.action, HandOff)}
    queues = queues or {"inside-sales": Queue("inside-sales", "Inside sales", ("example",))}
    return Sales({"example": seller}, queues, next(iter(queues)))


def scoring() -> Scoring:
    """One model without fit criteria: what people usually do, at usual points."""
    rules = (
        Rule("visit", "page_view", 2, Decay("half_life", 30), per_day=6, group="web"),
        Rule("download", "download", 15, Decay("half_life", 60), dedupe="asset", group="content"),
        Rule("click", "email_click", 5, Decay("half_life", 30), dedupe="message", cap=20),
        Rule("reply", "email_reply", 15, Decay("half_life", 30), dedupe="day", cap=30),
        Rule("form", "form", 5, Decay("half_life", 60), dedupe="asset", cap=15),
        Rule("webinar", "webinar_attended", 30, Decay("half_life", 90), dedupe="asset", cap=40),
    )
    return Scoring((Model("default", rules=rules, groups={"web": 20, "content": 40}, matrix=default_matrix()),))


def agreement() -> Agreement:
    """An agreement nobody signed: the gate says so at every hand-off."""
    return Agreement(
        version=0, effective_from=date(2000, 1, 1), next_review=date(2199, 1, 1),
    )
