"""Looking for a word in every column of every table there is, known to this program or not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import Connection, MetaData, String, cast, func, select

from nurture.store.engine import Store


def columns_with(conn: Connection, word: str) -> Iterator[tuple[str, int]]:
    """(`table.column`, rows whose text holds `word`), whatever its case."""
    tables = MetaData()
    tables.reflect(conn)
    pattern = "%" + word.lower().replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
    for table in tables.sorted_tables:
        texts = {c.name: func.lower(cast(c, String)).like(pattern, escape="\\") for c in table.columns}
        counts = conn.execute(select(*(func.count().filter(fits).label(n) for n, fits in texts.items()))).mappings()
        yield from ((f"{table.name}.{name}", int(n)) for name, n in counts.one().items() if n)


def files_of(store: Store) -> list[Path]:
    """The files an SQLite database lies in, with its journal; none for a server."""
    name = store.engine.url.database
    if not store.is_sqlite or not name or name == ":memory:":
        return []
    return [path for end in ("", "-wal", "-shm", "-journal") if (path := Path(f"{name}{end}").absolute()).is_file()]
