"""draft: what is to be applied, from a folder of files, an older version, or a retirement."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from nurture.authoring.reading import Reading, kind_of, read_file, read_sources, template_name
from nurture.errors import NurtureError, Refused, UsageError
from nurture.model.campaign import Campaign, Send
from nurture.model.library import Library
from nurture.model.words import CampaignStatus
from nurture.store import Connection
from nurture.store.programs import campaigns
from nurture.store.programs.campaigns import Version

Retire = Literal["finish", "leave"]


@dataclass(frozen=True, slots=True)
class Draft:
    """What is to be applied. `retire`: campaigns whose file is gone on purpose; `rollback`: campaign -> old version."""

    library: Library
    sources: Mapping[str, str]
    retire: Mapping[str, Retire] = field(default_factory=dict)
    rollback: Mapping[str, int] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        texts = [f"{path}\0{campaigns.digest_of(text)}" for path, text in sorted(self.sources.items())]
        return campaigns.digest_of(
            "\n".join([*texts, json.dumps([dict(self.retire), dict(self.rollback)], sort_keys=True)])
        )

    def config(self) -> dict[str, str]:
        """Path -> text of the company files, forms, wordings and layouts."""
        return {
            path: text
            for path, text in self.sources.items()
            if kind_of(path) not in (None, "campaign", "copy", "story")
        }

    def source_of(self, campaign: Campaign) -> str:
        return self.sources.get(campaigns.path_of(campaign.id)) or self.sources[campaign.place.file]


def live_library(conn: Connection) -> Library | None:
    """What was applied, read again by `authoring`; None when nothing was.

    Raises:
        NurtureError: the applied files do not read with this version of the program.
    """
    sources = campaigns.live_sources(conn)
    return _read(sources) if sources else None


def _read(sources: Mapping[str, str]) -> Library:
    reading = read_sources(sources)
    if reading.library is None or reading.errors:
        first = reading.errors[0] if reading.errors else "a company file is missing"
        raise NurtureError(
            f"what was applied does not read any more: {first}",
            fix="mend the file under campaigns/ and run `nurture apply`; nothing runs until then",
        )
    return reading.library


def campaign_of(version: Version) -> Campaign:
    """A version's content as a campaign; read once per process."""
    noun = read_file(campaigns.path_of(version.campaign), version.source).noun
    if not isinstance(noun, Campaign):
        raise NurtureError(f"version {version.n} of `{version.campaign}` does not read any more")
    return noun


def draft_of(reading: Reading, *, retire: Mapping[str, Retire] | None = None) -> Draft:
    """A folder's files as a draft.

    Raises:
        Refused: something in the files does not read; nothing half-read runs.
    """
    if reading.library is None or reading.errors:
        first = str(reading.errors[0]) if reading.errors else "a company file is missing"
        raise Refused(f"nothing was applied: {first}", code="unread", fix="run `nurture check` and mend what it lists")
    texts = {path: text for path, text in reading.sources.items() if kind_of(path) not in (None, "story")}
    return Draft(reading.library, texts, retire or {})


def rollback(conn: Connection, campaign: str, n: int | None = None) -> Draft:
    """What runs now, but for one campaign in an older version (by default the one before), with that version's copy.

    Raises:
        UsageError: no such version.
    """
    past = campaigns.history(conn, campaign)
    live = campaigns.versions(conn).get(campaign)
    if not past or live is None:
        raise UsageError(f"no campaign `{campaign}` was ever applied", fix="see `nurture status`")
    wanted = n if n is not None else next((v.n for v in past if v.n < live), None)
    old = next((v for v in past if v.n == wanted), None)
    if old is None or old.n == live:
        raise UsageError(f"`{campaign}` has no version {wanted if wanted else 'before this one'} to go back to",
                         fix=f"see `nurture status {campaign}`")
    sources = {**campaigns.live_sources(conn), campaigns.path_of(campaign): old.source}
    for name, texts in campaigns.template_sources(conn, old.templates.values()).values():
        sources = {path: text for path, text in sources.items() if copy_name(path) != name}
        sources.update(texts)
    return Draft(_read(sources), sources, rollback={campaign: old.n})


def retirement(conn: Connection, campaign: str, how: Retire) -> Draft:
    """What runs now, but for one campaign that ends.

    Raises:
        UsageError: it does not run.
    """
    running = campaigns.running(conn).get(campaign)
    if running is None or running.state == CampaignStatus.RETIRED:
        raise UsageError(f"no campaign `{campaign}` is running", fix="see `nurture status`")
    sources = campaigns.live_sources(conn)
    return Draft(_read(sources), sources, {campaign: how})


def copy_name(path: str) -> str | None:
    """The template a file is a copy of."""
    parsed = template_name(path) if kind_of(path) == "copy" else None
    return None if parsed is None else parsed[0]


def templates_of(campaign: Campaign) -> Iterator[str]:
    """Names of the templates a campaign sends."""
    for step in campaign.walk():
        if isinstance(step.action, Send):
            yield step.action.template
            yield from (v.template for v in (step.action.test.variants if step.action.test else ()) if v.template)
