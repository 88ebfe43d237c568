"""Forms: what marketers declared in `forms/*.yaml`, as pages that work everywhere, with consent asked box by box."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from nurture.decide import choices
from nurture.model.company import Form, FormConsent, FormField, Wording
from nurture.model.consent import ConsentEntry
from nurture.model.tokens import TokenPurpose
from nurture.model.words import MAIL_PURPOSES, Channel, EventKind, Purpose
from nurture.store.audience import leads, people
from nurture.store.facts import events
from nurture.store.facts.events import NewEvent
from nurture.store.privacy import consent, rights
from nurture.web.answers import gone, language_of, page, too_many
from nurture.web.asked import proof_of, read_form, read_token
from nurture.web.house import House
from nurture.web.limits import client_key
from nurture.web.public import confirm, fields, wordings
from nurture.web.tracking import site

TRAP = "website"
"""A field that no person sees; whoever fills it is thanked and forgotten."""


@dataclass(frozen=True, slots=True)
class Box:
    """One tick box with the text that is shown."""

    name: str
    wording: Wording
    required: bool
    consent: FormConsent
    ticked: bool = False


def routes(house: House) -> APIRouter:
    router = APIRouter()

    @router.get("/forms/{form_id}")
    def show(request: Request, form_id: str, t: str = "") -> Response:
        form = house.parts.library.forms.get(form_id)
        if form is None:
            return gone(request, house)
        person = _visitor(house, t)
        shown = fields.asked(form, person.fields if person else {}, identified=person is not None)
        return _page(request, house, form, shown, person, {}, {}, t)

    @router.post("/forms/{form_id}")
    async def submit(request: Request, form_id: str, t: str = "", visit: str = "") -> Response:
        form = house.parts.library.forms.get(form_id)
        if form is None:
            return gone(request, house)
        key = client_key(request.client.host if request.client else None)
        if key is not None and not house.limits.form.take(key, house.now()):
            return too_many(request, house)
        typed = {k: v for k, v in (await read_form(request)).items() if isinstance(v, str)}
        return await run_in_threadpool(_submitted, request, house, form, typed, t or typed.get("t", ""), visit)

    return router


def _visitor(house: House, token: str) -> rights.Person | None:
    """Whoever came by the preference token of a mail of ours; the address itself never stands in a URL."""
    ids = read_token(house, TokenPurpose.PREFERENCES, token, 2) if token else None
    if ids is None:
        return None
    with house.parts.store.read() as conn:
        return rights.person(conn, ids[0])


def _submitted(
    request: Request, house: House, form: Form, typed: Mapping[str, str], token: str, ticket: str
) -> Response:
    person = _visitor(house, token)
    if typed.get(TRAP):
        return page(request, house, "thanks.html", form=form, waits=False, asset=None)
    shown = fields.asked(form, person.fields if person else {}, identified=person is not None)
    # A stranger's page has fewer questions than a program may post; whatever the form declares is read.
    readable = shown if person else list(form.fields)
    values, wrong = fields.read(readable, typed)
    boxes = _boxes(request, house, form, typed, person)
    wrong |= {box.name: "tick" for box in boxes if box.required and not box.ticked and not _has(house, person, box)}
    if wrong:
        answer = _page(request, house, form, shown, person, typed, wrong, token)
        answer.status_code = 422
        return answer
    now = house.now()
    with house.parts.store.begin() as conn:
        someone = _store(conn, house, form, values, person, language_of(request, house), now)
        if someone is None:
            return page(request, house, "thanks.html", form=form, waits=False, asset=form.asset)
        ticked = [b for b in boxes if b.ticked]
        waits = _consents(conn, request, house, form, someone, ticked, now)
        if person is None:
            # What a stranger is told hangs on what they ticked, and never on whom we know.
            waits = form.double_opt_in and any(b.consent.purpose in MAIL_PURPOSES for b in ticked)
        asked = any(b.consent.purpose is Purpose.CLICK_TRACKING for b in ticked)
        site.identify(conn, house, typed.get(site.FIELD, ""), ticket, someone.id, asked=asked, now=now)
        _tell(conn, form, someone.id, values, now)
    known = person.language if person else None
    return page(request, house, "thanks.html", known=known, form=form, waits=waits, asset=form.asset)


def _store(
    conn: Any,
    house: House,
    form: Form,
    values: Mapping[str, Any],
    person: rights.Person | None,
    language: str,
    now: datetime,
) -> rights.Person | None:
    """The lead behind the form. A stranger may fill what is empty about somebody, and never overwrite it."""
    source = f"form {form.id}"
    learnt = {name: value for name, value in values.items() if name != "email"}
    if person is not None:
        people.learn(conn, person.id, learnt, origin="declared", source=source, now=now)
        return person
    email = values.get("email")
    if email is None:
        return None
    known_id = people.find(conn, str(email))
    known = rights.person(conn, known_id) if known_id is not None else None
    if known is not None:
        empty = {n: v for n, v in learnt.items() if known.fields.get(n) in (None, "")}
        people.learn(conn, known.id, empty, origin="declared", source=source, now=now)
        return known
    stored = leads.find_or_create(
        conn, email=str(email), fields=learnt, origin="declared", source=source, now=now, keys=house.parts.keys,
        language=language,
    )
    return rights.person(conn, stored.lead_id) if stored.lead_id is not None else None


def _consents(
    conn: Any, request: Request, house: House, form: Form, person: rights.Person, boxes: Sequence[Box], now: datetime
) -> bool:
    """Write what was ticked; whether a confirmation mail was asked for."""
    language = language_of(request, house, person.language)
    proof = proof_of(request, house, f"form {form.id}", address=person.email, language=language)
    states = consent.states(conn, [person.id]).get(person.id, {})
    entries: list[ConsentEntry] = []
    requested: list[tuple[Purpose, Channel, str]] = []
    for box in boxes:
        purpose, channel = box.consent.purpose, Channel(box.consent.channel)
        if choices.is_on(states, purpose, now, channel):
            continue
        waits = form.double_opt_in and purpose is not Purpose.PRIVACY_NOTICE
        wording = wordings.keep(conn, box.wording, now=now)
        entries.append(choices.agree(
            person.id, purpose, now=now, wording=wording, proof=proof, channel=channel, confirm=waits,
            expires_at=now + confirm.VALID if waits else None,
        ))
        if waits:
            requested.append((purpose, channel, wording))
    consent.append(conn, entries, now=now, keys=house.parts.keys)
    if requested:
        confirm.ask(conn, house, person, requested, language=language, source=f"form {form.id}", now=now)
    return any(purpose in MAIL_PURPOSES for purpose, _, _ in requested)


def _tell(conn: Any, form: Form, lead_id: int, values: Mapping[str, Any], now: datetime) -> None:
    """One event per person, form and minute: a reloaded page is one visit."""
    minute = f"{now:%Y-%m-%dT%H:%M}"
    told = [NewEvent(
        EventKind.FORM, now, lead_id, key=f"form:{form.id}:{lead_id}:{minute}", channel="web", touchpoint=form.id,
        content=form.content, topic=form.topic, depth=form.depth,
        data={"form": form.id, "fields": sorted(name for name in values if name != "email")},
    )]
    if form.hand_raise:
        told.append(NewEvent(
            EventKind.HAND_RAISE, now, lead_id, key=f"raise:{form.id}:{lead_id}:{minute}", channel="web",
            touchpoint=form.id, content=form.content, topic=form.topic, data={"form": form.id},
        ))
    events.record(conn, told, now=now)


def _has(house: House, person: rights.Person | None, box: Box) -> bool:
    if person is None:
        return False
    with house.parts.store.read() as conn:
        states = consent.states(conn, [person.id]).get(person.id, {})
    return choices.is_on(states, box.consent.purpose, house.now(), Channel(box.consent.channel))


def _boxes(
    request: Request, house: House, form: Form, typed: Mapping[str, str], person: rights.Person | None
) -> list[Box]:
    """Tick boxes, never ticked beforehand; what somebody agreed to already is not asked again."""
    language = language_of(request, house, person.language if person else None)
    made = []
    for asked in form.consents:
        wording = wordings.for_form(house, asked.wording, asked.purpose, language)
        name = f"agree-{asked.purpose.value}-{asked.channel}"
        box = Box(name, wording, asked.required, asked, ticked=name in typed)
        if not _has(house, person, box):
            made.append(box)
    return made


def _page(
    request: Request,
    house: House,
    form: Form,
    shown: Sequence[FormField],
    person: rights.Person | None,
    typed: Mapping[str, str],
    wrong: Mapping[str, str],
    token: str,
) -> Response:
    return page(
        request, house, "form.html", known=person.language if person else None, form=form, fields=shown, typed=typed,
        wrong=wrong, boxes=_boxes(request, house, form, typed, person), token=token, trap=TRAP,
        person=person.masked if person else "",
    )
