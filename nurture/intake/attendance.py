"""Who attended a webinar, and for how long, as events. Registration is not attendance (S0-27)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from nurture.intake.report import Findings
from nurture.intake.webinar_tools import Attendee
from nurture.model.tokens import Keys, address_hash
from nurture.model.words import Channel, EventKind
from nurture.store import Store
from nurture.store.audience import imports, leads
from nurture.store.audience.leads import Person
from nurture.store.facts import events


@dataclass(frozen=True, slots=True)
class Webinar:
    """What was attended. `content` identifies it, so that two reports of one webinar do not count twice."""

    content: str
    topic: str | None = None
    depth: str | None = None
    at: datetime | None = None
    """When it was, for reports that do not say."""


@dataclass(slots=True)
class AttendanceReport:
    people: int = 0
    attended: int = 0
    created: int = 0
    unknown: int = 0
    """People nobody knew, where only known people were wanted."""
    events: int = 0
    skipped: Findings = field(default_factory=Findings)

    def as_dict(self) -> dict[str, Any]:
        return {
            "people": self.people, "attended": self.attended, "created": self.created, "unknown": self.unknown,
            "events": self.events, "skipped": self.skipped.as_list(), "skipped_total": self.skipped.total,
        }


def record(
    store: Store, attendees: Sequence[Attendee], webinar: Webinar, *, keys: Keys, now: datetime, file_name: str,
    sha256: str, by: str, known_only: bool = False,
) -> AttendanceReport:
    """Store attendance. People who are new become leads without any consent: they can be scored and not mailed."""
    report = AttendanceReport(people=len(attendees), attended=sum(a.attended for a in attendees))
    with store.begin() as conn:
        run = imports.begin(conn, file_name=file_name, file_sha256=sha256, map_sha256=None, kind="attendance", by=by,
                            now=now)
        people = [_person(a, webinar, keys, f"import {run} line {a.line}") for a in attendees]
        if known_only:
            known = leads.ids_by_email_key(conn, [a.key for a in attendees])
            report.unknown = len(attendees) - len(known)
            found = [(a, known[a.key]) for a in attendees if a.key in known]
        else:
            stored = leads.upsert(conn, people, now=now)
            report.created = sum(one.created for one in stored)
            for attendee, one in zip(attendees, stored, strict=True):
                if one.lead_id is None:
                    report.skipped.add(attendee.line, one.refused or "not stored")
            found = [(a, one.lead_id) for a, one in zip(attendees, stored, strict=True) if one.lead_id is not None]
        told = [event for attendee, lead_id in found for event in _events(attendee, lead_id, webinar, now)]
        told += _missed(found, webinar, now)
        report.events = events.record(conn, told, now=now)
        if report.events or report.created:
            imports.finish(conn, run, {"people": report.people, "events": report.events, "created": report.created})
        else:
            imports.drop(conn, run)
    return report


def _person(attendee: Attendee, webinar: Webinar, keys: Keys, learnt_from: str) -> Person:
    names = {"first_name": attendee.first_name, "last_name": attendee.last_name}
    return Person(
        email=attendee.email, email_key=attendee.key, email_hash=address_hash(keys, attendee.key),
        fields={name: value for name, value in names.items() if value}, source=f"webinar {webinar.content}",
        learnt_from=learnt_from,
    )


def _missed(
    found: Sequence[tuple[Attendee, int]], webinar: Webinar, now: datetime
) -> Iterator[events.NewEvent]:
    """Who registered and did not come. Nobody missed what nobody attended: that is a list of registrations."""
    joined = [attendee.joined for attendee, _ in found if attendee.joined]
    held = min(joined, default=webinar.at)
    if held is None or held > now or not any(attendee.attended for attendee, _ in found):
        return
    for attendee, lead_id in found:
        if not attendee.attended:
            yield events.NewEvent(EventKind.WEBINAR_MISSED, held,
                                  key=f"webinar:{webinar.content}:{held:%Y-%m-%d}:{lead_id}:missed",
                                  **_common(lead_id, webinar))


def _common(lead_id: int, webinar: Webinar) -> dict[str, Any]:
    return {
        "lead_id": lead_id, "channel": Channel.EVENT, "touchpoint": "webinar", "content": webinar.content,
        "topic": webinar.topic, "depth": webinar.depth,
    }


def _events(attendee: Attendee, lead_id: int, webinar: Webinar, now: datetime) -> Iterator[events.NewEvent]:
    at = attendee.joined or webinar.at or attendee.registered or now
    day = f"{at:%Y-%m-%d}" if attendee.joined or webinar.at else "undated"
    common = _common(lead_id, webinar)
    registered = attendee.registered
    if registered is not None or not attendee.attended:
        yield events.NewEvent(EventKind.WEBINAR_REGISTERED, min(registered or at, now),
                              key=f"webinar:{webinar.content}:{lead_id}:registered", **common)
    if attendee.attended:
        yield events.NewEvent(EventKind.WEBINAR_ATTENDED, at, minutes=attendee.seconds // 60,
                              key=f"webinar:{webinar.content}:{day}:{lead_id}:attended", **common)
