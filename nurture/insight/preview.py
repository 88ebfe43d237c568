"""Showing a mail before anybody gets it: as a real lead, an empty one, a nasty one. Nothing is written or counted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from nurture.errors import UsageError
from nurture.mail import headers
from nurture.mail.compile import CompiledMail, compile_mail, key_of
from nurture.mail.links import Addresses, addressing
from nurture.mail.reason import reason
from nurture.mail.render import Letter, Rendered, company_words, frame, render
from nurture.model.campaign import Campaign, Send, Step
from nurture.model.library import Library
from nurture.model.sandbox import EMPTY_LEAD, nasty_lead
from nurture.model.template import Template
from nurture.model.tokens import Keys

REAL: Final[Mapping[str, Any]] = {
    "email": "anna.nowak@example.com", "first_name": "Anna", "last_name": "Nowak", "vocative": "Anno",
    "company": "Example Logistics", "role": "IT manager", "country": "PL", "industry": "logistics", "employees": 240,
}  # fmt: skip
"""A lead as most are, for a first look."""

PLACEHOLDER: Final = Keys.from_secrets(["a preview's tokens are worth nothing"])


@dataclass(frozen=True, slots=True)
class Asked:
    """What to show: a template, and the step it belongs to where one was named."""

    template: Template
    campaign: Campaign | None = None
    step: Step | None = None
    subject: str | None = None


_KEPT: dict[str, CompiledMail] = {}


def _compiled(key: str, template: Template, library: Library) -> CompiledMail:
    """One template is looked at many times in a row: as three leads, in four languages."""
    if key not in _KEPT:
        _KEPT.clear()
        _KEPT[key] = compile_mail(template, library.layouts)
    return _KEPT[key]


def find(library: Library, what: str, *, variant: str | None = None) -> Asked:
    """`awareness/guide`, a step's name, or `campaign/step`. Raises UsageError, with what there is."""
    if what in library.templates:
        return Asked(library.templates[what])
    steps = [
        (campaign, step)
        for campaign in library.campaigns.values()
        for step in campaign.walk()
        if isinstance(step.action, Send) and what in (step.id, f"{campaign.id}/{step.id}")
    ]
    if not steps:
        there = ", ".join(sorted(library.templates)[:12])
        raise UsageError(f"no template and no sending step `{what}`", fix=f"one of: {there}")
    if len(steps) > 1:
        names = ", ".join(f"{campaign.id}/{step.id}" for campaign, step in steps)
        raise UsageError(f"several campaigns have a step `{what}`", fix=f"say which: {names}")
    campaign, step = steps[0]
    assert isinstance(step.action, Send)
    name, subject = step.action.template, None
    if variant is not None:
        drawn = next((v for v in step.action.test.variants if v.name == variant), None) if step.action.test else None
        if drawn is None:
            raise UsageError(f"the step `{step.id}` has no variant `{variant}`")
        name, subject = drawn.template or name, drawn.subject
    if name not in library.templates:
        raise UsageError(f"the template `{name}` does not exist")
    return Asked(library.templates[name], campaign, step, subject)


def words_of(library: Library, who: str) -> Mapping[str, Any]:
    """The sample lead `real`, `empty` or `nasty`."""
    if who == "nasty":
        return nasty_lead([*library.company.lead_fields, "first_name", "last_name", "company", "role"])
    return dict(EMPTY_LEAD) if who == "empty" else dict(REAL)


def show(
    library: Library, asked: Asked, words: Mapping[str, Any], *, public_url: str, language: str | None, now: datetime,
    to: str | None = None, mark: str = "",
) -> Rendered:
    """The mail as it would be built, its links as they are: a preview is never tracked. `mark` leads the subject."""
    company, template, campaign = library.company, asked.template, asked.campaign
    mail = _compiled(key_of(template, library.layouts), template, library)
    copy = mail.copy_for(language, campaign.language if campaign else None, company.language)
    at = addressing(company, PLACEHOLDER, public_url)
    topic = company.topics.get(campaign.sending.topic) if campaign else next(iter(company.topics.values()), None)
    about = topic.named(copy.language) if topic else None
    sender = campaign.sending.sender if campaign else f"{company.name} <{company.support_email}>"
    step = asked.step.id if asked.step else "preview"
    shared = frame(
        company, sender=sender, domain=at.domain, kind=template.kind, topic_id=topic.id if topic else None,
        topic_name=topic.name if topic else None, campaign=campaign.id if campaign else "preview", step=step,
        reply_to=campaign.sending.reply_to if campaign else None,
    )
    addresses: Addresses = at.of(0, 0, company.purposes.get(template.kind), clicks=False, opens=False)
    letter = Letter(
        to=headers.mailable(to or str(words["email"]))[0], lead=words, addresses=addresses, now=now,
        message_id=headers.message_id(0, 0, "preview", 0, template.name, domain=at.domain), language=copy.language,
        reason=reason(copy.language, company=company.name, topic=about, since=now),
        subject=mark + (asked.subject or copy.subject_source) if mark or asked.subject else None,
        campaign={"id": campaign.id, "name": campaign.name} if campaign else {},
        topic={"id": topic.id, "name": about or ""} if topic else {},
    )
    return render(mail, copy, shared, letter, company=company_words(company))
