"""Double opt-in: one plain mail (and one reminder), a page with one button, and a grant only by its POST."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from nurture.model.consent import Basis, ConsentEntry
from nurture.model.tokens import TokenPurpose, sign
from nurture.model.words import Channel, ConsentAction, ConsentStatus, Purpose
from nurture.store.mail import outbox
from nurture.store.privacy import confirmations, consent, rights, suppressions
from nurture.store.privacy.confirmations import Single
from nurture.web.answers import gone, page
from nurture.web.asked import proof_of, read_token
from nurture.web.house import House
from nurture.web.tracking import site

VALID: Final = timedelta(days=7)
REMIND: Final = timedelta(days=2)
CONFIRM: Final = TokenPurpose.CONFIRM


def ask(
    conn: Any,
    house: House,
    person: rights.Person,
    requested: Sequence[tuple[Purpose, Channel, str]],
    *,
    language: str,
    source: str,
    now: datetime,
) -> bool:
    """Queue the confirmation mail and its one reminder. False when this was asked already and is still open.

    Whoever types a stranger's address again and again makes us write once: the same question rests until its token
    has run out, and no person has more than two questions open.
    """
    named = sorted({purpose.value for purpose, _, _ in requested})
    earlier = confirmations.open_requests(conn, person.id, purpose=CONFIRM, since=now - VALID)
    if person.email is None or len(earlier) >= 2 or any(set(named) <= set(e["purposes"]) for e in earlier):
        return False
    expires = (now + VALID).replace(microsecond=0)
    request_id = secrets.randbits(47)
    token = sign(house.parts.keys, CONFIRM, person.id, request_id, int(expires.timestamp()))
    asked = [{"purpose": p.value, "channel": c.value, "wording": w} for p, c, w in requested]
    data = {"purposes": named, "asked": asked, "language": language, "source": source, "id": request_id}
    confirmations.issue(conn, token, purpose=CONFIRM, lead_id=person.id, data=data, now=now, expires_at=expires)
    link = f"{house.parts.public_url.rstrip('/')}/confirm/{token}"
    outbox.put(conn, [
        _mail(house, person, language, named, link, expires, key=f"confirm:{request_id}", now=now, reminder=False),
        _mail(house, person, language, named, link, expires, key=f"remind:{request_id}", now=now, reminder=True),
    ])
    return True


def _mail(
    house: House,
    person: rights.Person,
    language: str,
    named: Sequence[str],
    link: str,
    expires: datetime,
    *,
    key: str,
    now: datetime,
    reminder: bool,
) -> dict[str, Any]:
    """No advertising, no picture, no one-click header: only the question."""
    pages = house.pages(language)
    values: dict[str, Any] = {
        "company": house.company, "purposes": named, "link": link, "expires": expires, "reminder": reminder,
        "zone": house.zone,
    }
    subject = pages.get_template("mail_confirm_subject.txt").render(values).strip()
    return outbox.row(
        "lead_mail", person.email or "", key=key, now=now, lead_id=person.id, subject=subject,
        payload={"text": pages.get_template("mail_confirm.txt").render(values)},
        due_at=now + REMIND if reminder else now,
    )


def routes(house: House) -> APIRouter:
    router = APIRouter()

    @router.get("/confirm/{token}")
    def ask_again(request: Request, token: str) -> Response:
        """A button. Scanners that fetch the link confirm nothing."""
        single = _read(house, token)
        if single is None:
            return gone(request, house)
        return page(
            request, house, "confirm.html", known=single.data["language"], done=False, purposes=single.data["purposes"]
        )

    @router.post("/confirm/{token}")
    async def confirm(request: Request, token: str) -> Response:
        single = await run_in_threadpool(_confirm, request, house, token)
        if single is None:
            return gone(request, house)
        return page(
            request, house, "confirm.html", known=single.data["language"], done=True, purposes=single.data["purposes"]
        )

    return router


def _read(house: House, token: str) -> Single | None:
    now = house.now()
    ids = read_token(house, CONFIRM, token, 3)
    if ids is None or datetime.fromtimestamp(ids[2], UTC) <= now:
        return None
    with house.parts.store.read() as conn:
        return confirmations.look(conn, token, purpose=CONFIRM, now=now)


def _confirm(request: Request, house: House, token: str) -> Single | None:
    now = house.now()
    if read_token(house, CONFIRM, token, 3) is None:
        return None
    with house.parts.store.begin() as conn:
        single = confirmations.use(conn, token, purpose=CONFIRM, now=now)
        person = rights.person(conn, single.lead_id) if single and single.lead_id else None
        if single is None or person is None:
            return None
        states = consent.states(conn, [person.id]).get(person.id, {})
        proof = proof_of(request, house, single.data["source"], doi_token=confirmations.token_hash(token))
        entries = [
            _entry(person.id, asked, proof, now)
            for asked in single.data["asked"]
            if (state := states.get((Purpose(asked["purpose"]), Channel(asked["channel"])))) is not None
            and state.status is ConsentStatus.PENDING
        ]
        consent.append(conn, entries, now=now, keys=house.parts.keys)
        if entries:
            suppressions.lift_by_person(conn, person.id, now=now)
        site.confirmed(conn, person.id, now=now)
        confirmations.cancel_mail(conn, f"remind:{single.data['id']}", now=now, why="confirmed before the reminder")
        return single


def _entry(lead_id: int, asked: Mapping[str, str], proof: Mapping[str, Any], now: datetime) -> ConsentEntry:
    return ConsentEntry(
        lead_id, Purpose(asked["purpose"]), ConsentAction.CONFIRM, now, "person", channel=Channel(asked["channel"]),
        basis=Basis.CONSENT, wording=asked["wording"], proof=proof,
    )
