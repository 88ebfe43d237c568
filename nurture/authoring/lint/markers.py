"""What the law of a reader's country wants to see on the mail itself, before it is opened."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from nurture.authoring.copy import without_jinja
from nurture.authoring.desk import problem
from nurture.authoring.lint.folder import Folder
from nurture.authoring.reading import File
from nurture.authoring.template import CopyFile
from nurture.model import jurisdiction
from nurture.model.campaign import Campaign, Send
from nurture.model.problem import Problem
from nurture.model.words import ContentKind

MARKERS: Final = {"cs": jurisdiction.TABLE["CZ"].marker}
"""Languages that are read in one country whose law wants one of these words."""


def markers(folder: Folder) -> Iterator[Problem]:
    """Advertising in Czech says so in its subject or its sender, or it does not leave (Act 480/2004, section 7)."""
    senders = _senders(folder)
    for file in folder.reading.of("copy"):
        copy = file.noun
        if isinstance(copy, CopyFile) and copy.form != "txt" and copy.language in MARKERS and copy.subject:
            template = folder.library.templates.get(copy.name)
            if template is not None and template.kind is not ContentKind.OPERATIONAL:
                yield from _unmarked(file, copy, senders.get(copy.name, []))


def _senders(folder: Folder) -> dict[str, list[str]]:
    """Template -> the senders under whose names it leaves."""
    found: dict[str, list[str]] = {}
    for campaign, _ in folder.campaigns:
        for name in _sent(campaign):
            found.setdefault(name, []).append(campaign.sending.sender)
    return found


def _sent(campaign: Campaign) -> set[str]:
    sends = [step.action for step in campaign.walk() if isinstance(step.action, Send)]
    variants = {v.template for send in sends if send.test for v in send.test.variants if v.template}
    return {send.template for send in sends} | variants


def _unmarked(file: File, copy: CopyFile, senders: list[str]) -> Iterator[Problem]:
    words = MARKERS[copy.language or ""]
    shown = [without_jinja(copy.subject), *([" ".join(senders)] if len(set(senders)) == 1 else [])]
    if not any(word in text.casefold() for word in words for text in shown):
        yield problem(
            "no-marketing-marker", file.spot("subject"), f"nothing marks this as advertising: {' or '.join(words)}",
            f"begin the subject with `{words[0].capitalize()}:`, or put one of them into the sender's name",
        )
