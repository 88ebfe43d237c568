"""The obvious way to write a sender, as a baseline: one of everything per message.

One SQLModel session and commit, one `EmailMessage`, one signed and rewritten link at a time, one aiosmtplib send per
message over a pool of connections. Same mail, same sink, same leads as ours; no guard, no start marks.
"""

from __future__ import annotations

import asyncio
import json
from datetime import datetime
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from pathlib import Path
from typing import Any

import aiosmtplib
import itsdangerous
import lxml.html
from jinja2.sandbox import ImmutableSandboxedEnvironment
from sqlalchemy import Engine, event, insert
from sqlmodel import Field, Session, SQLModel, create_engine, select

from nurture.mail.compile import compile_mail
from nurture.mail.render import company_words
from nurture.model.template import Copy
from tests.bench import letter
from tests.mail.world import PUBLIC, company, template

metadata = SQLModel.metadata


class NaiveLead(SQLModel, table=True):
    __tablename__ = "naive_lead"

    id: int | None = Field(default=None, primary_key=True)
    email: str
    fields: str
    status: int = Field(default=0, index=True)
    due_at: int = Field(default=0, index=True)
    step: int = 0


class NaiveSend(SQLModel, table=True):
    __tablename__ = "naive_send"

    id: int | None = Field(default=None, primary_key=True)
    lead_id: int = Field(index=True)
    step: int
    at: datetime
    message_id: str
    reply: str


TABLES = [NaiveLead.__table__, NaiveSend.__table__]


def prepare(path: Path, people: list[dict[str, Any]]) -> Engine:
    engine = create_engine(f"sqlite:///{path}")

    @event.listens_for(engine, "connect")
    def _wal(raw: Any, _record: Any) -> None:
        raw.execute("pragma journal_mode=wal")
        raw.execute("pragma synchronous=normal")

    metadata.create_all(engine, tables=TABLES)
    with engine.begin() as conn:
        conn.execute(insert(NaiveLead), [
            {"email": f"lead{i}@example{i % 7}.org", "fields": json.dumps(p), "due_at": 1}
            for i, p in enumerate(people, 1)
        ])
    return engine


class Naive:
    def __init__(self, engine: Engine, port: int) -> None:
        self.engine, self.port = engine, port
        copy = Copy("en", letter.SUBJECT, "Ten minutes, one plan", letter.HTML, "html", letter.TEXT)
        mail = compile_mail(template(copies={"en": copy}), {})
        face = mail.copies["en"].plain
        env = ImmutableSandboxedEnvironment(autoescape=True)
        plain = ImmutableSandboxedEnvironment(autoescape=False)
        self.html, self.text = env.from_string(face.html), plain.from_string(face.text)
        self.subject = plain.from_string(letter.SUBJECT)
        self.signer = itsdangerous.URLSafeSerializer("a secret that is only used in tests")
        self.company = company_words(company())

    def build(self, lead: NaiveLead) -> EmailMessage:
        words = json.loads(lead.fields)
        off = f"{PUBLIC}/u/{self.signer.dumps([lead.id, lead.step])}"
        context = {
            "lead": words, "company": self.company, "sender": {"name": "Ines at Acme"}, "language": "en",
            "reason": "You agreed to these mails.", "preheader": "Ten minutes, one plan", "unsubscribe_url": off,
            "preferences_url": f"{PUBLIC}/p/{self.signer.dumps([lead.id, 'p'])}",
        }
        context["subject"] = self.subject.render(context)
        page = lxml.html.fromstring(self.html.render(context))
        for n, anchor in enumerate(page.iter("a")):
            if PUBLIC not in anchor.get("href", ""):
                anchor.set("href", f"{PUBLIC}/c/{self.signer.dumps([lead.id, lead.step, n])}")
        message = EmailMessage()
        message["From"] = "Ines at Acme <ines@example.com>"
        message["To"] = f"{words['first_name']} {words['last_name']} <{lead.email}>"
        message["Subject"] = context["subject"]
        message["Date"] = formatdate()
        message["Message-ID"] = make_msgid(domain="lists.example.com")
        message["List-Unsubscribe"] = f"<{off}>"
        message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
        message.set_content(self.text.render(context))
        message.add_alternative(lxml.html.tostring(page, encoding="unicode"), subtype="html")
        return message

    async def run(self, n: int, connections: int = 10) -> int:
        with Session(self.engine) as session:
            due = session.exec(
                select(NaiveLead).where(NaiveLead.status == 0, NaiveLead.due_at <= 5).order_by("due_at").limit(n)
            ).all()
            session.expunge_all()
        waiting = list(reversed(due))

        async def worker() -> None:
            client = aiosmtplib.SMTP(hostname="127.0.0.1", port=self.port, start_tls=False)
            await client.connect()
            while waiting:
                lead = waiting.pop()
                message = self.build(lead)
                _, reply = await client.send_message(message)
                with Session(self.engine) as session:
                    row = session.get(NaiveLead, lead.id)
                    assert row is not None
                    row.status, row.step = 2, row.step + 1
                    session.add(row)
                    session.add(NaiveSend(
                        lead_id=row.id or 0, step=row.step, at=datetime.now().astimezone(),  # a baseline
                        message_id=message["Message-ID"], reply=str(reply)[:60],
                    ))
                    session.commit()
            await client.quit()

        await asyncio.gather(*(worker() for _ in range(connections)))
        return len(due)
