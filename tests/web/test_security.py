"""The security classes of the spec that stand between the outside and us, each tried the way an attacker would."""

from __future__ import annotations

import itertools
import json
import logging
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from starlette.routing import Route
from starlette.testclient import TestClient

from nurture.model.words import ConsentStatus, Purpose
from nurture.web.app import create_app
from nurture.web.shell import MOST
from tests.web.conftest import SECRET, World
from tests.web.test_staff import enter, user

HOSTILE = (
    '"><svg onload=alert(1)>',
    "<script>alert(1)</script>",
    "{{ 7*191 }}",
    "{% import os %}",
    "\x1b[31mred",
    "=cmd|'/c calc'!A1",
    "' OR 1=1 --",
    "%0d%0aSet-Cookie: a=b",
    "../../etc/passwd",
    "\u202egnp.exe",
    "a" * 5000,
    "😀",
    "𝔘𝔫𝔦",
    "javascript:alert(1)",
)


class Endless(httpx.SyncByteStream):
    """An answer that never ends: whoever reads it runs into the wall."""

    def __iter__(self) -> Iterator[bytes]:
        for _ in range(100):
            yield b"x" * 1_000_000
        raise AssertionError("somebody read all of it")


def routes_of(world: World) -> list[tuple[str, str]]:
    inner = world.client.app.inner.inner
    found = []
    for route in _flat(inner.routes):
        found += [(method, route.path) for method in sorted(route.methods or ()) if method != "HEAD"]
    return found


def _flat(routes: Any) -> list[Route]:
    flat: list[Route] = []
    for route in routes:
        nested = getattr(route, "routes", None) or getattr(getattr(route, "original_router", None), "routes", None)
        flat += _flat(nested) if nested else ([route] if isinstance(route, Route) else [])
    return flat


def test_every_answer_carries_the_strict_policy_whoever_gives_it(world: World) -> None:
    lead = world.lead()
    paths = [
        "/",
        "/sign-in",
        "/forms/guide",
        "/nothing",
        "/u/x",
        world.url("preferences", 0, lead),
        "/api/handoffs",
        "/events",
        "/api/openapi.json",
        "/healthz",
    ]
    for path in paths:
        answer = world.client.get(path)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        assert "server" not in {k for k in answer.headers if answer.headers[k].startswith("nurture")}
        assert "<script" not in answer.text and " style=" not in answer.text and " on" + "click" not in answer.text


def test_nothing_is_served_without_a_token_a_session_or_a_public_purpose(world: World) -> None:
    public = {"/sign-in", "/sign-in/{token}", "/forms/{form_id}", "/healthz", "/api/openapi.json", "/site.js", "/v"}
    tried = 0
    for method, path in routes_of(world):
        if path in public or path.startswith("/static/"):
            continue
        url = re.sub(r"\{(lead_id|handoff_id)[^}]*\}", "1", re.sub(r"\{token[^}]*\}", "forged", path))
        url = re.sub(r"\{[^}]+\}", "x", url)
        status = world.client.request(method, url).status_code
        assert status in (303, 401, 404), (method, path, status)
        tried += 1
    assert tried >= 20


@pytest.mark.parametrize("words", HOSTILE)
def test_hostile_words_in_every_part_of_a_request_are_text_or_refused(world: World, words: str) -> None:
    lead = world.lead()
    message = world.mail(lead)
    world.grant(lead, Purpose.OPEN_TRACKING, Purpose.CLICK_TRACKING)
    safe = words.encode("ascii", "replace").decode().replace("\r", "").replace("\n", "").replace("\x1b", "?")
    agent = {"user-agent": safe[:900], "referer": safe[:900]}
    for path in (world.url("open", message, lead), world.url("click", message, lead)):
        assert world.client.get(path, headers=agent).status_code in (200, 302)
    answers = [
        world.client.get("/forms/guide", params={"t": words, "lang": words}, headers=agent),
        world.client.post("/forms/guide", data={"email": words, "first_name": words, "website": ""}, headers=agent),
        world.client.get("/sign-in", params={"to": words}, headers=agent),
        world.client.post("/sign-in", data={"address": words, "password": words, "to": words}, headers=agent),
        world.client.post(
            world.url("preferences", message, lead),
            data={"shown": "1", "language": words, "topic": words, "pause": words, "often": words},
            headers=agent,
        ),
        world.client.post("/events", content=json.dumps(words), headers=agent),
    ]
    for answer in answers:
        assert answer.status_code < 500
        assert "<svg onload" not in answer.text and "<script>alert" not in answer.text
        assert "1337" not in answer.text
        assert answer.headers.get("set-cookie", "nurture").startswith("nurture")


