"""A whole installation in memory: an empty store, a mailbox, keys, and a clock that jumps to whatever is due next."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from nurture import pipeline
from nurture.clock import VirtualClock
from nurture.mail.memory import MemoryTransport
from nurture.model.campaign import Campaign
from nurture.model.consent import Basis, ConsentEntry
from nurture.model.library import Library
from nurture.model.tokens import Keys
from nurture.model.words import Channel, ConsentAction, Purpose
from nurture.parts import Parts
from nurture.store import Store, open_store
from nurture.store.audience import leads
from nurture.store.privacy import consent

OWNER = "rehearsal"
KEYS = Keys.from_secrets(["a rehearsal signs nothing that leaves the house"])
TICK = timedelta(seconds=1)


@cache
def _empty() -> sqlite3.Connection:
    """Every table and nothing in it; copied page by page, which is fifty times faster than making it."""
    made = open_store("sqlite://")
    made.create()
    raw: sqlite3.Connection = made.engine.raw_connection().driver_connection  # type: ignore[assignment]  # SQLite's own
    copy = sqlite3.connect(":memory:", check_same_thread=False)
    raw.backup(copy)
    return copy


_spare: list[Store] = []
"""Stores whose rehearsal is over: their engines know every statement already, so they are emptied and used again."""


def fresh_store() -> Store:
    """An empty database in memory."""
    store = _spare.pop() if _spare else open_store("sqlite://")
    raw: Any = store.engine.raw_connection().driver_connection
    _empty().backup(raw)
    return store


class World:
    """The real pipeline over a store and a mailbox that end with the process. Nothing in it can reach the network."""

    def __init__(
        self, library: Library, *, start: datetime, only: Iterable[str] | None = None, store: Store | None = None
    ) -> None:
        """`only` keeps these campaigns; the rest of the library stays as it is."""
        kept = {c: library.campaigns[c] for c in only} if only is not None else dict(library.campaigns)
        live = {name: _running(campaign) for name, campaign in kept.items()}
        self.library = replace(library, campaigns=live)
        self.clock = VirtualClock(start)
        self.mailbox = MemoryTransport()
        self.store = store or fresh_store()
        self.parts = Parts(
            store=self.store,
            library=self.library,
            keys=KEYS,
            transport=self.mailbox,
            public_url="https://rehearsal.invalid",
            versions=dict.fromkeys(live, 1),
            templates={t.digest: t for t in library.templates.values()},
        )

    def run(self) -> None:
        """Do everything that is due now."""
        pipeline.run_due(self.parts, now=self.clock.now(), owner=OWNER)

    def run_until(
        self, end: datetime, *, stop: Callable[[], bool] = lambda: False, seen: Callable[[], None] = lambda: None
    ) -> None:
        """Jump from due moment to due moment up to `end`. `seen` is called after each; `stop` ends it early."""
        self.run()
        seen()
        while not stop():
            due = pipeline.next_due(self.parts)
            if due is None or due > end:
                break
            self.clock.jump(max(due, self.clock.now() + TICK))
            self.run()
            seen()
        if not stop() and self.clock.now() < end:
            self.clock.jump(end)

    def add_lead(
        self,
        *,
        email: str,
        fields: Mapping[str, Any],
        consents: Iterable[str] = (),
        language: str | None = None,
        country: str | None = None,
        timezone: str | None = None,
        source: str = "rehearsal",
    ) -> int:
        """Store one lead with these consents, given and confirmed now. Returns its id."""
        now = self.clock.now()
        with self.store.begin() as conn:
            stored = leads.find_or_create(
                conn,
                email=email,
                fields=fields,
                origin="declared",
                source=source,
                now=now,
                keys=KEYS,
                language=language,
                country=country,
                timezone=timezone,
            )
            if stored.lead_id is None:
                raise ValueError(f"the lead {email} cannot be stored: {stored.refused}")
            consent.append(conn, grants(stored.lead_id, consents, at=now), now=now, keys=KEYS)
        return stored.lead_id

    def close(self) -> None:
        """Give the store back; nothing of this world may be used afterwards."""
        _spare.append(self.store)


def _running(campaign: Campaign) -> Campaign:
    """A draft is rehearsed as if it were live; that is what rehearsing is for."""
    return replace(campaign, status="live") if campaign.status in ("draft", "paused", "rehearse") else campaign  # type: ignore[arg-type]  # words are strings


def grants(
    lead_id: int, purposes: Iterable[str], *, at: datetime, action: ConsentAction | None = None
) -> list[ConsentEntry]:
    """Ledger entries as a person makes them: granted and confirmed, or (`action`) taken back."""
    steps = (action,) if action is not None else (ConsentAction.GRANT, ConsentAction.CONFIRM)
    channels = {Purpose.SALES_CONTACT: (Channel.EMAIL, Channel.PHONE)}
    return [
        ConsentEntry(
            lead_id,
            purpose,
            step,
            at,
            "person",
            channel=channel,
            basis=Basis.CONSENT,
            wording="rehearsal.v1.en",
            wording_sha="0" * 64,
            proof={"source": "rehearsal", "box": "unticked"},
        )
        for purpose in map(Purpose, purposes)
        for channel in channels.get(purpose, (Channel.EMAIL,))
        for step in steps
    ]
