"""The app under attack: a real server on loopback with people, sellers and a hand-off in its database."""

from __future__ import annotations

import itertools
import logging
import re
import socket
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import quote

import httpx
import uvicorn
from sqlalchemy import insert, text

from nurture.model.words import Purpose
from nurture.store import open_store
from nurture.store.running import sessions
from nurture.store.tables import HandoffRow
from nurture.web.app import create_app
from tests.web.conftest import World, make_world
from tests.web.test_decisions import AGREEMENT, SALES
from tests.web.test_security import HOSTILE, routes_of


@dataclass
class House:
    """`paths` are where crawling may begin; `parameters` are (address, form data) that reach the database."""

    url: str
    world: World
    token: str
    session: str
    paths: Sequence[str]
    parameters: Sequence[tuple[str, str]]
    errors: list[str] = field(default_factory=list)

    def broken(self) -> list[str]:
        """Server errors that were logged, and signs that somebody got through."""
        found = list(dict.fromkeys(self.errors))
        if self.world.one("select count(*) from lead where stage = 'sal'"):
            found.append("a hand-off was accepted by a scanner without a CSRF token")
        if self.world.status(2, Purpose.NURTURE_EMAIL).value != "granted":
            found.append("a consent changed that no request had a token for")
        return found

    def fuzz(self, seconds: int) -> tuple[int, list[str]]:
        until = time.monotonic() + seconds
        tried, found = 0, []
        routes = routes_of(self.world)
        cookies: tuple[dict[str, str], ...] = ({}, {"nurture_session": self.session})
        with httpx.Client(base_url=self.url, timeout=20, follow_redirects=False) as client:
            for words, (method, path), cookie in itertools.product(HOSTILE, routes, cookies):
                if time.monotonic() > until:
                    break
                if path == "/sign-out":
                    continue
                word = quote(words[:200], safe="")
                filled = re.sub(r"\{[^}]+\}", lambda _, word=word: word, path)
                client.cookies = httpx.Cookies(cookie)
                try:
                    answer = client.request(
                        method,
                        f"{self.url}{filled}",
                        headers={"authorization": f"Bearer {self.token}"},
                        params={
                            "q": words,
                            "t": words,
                            "to": words,
                            "stage": words,
                            "n": words,
                            "take": words,
                            "lang": words,
                            "track": words,
                            "kind": words,
                            "state": words,
                            "code": words,
                        },
                        data={"email": words, "decision": words, "note": words} if method == "POST" else None,
                    )
                except (httpx.InvalidURL, httpx.HTTPError, UnicodeError) as no:
                    if not isinstance(no, httpx.InvalidURL | UnicodeError):
                        found.append(f"{method} {path}: {no}")
                    continue
                tried += 1
                if answer.status_code >= 500:
                    found.append(f"{method} {path} with {words[:30]!r}: {answer.status_code}")
                if "<svg onload" in answer.text or "<script>alert" in answer.text:
                    found.append(f"{method} {path}: hostile words came back as markup")
        return tried, found


class _Errors(logging.Handler):
    def __init__(self, into: list[str]) -> None:
        super().__init__(logging.ERROR)
        self.into = into

    def emit(self, record: logging.LogRecord) -> None:
        last = (record.exc_text or record.getMessage()).strip().splitlines()
        if record.exc_info and record.exc_info[1] is not None:
            last = [f"{record.exc_info[0].__name__ if record.exc_info[0] else ''}: {record.exc_info[1]}"]
        self.into.append(f"server error: {last[-1][:200]}")


@contextmanager
def open_house() -> Iterator[House]:
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder)}/attack.db"
        store = open_store(url)
        store.create()
        store.close()
        made = make_world(url)
        world = next(made)
        world.parts.library = replace(world.parts.library, sales=SALES, agreement=AGREEMENT)
        with _serving(world) as address:
            yield _furnish(world, address)
        next(made, None)


@contextmanager
def _serving(world: World) -> Iterator[str]:
    sock = socket.create_server(("127.0.0.1", 0), backlog=128)
    address = f"http://127.0.0.1:{sock.getsockname()[1]}"
    world.parts.public_url = address
    server = uvicorn.Server(uvicorn.Config(create_app(world.parts, world.clock), log_level="error", access_log=False))
    thread = threading.Thread(target=server.run, args=([sock],), daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.05)
    try:
        yield address
    finally:
        server.should_exit = True
        thread.join(10)


def _furnish(world: World, address: str) -> House:
    lead, other = world.lead(), world.lead("other@example.com")
    for person in (lead, other):
        world.grant(person, Purpose.NURTURE_EMAIL, Purpose.CLICK_TRACKING, Purpose.OPEN_TRACKING)
    message = world.mail(lead)
    now = world.clock.now()
    with world.store.begin() as conn:
        conn.execute(text("update lead set stage = 'mql' where id = :i"), {"i": lead})
        conn.execute(insert(HandoffRow).values(lead_id=lead, queue="east", opened_at=now, packet={}))
        sessions.put_user(conn, "iva", address="iva@example.com", name="Iva", roles=["sales", "marketing"], now=now)
        sessions.open_session(conn, "iva", "attack-session", now=now)
        sessions.open_session(conn, "iva", "attack-token", now=now, kind="api")
    paths = ["/", "/campaigns", "/queue", "/queue/1", "/leads", f"/leads/{lead}", "/reports", "/forms/call", "/sign-in"]
    paths += [world.url(k, message, lead) for k in ("preferences", "click")]
    house = House(
        address,
        world,
        "attack-token",
        "attack-session",
        paths,
        [
            ("/leads?q=ada&stage=early&track=x&n=0", ""),
            (f"/leads/{lead}?kind=all&n=0", ""),
            ("/reports?kind=funnel&days=90", ""),
            ("/campaigns?q=a&state=live", ""),
            ("/queue?done=true", ""),
            ("/campaigns/x", ""),
            ("/forms/guide?t=x", ""),
            ("/forms/guide", "email=a%40example.com&first_name=Ada&agree-privacy_notice-email=y"),
            ("/sign-in", "address=iva%40example.com&password=x"),
            (world.url("preferences", message, lead), "shown=1&topic=guides&often=2"),
        ],
    )
    for name in ("uvicorn.error", "nurture", "asyncio"):
        logging.getLogger(name).addHandler(_Errors(house.errors))
    return house
