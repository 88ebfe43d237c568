"""What sales gets with a lead: everything needed to decide, and nothing that has to be asked for again. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from nurture.model.company import Sales
from nurture.model.facts import WANTED, Event, Snapshot
from nurture.model.words import Channel, EventKind, Purpose

MOMENTS: Final = 10
LINES: Final = 5
FIRST: Final = ("first_name", "last_name", "company", "role", "phone", "country", "employees", "industry")
"""What a seller looks for first; the other fields follow as they came."""
_NO_MOMENTS: Final = frozenset({EventKind.OPEN, EventKind.POINTS, EventKind.IMPORTED, EventKind.BOUNCE,
                                EventKind.TAG_ADDED, EventKind.LIST_ADDED, EventKind.TRACK_COMPLETED})
_NEEDS: Final = ("need", "timeline", "budget", "authority", "message", "question", "requirements", "device_kind")


@dataclass(frozen=True, slots=True)
class Case:
    """What the packet is made from, besides the snapshot. Rows are plain dicts, ready for JSON."""

    cell: Mapping[str, Any]
    """model, cell, fit, engagement, lifetime, coverage, unknown, hot_signal."""
    lines: Sequence[Mapping[str, Any]]
    """Score lines: points (milli), text."""
    gate: Sequence[Mapping[str, Any]]
    via: str
    note: str = ""
    account: Mapping[str, Any] = field(default_factory=dict)
    colleagues: Sequence[Mapping[str, Any]] = ()
    earlier: Sequence[Mapping[str, Any]] = ()
    """Earlier trips to sales: opened_at, state, reason, owner, note."""
    changed: Sequence[Mapping[str, Any]] = ()
    due_at: datetime | None = None
    zone: str = "UTC"
    agreement_version: int | None = None
    level: int = 0


def build(snapshot: Snapshot, case: Case, sales: Sales, *, now: datetime) -> dict[str, Any]:
    """The packet as a document (JSON-ready)."""
    return {
        "made_at": now.isoformat(),
        "identity": identity(snapshot),
        "account": dict(case.account),
        "colleagues": [dict(c) for c in case.colleagues],
        "may_use": channels(snapshot, now),
        "score": dict(case.cell),
        "level": case.level,
        "for": [dict(line) for line in case.lines if line["points"] > 0][:LINES],
        "against": [dict(line) for line in reversed(case.lines) if line["points"] < 0][:LINES],
        "gate": [dict(p) for p in case.gate],
        "via": case.via,
        "note": case.note,
        "moments": moments(snapshot.events, now),
        "content": contents(snapshot),
        "topics": topics(snapshot.events, now),
        "needs": needs(snapshot),
        "assist": assist(snapshot, sales, now),
        "earlier": [dict(e) for e in case.earlier],
        "changed_since": [dict(c) for c in case.changed],
        "due_at": case.due_at.isoformat() if case.due_at else None,
        "zone": case.zone,
        "agreement_version": case.agreement_version,
    }


def identity(snapshot: Snapshot) -> dict[str, Any]:
    lead = snapshot.lead
    told = [name for name, value in lead.fields.items() if value.value not in (None, "") and name != WANTED]
    told.sort(key=lambda name: FIRST.index(name) if name in FIRST else len(FIRST))
    known = {name: lead.fields[name].value for name in told}
    origins = {name: lead.fields[name].origin for name in told}
    return {
        "lead": lead.id, "email": lead.email, "fields": known, "origins": origins, "country": lead.country,
        "language": lead.language, "timezone": lead.timezone, "source": lead.source, "cycle": lead.cycle,
        "stage": lead.stage.value,
    }


def channels(snapshot: Snapshot, now: datetime) -> list[dict[str, Any]]:
    """Which ways of contact the person agreed to, and until when."""
    found = []
    for (purpose, channel), state in sorted(snapshot.consents.items()):
        if purpose is Purpose.SALES_CONTACT and state.valid(now):
            found.append({"channel": channel.value, "since": _iso(state.since), "until": _iso(state.until),
                          "consent_entry": state.entry_id})
    phone = snapshot.lead.get("phone")
    for one in found:
        if one["channel"] == Channel.PHONE.value:
            one["number"] = phone
            one["when"] = snapshot.lead.get("call_time")
    return found


def moments(events: Iterable[Event], now: datetime) -> list[dict[str, Any]]:
    """Interesting moments, newest first: one line per thing, however often it was looked at."""
    seen: dict[tuple[str, str], dict[str, Any]] = {}
    for event in sorted(events, key=lambda e: (e.at, e.id)):
        if event.machine or event.void or event.at > now or event.kind in _NO_MOMENTS:
            continue
        about = event.content or event.topic or event.path or event.link or ""
        before = seen.pop((event.kind, about), None)
        seen[event.kind, about] = {
            "at": event.at.isoformat(), "what": event.kind, "about": about, "depth": event.depth,
            "minutes": event.minutes, "channel": event.channel, "times": 1 + (before["times"] if before else 0),
        }
    return list(reversed(seen.values()))[:MOMENTS]


def contents(snapshot: Snapshot) -> list[dict[str, Any]]:
    """What marketing sent, and whether it was read (a click by a person, never an open)."""
    clicked = {e.message_id for e in snapshot.events if e.kind == EventKind.CLICK and not e.machine and not e.void}
    return [
        {"content": s.content, "at": s.at.isoformat(), "campaign": s.campaign, "read": s.message_id in clicked}
        for s in snapshot.sent if s.state == "sent"
    ]


def topics(events: Iterable[Event], now: datetime) -> list[dict[str, Any]]:
    """Topics by how often the person came back to them."""
    counted: dict[str, int] = {}
    for event in events:
        if event.topic and not event.machine and not event.void and event.at <= now and event.kind != EventKind.OPEN:
            counted[event.topic] = counted.get(event.topic, 0) + 1
    return [{"topic": t, "times": n} for t, n in sorted(counted.items(), key=lambda item: (-item[1], item[0]))]


def needs(snapshot: Snapshot) -> dict[str, Any]:
    """What the person said about needs and time, in forms."""
    return {name: value for name in _NEEDS if (value := snapshot.lead.get(name)) not in (None, "")}


def assist(snapshot: Snapshot, sales: Sales, now: datetime) -> list[dict[str, Any]]:
    """What the seller may send: content of `sales.yaml` that fits the topics and was not had yet."""
    had = {s.content for s in snapshot.sent}
    interests = {t["topic"] for t in topics(snapshot.events, now)}
    found = []
    for item in sales.assist:
        if item.get("content") in had:
            continue
        topic = (item.get("when") or {}).get("topic")
        found.append({"content": item.get("content"), "title": item.get("title"), "url": item.get("url"),
                      "fits": topic is None or topic in interests})
    return sorted(found, key=lambda one: not one["fits"])


def moment(at: datetime, zone: str) -> str:
    """A moment as people say it, with the zone it is told in: `Monday 23 November 2026, 14:30 (Europe/Warsaw)`."""
    there = at.astimezone(ZoneInfo(zone))
    return f"{there:%A} {there.day} {there:%B %Y, %H:%M} ({zone})"


def text(packet: Mapping[str, Any], *, link: str = "", zone: str | None = None) -> str:
    """The packet as a mail reads it: plain text, most important first. Times in `zone`, else in the packet's own."""
    zone = zone or packet.get("zone") or "UTC"
    who, score = packet["identity"], packet["score"]
    fields = who["fields"]
    name = " ".join(str(fields[part]) for part in ("first_name", "last_name") if fields.get(part))
    engagement, fit = score.get("engagement", 0) / 1000, score.get("fit", 0) / 1000
    parts = [_head(name, fields, packet), ""]
    parts += [f"Decide by {_deadline(packet, zone)}."]
    if link:
        parts += [f"Open the hand-off: {link}"]
    parts += ["", "May be contacted by: " + (", ".join(_channel(c, zone) for c in packet["may_use"]) or "nobody")]
    parts += [f"Cell {score.get('cell')}: engagement {engagement:.1f}, fit {fit:.0f}"]
    parts += _section("Speaks for it", [f"{x['points'] / 1000:+.1f}  {x['text']}" for x in packet["for"]])
    parts += _section("Speaks against it", [f"{x['points'] / 1000:+.1f}  {x['text']}" for x in packet["against"]])
    parts += _section("What they did", [_dated(m["at"], m["what"], m["about"], zone) for m in packet["moments"]])
    changed = [_dated(c["at"], c["what"], c["about"], zone) for c in packet["changed_since"]]
    parts += _section("Changed since last time", changed)
    earlier = [_dated(e["opened_at"], e["state"], e.get("reason"), zone) for e in packet["earlier"]]
    parts += _section("Earlier", earlier)
    parts += _section("Interested in", [f"{t['topic']} ({t['times']}x)" for t in packet["topics"]])
    parts += _section("Said they need", [f"{k}: {v}" for k, v in packet["needs"].items()])
    parts += _section("You may send", [f"{a['title']}  {a['url']}" for a in packet["assist"] if a["fits"]])
    return "\n".join(parts) + "\n"


