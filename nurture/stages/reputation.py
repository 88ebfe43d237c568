"""Counting what leaves by sender and provider, and stopping a sender about whom too many complain."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Final

from nurture.decide.reputation import BULK, FEWEST, WINDOW, Complaints
from nurture.mail.headers import parse_mailbox
from nurture.parts import Parts
from nurture.store import Connection
from nurture.store.mail import brakes, volumes
from nurture.store.sales import handoffs

OTHER: Final = "other"
_DAY: Final = timedelta(days=1)


def sender_of(parts: Parts, campaign: str | None) -> str:
    """The From domain of a campaign's mails (None: of mails that answer somebody's own request)."""
    found = parts.library.campaigns.get(campaign or "")
    written = found.sending.sender if found else parts.library.company.support_email
    return parse_mailbox(written)[1].rpartition("@")[2] if written else ""


def count(parts: Parts, conn: Connection, sent: Mapping[tuple[str | None, str], int], *, now: datetime) -> None:
    """Add what was accepted, by (campaign, provider); say it once when a sender becomes a bulk sender somewhere."""
    by_sender: Counter[tuple[str, str]] = Counter()
    for (campaign, provider), n in sent.items():
        by_sender[sender_of(parts, campaign), provider] += n
    volumes.add(conn, by_sender, now=now)
    if any(provider != OTHER for _, provider in by_sender):
        _note_bulk(conn, now)


def _note_bulk(conn: Connection, now: datetime) -> None:
    """Every day's length lies within two days of the calendar, so the sum of two never misses one."""
    from nurture.mail.domain import organisation

    found: Counter[tuple[str, str]] = Counter()
    for (sender, provider), n in volumes.sent_since(conn, (now - _DAY).date()).items():
        if provider != OTHER:
            found[organisation(sender), provider] += n
    for (domain, provider), n in found.items():
        if n >= BULK:
            text = (
                f"{domain} counts as a bulk sender at {provider} from now on: SPF, DKIM and DMARC have to be published "
                f"and aligned (`nurture doctor domain {domain}`)"
            )
            handoffs.alert(conn, f"bulk-sender/{domain}/{provider}", "bulk_sender", text, for_whom=None, now=now)


def watch(parts: Parts, conn: Connection, *, now: datetime) -> None:
    """Complaints of the last week against what was accepted: warn, or hold the sender until a human lets go.

    What stood before a human let go is not counted again.
    """
    if volumes.complained(conn, since=now - WINDOW) < FEWEST:
        return
    for found in week(parts, conn, now=now):
        if found.standing == "stop":
            if brakes.hold(conn, brakes.sender_key(found.sender), str(found), now=now):
                text = f"nothing more is sent from {found.sender}: {found}. `nurture release` lets it go on"
                key = f"complaints-stop/{found.sender}/{now.date()}"
                handoffs.alert(conn, key, "complaints", text, for_whom=None, now=now)
        elif found.standing == "warn":
            key = f"complaints/{found.sender}/{now:%G-%V}"
            handoffs.alert(conn, key, "complaints", f"{found}: above 0.1 %", for_whom=None, now=now)


def week(parts: Parts, conn: Connection, *, now: datetime) -> list[Complaints]:
    """Each sender's last seven days, since a human last let it go on."""
    released = brakes.released(conn, prefix=brakes.sender_key(""))
    complaints: Counter[str] = Counter()
    for campaign, at in volumes.complaints(conn, since=now - WINDOW):
        sender = sender_of(parts, campaign)
        if at > released.get(brakes.sender_key(sender), at - _DAY):
            complaints[sender] += 1
    sent: Counter[str] = Counter()
    for (sender, _), n in volumes.sent_since(conn, (now - WINDOW).date()).items():
        sent[sender] += n
    return [Complaints(sender, sent[sender], complaints[sender]) for sender in sorted(sent | complaints)]


def held(parts: Parts, halt: Collection[str]) -> frozenset[str]:
    """Campaigns whose sender is held back."""
    senders = {key for key in halt if key.startswith(brakes.sender_key(""))}
    if not senders:
        return frozenset()
    every = parts.library.campaigns
    return frozenset(name for name in every if brakes.sender_key(sender_of(parts, name)) in senders)