def test_no_cookie_is_set_on_public_pages(world: World) -> None:
    lead = world.lead()
    for path in ("/forms/guide", world.url("preferences", 0, lead), world.url("unsubscribe", 0, lead)):
        assert "set-cookie" not in world.client.get(path).headers


def test_scanners_that_follow_every_link_change_nothing(world: World) -> None:
    lead = world.lead()
    world.grant(lead, Purpose.NURTURE_EMAIL, Purpose.OPEN_TRACKING, Purpose.CLICK_TRACKING)
    world.client.post(
        "/forms/guide",
        data={"email": "new@example.com", "agree-privacy_notice-email": "y", "agree-nurture_email-email": "y"},
    )
    confirm = re.search(r"(/confirm/\S+?)\\n", str(world.one("select payload from outbox where key like 'confirm:%'")))
    assert confirm is not None
    message = world.mail(lead)
    before = world.rows("select lead_id, purpose, status from consent_state order by 1, 2")
    urls = [world.url(k, message, lead) for k in ("unsubscribe", "preferences", "open", "click", "honeypot")] + [
        confirm.group(1)
    ]
    for method, url in itertools.product(("GET", "HEAD", "OPTIONS"), urls):
        world.client.request(method, url)
    assert world.rows("select lead_id, purpose, status from consent_state order by 1, 2") == before


def test_unsubscribing_between_claim_and_data_is_seen_by_the_next_decision(world: World) -> None:
    from nurture.decide.consent import permits
    from nurture.model.intents import Refusal
    from nurture.store.audience import snapshots

    lead = world.lead()
    world.grant(lead, Purpose.NURTURE_EMAIL)
    world.client.post(world.url("unsubscribe", world.mail(lead), lead), data={"List-Unsubscribe": "One-Click"})
    assert world.status(lead, Purpose.NURTURE_EMAIL) is ConsentStatus.WITHDRAWN
    with world.store.read() as conn:
        snapshot = snapshots.load(conn, [lead], now=world.clock.now())[lead]
    assert isinstance(permits(snapshot, Purpose.NURTURE_EMAIL, now=world.clock.now()), Refusal)


