"""A token that does not hold, for whatever reason: one plain answer, nothing changed, nothing to learn from it."""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event, text

from nurture.model.tokens import (
    MAC_BYTES,
    Keys,
    TokenPurpose,
    purpose_number,
    sign,
    sign_lower,
    verify,
    verify_lower,
)
from nurture.model.words import ConsentStatus, Purpose
from nurture.store.privacy import confirmations
from nurture.web.staff import signin
from tests.web.conftest import World
from tests.web.test_staff import user

ROUTES = ("/u/{}", "/p/{}", "/p/{}/me", "/confirm/{}", "/me/{}", "/sign-in/{}", "/h/{}", "/c/{}/0")
STRANGER = Keys.from_secrets(["a secret that somebody else made up for themselves"])


def good(world: World, lead: int) -> dict[str, str]:
    """One token of each kind that would hold on its own address."""
    keys, expires = world.keys, int((world.clock.now() + timedelta(hours=1)).timestamp())
    request = secrets.randbits(40)
    made = {
        "/u/{}": sign(keys, TokenPurpose.UNSUBSCRIBE, lead, 1, purpose_number(Purpose.NURTURE_EMAIL)),
        "/p/{}": sign(keys, TokenPurpose.PREFERENCES, lead, 1),
        "/p/{}/me": sign(keys, TokenPurpose.PREFERENCES, lead, 1),
        "/confirm/{}": sign(keys, TokenPurpose.CONFIRM, lead, request, expires),
        "/me/{}": sign(keys, TokenPurpose.MAGIC, request, expires),
        "/h/{}": sign(keys, TokenPurpose.HONEYPOT, 1, lead),
        "/c/{}/0": sign(keys, TokenPurpose.CLICK, 1, lead),
    }
    user(world, "iva", "sales")
    link = signin.one_time_link(world.parts, "iva", now=world.clock.now())
    made["/sign-in/{}"] = link.rpartition("/")[2]
    with world.store.begin() as conn:
        for kind, route in (("confirm", "/confirm/{}"), ("know", "/me/{}")):
            confirmations.issue(
                conn, made[route], purpose=kind, lead_id=lead, now=world.clock.now(),
                expires_at=world.clock.now() + timedelta(hours=1),
                data={"purposes": [], "asked": [], "language": "en", "source": "form", "id": 1},
            )
    return made


def bad(world: World, lead: int, route: str, tokens: dict[str, str]) -> dict[str, str]:
    own = tokens[route]
    flipped = own[:8] + ("A" if own[8] != "A" else "B") + own[9:]
    return {
        "forged": sign(STRANGER, TokenPurpose.UNSUBSCRIBE, lead, 1, 3),
        "flipped": flipped,
        "truncated": own[:-3],
        "longer": own + "A",
        "padded": own + "%3D",
        "empty-ish": "-",
        "huge": "A" * 3000,
        "foreign letters": "%C5%BC" * 20,
        **{f"of {other}": token for other, token in tokens.items() if token != own and other != route},
    }


def state(world: World) -> list[Any]:
    tables = ("consent_entry", "lead", "token", "outbox", "event", "hit", "session", "message")
    return [[tuple(row) for row in world.rows(f'select * from "{t}"')] for t in tables]


@pytest.mark.parametrize("route", ROUTES)
def test_every_bad_token_gets_the_same_answer_and_changes_nothing(world: World, route: str) -> None:
    lead = world.lead()
    world.grant(lead, Purpose.NURTURE_EMAIL, Purpose.CLICK_TRACKING)
    world.mail(lead)
    tokens = good(world, lead)
    before = state(world)
    answers: set[Any] = set()
    looked: list[object] = []
    event.listen(world.store.engine, "checkout", lambda *of: looked.append(of))
    for method in ("GET", "POST"):
        if (method, route) in (("POST", "/h/{}"), ("POST", "/c/{}/0")):
            continue
        for name, token in bad(world, lead, route, tokens).items():
            if route.startswith("/p/") and name.startswith("of /p/"):
                continue
            looked.clear()
            answer = world.client.request(method, route.format(token), data={"all": "1"} if method == "POST" else None)
            told = {name: value for name, value in answer.headers.items() if name != "date"}
            answers.add((answer.status_code, answer.content, tuple(sorted(told.items()))))
            ours = {route, name.removeprefix("of ")} == {"/me/{}", "/sign-in/{}"}
            assert ours or looked == [], f"{name}: not ours, so not looked up: no time tells whom it names"
            assert "set-cookie" not in answer.headers and "location" not in answer.headers, name
    assert len(answers) == 1 and next(iter(answers))[0] == 404
    assert state(world) == before


def test_a_macs_bytes_are_compared_in_constant_time_and_nowhere_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every verdict on a token comes out of `compare_digest`: what it refuses is refused, what it lets pass passes."""
    keys = Keys.from_secrets(["the secret of this house, sixteen bytes and more"])
    token, lower = sign(keys, "open", 1, 2), sign_lower(keys, "verp", 7)
    compared: list[tuple[bytes, bytes]] = []

    def never(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return False

    monkeypatch.setattr("nurture.model.tokens.hmac.compare_digest", never)
    assert verify(keys, "open", token) is None and verify_lower(keys, "verp", lower) is None
    assert len(compared) == 2 and all(one == other and len(one) == MAC_BYTES for one, other in compared)
    monkeypatch.setattr("nurture.model.tokens.hmac.compare_digest", lambda one, other: True)
    flipped = token[:-1] + ("A" if token[-1] != "A" else "Q")
    assert verify(keys, "open", token) == (1, 2) and verify(keys, "open", flipped) == (1, 2)


def test_a_single_use_link_works_once_and_ends_by_itself(world: World) -> None:
    lead = world.lead()
    tokens = good(world, lead)
    plain = world.client.get("/confirm/nothing").text
    for route in ("/confirm/{}", "/sign-in/{}"):
        assert world.client.get(route.format(tokens[route])).status_code == 200
        assert world.client.post(route.format(tokens[route])).status_code in (200, 303)
        world.client.cookies.clear()
        for method in ("GET", "POST"):
            again = world.client.request(method, route.format(tokens[route]))
            assert (again.status_code, again.text) == (404, plain), (route, method)
    later = good(world, lead)
    world.after(hours=2)
    for route in ("/confirm/{}", "/me/{}", "/sign-in/{}"):
        for method in ("GET", "POST"):
            late = world.client.request(method, route.format(later[route]))
            assert (late.status_code, late.text) == (404, plain), (route, method)
    assert world.one("select count(*) from lead where erased_at is not null") == 0


def test_an_erased_persons_links_lead_nowhere_and_unsubscribing_still_answers(world: World) -> None:
    from nurture.acts import privacy

    lead = world.lead()
    world.grant(lead, Purpose.NURTURE_EMAIL)
    stop, mine = world.url("unsubscribe", world.mail(lead), lead), world.url("preferences", 1, lead)
    privacy.erase(world.parts, lead, by="person", now=world.clock.now())
    assert world.client.post(stop, data={"List-Unsubscribe": "One-Click"}).status_code == 200
    assert world.client.get(mine).status_code == 404
    with world.store.read() as conn:
        assert conn.execute(text("select count(*) from event where kind = 'unsubscribe'")).scalar_one() == 0
    assert world.status(lead, Purpose.NURTURE_EMAIL) is not ConsentStatus.GRANTED
