"""sweep: leads for whom time alone may have changed something are woken; who is owed a word gets it."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from nurture.mail.headers import clean
from nurture.mail.links import addressing
from nurture.mail.notice import notice
from nurture.model import jurisdiction
from nurture.model.intents import Tally
from nurture.parts import Parts
from nurture.store.audience import people
from nurture.store.mail import outbox
from nurture.store.privacy import informing

BATCH: Final = 200


def run(parts: Parts, *, now: datetime, limit: int, owner: str) -> Tally:
    """Counts: woken, informed."""
    tally = Tally()
    with parts.store.begin() as conn:
        woken = people.wake_due(conn, now=now, limit=limit)
    if woken:
        tally.count("woken", woken)
    _inform(parts, now=now, limit=limit, tally=tally)
    return tally


def _inform(parts: Parts, *, now: datetime, limit: int, tally: Tally) -> None:
    """Whose data came from elsewhere learns it within a month (Art. 14): by a mail of ours, or by a notice now."""
    company = parts.library.company
    home = addressing(company, parts.keys, parts.public_url)
    with parts.store.begin() as conn:
        due = informing.due(conn, now=now, limit=min(limit, BATCH))
        owed = [one for one in due if not (one.heard or one.blocked) and jurisdiction.of(one.country).inform]
        informing.told(conn, [one.lead_id for one in due])
        rows = []
        for one in owed:
            link = home.of(0, one.lead_id, None, clicks=False, opens=False).preferences
            words = notice(one.language, company=company, source=clean(one.source or "-"), since=one.since, link=link)
            rows.append(outbox.row(
                "lead_mail", one.email, key=f"inform:{one.lead_id}", now=now, lead_id=one.lead_id,
                subject=words.subject, payload={"text": words.text},
            ))
        if outbox.put(conn, rows):
            tally.count("informed", len(rows))
