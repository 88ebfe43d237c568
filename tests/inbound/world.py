"""Mails that were really sent, and what the world sends back about them."""

from __future__ import annotations

from email import message_from_bytes
from email.message import Message
from typing import Any

from sqlalchemy import func, insert, select

from nurture.acts.inbound import arrivals as stage
from nurture.mail.memory import MemoryTransport
from nurture.model.inbound import Arrived, Envelope
from nurture.model.words import Purpose
from nurture.stages import send
from nurture.store import Store
from nurture.store.tables import ConsentEntryRow, ConsentStateRow, EventRow, InboundRow, OutboxRow, SuppressionRow
from nurture.store.tables.columns import core
from tests.mail.world import KEYS, NOW, World

ALL = (Purpose.NURTURE_EMAIL, Purpose.NEWSLETTER, Purpose.COMMERCIAL_OFFERS, Purpose.CLICK_TRACKING)


class Post:
    """An installation that has sent one mail to each of `n` leads; `sent[i]` is the one to lead i + 1."""

    def __init__(self, store: Store, n: int = 3) -> None:
        self.memory = MemoryTransport()
        self.world = World(store, self.memory)
        self.world.add(n, purposes=ALL)
        if not store.is_sqlite:
            with store.begin() as conn:
                # The leads above came with their numbers.
                conn.exec_driver_sql("SELECT setval(pg_get_serial_sequence('lead', 'id'), 1000)")
        self.parts = self.world.parts
        self.store = store
        send.run(self.parts, now=NOW, limit=100, owner="w")
        self.sent = sorted(self.memory.sent, key=lambda m: m.id)

    def mail(self, lead: int = 1) -> Message:
        return message_from_bytes(self.sent[lead - 1].raw)

    def take(self, raw: bytes | str, *, to: str | None = None, sender: str | None = None, now: Any = NOW) -> Any:
        data = raw if isinstance(raw, bytes) else raw.encode("utf-8", "surrogateescape")
        envelope = Envelope(sender, (to,) if to else ())
        return stage.take(self.parts, Arrived(data.replace(b"\r\n", b"\n"), "test", envelope), now=now)

    # -- what the world says -----------------------------------------------------------------------------------

    def dsn(
        self,
        lead: int = 1,
        *,
        to: str | None = None,
        action: str = "failed",
        status: str = "5.1.1",
        said: str = "smtp; 550 5.1.1 <x>: Recipient address rejected: User unknown",
        recipient: str | None = None,
        returned: bool = True,
        number: int = 1,
    ) -> str:
        """A delivery report as Postfix writes it about the mail to this lead."""
        sent = self.sent[lead - 1]
        original = sent.raw.decode().replace("\r\n", "\n").partition("\n\n")[0] if returned else ""
        about = (
            f"--B\nContent-Type: text/rfc822-headers\n\nReturn-Path: <{sent.sender}>\n{original}\n\n"
            if returned
            else ""
        )
        return (
            f"Return-Path: <>\nFrom: MAILER-DAEMON@mx.example.net (Mail Delivery System)\n"
            f"To: {to or sent.sender}\nSubject: Undelivered Mail Returned to Sender\n"
            f"Message-ID: <{number}.dsn@mx.example.net>\nDate: Mon, 23 Nov 2026 10:00:00 +0100\n"
            "Auto-Submitted: auto-replied\nMIME-Version: 1.0\n"
            'Content-Type: multipart/report; report-type=delivery-status; boundary="B"\n\n'
            "--B\nContent-Type: text/plain\n\nThis is the mail system at host mx.example.net.\n\n"
            f"<{recipient or sent.recipient}>: {said}\n\n"
            "--B\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example.net\n\n"
            f"Final-Recipient: rfc822; {recipient or sent.recipient}\nAction: {action}\nStatus: {status}\n"
            f"Diagnostic-Code: {said}\n\n{about}--B--\n"
        )

    # -- what came of it ---------------------------------------------------------------------------------------

    def rows(self, table: Any) -> list[Any]:
        t = core(table)
        with self.store.read() as conn:
            return list(conn.execute(select(t).order_by(*t.primary_key.columns)))

    def suppressed(self) -> list[str]:
        return [row.reason for row in self.rows(SuppressionRow) if row.lifted_at is None]

    def events(self, kind: str) -> list[Any]:
        return [row for row in self.rows(EventRow) if row.kind == kind]

    def inbox(self) -> list[Any]:
        return self.rows(InboundRow)

    def told(self) -> list[Any]:
        return [row for row in self.rows(OutboxRow) if row.kind == "staff_mail"]

    def consents(self, lead: int = 1) -> dict[str, str]:
        return {r.purpose: r.status for r in self.rows(ConsentStateRow) if r.lead_id == lead}

    def changes(self) -> tuple[int, int, int]:
        """(suppressions, ledger lines, events): what a report that proves nothing must leave as it was."""
        with self.store.read() as conn:
            return tuple(
                conn.execute(select(func.count()).select_from(core(t))).scalar_one()
                for t in (SuppressionRow, ConsentEntryRow, EventRow)
            )


__all__ = ["ALL", "KEYS", "NOW", "Post", "insert"]
