"""Fixtures that every kind of test shares: both databases, and a moment to start from."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import settings

from nurture.store import Store, open_store
from tests.faults import book
from tests.postgres import NoPostgres, cluster, make_database

# An engine call from a test that should not make one fails at once instead of starting a server.
os.environ.setdefault("DO_NOT_TRACK", "1")
os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")

# On a machine that decides about a landing the examples are the same each time; elsewhere they are new ones each time.
settings.register_profile("landing", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("landing")

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
"""A Monday morning."""

ROOT = Path(__file__).parent.parent
_names = itertools.count(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whatever starts a PostgreSQL server says so, so that the fast part can leave it out."""
    for item in items:
        fixtures = getattr(item, "fixturenames", ())
        if "postgres" in item.name.partition("[")[2] or {"postgres", "postgres_url"} & set(fixtures):
            item.add_marker(pytest.mark.postgres)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What the fault suites caused, as one table, whatever process ran them."""
    reports = [r for outcome in ("passed", "failed") for r in terminalreporter.stats.get(outcome, [])]
    book.tell((r for r in reports if r.when == "call"), terminalreporter.write_line)


@pytest.fixture
def now() -> datetime:
    return NOW


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real files that stand beside a checkout; tests that need them say so where they do not."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no real data beside the checkout (looked for {folder.name}/ next to it)")
    return folder


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """A PostgreSQL server of this test process, with a template database that has every table."""
    try:
        with cluster() as admin:
            url = make_database(admin, "nurture_template")
            store = open_store(url)
            store.create()
            store.close()
            yield admin
    except NoPostgres as why:
        if os.environ.get("CI"):
            pytest.fail(f"PostgreSQL is required here: {why}")
        pytest.skip(f"no PostgreSQL: {why}")


@pytest.fixture
def postgres_url(postgres: str) -> str:
    """A fresh database with every table."""
    return make_database(postgres, f"nurture_{os.getpid()}_{next(_names)}", "nurture_template")


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """A fresh database file with every table."""
    url = f"sqlite:///{tmp_path}/nurture.db"
    store = open_store(url)
    store.create()
    store.close()
    return url


@pytest.fixture(params=["sqlite", "postgres"])
def store_url(request: pytest.FixtureRequest) -> str:
    """The test runs once on each database."""
    return str(request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    opened = open_store(store_url)
    yield opened
    opened.close()
