"""Everything marketers wrote, read and checked: campaigns, templates, forms and the five company files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from nurture.model.agreement import Agreement
from nurture.model.campaign import Campaign
from nurture.model.company import Company, Form, Sales, Tracks, Wording
from nurture.model.scoring import Scoring
from nurture.model.story import Story
from nurture.model.template import Template


@dataclass(frozen=True, slots=True)
class Library:
    """One consistent set of files. `sha` addresses the whole set, `config_sha` the five company files."""

    company: Company
    tracks: Tracks
    scoring: Scoring
    agreement: Agreement
    sales: Sales
    campaigns: Mapping[str, Campaign] = field(default_factory=dict)
    templates: Mapping[str, Template] = field(default_factory=dict)
    forms: Mapping[str, Form] = field(default_factory=dict)
    layouts: Mapping[str, str] = field(default_factory=dict)
    wordings: Mapping[str, Wording] = field(default_factory=dict)
    """By `Wording.key`, all versions."""
    stories: tuple[Story, ...] = ()
    """The `*.test.yaml` files beside the campaigns."""
    sha: str = ""
    config_sha: str = ""
