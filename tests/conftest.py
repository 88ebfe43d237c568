"""Fixtures that every kind of test shares: both databases, and a moment to start from."""

from __future__ import annotations

import gc
import itertools
import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import pytest
import typer.testing
from hypothesis import is_hypothesis_test, settings

from nurture.store import Store, open_store
from tests.faults import book
from tests.postgres import NoPostgres, cluster, drop_database, make_database, quick_ground

# An engine call from a test that should not make one fails at once instead of starting a server.
os.environ.setdefault("DO_NOT_TRACK", "1")
# No test asks the internet whose servers take a domain.
os.environ.setdefault("NURTURE_MX_LOOKUP", "off")
os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")

# The runner of commands in tests makes a whole command line for each; it is the same one each time.
typer.testing._get_command = cache(typer.main.get_command)

# On a machine that decides about a landing the examples are the same each time; elsewhere they are new ones each time.
settings.register_profile("landing", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("landing")

EVERYTHING = bool(os.environ.get("NURTURE_TEST_ALL"))
"""`make test-all` tries every example of a property, `make test` a part of them."""
PART = 3
FEW = 20

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
"""A Monday morning."""

LONG_FIRST = (
    "stories", "flows", "faults", "inbound", "web", "rehearse", "mail", "intake", "applying", "sales", "store", "cli",
)  # fmt: skip
"""Folders whose files take long come first: otherwise one worker still runs them when the others have nothing left."""

ROOT = Path(__file__).parent.parent
_names = itertools.count(1)


def pytest_configure() -> None:
    """Looking for cycles every few hundred objects is a twentieth of a run. Not on import: benches import this, too."""
    gc.set_threshold(50_000, 20, 50)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What starts a PostgreSQL server says so, so that the fast part can leave it out; properties try a part."""
    tried: set[int] = set()
    for item in items:
        test = getattr(item, "obj", None)
        if not EVERYTHING and is_hypothesis_test(test) and id(test := getattr(test, "__func__", test)) not in tried:
            tried.add(id(test))
            asked = test._hypothesis_internal_use_settings
            if asked.max_examples > FEW:
                test._hypothesis_internal_use_settings = settings(asked, max_examples=asked.max_examples // PART)
        fixtures = getattr(item, "fixturenames", ())
        if "postgres" in item.name.partition("[")[2] or {"postgres", "postgres_url"} & set(fixtures):
            item.add_marker(pytest.mark.postgres)
    items.sort(key=lambda item: _turn(item.path))


def _turn(file: Path) -> int:
    folder = file.relative_to(ROOT / "tests").parts[0]
    return LONG_FIRST.index(folder) if folder in LONG_FIRST else len(LONG_FIRST)


def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """What a file's tests imported and made for good is not looked through again and again while later files run."""
    if nextitem is not None and nextitem.path != item.path:
        gc.collect()
        gc.freeze()


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
        with cluster(quick_ground()) as admin:
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
def postgres_url(postgres: str) -> Iterator[str]:
    """A fresh database with every table, gone after the test."""
    name = f"nurture_{os.getpid()}_{next(_names)}"
    yield make_database(postgres, name, "nurture_template")
    drop_database(postgres, name)


@pytest.fixture(scope="session")
def empty_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database file with every table and no row: copying it is thirty times quicker than making it."""
    path = tmp_path_factory.mktemp("empty") / "nurture.db"
    store = open_store(f"sqlite:///{path}")
    store.create()
    with store.read() as conn:
        conn.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    store.close()
    return path


@pytest.fixture
def sqlite_url(tmp_path: Path, empty_sqlite: Path) -> str:
    """A fresh database file with every table."""
    shutil.copyfile(empty_sqlite, tmp_path / "nurture.db")
    return f"sqlite:///{tmp_path}/nurture.db"


@pytest.fixture(params=["sqlite", "postgres"])
def store_url(request: pytest.FixtureRequest) -> str:
    """The test runs once on each database."""
    return str(request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    opened = open_store(store_url)
    yield opened
    opened.close()
