"""Pictures of every page, for people to look at: phone and desktop, light and dark, with what axe-core says of each.

    python -m tests.web.gallery DATABASE [--out build/pages] [--axe path/to/axe.min.js] [--only leads]

DATABASE is a copy of an SQLite file of the demo (`var/demo/nurture.db`): forms are sent and links are used up in it.
Ends with 1 on any finding, a sideways scroll, a console error or a control without a name.
"""

from __future__ import annotations

import argparse
import base64
import secrets
import socket
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import uvicorn
from sqlalchemy import text

from nurture.assembly import assemble
from nurture.clock import FixedClock, aware
from nurture.model.tokens import TokenPurpose, purpose_number, sign
from nurture.model.words import Purpose
from nurture.parts import Parts
from nurture.settings import Settings
from nurture.store import open_store
from nurture.store.privacy import confirmations
from nurture.store.running import sessions
from nurture.store.schema import ensure
from nurture.web.app import create_app
from tests.web.browser import Browser, open_browser

SHAPES = (("phone", 360, 740), ("desktop", 1280, 900))
SEND = "document.querySelector('main form button[type=submit]').click()"
Page = tuple[str, str, str]


def main(argv: Sequence[str] | None = None) -> int:
    asked = argparse.ArgumentParser(prog="python -m tests.web.gallery")
    asked.add_argument("database", type=Path)
    asked.add_argument("--out", type=Path, default=Path("build/pages"))
    asked.add_argument("--axe", type=Path)
    asked.add_argument("--only", default="")
    options = asked.parse_args(argv)
    options.out.mkdir(parents=True, exist_ok=True)
    axe = options.axe.read_text(encoding="utf-8") if options.axe else None
    if axe is None:
        print("axe-core is not given (--axe): findings are not looked for")
    bad = 0
    with serving(options.database) as (url, parts, clock, session), open_browser() as browser:
        browser.cookie("nurture_session", session, url)
        for shape, width, height in SHAPES:
            for dark in (False, True):
                for name, path, action in pages(parts, clock):
                    if options.only not in name:
                        continue
                    browser.shape(width, height, dark=dark)
                    found = look(browser, url + path, action, axe)
                    kind = f"{name}-{shape}-{'dark' if dark else 'light'}"
                    picture(browser, options.out / f"{kind}.png")
                    bad += bool(found)
                    print(f"{kind}: {'; '.join(found) or 'fine'}", flush=True)
    return 1 if bad else 0


def look(browser: Browser, url: str, action: str, axe: str | None) -> list[str]:
    browser.errors.clear()
    browser.go(url)
    if action:
        browser.loaded = False
        browser.evaluate(action)
        until = time.monotonic() + 10
        while not browser.loaded and time.monotonic() < until:
            browser.evaluate("1")
    found = [f"console: {e}" for e in browser.errors if "404" not in e and "422" not in e and "403" not in e]
    # A phone makes its window wider for what does not fit, so what was asked for counts.
    if (wide := browser.evaluate("document.documentElement.scrollWidth") - browser.width) > 0:
        found.append(f"scrolls sideways by {wide}")
    found += [f"no name: {n}" for n in browser.nameless_controls()]
    if axe is not None:
        browser.evaluate(axe)
        told = browser.call(
            "Runtime.evaluate", awaitPromise=True, returnByValue=True,
            expression="axe.run().then(r => r.violations.map(v => v.id + ' (' + v.impact + '): ' + v.nodes[0].html))",
        )["result"].get("value")
        found += [f"axe {one}" for one in told or []]
    return found


def picture(browser: Browser, path: Path) -> None:
    made = browser.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)
    path.write_bytes(base64.b64decode(made["data"]))


