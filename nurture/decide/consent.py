"""Whether what the consent ledger says lets us contact somebody today (the fold itself stands in `model.consent`)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from nurture.model import jurisdiction
from nurture.model.consent import REFUSED, Basis, aged, fold, missing_proof
from nurture.model.facts import Consents, ConsentState, Snapshot
from nurture.model.intents import Permit, Refusal
from nurture.model.words import MAIL_PURPOSES, Channel, ConsentStatus, Purpose, RefusalCode

Key = tuple[Purpose, Channel]
__all__ = ["OBJECTION", "TRACKING", "fold", "may_score", "merge", "missing_proof", "permits"]

OBJECTION: Final = MAIL_PURPOSES | {
    Purpose.SALES_CONTACT,
    Purpose.PROFILING,
    Purpose.OPEN_TRACKING,
    Purpose.CLICK_TRACKING,
}
"""What an objection to direct marketing (Art. 21) ends; scoring is part of it."""

TRACKING: Final = frozenset({Purpose.OPEN_TRACKING, Purpose.CLICK_TRACKING})
_STRICTNESS: Final = {
    s: n
    for n, s in enumerate(
        (
            ConsentStatus.GRANTED,
            ConsentStatus.PENDING,
            ConsentStatus.NONE,
            ConsentStatus.EXPIRED,
            ConsentStatus.WITHDRAWN,
            ConsentStatus.OBJECTED,
        )
    )
}


def permits(
    snapshot: Snapshot, purpose: Purpose | None, *, now: datetime, channel: Channel = Channel.EMAIL
) -> Permit | Refusal:
    """May this person be contacted for this purpose over this channel at `now`, by the law of their country?

    `purpose` None is an operational mail, which needs no consent. An unknown country is treated as the strictest.
    """
    if purpose is None:
        return _YES
    state = snapshot.consents.get((purpose, channel), _NEVER)
    return _answer(state, purpose, channel, snapshot.lead.country, now)


def _answer(
    state: ConsentState, purpose: Purpose, channel: Channel, country: str | None, now: datetime
) -> Permit | Refusal:
    if not state.valid(now):
        what = _spoken(purpose, channel)
        status = aged(state, now).status
        since = f" on {state.since:%Y-%m-%d}" if state.since and status in REFUSED else ""
        return Refusal(RefusalCode.NO_CONSENT, _NO[status].format(what=what, since=since))
    law = jurisdiction.of(country)
    # The fold names the basis of every grant; a grant without one is consent itself.
    ground = state.basis or Basis.CONSENT
    if not law.suffices(ground, purpose, channel):
        basis = ground.replace("_", " ")
        return Refusal(RefusalCode.NO_CONSENT, f"{basis} is no ground for {_spoken(purpose, channel)} in {law.name}")
    return _YES


def _spoken(purpose: Purpose, channel: Channel) -> str:
    return f"{purpose.value.replace('_', ' ')} by {channel.value}"


_NEVER: Final = ConsentState()
_YES: Final = Permit()
_NO: Final[Mapping[ConsentStatus, str]] = {
    ConsentStatus.NONE: "never agreed to {what}",
    ConsentStatus.PENDING: "has not confirmed {what} yet",
    ConsentStatus.WITHDRAWN: "withdrew {what}{since}",
    ConsentStatus.OBJECTED: "objected to {what}{since}",
    ConsentStatus.EXPIRED: "the ground for {what} has expired",
    ConsentStatus.GRANTED: "the ground for {what} has expired",
}


def may_score(consents: Consents) -> bool:
    """Whether a profile may be kept up: an objection to marketing or a no to profiling ends scoring (C9)."""
    for (purpose, _), state in consents.items():
        if purpose is Purpose.PROFILING and state.status in REFUSED:
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
