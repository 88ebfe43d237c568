"""Signed calls: tampered, old, future, replayed and foreign ones change nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from standardwebhooks import Webhook

from nurture.web.programs.signed import own_secret
from tests.web.conftest import World, make_world

ONE = "whsec_" + "b25lIHNlY3JldCB0aGF0IGlzIGxvbmcgZW5vdWdo"
TWO = "whsec_" + "dHdvIHNlY3JldHMgYXJlIGJldHRlciB0aGFuIG9uZQ=="


@pytest.fixture
def rotating(sqlite_url: str) -> Iterator[World]:
    yield from make_world(sqlite_url, webhook_secrets=(ONE, TWO))


def call(
    world: World,
    events: list[dict[str, Any]] | str,
    *,
    secret: str = ONE,
    call_id: str = "msg_1",
    at: datetime | None = None,
    body: str | None = None,
) -> Any:
    raw = events if isinstance(events, str) else json.dumps({"events": events})
    moment = at or world.clock.now()
    headers = {
        "webhook-id": call_id,
        "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": Webhook(secret).sign(call_id, moment, raw),
        "content-type": "application/json",
    }
    return world.client.post("/events", content=body or raw, headers=headers)


def booked(world: World, **more: Any) -> dict[str, Any]:
    return {"lead": "ada@example.com", "kind": "booked-demo", "at": world.clock.now().isoformat(), **more}


def test_a_signed_call_is_recorded_once_and_wakes_the_lead(rotating: World) -> None:
    rotating.lead()
    for secret, call_id in ((ONE, "a"), (TWO, "b")):
        answer = call(rotating, [booked(rotating, id=call_id)], secret=secret, call_id=call_id)
        assert answer.json() == {"recorded": 1, "repeated": False, "unknown": 0}
    assert call(rotating, [booked(rotating, id="a")], call_id="a").json() == {"recorded": 0, "repeated": True}
    assert call(rotating, [booked(rotating, id="a")], call_id="c").json()["recorded"] == 0
    assert rotating.one("select count(*) from event where kind = 'booked-demo'") == 2


def test_tampered_old_future_and_foreign_calls_are_refused(rotating: World) -> None:
    rotating.lead()
    now = rotating.clock.now()
    good = json.dumps({"events": [booked(rotating)]})
    refused = [
        call(rotating, good, body=good.replace("ada", "eve")),
        call(rotating, good, at=now - timedelta(minutes=6)),
        call(rotating, good, at=now + timedelta(minutes=6)),
        call(rotating, good, secret="whsec_" + "Zm9yZWlnbiBzZWNyZXQgb2Ygc29tZWJvZHkgZWxzZQ=="),
        rotating.client.post("/events", content=good),
        rotating.client.post(
            "/events",
            content=good,
            headers={"webhook-id": "x", "webhook-timestamp": "nan", "webhook-signature": "v1,x"},
        ),
    ]
    assert {answer.status_code for answer in refused} == {401}
    assert rotating.one("select count(*) from event") == 0


def test_a_broken_body_is_refused_with_the_place(rotating: World) -> None:
    answer = call(rotating, [booked(rotating, kind="No Such Kind!", minutes=-1, surprise=1)])
    assert answer.status_code == 422
    assert {p["at"] for p in answer.json()["problems"]} == {"events.0.kind", "events.0.minutes", "events.0.surprise"}
    assert call(rotating, "not json").status_code == 422
    assert call(rotating, json.dumps({"events": []}), call_id="z").status_code == 422


def test_unknown_people_are_counted_and_nobody_is_made_up(rotating: World) -> None:
    assert call(rotating, [booked(rotating, lead="who@example.com")]).json()["unknown"] == 1
    assert rotating.one("select count(*) from lead") == 0


def test_an_installation_without_configured_secrets_has_one_of_its_own(world: World) -> None:
    world.lead()
    assert call(world, [booked(world)], secret=own_secret(world.keys)).json()["recorded"] == 1
    assert call(world, [booked(world)], call_id="2").status_code == 401
