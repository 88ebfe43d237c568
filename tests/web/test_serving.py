"""What serves the pages: settings reach them, what is applied elsewhere is seen, attempts are counted for all."""

from __future__ import annotations

import json
import time
from datetime import timedelta
from pathlib import Path

import pytest
import typer
from pydantic import SecretStr
from sqlalchemy import text
from standardwebhooks import Webhook
from starlette.testclient import TestClient
from typer.testing import CliRunner

import nurture.cli.server as family
from nurture.clock import VirtualClock
from nurture.settings import Settings
from nurture.store import Store, open_store
from nurture.store.running import attempts, sessions
from nurture.web.app import app_of, create_app
from nurture.web.follow import Follower
from tests.applying.world import S, campaign_file, draft
from tests.applying.world import World as Applied
from tests.conftest import NOW
from tests.web.conftest import World

ONE = "whsec_" + "b25lIHNlY3JldCB0aGF0IGlzIGxvbmcgZW5vdWdo"
TWO = "whsec_" + "dHdvIHNlY3JldHMgYXJlIGJldHRlciB0aGFuIG9uZQ=="


def test_the_settings_say_who_may_sign_calls(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lead = world.lead()
    chosen = Settings(
        var_dir=tmp_path, webhook_secret=SecretStr(ONE), old_webhook_secrets=(SecretStr(TWO),), oidc_issuer=""
    )
    body = json.dumps({"events": [{"lead": str(lead), "kind": "page_view", "at": NOW.isoformat()}]})
    with TestClient(app_of(chosen, world.parts, world.clock)) as client:
        for n, (secret, code) in enumerate(((ONE, 200), (TWO, 200), ("whsec_" + "eA==" * 8, 401))):
            name = f"msg_{n}"
            headers = {
                "webhook-id": name, "webhook-timestamp": str(int(NOW.timestamp())),
                "webhook-signature": Webhook(secret).sign(name, NOW, body),
            }
            assert client.post("/events", content=body, headers=headers).status_code == code, n
    app = typer.Typer()
    family.register(app)
    monkeypatch.setattr(family, "settings", lambda: chosen)
    assert CliRunner().invoke(app, ["webhook-secret"]).output.strip() == ONE
    monkeypatch.setattr(family, "settings", lambda: Settings(var_dir=tmp_path))
    own = CliRunner().invoke(app, ["webhook-secret"]).output.strip()
    assert own.startswith("whsec_") and own != ONE
    assert ONE not in repr(chosen) and TWO not in repr(chosen)


def test_attempts_are_counted_together_and_forgotten_with_their_window(store: Store) -> None:
    per = timedelta(minutes=10)

    def ask(name: str, minutes: float = 0) -> bool:
        with store.begin() as conn:
            return attempts.take(conn, name, most=3, per=per, now=NOW + timedelta(minutes=minutes))

    assert [ask("account a@example.com") for _ in range(5)] == [True, True, True, False, False]
    assert ask("account b@example.com")
    assert ask("account a@example.com", 10)
    ask("account c@example.com", 60)
    with store.read() as conn:
        kept = conn.execute(text("select key from note where key like 'attempt:%'")).scalars().all()
    assert len(kept) == 1 and "@" not in kept[0]


def test_what_is_applied_elsewhere_is_seen_without_a_restart(sqlite_url: str) -> None:
    """The web app of one process, a campaign applied by another."""
    store = open_store(sqlite_url)
    there, here = Applied(store), Applied(store).parts
    with store.begin() as conn:
        sessions.put_user(conn, "ines", address="i@example.com", name="Ines", roles=["marketing"], now=NOW)
        sessions.open_session(conn, "ines", "a session", now=NOW)
    follower = Follower(here, seconds=0.02)
    follower.start()
    with TestClient(create_app(here, VirtualClock(NOW)), cookies={"nurture_session": "a session"}) as client:
        assert client.get("/campaigns/drip").status_code == 404
        there.apply(draft(campaign_file([S("s1")])))
        until = time.monotonic() + 20
        while client.get("/campaigns/drip").status_code != 200:
            assert time.monotonic() < until, "the campaign was never seen"
            time.sleep(0.02)
    follower.stop()
    store.close()
