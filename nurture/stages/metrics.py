"""The books as Prometheus text: messages by campaign and state, what is due, what is held back."""

from __future__ import annotations

from datetime import datetime

from prometheus_client import CollectorRegistry, Gauge, generate_latest

from nurture.parts import Parts
from nurture.store import messages, sends


def text(parts: Parts, *, now: datetime) -> str:
    """Everything `nurture status` counts about mail, for a scraper. Reads only."""
    registry = CollectorRegistry()
    books = Gauge("nurture_messages", "Messages by campaign and state", ["campaign", "state"], registry=registry)
    due = Gauge("nurture_messages_due", "Messages whose time has come", registry=registry)
    wire = Gauge("nurture_messages_in_flight", "Messages on the wire", registry=registry)
    held = Gauge("nurture_sending_held", "What may not send: campaigns, routes, groups", ["what"], registry=registry)
    with parts.store.read() as conn:
        for campaign, states in messages.counts(conn).items():
            for state, n in states.items():
                books.labels(campaign or "none", state).set(n)
        due.set(messages.due_count(conn, now=now))
        wire.set(len(messages.flying(conn)))
        for row in sends.halts(conn, now=now):
            held.labels(row["what"]).set(1)
    return generate_latest(registry).decode("utf-8")
