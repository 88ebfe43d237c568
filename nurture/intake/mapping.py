"""The map of an import: which column means what (`campaigns/imports/*.map.yaml`; the language is in README.md)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Literal

from nurture.model.words import Channel, Purpose

Kind = Literal["text", "number", "date", "yes_no"]
Origin = Literal["declared", "enriched", "inferred", "sales"]


@dataclass(frozen=True, slots=True)
class Take:
    """Where a value comes from: a `column`, or a `constant` for every row.

    `values` translates what the file says; `kind` is what it becomes. `prefix` stands before a text.
    """

    column: str | None = None
    constant: str | None = None
    kind: Kind = "text"
    format: str | None = None
    values: Mapping[str, str] = field(default_factory=dict)
    only: bool = False
    """Values that `values` does not name are unknown."""
    prefix: str = ""


@dataclass(frozen=True, slots=True)
class When:
    """Whether a line of the map applies to a row; `column` None: always."""

    column: str | None = None
    one_of: frozenset[str] = frozenset()
    unless: bool = False


@dataclass(frozen=True, slots=True)
class Declaration:
    """What the file as a whole can prove, signed by somebody who has the evidence."""

    wording: str
    text: str
    evidence: str
    source: str
    collected: Take
    signed_by: str
    signed_on: date
    language: str = "en"


@dataclass(frozen=True, slots=True)
class Wording:
    """An archived consent text that rows name by its id."""

    id: str
    text: str
    purposes: tuple[Purpose, ...]
    language: str = "en"


@dataclass(frozen=True, slots=True)
class ConsentLine:
    """Consent that rows carry: by columns of their own (source, at, wording) or by the file's declaration."""

    purposes: tuple[Purpose, ...]
    channel: Channel
    when: When
    source: Take | None = None
    at: Take | None = None
    wording: Take | None = None
    declaration: Declaration | None = None


@dataclass(frozen=True, slots=True)
class BlockLine:
    """Rows that must not be mailed: a suppression with this reason."""

    reason: str
    when: When


@dataclass(frozen=True, slots=True)
class EventLine:
    """Something the row says has happened."""

    kind: str
    when: When
    at: Take | None = None
    topic: str | None = None
    content: str | None = None
    minutes: Take | None = None


@dataclass(frozen=True, slots=True)
class OutcomeLine:
    """How it ended, for closed-loop results and for calibration."""

    result: str
    when: When
    at: Take | None = None
    owner: Take | None = None
    amount: Take | None = None
    currency: str | None = None
    reason: Take | None = None


@dataclass(frozen=True, slots=True)
class Learning:
    """What calibration must know about the columns: never use these, and these only as a declared risk."""

    never: tuple[str, ...] = ()
    leak_risk: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ImportMap:
    name: str
    source: Take = Take(constant="import")
    origin: Origin = "declared"
    confidence: float = 1.0
    encoding: str = "auto"
    delimiter: str = "auto"
    decimal: str = ""
    """What opens decimals; nothing: the map does not say, and a point is taken for it."""
    zone: str = "UTC"
    unknown: frozenset[str] = frozenset({""})
    email: Take | None = None
    external_id: Take | None = None
    language: Take | None = None
    country: Take | None = None
    timezone: Take | None = None
    acquired: Take | None = None
    fields: Mapping[str, Take] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    lists: tuple[str, ...] = ()
    wordings: tuple[Wording, ...] = ()
    consents: tuple[ConsentLine, ...] = ()
    blocks: tuple[BlockLine, ...] = ()
    events: tuple[EventLine, ...] = ()
    outcomes: tuple[OutcomeLine, ...] = ()
    learning: Learning = Learning()
    sha: str = ""

    def columns(self) -> frozenset[str]:
        """Every column the map asks for."""
        lines: list[ConsentLine | BlockLine | EventLine | OutcomeLine] = [
            *self.consents, *self.blocks, *self.events, *self.outcomes
        ]
        asked = [line.when.column for line in lines] + [take.column for take in self._takes()]
        return frozenset(name for name in asked if name)

    def _takes(self) -> list[Take]:
        single = [self.source, self.email, self.external_id, self.language, self.country, self.timezone, self.acquired]
        for consent in self.consents:
            single += [consent.source, consent.at, consent.wording]
            single.append(consent.declaration.collected if consent.declaration else None)
        for event in self.events:
            single += [event.at, event.minutes]
        for outcome in self.outcomes:
            single += [outcome.at, outcome.owner, outcome.amount, outcome.reason]
        return [take for take in (*single, *self.fields.values()) if take is not None]
