"""Signing in with a company account, against a provider that speaks over HTTP and does not always tell the truth."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest
from joserfc.jwk import RSAKey
from pydantic import SecretStr
from starlette.testclient import TestClient

from nurture.errors import UsageError
from nurture.store.running import sessions
from nurture.web.app import create_app
from nurture.web.oidc import Provider
from tests.web.conftest import World, make_world
from tests.web.provider import CLIENT, SECRET, SmallProvider, serve

STRANGER = RSAKey.generate_key(2048, {"kid": "one"})


@pytest.fixture
def house(sqlite_url: str) -> Iterator[tuple[World, SmallProvider]]:
    for world in make_world(sqlite_url):
        with serve(SmallProvider(world.clock.now)) as provider:
            ours = Provider(provider.url, CLIENT, SecretStr(SECRET))
            app = create_app(world.parts, world.clock, provider=ours)
            with TestClient(app, follow_redirects=False) as client:
                with world.store.begin() as conn:
                    for name in ("iva", "gone"):
                        sessions.put_user(
                            conn, name, address=f"{name}@example.com", name=name, roles=["sales"],
                            now=world.clock.now(),
                        )
                    sessions.disable(conn, "gone", now=world.clock.now())
                yield replace(world, client=client), provider


def away(world: World, to: str = "/queue") -> str:
    answer = world.client.get("/sign-in/company", params={"to": to})
    assert answer.status_code == 303
    back = httpx.get(answer.headers["location"], follow_redirects=False).headers["location"]
    return back.removeprefix("http://testserver")


def inside(world: World) -> bool:
    return world.client.get("/").status_code == 200


def test_the_provider_says_who_it_is_and_we_say_what_they_may(house: tuple[World, SmallProvider]) -> None:
    world, _ = house
    assert "/sign-in/company" in world.client.get("/sign-in").text
    back = away(world, "/queue")
    answer = world.client.get(back)
    assert answer.status_code == 303 and answer.headers["location"] == "/queue"
    assert inside(world) and world.client.get("/campaigns").status_code == 403
    # The answer of the provider works once, also for the browser that has it.
    world.client.cookies.clear()
    assert world.client.get(back).status_code == 403 and not inside(world)


LIES: dict[str, dict[str, Any]] = {
    "another audience": {"claims": {"aud": "somebody-else"}},
    "made for another program": {"claims": {"aud": [CLIENT, "other"], "azp": "other"}},
    "another issuer": {"claims": {"iss": "https://accounts.example.com"}},
    "expired": {"claims": {"exp": 1_000_000_000}},
    "without an end": {"claims": {"exp": None}},
    "another nonce": {"claims": {"nonce": "x"}},
    "no nonce": {"claims": {"nonce": None}},
    "address not verified": {"claims": {"email_verified": False}},
    "verified as a word": {"claims": {"email_verified": "true"}},
    "no address": {"claims": {"email": None}},
    "address of nobody": {"address": "stranger@example.com"},
    "a user who was shut out": {"address": "gone@example.com"},
    "signed by nobody": {"alg": "none"},
    "signed by a stranger": {"sign_with": STRANGER},
    "signed with our public key as a secret": {"alg": "HS256"},
}


def test_what_does_not_hold_signs_nobody_in_and_looks_the_same(house: tuple[World, SmallProvider]) -> None:
    world, provider = house
    seen = set()
    for lie, told in LIES.items():
        honest = {name: getattr(provider, name) for name in told}
        for name, value in told.items():
            setattr(provider, name, value)
        answer = world.client.get(away(world))
        seen.add((answer.status_code, answer.text))
        assert not inside(world), lie
        for name, value in honest.items():
            setattr(provider, name, value)
    assert len(seen) == 1 and all(code == 403 and "did not sign you in" in text for code, text in seen)
    assert world.client.get(away(world)).status_code == 303 and inside(world)


def test_an_answer_that_another_browser_began_signs_nobody_in(house: tuple[World, SmallProvider]) -> None:
    world, _ = house
    back = away(world)
    world.client.cookies.clear()
    assert world.client.get(back).status_code == 403
    for wrong in ("", "?state=&code=x", "?state=x&code=y"):
        assert world.client.get(f"/sign-in/company/back{wrong}").status_code == 403
    world.client.cookies.set("nurture_sign_in", "x", path="/sign-in/company/back")
    assert world.client.get("/sign-in/company/back?state=x&code=code-0").status_code == 403
    late = away(world)
    world.after(minutes=11)
    assert world.client.get(late).status_code == 403 and not inside(world)


def test_keys_that_changed_are_fetched_again_and_a_silent_provider_is_said(
    house: tuple[World, SmallProvider],
) -> None:
    world, provider = house
    world.client.get(away(world))
    provider.key = RSAKey.generate_key(2048, {"kid": "one"})
    world.client.cookies.clear()
    assert world.client.get(away(world)).status_code == 303
    world.after(hours=2)
    provider.named = "https://accounts.example.com"
    assert world.client.get("/sign-in/company").status_code == 503


def test_an_open_redirect_is_not_to_be_had(house: tuple[World, SmallProvider]) -> None:
    world, _ = house
    for to in ("//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)"):
        assert world.client.get(away(world, to)).headers["location"] == "/"


def test_a_provider_is_reached_by_https(world: World) -> None:
    for wrong in ("http://accounts.example.com", "ftp://accounts.example.com", "accounts.example.com"):
        with pytest.raises(UsageError):
            Provider(wrong, CLIENT, SecretStr(SECRET))
    with pytest.raises(UsageError):
        Provider("https://accounts.example.com", "", SecretStr(SECRET))
    assert world.client.get("/sign-in/company").status_code == 404
    assert "company account" not in world.client.get("/sign-in").text
