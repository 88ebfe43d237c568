"""A migrated database equals a fresh one, on both databases; a newer database is refused with a plain sentence."""

from __future__ import annotations

from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text

from nurture.errors import UsageError
from nurture.store import Store, open_store
from nurture.store.schema import ensure, versions
from nurture.store.tables import metadata
from tests.postgres import make_database


def _differences(store: Store) -> list[object]:
    with store.read() as conn:
        return list(compare_metadata(MigrationContext.configure(conn, opts={"compare_type": True}), metadata))


def test_migrated_equals_fresh_on_sqlite(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/migrated.db")
    ensure(store)
    assert _differences(store) == [], "make migration M='what changed'"
    assert versions(store)["at"] == versions(store)["wanted"]


def test_migrated_equals_fresh_on_postgres(postgres: str) -> None:
    store = open_store(make_database(postgres, "nurture_migrated"))
    ensure(store)
    assert _differences(store) == [], "make migration M='what changed'"
    store.close()


def test_migrating_twice_does_nothing(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/twice.db")
    ensure(store)
    ensure(store)
    assert versions(store)["rows"]["lead"] == 0


def test_a_database_of_a_newer_program_is_refused(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/newer.db")
    ensure(store)
    with store.begin() as conn:
        conn.execute(text("UPDATE alembic_version SET version_num = 'from the future'"))
    with pytest.raises(UsageError, match="newer version"):
        ensure(store)


def test_no_column_drops_the_offset_of_a_moment() -> None:
    """A hand-written DateTime(timezone=True) loses its offset on SQLite without a word."""
    plain = [
        f"{t.name}.{c.name}"
        for t in metadata.sorted_tables
        for c in t.columns
        if type(c.type).__name__ in ("DateTime", "TIMESTAMP")
    ]
    assert plain == []