@contextmanager
def serving(database: Path) -> Iterator[tuple[str, Parts, FixedClock, str]]:
    store = open_store(f"sqlite:///{database.absolute()}")
    ensure(store)
    with store.read() as conn:
        last = conn.execute(text("select max(at) from journal")).scalar()
    with store.begin() as conn:  # a copy may have come without its key
        conn.execute(text("delete from note where key = 'own_key'"))

    moment = datetime.fromisoformat(last).replace(tzinfo=UTC) if last else datetime(2026, 11, 23, 9, tzinfo=UTC)
    clock = FixedClock(aware(moment + timedelta(minutes=1)))
    parts = assemble(store, Settings(var_dir=database.parent, prefect=False))
    session = secrets.token_urlsafe(16)
    with store.begin() as conn:
        sellers = [s for s in parts.library.sales.sellers.values() if s.role != "marketing"]
        name = sellers[0].id if sellers else "demo"
        sessions.put_user(conn, name, address="gallery@example.com", name="Gallery", roles=["admin"], now=clock.now())
        sessions.open_session(conn, name, session, now=clock.now())
    sock = socket.create_server(("127.0.0.1", 0), backlog=64)
    url = f"http://127.0.0.1:{sock.getsockname()[1]}"
    parts.public_url = url
    server = uvicorn.Server(uvicorn.Config(create_app(parts, clock), log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run, args=([sock],), daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.05)
    try:
        yield url, parts, clock, session
    finally:
        server.should_exit = True
        thread.join(10)
        store.close()


def pages(parts: Parts, clock: FixedClock) -> Iterator[Page]:
    """(name, address, script that presses a button). Single-use links are made anew for each look."""
    yield from _public(parts, clock)
    yield from _staff(parts)


def _one(parts: Parts, sql: str) -> Any:
    with parts.store.read() as conn:
        return conn.execute(text(sql)).scalar()


def _public(parts: Parts, clock: FixedClock) -> Iterator[Page]:
    lead = _one(parts, "select lead_id from message where state = 'sent' order by id desc limit 1") or 1
    message = _one(parts, f"select max(id) from message where lead_id = {lead}") or 1
    stop = f"/u/{sign(parts.keys, 'unsubscribe', lead, message, purpose_number(Purpose.NEWSLETTER))}"
    mine = f"/p/{sign(parts.keys, 'preferences', lead, message)}"
    yield "unsubscribe", stop, ""
    yield "unsubscribe-done", stop, SEND
    yield "preferences", mine, ""
    yield "preferences-saved", mine, SEND
    for language in ("pl", "cs", "de", "ru"):
        yield f"preferences-{language}", f"{mine}?lang={language}", ""
        yield f"unsubscribe-{language}", f"{stop}?lang={language}", ""
    yield "know", f"{mine}/me", ""
    yield "know-sent", f"{mine}/me", SEND
    yield "confirm", _single(parts, clock, lead, "confirm"), ""
    yield "confirm-done", _single(parts, clock, lead, "confirm"), SEND
    yield "me", _single(parts, clock, lead, "know"), ""
    for form in sorted(parts.library.forms)[:8]:
        yield f"form-{form}", f"/forms/{form}", ""
    some = sorted(parts.library.forms)[:1]
    yield from (("form-wrong", f"/forms/{form}", SEND) for form in some)
    yield from (("form-known", f"/forms/{form}?t={mine[3:]}", "") for form in some)
    yield "gone", "/u/nothing", ""
    yield "sign-in", "/sign-in", ""


def _single(parts: Parts, clock: FixedClock, lead: int, kind: str) -> str:
    expires = clock.now() + timedelta(minutes=50)
    number = secrets.randbits(47)
    data: dict[str, Any] = {}
    if kind == "confirm":
        token = sign(parts.keys, TokenPurpose.CONFIRM, lead, number, int(expires.timestamp()))
        asked = [{"purpose": "newsletter", "channel": "email", "wording": "x"}]
        named = ["newsletter", "click_tracking"]
        data = {"purposes": named, "asked": asked, "language": "en", "source": "form", "id": 1}
    else:
        token = sign(parts.keys, TokenPurpose.MAGIC, number, int(expires.timestamp()))
    with parts.store.begin() as conn:
        confirmations.issue(
            conn, token, purpose=kind, lead_id=lead, data=data, now=clock.now(), expires_at=expires
        )
    return f"/{'me' if kind == 'know' else kind}/{token}"


def _staff(parts: Parts) -> Iterator[Page]:
    lead = _one(parts, "select lead_id from handoff order by opened_at desc limit 1") or 1
    trip = _one(parts, "select id from handoff where closed_at is null order by id limit 1")
    ended = _one(parts, "select id from handoff where closed_at is not null order by id limit 1")
    yield "funnel", "/", ""
    yield "campaigns", "/campaigns", ""
    busiest = _one(parts, "select campaign from message group by campaign order by count(*) desc limit 1")
    if busiest:
        yield "campaign", f"/campaigns/{busiest}", ""
    yield "queue", "/queue", ""
    yield "queue-done", "/queue?done=true", ""
    for name, one in (("handoff", trip), ("handoff-ended", ended)):
        if one:
            yield name, f"/queue/{one}", ""
    yield "leads", "/leads", ""
    yield "leads-none", "/leads?q=nobody", ""
    yield "lead", f"/leads/{lead}", ""
    yield "mail", "/mail?done=true", ""
    if waiting := _one(parts, "select id from inbound order by handled_at is not null, id desc limit 1"):
        yield "mail-one", f"/mail/{waiting}", ""
    yield "reports", "/reports", ""


if __name__ == "__main__":
    sys.exit(main())