def test_bodies_are_bounded_also_those_that_do_not_say_so(world: World) -> None:
    big = b"a" * (MOST + 1)
    assert world.client.post("/forms/guide", content=big).status_code == 413
    assert world.client.post("/events", content=iter([big[: MOST // 2]] * 3)).status_code == 413
    assert world.client.post("/forms/guide", content=b"x", headers={"content-length": "nonsense"}).status_code in (
        400,
        413,
    )
    many = "&".join(f"f{i}=1" for i in range(5000))
    form = {"content-type": "application/x-www-form-urlencoded"}
    assert world.client.post("/forms/guide", content=many, headers=form).status_code in (400, 413, 422)


def test_posts_from_one_network_are_slowed_down(world: World) -> None:
    with TestClient(create_app(world.parts, world.clock), client=("198.51.101.7", 1)) as client:
        data = {"email": "a@example.com", "agree-privacy_notice-email": "y"}
        codes = [client.post("/forms/guide", data=data).status_code for _ in range(25)]
    assert codes == [200] * 20 + [429] * 5


def test_the_app_answers_foreign_methods_and_strange_paths_plainly(world: World) -> None:
    for method in ("PUT", "DELETE", "PATCH", "TRACE", "PROPFIND"):
        for path in ("/", "/u/x", "/o/x", "/c/x/0", "/forms/guide", "/events"):
            assert world.client.request(method, path).status_code in (303, 404, 405, 401, 200)
    for path in (
        "//evil.example",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/static/../app.py",
        "/%00",
        "/c/" + "A" * 9000 + "/0",
    ):
        answer = world.client.get(f"http://testserver{path}")
        assert answer.status_code in (400, 404) and "location" not in answer.headers


def test_neither_secrets_nor_addresses_reach_the_log(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    user(world, "ines", "marketing")
    enter(world, "ines")
    lead = world.lead("canary@canary.example")
    world.grant(lead, Purpose.CLICK_TRACKING)
    message = world.mail(lead)
    for path in (
        world.url("click", message, lead),
        world.url("preferences", 0, lead),
        "/leads?q=canary@canary.example",
    ):
        world.client.get(path)
    world.client.post("/forms/guide", data={"email": "canary@canary.example", "agree-privacy_notice-email": "y"})
    ours = "\n".join(r.getMessage() for r in caplog.records if not r.name.startswith(("httpx", "httpcore")))
    assert "canary" not in ours and SECRET not in ours


def test_a_webhook_never_leaves_for_a_private_network(monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    from nurture.errors import UsageError
    from nurture.sales import webhook

    for address in ("127.0.0.1", "169.254.169.254", "64:ff9b::7f00:1", "::ffff:10.0.0.1", "fec0::1"):
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 443))]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_a, found=found, **_k: found)
        with pytest.raises(UsageError, match="private network"):
            webhook.post("https://hooks.example.com/x", b"{}", {})
    for url in ("http://example.com/x", "file:///etc/passwd", "https://user@example.com/", "gopher://example.com"):
        with pytest.raises(UsageError):
            webhook.post(url, b"{}", {})


def test_a_name_that_changes_its_mind_is_called_where_it_was_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """DNS rebinding: the second answer would be our own machine, and nobody asks for it."""
    import socket

    from nurture.sales import webhook

    answers = ["93.184.215.14", "127.0.0.1", "127.0.0.1"]
    called: list[tuple[str, str]] = []

    def resolve(*_: object, **__: object) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (answers.pop(0), 443))]

    def call(_: object, request: httpx.Request) -> httpx.Response:
        called.append((request.url.host, request.headers["host"]))
        return httpx.Response(302, headers={"location": "http://169.254.169.254/"}, stream=Endless())

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(httpx.HTTPTransport, "handle_request", call)
    assert webhook.post("https://hooks.example.com/x", b"{}", {})[0] == "failed"
    assert called == [("93.184.215.14", "hooks.example.com")] and len(answers) == 2


def test_who_hangs_up_in_the_middle_changes_nothing_and_breaks_nothing(world: World) -> None:
    import asyncio

    lead = world.lead()
    world.grant(lead, Purpose.NURTURE_EMAIL)
    told: list[dict[str, Any]] = []
    heard = iter([{"type": "http.request", "body": b"all=1&", "more_body": True}, {"type": "http.disconnect"}])

    async def receive() -> dict[str, Any]:
        return next(heard)

    async def send(message: Any) -> None:
        told.append(dict(message))

    for path in (world.url("unsubscribe", 1, lead), "/forms/guide", "/sign-in", "/events"):
        heard = iter([{"type": "http.request", "body": b"all=1&", "more_body": True}, {"type": "http.disconnect"}])
        scope = {
            "type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "query_string": b"",
            "headers": [(b"content-type", b"application/x-www-form-urlencoded")], "client": ("198.51.100.9", 1),
            "server": ("testserver", 80), "scheme": "http", "http_version": "1.1", "root_path": "",
        }
        asyncio.run(world.client.app(scope, receive, send))
    assert world.status(lead, Purpose.NURTURE_EMAIL) is ConsentStatus.GRANTED
    assert all(message.get("status", 400) < 500 for message in told)


def test_a_number_that_no_row_can_have_is_not_found(world_everywhere: World) -> None:
    world = world_everywhere
    user(world, "root", "admin")
    enter(world, "root")
    lead = world.lead()
    world.grant(lead, Purpose.CLICK_TRACKING)
    click = world.url("click", world.mail(lead), lead).rpartition("/")[0]
    routes = [*routes_of(world), ("GET", f"{click}/{{n}}")]
    for number in ("9223372036854775808", "99999999999999999999999", "-1", "1e400", "١٢", "1_000"):
        asked = {"n": number, "days": number}
        for method, path in routes:
            url = re.sub(r"\{[^}]+\}", number, path)
            given = {"json": {"version": number}} if url.startswith("/api") else {"data": asked}
            answer = world.client.request(method, url, params=asked, **({} if method == "GET" else given))
            assert answer.status_code < 500, (method, url)
            if "{handoff_id" in path or "{lead_id" in path or "{mail_id" in path:
                assert answer.status_code in (401, 403, 404, 405, 422), (method, url, answer.status_code)
            if url == "/sign-out":
                enter(world, "root")