def _dated(at: str, what: str, about: object, zone: str) -> str:
    return f"{_day(at, zone)}  {what.replace('_', ' ')} {about or ''}".rstrip()


def _day(at: str, zone: str) -> str:
    return f"{datetime.fromisoformat(at).astimezone(ZoneInfo(zone)):%d %b %Y}"


def _deadline(packet: Mapping[str, Any], zone: str) -> str:
    return moment(datetime.fromisoformat(packet["due_at"]), zone) if packet["due_at"] else "no fixed time"


def _head(name: str, fields: Mapping[str, Any], packet: Mapping[str, Any]) -> str:
    told = [str(part) for part in (name, fields.get("role"), fields.get("company")) if part]
    asked = " asked to be contacted" if packet["via"] == "hand_raise" else ""
    named = ", ".join(told) or f"Lead {packet['identity']['lead']}"
    return f"{named}{asked}"


def _channel(one: Mapping[str, Any], zone: str) -> str:
    extra = " ".join(str(one[k]) for k in ("number", "when") if one.get(k))
    until = f" until {_day(one['until'], zone)}" if one.get("until") else ""
    return f"{one['channel']}{' ' + extra if extra else ''}{until}"


def _section(title: str, rows: Sequence[str]) -> list[str]:
    return ["", f"{title}:", *(f"  {row}" for row in rows)] if rows else []


def _iso(at: datetime | None) -> str | None:
    return at.isoformat() if at is not None else None
