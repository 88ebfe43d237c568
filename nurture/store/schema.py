"""Bringing a database to this program's schema."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import func, inspect, select

from nurture.errors import UsageError
from nurture.store.engine import Store
from nurture.store.tables import metadata


def config() -> Config:
    """Alembic's configuration, independent of the folder a command is started in."""
    made = Config()
    made.set_main_option("script_location", str(resources.files("nurture.store") / "migrations"))
    return made


def ensure(store: Store) -> tuple[str | None, str | None]:
    """Migrate the database if it is older than this program. Gives the schema it had (None: empty) and the one it has.

    Raises:
        UsageError: the database is newer than this program.
    """
    scripts = _scripts()
    head = scripts.get_current_head()
    with store.read() as conn:
        at = MigrationContext.configure(conn).get_current_revision()
    if at == head:
        return at, head
    if at is not None and at not in {revision.revision for revision in scripts.walk_revisions()}:
        raise UsageError(
            f"this database was made by a newer version of the program (schema {at})", fix="upgrade the program"
        )
    with store.begin() as conn:
        setup = config()
        setup.attributes["connection"] = conn
        command.upgrade(setup, "head")
    return at, head


def copy_to(store: Store, file: Path) -> None:
    """A whole copy of an SQLite database at one moment, made while others read and write.

    Raises:
        UsageError: PostgreSQL, which has its own tools for this.
    """
    if not store.is_sqlite:
        raise UsageError("PostgreSQL is backed up with its own tools", fix="pg_dump --format=custom, WAL archiving")
    with store.read() as conn, closing(sqlite3.connect(file)) as copy:
        raw: Any = conn.connection.driver_connection
        raw.backup(copy)
        copy.execute("PRAGMA journal_mode=DELETE")
        whole = copy.execute("PRAGMA quick_check").fetchone()[0]
    if whole != "ok":
        raise UsageError(f"the copy is damaged, as the database is: {whole}", fix="put an older backup back")


@cache
def _scripts() -> ScriptDirectory:
    """The migrations: reading them costs more than most commands do, and they do not change while we run."""
    return ScriptDirectory.from_config(config())


def versions(store: Store) -> dict[str, Any]:
    """The database's schema, the program's, and the rows of each table that is there."""
    with store.read() as conn:
        at = MigrationContext.configure(conn).get_current_revision()
        there = set(inspect(conn).get_table_names())
        rows = {
            t.name: int(conn.execute(select(func.count()).select_from(t)).scalar_one())
            for t in metadata.sorted_tables
            if t.name in there
        }
    return {"at": at, "wanted": _scripts().get_current_head(), "rows": rows}
