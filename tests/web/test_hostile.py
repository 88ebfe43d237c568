"""Hostile text in every column that the outside can reach stays text: on pages, in files, on the terminal."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from pathlib import Path
from typing import Any

import pytest
import typer
from sqlalchemy import JSON, String, Text, insert, text
from typer.testing import CliRunner

import nurture.cli.consent as consent_family
import nurture.cli.privacy as privacy_family
from nurture.model.words import Purpose
from nurture.store.privacy import personal
from nurture.store.tables import AlertRow, EventRow, HandoffRow, HitRow, JournalRow, LeadValueRow, SalesDecisionRow
from tests.web.conftest import World
from tests.web.test_staff import enter, user

OWN = '"><svg onload=alert(1)>\x1b]0;owned\x07\x1b[31m\u202egnp\u2066=cmd|\'/c calc\'!A1'
HIDING = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
FORMULA = ("=", "+", "-", "@", "\t", "\r")
KEPT = {"id", "key", "stage", "state", "kind", "purpose", "channel", "action", "status", "verdict", "queue", "language"}


@pytest.fixture
def poisoned(world: World) -> World:
    lead = world.lead("ada@example.com", fields={"first_name": OWN, "company": f"={OWN}", "role": f"@{OWN}"})
    world.grant(lead, Purpose.NURTURE_EMAIL, Purpose.OPEN_TRACKING, Purpose.CLICK_TRACKING)
    message = world.mail(lead)
    now = world.clock.now()
    rows: list[tuple[Any, dict[str, Any]]] = [
        (AlertRow, {"key": "k", "code": "x", "text": "x", "for_whom": "x", "at": now}),
        (JournalRow, {"lead_id": lead, "at": now, "kind": "told", "text": "x", "campaign": "x"}),
        (EventRow, {"lead_id": lead, "kind": "page_view", "occurred_at": now, "recorded_at": now, "path": "x",
                    "content": "x", "key": "e1"}),
        (LeadValueRow, {"lead_id": lead, "field": "x", "value": {"v": OWN}, "at": now}),
        (HandoffRow, {"lead_id": lead, "queue": "east", "opened_at": now, "note": "x", "packet": {
            "identity": {"fields": {"first_name": OWN, OWN: OWN}, "email": OWN}, "may_use": [{"channel": OWN}],
            "for": [{"points": 1000, "text": OWN}], "against": [{"points": -1, "text": OWN}],
        }}),
    ]
    with world.store.begin() as conn:
        for model, values in rows:
            table = model.__table__
            conn.execute(insert(table).values(**{c: v for c, v in values.items() if c in table.c}))
        conn.execute(text("update lead set external_id = :o, source = :o, recycle_reason = :o"), {"o": OWN})
        for model in (AlertRow, JournalRow, EventRow, HandoffRow, SalesDecisionRow, HitRow):
            table = model.__table__
            free = [
                c for c in table.columns
                if isinstance(c.type, String | Text) and not isinstance(c.type, JSON) and c.name not in KEPT
            ]
            for column in free:
                conn.execute(table.update().where(column.is_not(None)).values({column.name: OWN}))
    assert message
    user(world, "ines", "admin")
    enter(world, "ines")
    return world


def test_no_page_runs_it_or_is_turned_round_by_it(poisoned: World) -> None:
    pages = ["/", "/leads", "/leads?q=" + "%22%3E%3Csvg", "/leads/1", "/leads/1?kind=did", "/queue", "/queue/1",
             "/queue?done=true", "/campaigns", "/campaigns?q=%3Csvg%3E", "/reports", "/reports?kind=stagnation",
             poisoned.url("preferences", 1, 1), poisoned.url("unsubscribe", 1, 1)]
    told = 0
    for path in pages:
        answer = poisoned.client.get(path)
        assert answer.status_code == 200, path
        assert "<svg onload" not in answer.text, path
        assert HIDING.search(answer.text) is None, path
        told += "&lt;svg onload" in answer.text
    assert told >= 5


def test_no_spreadsheet_runs_it(poisoned: World) -> None:
    with poisoned.store.read() as conn:
        packed = personal.to_zip(personal.collect(conn, 1))
    files = [zipfile.ZipFile(io.BytesIO(packed)).read(n).decode("utf-8-sig")
             for n in zipfile.ZipFile(io.BytesIO(packed)).namelist() if n.endswith(".csv")]
    files += [poisoned.client.get(f"/reports/{kind}.csv").text for kind in ("funnel", "stagnation", "won", "sla")]
    cells = [cell for file in files for row in csv.reader(io.StringIO(file)) for cell in row]
    numbers = re.compile(r"-?[0-9.,%]+")
    assert any("svg onload" in cell for cell in cells)
    assert [c for c in cells if c.startswith(FORMULA) and not numbers.fullmatch(c)] == []


def test_no_terminal_obeys_it(poisoned: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NURTURE_VAR_DIR", str(tmp_path))
    app = typer.Typer()
    for family in (consent_family, privacy_family):
        family.register(app)
        monkeypatch.setattr(family, "open_parts", lambda: (poisoned.parts, poisoned.clock))
    run = CliRunner().invoke
    for command in (
        ["consent", "show", "ada@example.com"], ["consent", "verify"], ["consent", "export"],
        ["privacy", "export", "ada@example.com"], ["privacy", "retain", "--dry-run"], ["privacy", "find", "svg onload"],
        ["privacy", "object", "ada@example.com", "--by", OWN],
    ):
        done = run(app, command)
        assert HIDING.search(done.output) is None, command
