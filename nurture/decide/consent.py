"""The fold over the consent ledger, and whether what it says lets us contact somebody today.

The order of arrival never matters: entries are folded in the order in which they happened, and of two things that
happened at the same moment the more restrictive one is folded last.
"""

from __future__ import annotations

import calendar
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Final

from nurture.decide import jurisdiction
from nurture.model.consent import Basis, ConsentEntry
from nurture.model.facts import ConsentState, Snapshot
from nurture.model.intents import Permit, Refusal
from nurture.model.words import MAIL_PURPOSES, Channel, ConsentAction, ConsentStatus, Purpose, RefusalCode

Key = tuple[Purpose, Channel]

OBJECTION: Final = MAIL_PURPOSES | {
    Purpose.SALES_CONTACT, Purpose.PROFILING, Purpose.OPEN_TRACKING, Purpose.CLICK_TRACKING
}
"""What an objection to direct marketing (Art. 21) ends; scoring is part of it."""

TRACKING: Final = frozenset({Purpose.OPEN_TRACKING, Purpose.CLICK_TRACKING})
PROVEN: Final = frozenset({ConsentAction.GRANT, ConsentAction.CONFIRM, ConsentAction.IMPORT})
"""Actions that permit something, and therefore need proof."""

_REFUSED: Final = frozenset({ConsentStatus.WITHDRAWN, ConsentStatus.OBJECTED})
_ORDER: Final = {a: n for n, a in enumerate((
    ConsentAction.REQUEST, ConsentAction.IMPORT, ConsentAction.GRANT, ConsentAction.CONFIRM, ConsentAction.EXPIRE,
    ConsentAction.WITHDRAW, ConsentAction.OBJECT, ConsentAction.ERASE,
))}
_STRICTNESS: Final = {s: n for n, s in enumerate((
    ConsentStatus.GRANTED, ConsentStatus.PENDING, ConsentStatus.NONE, ConsentStatus.EXPIRED,
    ConsentStatus.WITHDRAWN, ConsentStatus.OBJECTED,
))}


def fold(entries: Iterable[ConsentEntry], *, now: datetime) -> dict[Key, ConsentState]:
    """The state per purpose and channel at `now`. Entries later than `now`, and grants without proof, do not count."""
    states: dict[Key, ConsentState] = {}
    for entry in sorted(entries, key=_in_order):
        if entry.at > now:
            continue
        if entry.action is ConsentAction.ERASE:
            states = {key: ConsentState(since=entry.at, entry_id=entry.id) for key in states}
            continue
        key = (entry.purpose, entry.channel)
        states[key] = _step(states.get(key, ConsentState()), entry)
    return {key: _aged(state, now) for key, state in states.items()}


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
            return state if state.status in _REFUSED else replace(state, status=ConsentStatus.EXPIRED, until=entry.at)
        case ConsentAction.REQUEST:
            if state.status is ConsentStatus.GRANTED or (state.status in _REFUSED and not entry.by_person):
                return state
            return ConsentState(ConsentStatus.PENDING, None, entry.at, entry.expires_at, entry.id, entry.wording)
        case ConsentAction.CONFIRM:
            late = state.until is not None and entry.at >= state.until
            if state.status is not ConsentStatus.PENDING or late or missing_proof(entry):
                return state
        case _:
            lifts = entry.action is ConsentAction.GRANT and entry.by_person
            if (state.status in _REFUSED and not lifts) or missing_proof(entry):
                return state
    return ConsentState(
        ConsentStatus.GRANTED, entry.basis or Basis.CONSENT, entry.at, expiry(entry), entry.id, entry.wording
    )


def _aged(state: ConsentState, now: datetime) -> ConsentState:
    over = state.until is not None and now >= state.until
    if over and state.status in (ConsentStatus.GRANTED, ConsentStatus.PENDING):
        return replace(state, status=ConsentStatus.EXPIRED)
    return state


def expiry(entry: ConsentEntry) -> datetime | None:
    """When a grant ends: what the entry says, or sooner if the law gives its basis a term (CASL)."""
    months = jurisdiction.TERMS.get(entry.basis) if entry.basis else None
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


def permits(
    snapshot: Snapshot, purpose: Purpose | None, *, now: datetime, channel: Channel = Channel.EMAIL
) -> Permit | Refusal:
    """May this person be contacted for this purpose over this channel at `now`, by the law of their country?

    `purpose` None is an operational mail, which needs no consent. An unknown country is treated as the strictest.
    """
    if purpose is None:
        return Permit()
    state = snapshot.consents.get((purpose, channel), ConsentState())
    return _answer(state, purpose, channel, snapshot.lead.country, now)


def _answer(
    state: ConsentState, purpose: Purpose, channel: Channel, country: str | None, now: datetime
) -> Permit | Refusal:
    what = f"{purpose.value.replace('_', ' ')} by {channel.value}"
    if not state.valid(now):
        status = _aged(state, now).status
        since = f" on {state.since:%Y-%m-%d}" if state.since and status in _REFUSED else ""
        return Refusal(RefusalCode.NO_CONSENT, _NO[status].format(what=what, since=since))
    law = jurisdiction.of(country)
    if not law.suffices(state.basis, purpose, channel):
        basis = (state.basis or "no basis").replace("_", " ")
        return Refusal(RefusalCode.NO_CONSENT, f"{basis} is no ground for {what} in {law.name}")
    return Permit()


_NO: Final[Mapping[ConsentStatus, str]] = {
    ConsentStatus.NONE: "never agreed to {what}",
    ConsentStatus.PENDING: "has not confirmed {what} yet",
    ConsentStatus.WITHDRAWN: "withdrew {what}{since}",
    ConsentStatus.OBJECTED: "objected to {what}{since}",
    ConsentStatus.EXPIRED: "the ground for {what} has expired",
    ConsentStatus.GRANTED: "the ground for {what} has expired",
}


def may_score(snapshot: Snapshot) -> bool:
    """Whether a profile may be kept up: an objection to marketing or to profiling ends scoring (C9)."""
    for (purpose, _), state in snapshot.consents.items():
        if purpose is Purpose.PROFILING and state.status in _REFUSED:
            return False
        if purpose in OBJECTION - TRACKING and state.status is ConsentStatus.OBJECTED:
            return False
    return True


def merge(one: Mapping[Key, ConsentState], other: Mapping[Key, ConsentState]) -> dict[Key, ConsentState]:
    """Two records of one person: the more restrictive state of each purpose and channel (C20).

    What only one record knows stays, if it restricts; a permission known to one record alone survives too, because
    the other never spoke about it.
    """
    both = {**other, **one}
    for key in one.keys() & other.keys():
        both[key] = max(one[key], other[key], key=lambda s: (_STRICTNESS[s.status], s.since is not None and s.since))
    return both
