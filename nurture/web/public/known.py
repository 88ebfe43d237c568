"""What we know about you: a link to the own address, and behind it everything, to read, take or delete."""

from __future__ import annotations

import logging
import secrets
import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import Response
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool

from nurture.acts import privacy
from nurture.mail import copies
from nurture.model.tokens import TokenPurpose, sign
from nurture.store.mail import outbox
from nurture.store.privacy import confirmations, personal, rights
from nurture.web.answers import gone, language_of, page, too_many
from nurture.web.asked import allowed, read_token
from nurture.web.house import House

log = logging.getLogger(__name__)
VALID: Final = timedelta(hours=1)
REST: Final = timedelta(minutes=10)
KNOW: Final = "know"


def routes(house: House) -> APIRouter:
    router = APIRouter()

    @router.get("/p/{token}/me")
    def offer(request: Request, token: str) -> Response:
        """A forwarded mail must not open somebody's data, so the page only offers to send a link."""
        person = _by_preferences(house, token)
        if person is None:
            return gone(request, house)
        return page(request, house, "know.html", known=person.language, person=person, sent=False)

    @router.post("/p/{token}/me")
    async def send(request: Request, token: str) -> Response:
        if not allowed(request, house):
            return too_many(request, house)
        person = await run_in_threadpool(_send, request, house, token)
        if person is None:
            return gone(request, house)
        return page(request, house, "know.html", known=person.language, person=person, sent=True)

    _behind_the_link(router, house)
    return router


def _behind_the_link(router: APIRouter, house: House) -> None:
    @router.get("/me/{token}")
    def show(request: Request, token: str, take: str = "") -> Response:
        """Another record of the person under another address is named, not shown: that it is theirs is what somebody
        in sales found, and whoever reads here showed only that this address is theirs."""
        person = _by_link(house, token)
        if person is None:
            return gone(request, house)
        with house.parts.store.read() as conn:
            found = personal.collect(conn, person.id, joined=False)
            elsewhere = [other.masked for other in rights.joined(conn, person) if other.masked]
        if take == "json":
            return _file(personal.to_json(found).encode(), "application/json", "my-data.json")
        if take == "csv":
            return _file(personal.to_zip(found), "application/zip", "my-data.zip")
        agreed = privacy.agreed(house.parts, person.id, now=house.now())
        return page(
            request, house, "me.html", known=person.language, person=person, found=found, agreed=agreed, gone=False,
            origins={row["field"]: row.get("source") for row in found["values"]}, elsewhere=elsewhere,
        )

    @router.post("/me/{token}")
    def delete(request: Request, token: str) -> Response:
        """The right to be forgotten, used by the person themselves."""
        person = _by_link(house, token)
        if person is None:
            return gone(request, house)
        done = privacy.erase(house.parts, person.id, by="person", now=house.now())
        answer = page(
            request, house, "me.html", known=person.language, person=person, found={}, agreed=[], gone=True, origins={},
            elsewhere=[],
        )
        answer.background = BackgroundTask(_tidy, house, done.marks)
        return answer


def _tidy(house: House, marks: Sequence[str]) -> None:
    """After the answer: copies in files, and what the database file still holds of earlier versions of the rows."""
    if house.mailbox is not None:
        copies.forget(house.mailbox, marks)
    try:
        privacy.compact(house.parts)
    except sqlite3.Error:
        log.warning("the database file could not be rewritten after an erasure; `nurture privacy retain` does it")


def _by_preferences(house: House, token: str) -> rights.Person | None:
    ids = read_token(house, TokenPurpose.PREFERENCES, token, 2)
    if ids is None:
        return None
    with house.parts.store.read() as conn:
        person = rights.person(conn, ids[0])
    return person if person is not None and person.email else None


def _by_link(house: House, token: str) -> rights.Person | None:
    now = house.now()
    ids = read_token(house, TokenPurpose.MAGIC, token, 2)
    if ids is None or datetime.fromtimestamp(ids[1], UTC) <= now:
        return None
    with house.parts.store.read() as conn:
        single = confirmations.look(conn, token, purpose=KNOW, now=now)
        return rights.person(conn, single.lead_id) if single is not None and single.lead_id is not None else None


def _send(request: Request, house: House, token: str) -> rights.Person | None:
    person = _by_preferences(house, token)
    if person is None:
        return None
    now = house.now()
    expires = (now + VALID).replace(microsecond=0)
    link_id = secrets.randbits(47)
    link = sign(house.parts.keys, TokenPurpose.MAGIC, link_id, int(expires.timestamp()))
    pages = house.pages(language_of(request, house, person.language))
    values = {"company": house.company, "link": f"{house.parts.public_url.rstrip('/')}/me/{link}"}
    with house.parts.store.begin() as conn:
        if confirmations.open_requests(conn, person.id, purpose=KNOW, since=now - REST):
            return person
        confirmations.issue(conn, link, purpose=KNOW, lead_id=person.id, now=now, expires_at=expires)
        outbox.put(conn, [outbox.row(
            "lead_mail", person.email or "", key=f"know:{link_id}", now=now, lead_id=person.id,
            subject=pages.get_template("mail_know_subject.txt").render(values).strip(),
            payload={"text": pages.get_template("mail_know.txt").render(values)},
        )])
    return person


def _file(body: bytes, kind: str, name: str) -> Response:
    return Response(body, media_type=kind, headers={"content-disposition": f'attachment; filename="{name}"'})
