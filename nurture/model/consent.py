"""What a person agreed to or refused: one line of the ledger, and what all its lines together mean.

The fold stands with the noun because both the store (for its cache) and the rules read it. The order of arrival never
matters: entries are folded in the order in which they happened, and of two things that happened at the same moment the
more restrictive one is folded last.
"""

from __future__ import annotations

import calendar
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from nurture.model.facts import ConsentState
from nurture.model.words import MAIL_PURPOSES, Channel, ConsentAction, ConsentStatus, Purpose


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


PROVEN: Final = frozenset({ConsentAction.GRANT, ConsentAction.CONFIRM, ConsentAction.IMPORT})
"""Actions that permit something, and therefore need proof."""

TERMS: Final[Mapping[Basis, int]] = {Basis.CASL_IMPLIED_PURCHASE: 24, Basis.CASL_IMPLIED_INQUIRY: 6}
"""Months after which a ground ends by itself, by law."""

REFUSED: Final = frozenset({ConsentStatus.WITHDRAWN, ConsentStatus.OBJECTED})
_ORDER: Final = {
    a: n
    for n, a in enumerate(
        (
            ConsentAction.REQUEST,
            ConsentAction.IMPORT,
            ConsentAction.GRANT,
            ConsentAction.CONFIRM,
            ConsentAction.EXPIRE,
            ConsentAction.WITHDRAW,
            ConsentAction.OBJECT,
            ConsentAction.ERASE,
        )
    )
}


def fold(entries: Iterable[ConsentEntry], *, now: datetime) -> dict[tuple[Purpose, Channel], ConsentState]:
    """The state per purpose and channel at `now`. Entries later than `now`, and grants without proof, do not count."""
    states: dict[tuple[Purpose, Channel], ConsentState] = {}
    for entry in sorted(entries, key=_in_order):
        if entry.at > now:
            continue
        if entry.action is ConsentAction.ERASE:
            states = {key: ConsentState(since=entry.at, entry_id=entry.id) for key in states}
            continue
        key = (entry.purpose, entry.channel)
        states[key] = _step(states.get(key, ConsentState()), entry)
    return {key: aged(state, now) for key, state in states.items()}


def _in_order(entry: ConsentEntry) -> tuple[datetime, int, str, str, str, str]:
    return (entry.at, _ORDER[entry.action], entry.purpose, entry.channel, entry.key, entry.basis or "")


def _step(state: ConsentState, entry: ConsentEntry) -> ConsentState:
    """One entry onto one state: the whole table of consent."""
    match entry.action:
        case ConsentAction.WITHDRAW | ConsentAction.OBJECT:
            objected = entry.action is ConsentAction.OBJECT or state.status is ConsentStatus.OBJECTED
            status = ConsentStatus.OBJECTED if objected else ConsentStatus.WITHDRAWN
            return ConsentState(status, state.basis, entry.at, None, entry.id, state.wording)
        case ConsentAction.EXPIRE:
            return state if state.status in REFUSED else replace(state, status=ConsentStatus.EXPIRED, until=entry.at)
        case ConsentAction.REQUEST:
            if state.status is ConsentStatus.GRANTED or (state.status in REFUSED and not entry.by_person):
                return state
            return ConsentState(ConsentStatus.PENDING, None, entry.at, entry.expires_at, entry.id, entry.wording)
        case ConsentAction.CONFIRM:
            late = state.until is not None and entry.at >= state.until
            if state.status is not ConsentStatus.PENDING or late or missing_proof(entry):
                return state
        case _:
            lifts = entry.action is ConsentAction.GRANT and entry.by_person
            if (state.status in REFUSED and not lifts) or missing_proof(entry):
                return state
    return ConsentState(
        ConsentStatus.GRANTED, entry.basis or Basis.CONSENT, entry.at, expiry(entry), entry.id, entry.wording
    )


def objects(states: Mapping[tuple[Purpose, Channel], ConsentState], now: datetime) -> bool:
    """Whether an objection to marketing (Art. 21) stands: some mail was objected to, and none was asked for since."""
    mails = [state for (purpose, _), state in states.items() if purpose in MAIL_PURPOSES]
    return any(s.status is ConsentStatus.OBJECTED for s in mails) and not any(s.valid(now) for s in mails)


def aged(state: ConsentState, now: datetime) -> ConsentState:
    """The state as it stands at `now`: what has run out is expired."""
    over = state.until is not None and now >= state.until
    if over and state.status in (ConsentStatus.GRANTED, ConsentStatus.PENDING):
        return replace(state, status=ConsentStatus.EXPIRED)
    return state


def expiry(entry: ConsentEntry) -> datetime | None:
    """When a grant ends: what the entry says, or sooner if the law gives its basis a term (CASL)."""
    months = TERMS.get(entry.basis) if entry.basis else None
    ends = [d for d in (entry.expires_at, add_months(entry.at, months) if months else None) if d is not None]
    return min(ends, default=None)


def add_months(moment: datetime, months: int) -> datetime:
    """The same day of a later month, or that month's last day (31 August + 6 months is 28 or 29 February)."""
    year, month = divmod(moment.year * 12 + moment.month - 1 + months, 12)
    day = min(moment.day, calendar.monthrange(year, month + 1)[1])
    return moment.replace(year=year, month=month + 1, day=day)


def missing_proof(entry: ConsentEntry) -> str | None:
    """What a grant lacks to be believed, in plain words; None for complete proof or an entry that grants nothing."""
    if entry.action not in PROVEN:
        return None
    if not entry.proof.get("source"):
        return "no source (which form, file or conversation)"
    if entry.proof.get("box") == "preticked":
        return "the box was ticked beforehand, which is no consent"
    basis = entry.basis or Basis.CONSENT
    if basis is Basis.CONSENT and not (entry.wording and entry.wording_sha):
        return "no wording version (what exactly the person agreed to)"
    if basis is Basis.SOFT_OPT_IN:
        lacks = [n for n in ("sale_ref", "similar_product", "objection_offered") if not entry.proof.get(n)]
        if lacks:
            return f"a soft opt-in needs {', '.join(lacks)}"
        if entry.proof.get("bought_list"):
            return "a bought list is never a soft opt-in"
    return None
