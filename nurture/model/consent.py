"""What a person agreed to or refused, as one line of the ledger, with the proof that was seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from nurture.model.words import Channel, ConsentAction, Purpose


class Basis(StrEnum):
    """On what ground somebody is contacted. Which ones suffice is a question of the law of their country."""

    CONSENT = "consent"
    SOFT_OPT_IN = "soft_opt_in"
    CONTRACT = "contract"
    LEGIT_INTEREST = "legit_interest"
    CASL_IMPLIED_PURCHASE = "casl_implied_purchase"
    CASL_IMPLIED_INQUIRY = "casl_implied_inquiry"
    CANSPAM_OPTOUT = "canspam_optout"


@dataclass(frozen=True, slots=True)
class ConsentEntry:
    """One line. `at` is when the person did it, which is not when we wrote it down.

    `actor` is `person`, `import <id>`, `sales <name>`, `marketing <name>` or `system`. `proof` holds what was seen:
    `source` (form, file, page), `address`, `ip`, `agent`, `language`, `box` (never `preticked`), `evidence`, and for a
    soft opt-in `sale_ref`, `similar_product`, `objection_offered`. `key` makes a repeat harmless; empty: derived from
    the content.
    """

    lead_id: int
    purpose: Purpose
    action: ConsentAction
    at: datetime
    actor: str
    channel: Channel = Channel.EMAIL
    basis: Basis | None = None
    jurisdiction: str | None = None
    wording: str | None = None
    wording_sha: str | None = None
    expires_at: datetime | None = None
    proof: Mapping[str, Any] = field(default_factory=dict)
    key: str = ""
    id: int = 0
    seq: int = 0

    @property
    def by_person(self) -> bool:
        return self.actor == "person"
