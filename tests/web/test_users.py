"""The command that lets people in."""

from __future__ import annotations

import json

import pytest
import typer
from typer.testing import CliRunner

import nurture.cli.users as family
from nurture.errors import UsageError
from nurture.store.running import sessions
from tests.web.conftest import World


def test_users_are_added_get_links_and_tokens_and_are_shut_out(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    app = typer.Typer()
    family.register(app)
    monkeypatch.setattr(family, "open_parts", lambda: (world.parts, world.clock))
    run = CliRunner().invoke
    add = ["users", "add", "ines", "--address", "ines@example.com", "--role", "marketing", "--role", "privacy"]
    assert run(app, add).exit_code == 0
    for wrong in (
        ["users", "add", "x", "--address", "no", "--role", "sales"],
        ["users", "link", "nobody"],
        ["users", "add", "x", "--address", "x@example.com", "--role", "king"],
        ["users", "add", "other", "--address", "INES@example.com", "--role", "sales"],
    ):
        assert isinstance(run(app, wrong).exception, UsageError)
    link = json.loads(run(app, ["users", "link", "ines", "--json"]).output)["link"].removeprefix("http://testserver")
    assert world.client.post(link).status_code == 303
    assert world.client.get("/").status_code == 200
    token = run(app, ["users", "token", "ines"]).output.strip()
    with world.store.read() as conn:
        assert sessions.who(conn, token, now=world.clock.now(), kind="api") is not None
    short = run(app, ["users", "password", "ines"], input="short\nshort\n")
    assert isinstance(short.exception, UsageError)
    assert run(app, ["users", "password", "ines"], input="long enough to keep\nlong enough to keep\n").exit_code == 0
    assert world.client.get("/").status_code == 303
    assert run(app, ["users", "disable", "ines"]).exit_code == 0
    assert json.loads(run(app, ["users", "list", "--json"]).output)[0]["state"] == "disabled"
