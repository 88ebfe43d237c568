"""Opening the database: SQLite (WAL) by default, PostgreSQL by its URL; one way to begin a transaction on both."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, DisconnectionError, OperationalError
from sqlalchemy.pool import StaticPool

from nurture.errors import Unavailable, UsageError
from nurture.store.tables import metadata

BUSY_MS = 30_000
RESTS = 0.5
"""Seconds after which a connection to PostgreSQL that nobody used is asked whether it still lives."""
_NO_DATABASE = ("file is not a database", "database disk image is malformed")


class Store:
    """A database. `begin()` is one transaction that will write, `read()` one that only reads."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.is_sqlite = engine.dialect.name == "sqlite"

    @property
    def place(self) -> str:
        """Where it is, without user and password."""
        url = self.engine.url
        return f"{url.host}/{url.database}" if url.host else str(url.database or "memory")

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """One writing transaction: committed at the end, rolled back on any exception.

        On SQLite it takes the write lock at once (BEGIN IMMEDIATE): a transaction that reads first and writes later
        would fail half-way under a second writer instead of waiting for it.
        """
        with _plain_words(), self.engine.connect().execution_options(nurture_write=True) as conn, conn.begin():
            yield conn

    @contextmanager
    def read(self) -> Iterator[Connection]:
        with _plain_words(), self.engine.connect() as conn:
            yield conn

    def create(self) -> None:
        """Make every table in an empty database (tests, rehearsals); installations are migrated instead."""
        metadata.create_all(self.engine)

    def close(self) -> None:
        self.engine.dispose()


def open_store(url: str, *, sync: str = "NORMAL") -> Store:
    """Open the database at `url` (`sqlite:///var/nurture.db`, `postgresql://...`, `sqlite://` in memory).

    Raises:
        UsageError: the URL does not name a database this program can use.
    """
    try:
        parsed = make_url(url)
    except ArgumentError as wrong:
        raise UsageError(
            f"`{url}` is not a database address", fix="write sqlite:///var/nurture.db or postgresql://user@host/name"
        ) from wrong
    kind = parsed.get_backend_name()
    if kind == "sqlite":
        return Store(_sqlite(parsed, sync))
    if kind == "postgresql":
        return Store(_postgres(parsed))
    raise UsageError(f"`{kind}` is not a database this program knows", fix="use SQLite or PostgreSQL")


def _postgres(url: Any) -> Engine:
    engine = create_engine(url.set(drivername="postgresql+psycopg"), hide_parameters=True, pool_size=5)

    # SQLAlchemy's own `pool_pre_ping` asks before every transaction, also between two of a worker in full work.
    @event.listens_for(engine, "checkin")
    def _rests(_raw: Any, record: Any) -> None:
        record.info["since"] = monotonic()

    @event.listens_for(engine, "checkout")
    def _asked_after(raw: Any, record: Any, _proxy: Any) -> None:
        since = record.info.get("since")
        if since is None or monotonic() - since < RESTS:
            return
        try:
            alive = engine.dialect.do_ping(raw)
        except engine.dialect.loaded_dbapi.Error as lost:
            raise DisconnectionError from lost
        if not alive:
            raise DisconnectionError

    return engine


def _sqlite(url: Any, sync: str) -> Engine:
    in_memory = url.database in (None, "", ":memory:")
    if not in_memory:
        try:
            file = Path(url.database).expanduser()
            file.parent.mkdir(parents=True, exist_ok=True)
            if not url.database.startswith(("~", "file:")) and not file.exists():
                # Made here so that nobody else on this machine reads it; SQLite gives its WAL the same rights.
                file.touch(mode=0o600)
        except OSError as wrong:
            raise UsageError(
                f"the database {url.database} cannot be made: {wrong.strerror}",
                fix="choose another with NURTURE_DATABASE_URL",
            ) from wrong
    args: dict[str, Any] = {"connect_args": {"check_same_thread": False, "timeout": BUSY_MS / 1000}}
    if in_memory:
        args["poolclass"] = StaticPool
    engine = create_engine(url, hide_parameters=True, **args)

    @event.listens_for(engine, "connect")
    def _prepare(raw: Any, _record: Any) -> None:
        # The driver must not begin transactions by itself: it would begin them deferred.
        raw.isolation_level = None
        cursor = raw.cursor()
        for pragma in (
            f"busy_timeout={BUSY_MS}",
            "journal_mode=WAL",
            f"synchronous={sync}",
            "temp_store=MEMORY",
            "cache_size=-16384",
            "wal_autocheckpoint=4000",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(conn: Connection) -> None:
        write = conn.get_execution_options().get("nurture_write", False)
        conn.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")

    return engine


@contextmanager
def _plain_words() -> Iterator[None]:
    """Say a database that is away, full or locked in one sentence; everything else stays the bug it is."""
    try:
        yield
    except OperationalError as away:
        raise Unavailable(
            f"the database does not answer: {_first_line(away)}",
            fix="see that it runs, is reachable and has room; nothing was lost",
        ) from away
    except DBAPIError as lost:
        if lost.connection_invalidated:
            raise Unavailable(f"the connection to the database was lost: {_first_line(lost)}") from lost
        if str(lost.orig) in _NO_DATABASE:
            raise UsageError(
                f"what stands at the database's address is no database: {_first_line(lost)}",
                fix="look at NURTURE_DATABASE_URL; a damaged file is put back from the backup",
            ) from lost
        raise


def _first_line(error: DBAPIError) -> str:
    return str(error.orig).strip().splitlines()[0] if str(error.orig).strip() else type(error.orig).__name__
