"""Moves that nobody decides: what score, consent and silence bring about, one at a time, each at its moment."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from nurture.decide import scored
from nurture.decide.lifecycle import LAST_WORD_DAYS, due_move, next_look
from nurture.model.company import Company
from nurture.model.facts import ConsentState, Event, Lead, Sent, Snapshot, Value
from nurture.model.words import Channel, ConsentStatus, Purpose, Stage
from tests.sales.world import GOOD, MODEL

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)
DAY = timedelta(days=1)
COMPANY = Company("Acme", "Acme", "Street 1", "https://www.example.com", "Europe/Warsaw", "PL", "en")
ACCEPTED = {(Purpose.PRIVACY_NOTICE, Channel.WEB): ConsentState(ConsentStatus.GRANTED)}
PATIENCE = COMPANY.dormant_after_days * DAY


def did(ago: timedelta, kind: str = "page_view", **more: Any) -> Event:
    return Event(1, kind, NOW - ago, path="/a", **more)


def asked(*ago: int) -> tuple[Sent, ...]:
    return tuple(Sent(n, f"c{n}", 1, NOW - d * DAY, "repermission", "repermission", "s") for n, d in enumerate(ago, 1))


def person(stage: Stage, *, fit: bool = True, events: Any = (), sent: Any = (), consents: Any = (), **lead: Any) -> Any:
    known = GOOD if fit else {"role": "clerk", "employees": 3, "industry": "x", "country": "US"}
    values = {name: Value(value) for name, value in known.items()}
    given = {"created_at": NOW - DAY, "stage_since": NOW - DAY, **lead}
    who = Lead(1, stage, "anna@example.org", fields=values, country="PL" if fit else "US", **given)
    return Snapshot(who, events=tuple(events), sent=sent, consents=dict(consents))


def due(snapshot: Snapshot) -> str | None:
    found = due_move(snapshot, scored.scored(snapshot, MODEL, now=NOW), COMPANY, now=NOW)
    return found.trigger if found else None


LONG_AGO = {"created_at": NOW - PATIENCE, "stage_since": NOW - PATIENCE}
ASLEEP = {"created_at": NOW - 400 * DAY, "stage_since": NOW - 40 * DAY}


@pytest.mark.parametrize(("trigger", "snapshot"), [
    ("privacy_accepted", person(Stage.IDENTIFIED, consents=ACCEPTED)),
    (None, person(Stage.IDENTIFIED)),
    ("interest", person(Stage.EARLY, events=[did(DAY)])),
    (None, person(Stage.EARLY)),
    (None, person(Stage.EARLY, fit=False, events=[did(DAY)])),
    ("inactivity", person(Stage.NURTURING, **LONG_AGO)),
    (None, person(Stage.NURTURING, events=[did(PATIENCE - DAY)], **LONG_AGO)),
    ("inactivity", person(Stage.NURTURING, events=[did(DAY, machine=True)], **LONG_AGO)),
    (None, person(Stage.MQL, **LONG_AGO)),
    (None, person(Stage.CUSTOMER, **LONG_AGO)),
    ("cool_off_over", person(Stage.RECYCLED, cool_off_until=NOW)),
    ("cool_off_over", person(Stage.RECYCLED)),
    (None, person(Stage.RECYCLED, cool_off_until=NOW + timedelta(seconds=1), **LONG_AGO)),
    ("engaged_event", person(Stage.DORMANT, events=[did(timedelta())], **ASLEEP)),
    (None, person(Stage.DORMANT, events=[did(40 * DAY)], **ASLEEP)),
    (None, person(Stage.DORMANT, events=[did(DAY, "email_open")], **ASLEEP)),
    ("sunset", person(Stage.DORMANT, sent=asked(30, 22, 14), **ASLEEP)),
    (None, person(Stage.DORMANT, sent=asked(30, 22, 13), **ASLEEP)),
    (None, person(Stage.DORMANT, sent=asked(30, 14), **ASLEEP)),
    (None, person(Stage.DORMANT, sent=asked(60, 50, 45), **ASLEEP)),
])  # fmt: skip
def test_what_is_due_by_nobodys_decision(trigger: str | None, snapshot: Snapshot) -> None:
    assert due(snapshot) == trigger


def test_a_lead_is_looked_at_again_when_time_alone_may_move_it() -> None:
    assert next_look(person(Stage.NURTURING), COMPANY, now=NOW) == NOW - DAY + PATIENCE
    assert next_look(person(Stage.MQL), COMPANY, now=NOW) is None
    resting = person(Stage.RECYCLED, cool_off_until=NOW + 3 * DAY)
    assert next_look(resting, COMPANY, now=NOW) == NOW + 3 * DAY
    last = person(Stage.DORMANT, sent=asked(30, 22, 13), **ASLEEP)
    assert next_look(last, COMPANY, now=NOW) == NOW + (LAST_WORD_DAYS - 13) * DAY
