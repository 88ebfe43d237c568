"""A full disk while importing, applying, ticking and serving: one clear message each, and nothing is lost."""

from __future__ import annotations

import logging
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine, event

from flows.installation import Installation
from nurture.cli import main
from nurture.clock import VirtualClock
from nurture.demo.mailbox import MailFolder
from nurture.demo.people import person
from nurture.demo.sample import SHIPPED, SHIPPED_MAP
from nurture.demo.site import fill
from nurture.settings import Settings
from nurture.store import open_store
from tests.flows.conftest import BEGIN, ROOT, environment_of

pytestmark = pytest.mark.process


@contextmanager
def full(room: int = 0) -> Iterator[None]:
    """Databases opened in here cannot grow by more than `room` pages; SQLite then says what it says of a full disk."""

    def limit(raw: Any, _record: Any) -> None:
        cursor = raw.cursor()
        pages = cursor.execute("PRAGMA page_count").fetchone()[0]
        cursor.execute(f"PRAGMA max_page_count={pages + room}")
        cursor.close()

    event.listen(Engine, "connect", limit)
    try:
        yield
    finally:
        event.remove(Engine, "connect", limit)


def nurture(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str]:
    capsys.readouterr()
    try:
        main(list(argv))
        code = 0
    except SystemExit as ended:
        code = int(ended.code or 0)
    return code, "".join(capsys.readouterr())


def count(made: Settings, table: str) -> int:
    store = open_store(made.database_url)
    with store.read() as conn:
        found = int(conn.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar_one())
    store.close()
    return found


@pytest.fixture
def typed(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """What is typed acts on `settings`, with campaigns of its own."""
    shutil.copytree(ROOT / "campaigns", tmp_path / "campaigns")
    own = settings.model_copy(update={"campaigns_dir": tmp_path / "campaigns"})
    for name, value in environment_of(own).items():
        monkeypatch.setenv(name, value)
    return own


def test_an_import_ends_in_one_message_and_is_whole_when_repeated(
    typed: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("import", str(SHIPPED), "--map", str(SHIPPED_MAP), "--yes")
    with full(40):
        code, said = nurture(capsys, *words)
    assert code == 3 and "full" in said and "fix:" in said and "Traceback" not in said
    code, said = nurture(capsys, *words)
    assert code in (0, 1)
    with_all = count(typed, "lead")
    assert with_all > 380
    code, said = nurture(capsys, *words)
    assert "Nothing changed" in said and count(typed, "lead") == with_all


def test_an_apply_leaves_what_runs_as_it_was(typed: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    path = typed.campaigns_dir / "welcome.yaml"
    path.write_text("# another thought\n" * 400 + path.read_text("utf-8"), "utf-8")
    before = count(typed, "campaign_version")
    with full():
        code, said = nurture(capsys, "apply", "--yes")
    assert code == 3 and "full" in said and "fix:" in said and "Traceback" not in said
    assert count(typed, "campaign_version") == before
    assert nurture(capsys, "apply", "--yes")[0] == 0
    assert count(typed, "campaign_version") == before + 1


def test_the_clock_and_the_pages_outlive_it_and_everybody_is_mailed_once(
    settings: Settings, mail: MailFolder, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR, logger="nurture")
    with full(), Installation(settings, clock=VirtualClock(BEGIN)) as running:
        for _ in range(3):
            running.clockwork._guarded_tick()
        page = httpx.get(f"{running.url}/forms/newsletter").text
        for visitor in range(40):
            typed = fill(page, person(7, f"visitor{visitor}@elsewhere.example"), agree=1)
            answer = httpx.post(f"{running.url}/forms/newsletter", data=typed)
            if answer.status_code >= 500:
                break
    assert caplog.text.count("disk is full") == 1 and "Traceback" not in caplog.text
    assert answer.status_code == 503 and "Traceback" not in answer.text
    assert mail.accepted == len({m.recipient for m in mail.delivered})
    with Installation(settings, clock=VirtualClock(BEGIN + timedelta(hours=2))) as running:
        assert httpx.get(f"{running.url}/forms/newsletter").status_code == 200
        for _ in range(3):
            running.clockwork.tick()
    sent = Counter(m.recipient for m in mail.delivered)
    assert len(sent) >= 20 and set(sent.values()) == {1}
