"""How a packet reaches sales: mail, signed webhook, CSV, CRM. What to deliver is pure, delivering is not."""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

from nurture.errors import UsageError
from nurture.model.company import Queue, Sales
from nurture.model.outside import Outside
from nurture.model.tokens import Keys, TokenPurpose, sign
from nurture.sales import packet as packets
from nurture.sales import webhook

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f\u202a-\u202e\u2066-\u2069]+")
CSV_COLUMNS: Final = (
    "handoff", "lead", "first_name", "last_name", "company", "role", "email", "phone", "country", "cell", "engagement",
    "fit", "via", "may_use", "owner", "due_at", "link",
)


class Row(NamedTuple):
    """One thing to deliver, as the outbox keeps it."""

    kind: str
    target: str
    key: str
    subject: str | None
    payload: dict[str, Any]


def handoff_link(public_url: str, keys: Keys, handoff_id: int) -> str:
    """A link that opens one hand-off after signing in. It decides nothing and never grows old."""
    return f"{public_url.rstrip('/')}/handoff/{sign(keys, TokenPurpose.HANDOFF, handoff_id, 0)}"


def rows_for(
    handoff_id: int,
    owner: str | None,
    packet: Mapping[str, Any],
    queue: Queue,
    sales: Sales,
    *,
    version: int,
    link: str,
) -> list[Row]:
    """Every delivery that the queue asks for; without any, a mail to the owner."""
    rows: list[Row] = []
    for way in queue.deliver or ({"mail": "owner"},):
        for kind, where in way.items():
            rows += _rows(kind, str(where), handoff_id, owner, packet, queue, sales, version, link)
    return rows


def _rows(
    kind: str, where: str, handoff_id: int, owner: str | None, packet: Mapping[str, Any], queue: Queue, sales: Sales,
    version: int, link: str,
) -> list[Row]:
    document = {"type": "handoff.opened", "handoff": handoff_id, "owner": owner, "queue": queue.id, "link": link,
                "packet": dict(packet)}
    if kind == "mail":
        zones = {seller.email: seller.timezone for seller in sales.sellers.values()}
        return [
            Row("staff_mail", address, f"packet/{handoff_id}/{version}/mail/{address}", subject(packet),
                {"text": packets.text(packet, link=link, zone=zones.get(address))})
            for address in addresses(where, owner, queue, sales)
        ]
    if kind == "csv":
        line = {"row": csv_values(handoff_id, owner, packet, link)}
        return [Row("csv", where, f"packet/{handoff_id}/{version}/csv/{where}", None, line)]
    if kind in ("webhook", "crm"):
        return [Row(kind, where, f"packet/{handoff_id}/{version}/{kind}/{where}", None, document)]
    return []


def addresses(where: str, owner: str | None, queue: Queue, sales: Sales) -> list[str]:
    """`owner`, `queue`, `manager`, a seller's id or an address -> addresses. Without an owner the queue hears of it."""
    if where == "owner":
        who = [owner] if owner else list(queue.members)
    elif where in ("queue", queue.id):
        who = list(queue.members)
    elif where == "manager":
        who = [queue.manager] if queue.manager else []
    else:
        who = [where]
    found = [sales.sellers[w].email if w in sales.sellers else w for w in who if w]
    return [address for address in dict.fromkeys(found) if "@" in address]


def subject(packet: Mapping[str, Any]) -> str:
    """One line, whatever people wrote into their names."""
    asked = "asks for contact" if packet["via"] == "hand_raise" else f"cell {packet['score'].get('cell')}"
    return f"{who(packet)}: {asked}"[:150]


def who(packet: Mapping[str, Any]) -> str:
    """Whom a packet is about, in a few words of one line."""
    fields = packet["identity"]["fields"]
    name = " ".join(str(fields[part]) for part in ("first_name", "last_name") if fields.get(part))
    told = [str(part) for part in (name, fields.get("company")) if part] or [f"lead {packet['identity']['lead']}"]
    return _CONTROL.sub(" ", ", ".join(told))[:100]


def csv_values(handoff_id: int, owner: str | None, packet: Mapping[str, Any], link: str) -> dict[str, str]:
    fields, score = packet["identity"]["fields"], packet["score"]
    values = {
        "handoff": handoff_id, "lead": packet["identity"]["lead"], "email": packet["identity"]["email"],
        "country": packet["identity"]["country"], "cell": score.get("cell"), "via": packet["via"], "owner": owner,
        "engagement": f"{score.get('engagement', 0) / 1000:.1f}", "fit": f"{score.get('fit', 0) / 1000:.0f}",
        "may_use": " ".join(c["channel"] for c in packet["may_use"]), "due_at": packet["due_at"], "link": link,
    }
    for name in ("first_name", "last_name", "company", "role", "phone"):
        values[name] = fields.get(name)
    return {name: "" if values.get(name) is None else str(values[name]) for name in CSV_COLUMNS}


def safe_cell(text: str) -> str:
    """A cell that no spreadsheet takes for a formula: people write `=HYPERLINK(...)` into name fields."""
    text = text.replace("\x00", "")
    return f"'{text}" if text.startswith(_FORMULA) else text


def csv_text(rows: list[Mapping[str, str]], *, header: bool) -> str:
    """Rows as CSV (RFC 4180), every cell safe for a spreadsheet."""
    out = io.StringIO()
    writer = csv.DictWriter(out, CSV_COLUMNS, extrasaction="ignore", lineterminator="\r\n")
    if header:
        writer.writeheader()
    for row in rows:
        writer.writerow({name: safe_cell(str(row.get(name, ""))) for name in CSV_COLUMNS})
    return out.getvalue()


def deliver(
    kind: str, target: str, payload: Mapping[str, Any], *, key: str, now: datetime, outside: Outside
) -> tuple[str, str]:
    """Carry out one delivery that is not a mail. Returns `(done | deferred | failed, what was said)`.

    Raises:
        NurtureError: with `retry` where a later try may succeed.
    """
    if kind == "webhook":
        return _post(target, payload, key=key, now=now, outside=outside)
    if kind == "csv":
        return _append(target, payload, now=now, outside=outside)
    if kind == "crm":
        adapter = outside.crm.get(target)
        if adapter is None:
            raise UsageError(f"no CRM adapter called `{target}` is installed")
        give = adapter.convert if payload.get("type") == "lead.converted" else adapter.hand_over
        return "done", str(give(payload, key=key))
    raise UsageError(f"`{kind}` is not a way to deliver")


def _post(
    url: str, payload: Mapping[str, Any], *, key: str, now: datetime, outside: Outside
) -> tuple[str, str]:
    if not outside.webhook_secret:
        raise UsageError("webhooks need a secret to be signed with", fix="set NURTURE_WEBHOOK_SECRET")
    body, headers = webhook.signed(payload, key=key, secret=outside.webhook_secret, now=now)
    return webhook.post(url, body, headers, private=outside.private_webhooks)


def _append(folder: str, payload: Mapping[str, Any], *, now: datetime, outside: Outside) -> tuple[str, str]:
    root = outside.packets.resolve()
    place = (root / folder).resolve()
    if not place.is_relative_to(root):
        raise UsageError(f"`{folder}` lies outside the folder for CSV files")
    place.mkdir(parents=True, exist_ok=True)
    file = place / f"handoffs-{now:%Y-%m-%d}.csv"
    # One write to a file opened for appending: two workers never mix their lines.
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        header = os.fstat(handle).st_size == 0
        os.write(handle, csv_text([payload["row"]], header=header).encode())
    finally:
        os.close(handle)
    return "done", file.name
