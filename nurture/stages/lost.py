"""Mails nobody knows the end of: their worker was killed, or the server fell silent after the last byte.

They may have arrived. So they count as sent, unless their campaign says `if_unknown_delivery: resend_same_id`: then
one that gives no sign of itself goes once more, under the same Message-ID.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from nurture.model.words import SIGNS
from nurture.parts import Parts
from nurture.stages.letters import Letters
from nurture.store import Connection
from nurture.store.mail import messages, outgoing

RESEND_AFTER: Final = timedelta(hours=4)
"""`resend_same_id`: how long an unknown message waits for a sign (bounce, click, reply) before it is sent again."""


def recover(parts: Parts, conn: Connection, *, now: datetime) -> None:
    """Rows of workers that ended in the middle: claimed ones go back, started ones are unknown."""
    lost = messages.lost(conn, now=now)
    messages.release_expired(conn, now=now)
    if lost:
        letters = Letters(parts, now=now)
        messages.name(conn, {m.id: letters.message_id(m) for m in lost if m.message_id is None})
    again = {m.id for m in lost if resends(parts, m.campaign)}
    messages.resend_later(conn, sorted(again), at=now + RESEND_AFTER)
    outgoing.wake(
        conn, {m.enrollment_id: 0 for m in lost if m.enrollment_id is not None and m.id not in again}, now=now
    )
    outgoing.wake(conn, dict.fromkeys(messages.resend_silent(conn, signs=SIGNS, now=now), 0), now=now)


def resends(parts: Parts, campaign: str | None) -> bool:
    found = parts.library.campaigns.get(campaign or "")
    return found is not None and found.sending.if_unknown_delivery == "resend_same_id"
