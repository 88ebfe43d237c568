"""The books as Prometheus text: messages by campaign and state, what is due, what is held back."""

from __future__ import annotations

from datetime import datetime

from prometheus_client import CollectorRegistry, Gauge, generate_latest

from nurture.parts import Parts
from nurture.stages import reputation
from nurture.store.mail import books as books_of
from nurture.store.mail import messages, sends


def text(parts: Parts, *, now: datetime) -> str:
    """Everything `nurture status` counts about mail, for a scraper. Reads only."""
    registry = CollectorRegistry()
    books = Gauge("nurture_messages", "Messages by campaign and state", ["campaign", "state"], registry=registry)
    due = Gauge("nurture_messages_due", "Messages whose time has come", registry=registry)
    wire = Gauge("nurture_messages_in_flight", "Messages on the wire", registry=registry)
    columns = Gauge("nurture_mail_books", "due and what became of it", ["campaign", "column"], registry=registry)
    adds_up = Gauge("nurture_mail_books_balanced", "1: due is the sum of the others", ["campaign"], registry=registry)
    week = Gauge("nurture_sender_week", "Accepted mails and complaints, 7 days", ["sender", "what"], registry=registry)
    held = Gauge("nurture_sending_held", "What may not send: campaigns, routes, groups", ["what"], registry=registry)
    with parts.store.read() as conn:
        for campaign, states in messages.counts(conn).items():
            for state, n in states.items():
                books.labels(campaign or "none", state).set(n)
        for campaign, tally in books_of.by_campaign(conn).items():
            for column, n in tally.as_dict().items():
                columns.labels(campaign or "none", column).set(n)
            adds_up.labels(campaign or "none").set(tally.balanced())
        for sender in reputation.week(parts, conn, now=now):
            week.labels(sender.sender, "accepted").set(sender.sent)
            week.labels(sender.sender, "complaints").set(sender.complaints)
        due.set(messages.due_count(conn, now=now))
        wire.set(len(messages.flying(conn)))
        for row in sends.halts(conn, now=now):
            held.labels(row["what"]).set(1)
    return generate_latest(registry).decode("utf-8")
