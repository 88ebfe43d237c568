"""`company.yaml`, `tracks.yaml`, `sales.yaml` and `forms/*.yaml` as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal

from nurture.model.campaign import Cap, Window
from nurture.model.problem import Place
from nurture.model.words import ContentKind, Purpose

PAGE_LANGUAGES: Mapping[str, str] = {
    "en": "English", "pl": "Polski", "cs": "Čeština", "de": "Deutsch", "ru": "Русский",
}
"""The languages our own pages speak, each under its own name."""


@dataclass(frozen=True, slots=True)
class Topic:
    """`name` is what the unsubscribe page shows; `names` the same by language."""

    id: str
    name: str
    purpose: Purpose = Purpose.NURTURE_EMAIL
    names: Mapping[str, str] = field(default_factory=dict)

    def named(self, language: str | None) -> str:
        return self.names.get(language or "", self.name)


@dataclass(frozen=True, slots=True)
class LeadField:
    """One thing a lead can hold. `required` only says that the hand-off gate wants it."""

    name: str
    kind: Literal["text", "number", "date", "yes_no", "choice"] = "text"
    label: str = ""
    choices: tuple[str, ...] = ()
    personal: bool = True


@dataclass(frozen=True, slots=True)
class Company:
    name: str
    legal_name: str
    postal_address: str
    website: str
    timezone: str
    country: str
    language: str
    registration: str = ""
    """Company number as the law of `country` wants it in a mail (firm and ICO in CZ, KRS/NIP in PL ...)."""
    privacy_url: str = ""
    support_email: str = ""
    list_domain: str = ""
    topics: Mapping[str, Topic] = field(default_factory=dict)
    lead_fields: Mapping[str, LeadField] = field(default_factory=dict)
    purposes: Mapping[ContentKind, Purpose | None] = field(default_factory=dict)
    """Content kind -> the consent purpose a mail of that kind needs (None: operational)."""
    at_most: tuple[Cap, ...] = ()
    """Global caps."""
    quiet: Window | None = None
    """When nobody is mailed, whatever a campaign says."""
    holidays: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Extra closed days per country code, ISO dates, on top of the public holidays."""
    emits: frozenset[str] = frozenset()
    """Event kinds that the company's own systems post (`booked-demo`)."""
    dormant_after_days: int = 180
    sunset_after_mails: int = 3
    hygiene_opens: bool = False
    site_snippet: bool = False
    spread: timedelta = timedelta(hours=6)
    """Over this long people are spread whom an edit, or resuming, makes due at once."""
    """Keep the date of the last open (never the hour) of people who did not agree to open tracking, to know which
    addresses are alive. Whether the law allows it without consent is the company's to decide."""


@dataclass(frozen=True, slots=True)
class Track:
    id: str
    name: str
    priority: int = 100
    kind: Literal["marketing", "operational"] = "marketing"
    at_most: Cap | None = None
    min_stay_days: int = 7
    early_leads: bool = True
    """May identified/early leads be on it (then it may carry no offer)."""
    on_exhausted: str = "stay"
    """`stay`, `dormant` or `move_to <track>`."""
    holdout: int = 0
    place: Place = Place()


@dataclass(frozen=True, slots=True)
class TrackRule:
    """One line of the track resolver: the first rule whose condition holds names the track."""

    id: str
    track: str
    when: Any = None
    """A `Condition`, or None for always."""


@dataclass(frozen=True, slots=True)
class Tracks:
    tracks: Mapping[str, Track] = field(default_factory=dict)
    rules: tuple[TrackRule, ...] = ()
    welcome: str = "welcome"
    profiling: str = "profiling"
    repermission: str = "repermission"

    @property
    def beside(self) -> frozenset[str]:
        """Tracks that run beside a lead's one marketing track: what surrounds a webinar it registered for."""
        return frozenset(track.id for track in self.tracks.values() if track.kind == "operational")


@dataclass(frozen=True, slots=True)
class Seller:
    id: str
    name: str
    email: str
    role: Literal["sdr", "account_executive", "manager", "marketing"] = "sdr"
    deputy: str | None = None
    timezone: str | None = None
    away: tuple[tuple[str, str], ...] = ()
    """Pairs of ISO dates, first and last day away."""
    country: str | None = None
    """Whose public holidays are theirs; None: those of the agreement's calendar."""


