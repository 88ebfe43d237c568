"""One raw request to a tracking address, and what it turned out to be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from nurture.model.words import Verdict

OPEN = "open"
CLICK = "click"
HONEYPOT = "honeypot"


@dataclass(frozen=True, slots=True)
class Hit:
    """`net` is the network the request came from (/24 or /48), never the whole address. Header names in lower case."""

    id: int
    message_id: int
    lead_id: int
    kind: str
    at: datetime
    method: str = "GET"
    link: int | None = None
    agent: str = ""
    net: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Mailed:
    """What a verdict needs to know about the message: when it was handed over, and how many links it has."""

    message_id: int
    sent_at: datetime | None
    links: int = 0


@dataclass(frozen=True, slots=True)
class Judgement:
    verdict: Verdict
    evidence: tuple[str, ...]
