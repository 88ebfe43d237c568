"""A template as read from `templates/`: front matter and source, not yet compiled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from nurture.model.problem import Place
from nurture.model.words import ContentKind, Depth


@dataclass(frozen=True, slots=True)
class Copy:
    """One language's copy: subject, preheader and body."""

    language: str
    subject: str
    preheader: str
    body: str
    form: str
    """`md`, `mjml` or `html`."""
    text: str | None = None
    """A hand-written text part, else it is made from the HTML."""
    place: Place = Place()


@dataclass(frozen=True, slots=True)
class Template:
    """`name` is `awareness/guide`; `content` is the unit of never-twice across tracks and cycles."""

    name: str
    content: str
    kind: ContentKind
    depth: Depth
    topics: tuple[str, ...]
    copies: Mapping[str, Copy] = field(default_factory=dict)
    layout: str = "_base"
    repeat_after: str | None = None
    links: Mapping[str, str] = field(default_factory=dict)
    """Named links: name -> https address."""
    digest: str = ""
    place: Place = Place()