@dataclass(frozen=True, slots=True)
class Queue:
    id: str
    name: str
    members: tuple[str, ...]
    assign: Literal["round_robin", "territory", "pull"] = "round_robin"
    territories: Mapping[str, str] = field(default_factory=dict)
    """Country code -> seller id."""
    manager: str | None = None
    deliver: tuple[Mapping[str, Any], ...] = ()
    """How the packet reaches sales: `{mail: ...}`, `{webhook: url}`, `{csv: folder}`, `{crm: name}`."""


@dataclass(frozen=True, slots=True)
class Sales:
    sellers: Mapping[str, Seller] = field(default_factory=dict)
    queues: Mapping[str, Queue] = field(default_factory=dict)
    default_queue: str = ""
    assist: tuple[Mapping[str, Any], ...] = ()
    """Content sellers may send themselves: `{content, title, url, when}`."""


USUAL_LABELS: frozenset[str] = frozenset({
    "Work e-mail", "E-mail", "First name", "Last name", "Company", "Your role", "Role", "Phone", "Country",
    "Employees (roughly)", "Industry",
})
"""What most forms ask for: under these English labels our pages ask it in every language they speak."""


@dataclass(frozen=True, slots=True)
class FormField:
    """One question. What is kept of a choice is the word in `choices`, whatever the visitor read for it."""

    name: str
    label: str
    kind: Literal["email", "text", "number", "date", "choice", "phone", "long_text"] = "text"
    required: bool = False
    choices: tuple[str, ...] = ()
    progressive: bool = False
    """Asked only once the fields before it are known."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """The label by language."""
    choices_in: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The choices by language, in the order of `choices`."""

    def labelled(self, language: str) -> str:
        return self.labels.get(language) or self.label or self.name

    def options(self, language: str) -> tuple[tuple[str, str], ...]:
        """(what is kept, what is read) of each choice."""
        return tuple(zip(self.choices, self.choices_in.get(language, self.choices), strict=True))


@dataclass(frozen=True, slots=True)
class Wording:
    """A consent text in one language: `wordings/<id>.<version>.<language>.md`. Never changed once somebody saw it."""

    id: str
    version: int
    language: str
    purposes: tuple[Purpose, ...]
    text: str
    place: Place = Place()

    @property
    def key(self) -> str:
        """`nurture-email.1.en`: what ledger entries name."""
        return f"{self.id}.{self.version}.{self.language}"


@dataclass(frozen=True, slots=True)
class FormConsent:
    """A tick box, never ticked beforehand. `wording` names an immutable wording file."""

    purpose: Purpose
    wording: str
    required: bool = False
    channel: str = "email"


@dataclass(frozen=True, slots=True)
class Form:
    """`title`, `thank_you`, labels, choices and the asset are in the company's language; beside each stand others."""

    id: str
    title: str
    fields: tuple[FormField, ...]
    consents: tuple[FormConsent, ...]
    asset: str | None = None
    """The file or page the person asked for."""
    content: str | None = None
    topic: str | None = None
    depth: str | None = None
    thank_you: str = ""
    hand_raise: bool = False
    double_opt_in: bool = True
    titles: Mapping[str, str] = field(default_factory=dict)
    thanks: Mapping[str, str] = field(default_factory=dict)
    """The thank-you text by language."""
    assets: Mapping[str, str] = field(default_factory=dict)
    place: Place = Place()

    def titled(self, language: str) -> str:
        return self.titles.get(language, self.title)

    def thanked(self, language: str) -> str:
        return self.thanks.get(language, self.thank_you)

    def asset_in(self, language: str) -> str | None:
        return self.assets.get(language, self.asset)


BUILT_IN_FIELDS: Mapping[str, LeadField] = {
    f.name: f for f in (
        LeadField("email", label="E-mail"), LeadField("first_name", label="First name"),
        LeadField("last_name", label="Last name"), LeadField("vocative", label="First name as one calls it out"),
        LeadField("company", label="Company", personal=False), LeadField("role", label="Role"),
        LeadField("phone", label="Phone"), LeadField("website", label="Website", personal=False),
        LeadField("domain", label="Domain", personal=False), LeadField("country", label="Country", personal=False),
        LeadField("city", label="City", personal=False), LeadField("language", label="Language"),
        LeadField("timezone", label="Time zone"), LeadField("industry", label="Industry", personal=False),
        LeadField("employees", "number", "Employees", personal=False),
    )
}
"""What every lead can hold; `lead_fields` of company.yaml adds to these."""
