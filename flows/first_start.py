"""Prefect's empty database, made once per environment: making it takes most of the time of a first start.

`python -m flows.first_start` is the last step of `make setup`. Where nobody ran it the first start makes its own.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

DATABASE = "prefect.db"


def kept() -> Path:
    """Where the empty database of the installed Prefect is kept, whether or not it is there."""
    return Path(sys.prefix) / "share" / "nurture" / f"prefect-{version('prefect')}.db"


def lay_out(home: Path) -> None:
    """Give a new `home` of Prefect the empty database. A home that has one keeps its own."""
    target, source = home / DATABASE, kept()
    if target.exists() or not source.is_file():
        return
    home.mkdir(parents=True, exist_ok=True)
    spare = home / f".{DATABASE}.{os.getpid()}"
    shutil.copyfile(source, spare)
    spare.replace(target)


def make() -> None:
    """Make the empty database, unless it is there."""
    if kept().is_file():
        return
    kept().parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=kept().parent) as folder:
        made = Path(folder) / DATABASE
        os.environ.update({
            "DO_NOT_TRACK": "1", "PREFECT_SERVER_ANALYTICS_ENABLED": "false", "PREFECT_HOME": folder,
            "PREFECT_SERVER_DATABASE_CONNECTION_URL": f"sqlite+aiosqlite:///{made}",
        })
        _migrate()
        made.replace(kept())


def _migrate() -> None:
    import asyncio
    import sqlite3

    from prefect.server.database import provide_database_interface

    async def create() -> None:
        database = provide_database_interface()
        await database.create_db()
        await (await database.engine()).dispose()

    asyncio.run(create())
    with sqlite3.connect(os.environ["PREFECT_SERVER_DATABASE_CONNECTION_URL"].partition(":///")[2]) as made:
        # One file to copy: what stands in the log beside it moves into it.
        made.execute("PRAGMA journal_mode=DELETE")


if __name__ == "__main__":
    make()
