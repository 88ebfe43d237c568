"""Fixtures of the orchestration tests: a database with the shipped campaigns, and a mail server that keeps files."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from nurture.demo.mailbox import MailFolder
from nurture.settings import Settings, load_settings

BEGIN = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
ROOT = Path(__file__).parents[2]


def command(environment: dict[str, str], *argv: str) -> str:
    """Run `nurture ARGUMENTS` in this process under `environment`; its output. The process's own is put back."""
    from nurture.cli import main

    before = dict(os.environ)
    printed = io.StringIO()
    try:
        os.environ.update(environment)
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed), contextlib.suppress(SystemExit):
            main(list(argv))
    finally:
        os.environ.clear()
        os.environ.update(before)
    return printed.getvalue()


def people(path: Path, count: int) -> Path:
    """A file of leads who all agreed to mail."""
    from nurture.demo.sample import SHIPPED

    lines = SHIPPED.read_text("utf-8").splitlines()
    agreed = [
        line
        for line in lines[1:]
        if ",no,yes," in line
        and "unsubscribed" not in line
        and "bounced" not in line
        and "@" in line
        and " at " not in line
        and ",guide form," in line
    ]
    path.write_text("\n".join([lines[0], *agreed[:count]]) + "\n", "utf-8")
    return path


@pytest.fixture
def mail(tmp_path: Path) -> Iterator[MailFolder]:
    with MailFolder(tmp_path / "mail") as server:
        yield server


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Database and key of an installation that has campaigns and leads; made once, copied often."""
    home = tmp_path_factory.mktemp("prepared")
    made = installation(home, 25)
    leads = people(home / "leads.csv", 40)
    command(environment_of(made), "import", str(leads), "--map", str(ROOT / "nurture/demo/leads.map.yaml"), "--yes")
    assert "Applied" in command(environment_of(made), "apply", "--yes")
    return home


def installation(home: Path, smtp_port: int) -> Settings:
    return load_settings(
        var_dir=home / "var",
        database_url=f"sqlite:///{home}/nurture.db",
        smtp_url=f"smtp://127.0.0.1:{smtp_port}",
        prefect=False,
        port=0,
        campaigns_dir=ROOT / "campaigns",
        templates_dir=ROOT / "templates",
        tick_seconds=0.2,
    )


@pytest.fixture
def settings(tmp_path: Path, mail: MailFolder, prepared: Path) -> Settings:
    """An installation without Prefect that has the shipped campaigns and forty leads, and has mailed nobody yet."""
    (tmp_path / "var").mkdir()
    shutil.copy(prepared / "var" / "secret.key", tmp_path / "var" / "secret.key")
    with sqlite3.connect(prepared / "nurture.db") as source, sqlite3.connect(tmp_path / "nurture.db") as copy:
        source.backup(copy)
    return installation(tmp_path, mail.port)


def environment_of(made: Settings, now: datetime = BEGIN) -> dict[str, str]:
    return {
        "NURTURE_VAR_DIR": str(made.var_dir),
        "NURTURE_DATABASE_URL": made.database_url,
        "NURTURE_SMTP_URL": made.smtp_url,
        "NURTURE_CAMPAIGNS_DIR": str(made.campaigns_dir),
        "NURTURE_TEMPLATES_DIR": str(made.templates_dir),
        "NURTURE_PREFECT": "on" if made.prefect else "off",
        "NURTURE_NOW": now.isoformat(),
    }
