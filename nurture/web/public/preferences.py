"""The preference centre: what a person gets, how often, in which language, and what is measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from nurture.decide import choices
from nurture.model.company import Topic, Wording
from nurture.model.consent import ConsentEntry
from nurture.model.facts import Consents
from nurture.model.tokens import TokenPurpose
from nurture.model.words import MAIL_PURPOSES, Channel, EventKind, Purpose
from nurture.store.facts import events
from nurture.store.facts.events import NewEvent
from nurture.store.privacy import consent, rights
from nurture.web.answers import gone, language_of, page, too_many
from nurture.web.asked import allowed, proof_of, read_form, read_token
from nurture.web.house import House
from nurture.web.language import NAMES
from nurture.web.public import wordings

PER_MONTH: Final = {"": None, "4": 4, "2": 2, "1": 1}
PAUSES: Final = {"30": 30, "90": 90, "180": 180}
OFFERED: Final = (*choices.MAIL_ORDER, *choices.TRACKING_ORDER, Purpose.PROFILING)


@dataclass(frozen=True, slots=True)
class Switch:
    """One thing that is on or off, with the text that turning it on means."""

    purpose: Purpose
    on: bool
    wording: Wording


def routes(house: House) -> APIRouter:
    router = APIRouter()

    @router.get("/p/{token}")
    def show(request: Request, token: str) -> Response:
        person = _person(house, token)
        return gone(request, house) if person is None else _page(request, house, person, saved=False)

    @router.post("/p/{token}")
    async def save(request: Request, token: str) -> Response:
        if not allowed(request, house):
            return too_many(request, house)
        person = _person(house, token)
        if person is None:
            return gone(request, house)
        form = await read_form(request)
        typed = {k: v for k, v in form.items() if isinstance(v, str)}
        await run_in_threadpool(_save, request, house, person.id, typed, form.getlist("topic"))
        fresh = _person(house, token)
        return gone(request, house) if fresh is None else _page(request, house, fresh, saved=True)

    return router


def _person(house: House, token: str) -> rights.Person | None:
    ids = read_token(house, TokenPurpose.PREFERENCES, token, 2)
    if ids is None:
        return None
    with house.parts.store.read() as conn:
        return rights.person(conn, ids[0])


def topics_of(house: House) -> list[Topic]:
    return [topic for topic in house.company.topics.values() if topic.purpose in MAIL_PURPOSES]


def _said(topics: Sequence[Topic], language: str) -> list[Topic]:
    """The topics as they are called in this language."""
    return [replace(topic, name=topic.named(language)) for topic in topics]


def _switches(house: House, states: Consents, language: str, now: datetime) -> list[Switch]:
    return [Switch(p, choices.is_on(states, p, now), wordings.for_purpose(house, p, language)) for p in OFFERED]


def _page(request: Request, house: House, person: rights.Person, *, saved: bool) -> Response:
    now = house.now()
    language = language_of(request, house, person.language)
    with house.parts.store.read() as conn:
        states = consent.states(conn, [person.id]).get(person.id, {})
    switches = _switches(house, states, language, now)
    paused = person.mail_paused_until if person.mail_paused_until and person.mail_paused_until > now else None
    return page(
        request, house, "preferences.html", known=person.language, person=person, saved=saved, paused=paused,
        mails=[s for s in switches if s.purpose in MAIL_PURPOSES],
        measured=[s for s in switches if s.purpose not in MAIL_PURPOSES],
        topics=_said(topics_of(house), language), pauses=sorted(PAUSES.values()),
        sales=[c for c in (Channel.EMAIL, Channel.PHONE) if choices.is_on(states, Purpose.SALES_CONTACT, now, c)],
    )


def _save(request: Request, house: House, lead_id: int, typed: Mapping[str, str], topics: Sequence[Any]) -> None:
    now = house.now()
    with house.parts.store.begin() as conn:
        person = rights.person(conn, lead_id)
        if person is None:
            return
        states = consent.states(conn, [person.id]).get(person.id, {})
        proof = proof_of(request, house, "preference page", address=person.email)
        if "object" in typed:
            left = consent.still_open(conn, person.id)
            entries = choices.everything(person.id, left, now=now, proof=proof)
        elif "shown" in typed:
            entries = _changes(conn, request, house, person, states, typed, proof, now)
            _settings(conn, house, person, typed, topics, now)
        else:
            return
        consent.append(conn, entries, now=now, keys=house.parts.keys)
        if any(e.action in ("withdraw", "object") and e.purpose in MAIL_PURPOSES for e in entries):
            events.record(conn, [NewEvent(EventKind.UNSUBSCRIBE, now, person.id, channel="web")], now=now)


def _changes(
    conn: Any,
    request: Request,
    house: House,
    person: rights.Person,
    states: Consents,
    typed: Mapping[str, str],
    proof: Mapping[str, Any],
    now: datetime,
) -> list[ConsentEntry]:
    """The difference between the boxes and the ledger. The page was reached from the person's own mail."""
    entries: list[ConsentEntry] = []
    for switch in _switches(house, states, language_of(request, house, person.language), now):
        ticked = f"on-{switch.purpose.value}" in typed
        if ticked and not switch.on:
            wording = wordings.keep(conn, switch.wording, now=now)
            entries.append(choices.agree(person.id, switch.purpose, now=now, wording=wording, proof=proof))
        elif switch.on and not ticked:
            entries += choices.stop(person.id, [switch.purpose], states, now=now, proof=proof)
    for channel in (Channel.EMAIL, Channel.PHONE):
        if choices.is_on(states, Purpose.SALES_CONTACT, now, channel) and f"sales-{channel.value}" not in typed:
            entries += choices.stop(person.id, [Purpose.SALES_CONTACT], states, now=now, proof=proof, channel=channel)
    return entries


def _settings(
    conn: Any, house: House, person: rights.Person, typed: Mapping[str, str], topics: Sequence[Any], now: datetime
) -> None:
    wanted = {t for t in topics if isinstance(t, str)}
    off = {topic.id for topic in topics_of(house)} - wanted
    # Topics this page did not show keep what they were.
    kept = person.topics_off - {topic.id for topic in topics_of(house)}
    pause = typed.get("pause", "keep")
    paused = person.mail_paused_until
    if pause != "keep":
        paused = now + timedelta(days=PAUSES[pause]) if pause in PAUSES else None
    per_month = typed.get("often", "")
    rights.set_preferences(
        conn, person.id, topics_off=off | kept, mail_paused_until=paused,
        mails_per_month=PER_MONTH.get(per_month, person.mails_per_month),
        language=typed["language"] if typed.get("language") in NAMES else person.language, now=now,
    )
