"""What a person's click or tick means for the ledger: pure translations of a choice into entries."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from nurture.decide.consent import OBJECTION
from nurture.model.consent import REFUSED, Basis, ConsentEntry
from nurture.model.facts import Consents, ConsentState
from nurture.model.words import MAIL_PURPOSES, Channel, ConsentAction, ConsentStatus, Purpose

PERSON: Final = "person"
MAIL_ORDER: Final = (Purpose.NURTURE_EMAIL, Purpose.NEWSLETTER, Purpose.COMMERCIAL_OFFERS)
TRACKING_ORDER: Final = (Purpose.CLICK_TRACKING, Purpose.OPEN_TRACKING)


def stop(
    lead_id: int,
    purposes: Iterable[Purpose],
    consents: Consents,
    *,
    now: datetime,
    proof: Mapping[str, Any],
    channel: Channel = Channel.EMAIL,
) -> list[ConsentEntry]:
    """Withdraw these purposes. What has been withdrawn or objected to already gets no second entry."""
    return [
        ConsentEntry(lead_id, purpose, ConsentAction.WITHDRAW, now, PERSON, channel=channel, proof=proof)
        for purpose in sorted(purposes)
        if consents.get((purpose, channel), ConsentState()).status not in REFUSED
    ]


def unsubscribed(purpose: Purpose | None) -> frozenset[Purpose]:
    """What an unsubscribe link ends: its own list; a link without one ends all marketing mail."""
    return frozenset({purpose}) if purpose in MAIL_PURPOSES and purpose is not None else MAIL_PURPOSES


def everything(lead_id: int, consents: Consents, *, now: datetime, proof: Mapping[str, Any]) -> list[ConsentEntry]:
    """An objection to direct marketing (Art. 21): mail, calls, tracking and profiling."""
    entries = []
    for purpose in sorted(OBJECTION):
        for channel in (Channel.EMAIL, Channel.PHONE) if purpose is Purpose.SALES_CONTACT else (Channel.EMAIL,):
            if consents.get((purpose, channel), ConsentState()).status is not ConsentStatus.OBJECTED:
                entries.append(
                    ConsentEntry(lead_id, purpose, ConsentAction.OBJECT, now, PERSON, channel=channel, proof=proof)
                )
    return entries


def agree(
    lead_id: int,
    purpose: Purpose,
    *,
    now: datetime,
    wording: str,
    proof: Mapping[str, Any],
    channel: Channel = Channel.EMAIL,
    confirm: bool = False,
    expires_at: datetime | None = None,
) -> ConsentEntry:
    """A tick in a box: a grant, or with `confirm` a request that waits for the confirmation mail's answer."""
    action = ConsentAction.REQUEST if confirm else ConsentAction.GRANT
    return ConsentEntry(
        lead_id,
        purpose,
        action,
        now,
        PERSON,
        channel=channel,
        basis=Basis.CONSENT,
        wording=wording,
        expires_at=expires_at,
        proof={**proof, "box": "ticked"},
    )


def is_on(consents: Consents, purpose: Purpose, now: datetime, channel: Channel = Channel.EMAIL) -> bool:
    state = consents.get((purpose, channel))
    return state is not None and state.valid(now)
