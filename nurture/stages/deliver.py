"""deliver: packets, reminders and confirmations leave, each at most once; what fails waits and is tried again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from nurture.errors import NurtureError
from nurture.mail.headers import BadAddress
from nurture.mail.links import addressing
from nurture.mail.plainmail import plain_mail
from nurture.model.delivery import Delivery, Outgoing, Phase
from nurture.model.intents import Tally
from nurture.parts import Parts
from nurture.sales import delivery
from nurture.store.mail import outbox

BATCH: Final = 50
BACK_OFF: Final = (
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=8),
    timedelta(days=1),
)
MAILS: Final = frozenset({"staff_mail", "lead_mail"})


class End(NamedTuple):
    """`state`: done, deferred, failed or unknown; `reply` is what the other side said."""

    state: str
    reply: str


def run(parts: Parts, *, now: datetime, limit: int, owner: str) -> Tally:
    """Counts: delivered, delivery_deferred, delivery_failed, delivery_unknown."""
    tally = Tally()
    with parts.store.begin() as conn:
        lost = outbox.stranded(conn, now=now)
        due = outbox.claim(conn, now=now, limit=min(limit, BATCH), owner=owner)
    if lost:
        tally.count("delivery_unknown", lost)
    for row in due:
        with parts.store.begin() as conn:
            mine = outbox.start(conn, row["id"], owner=owner, now=now)
        if not mine:
            continue
        end = _carry(parts, row, now)
        state, due_at = _again(end, row["attempt"], now)
        with parts.store.begin() as conn:
            outbox.finish(conn, row["id"], state=state, reply=end.reply, now=now, due_at=due_at)
        tally.count({"done": "delivered"}.get(state, f"delivery_{state}"))
    return tally


def _again(end: End, attempt: int, now: datetime) -> tuple[str, datetime | None]:
    if end.state != "deferred":
        return end.state, None
    if attempt > len(BACK_OFF):
        return "failed", None
    return "deferred", now + BACK_OFF[attempt - 1]


def _carry(parts: Parts, row: Mapping[str, Any], now: datetime) -> End:
    try:
        if row["kind"] in MAILS:
            return _mail(parts, row, now)
        state, reply = delivery.deliver(
            row["kind"], row["target"], row["payload"], key=row["key"], now=now, outside=parts.outside
        )
        return End(state, reply)
    except BadAddress as wrong:
        return End("failed", wrong.message)
    except NurtureError as known:
        return End("deferred" if known.retry else "failed", known.message)


def _mail(parts: Parts, row: Mapping[str, Any], now: datetime) -> End:
    company = parts.library.company
    ours = addressing(company, parts.keys, parts.public_url)
    payload = row["payload"]
    sender = payload.get("from") or f"{company.name} <{company.support_email or f'no-reply@{ours.domain}'}>"
    mail = plain_mail(
        row["id"],
        key=row["key"],
        sender=sender,
        to=row["target"],
        subject=row["subject"] or company.name,
        text=payload.get("text", ""),
        html=payload.get("html"),
        domain=ours.domain,
        now=now,
        bounces_to=ours.returns_aside(row["id"]),
        reply_to=payload.get("reply_to"),
    )
    return _judge(_send(parts.transport.pump, mail))


def _send(pump: Callable[..., None], mail: Outgoing) -> Delivery:
    waiting = [mail]
    ended: list[Delivery] = []
    pump(lambda n: [waiting.pop()] if waiting else [], ended.append)
    return ended[0]


def _judge(delivered: Delivery) -> End:
    reply = delivered.reply
    said = f"{reply.code or ''} {reply.text}".strip()
    if delivered.untried:
        return End("deferred", said)
    if reply.code is None:
        return End("unknown" if reply.phase is Phase.BODY else "deferred", said or "no answer")
    if 200 <= reply.code < 300:
        return End("done", said)
    return End(
        "deferred" if reply.code < 500 or reply.phase in (Phase.CONNECT, Phase.GREETING, Phase.AUTH) else "failed", said
    )
