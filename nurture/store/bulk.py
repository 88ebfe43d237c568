"""Many new rows at once, by the driver itself: what a statement per row costs is most of what an import costs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, Table, bindparam, func, select
from sqlalchemy.dialects import sqlite

Row = tuple[Any, ...]


def insert_new(
    conn: Connection, table: Table, columns: Sequence[str], rows: Iterable[Sequence[Any]], returning: Sequence[str]
) -> list[Row]:
    """Insert rows, leaving out those that meet a unique index. Returns `returning` of those that are new.

    Columns that are not named get their defaults. On PostgreSQL the rows go through a staging table.
    """
    names, convert = _plan(conn, table, columns)
    ready = [convert(row) for row in rows]
    if not ready:
        return []
    if conn.dialect.name == "sqlite":
        return _sqlite(conn, table, names, ready, returning)
    return _postgres(conn, table.name, names, ready, returning)


def _plan(conn: Connection, table: Table, columns: Sequence[str]) -> tuple[list[str], Callable[[Sequence[Any]], Row]]:
    """The columns to write, and how a row becomes what the driver takes."""
    processors = [_processor(conn, table, name) for name in columns]
    names, fixed = list(columns), []
    for column in table.columns:
        default: Any = column.default
        if column.name in columns or default is None:
            continue
        value = default.arg if default.is_scalar else default.arg(None)
        process = _processor(conn, table, column.name)
        names.append(column.name)
        fixed.append(process(value) if process else value)
    constants = tuple(fixed)

    def convert(row: Sequence[Any]) -> Row:
        done = [v if v is None or p is None else p(v) for p, v in zip(processors, row, strict=True)]
        return (*done, *constants)

    return names, convert


def _processor(conn: Connection, table: Table, name: str) -> Callable[[Any], Any] | None:
    """What the type of a column does to a value before the driver sees it; a repeated value is done once."""
    kind = table.columns[name].type.dialect_impl(conn.dialect)
    process = kind.bind_processor(conn.dialect)
    if process is None:
        return None
    last: list[Any] = [object(), None]

    def remembered(value: Any) -> Any:
        if value is not last[0]:
            last[0], last[1] = value, process(value)
        return last[1]

    return remembered


def _sqlite(
    conn: Connection, table: Table, names: Sequence[str], rows: list[Row], returning: Sequence[str]
) -> list[Row]:
    # Safe because a writing transaction holds the only write lock: nobody else's rows can come in between.
    before = conn.execute(select(func.coalesce(func.max(table.c.id), 0))).scalar_one()
    statement = sqlite.insert(table).values({name: bindparam(name) for name in names}).on_conflict_do_nothing()
    compiled = statement.compile(dialect=conn.dialect, column_keys=list(names))
    order = [names.index(name) for name in compiled.positiontup or names]
    conn.exec_driver_sql(str(compiled), [tuple(row[at] for at in order) for row in rows])
    found = conn.execute(select(*(table.c[name] for name in returning)).where(table.c.id > before).order_by(table.c.id))
    return [tuple(row) for row in found]


def _postgres(
    conn: Connection, table: str, names: Sequence[str], rows: Sequence[Row], returning: Sequence[str]
) -> list[Row]:
    listed = ", ".join(map(_name, names))
    staging = _name(f"staging_{table}")
    like = f"SELECT {listed} FROM {_name(table)}"  # noqa: S608  # every word is a name of ours
    conn.exec_driver_sql(f"CREATE TEMP TABLE IF NOT EXISTS {staging} AS {like} WITH NO DATA")
    conn.exec_driver_sql(f"TRUNCATE {staging}")
    driver: Any = conn.connection.driver_connection
    with driver.cursor() as cursor, cursor.copy(f"COPY {staging} ({listed}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)
    wanted = ", ".join(map(_name, returning))
    chosen = f"INSERT INTO {_name(table)} ({listed}) SELECT {listed} FROM {staging}"  # noqa: S608  # names of ours
    found = conn.exec_driver_sql(f"{chosen} ON CONFLICT DO NOTHING RETURNING {wanted}")
    return [tuple(row) for row in found]


def _name(word: str) -> str:
    """A table or column of ours inside a statement; never anybody else's word."""
    if not word.replace("_", "").isalnum():
        raise ValueError(f"`{word}` is no name of ours")
    return f'"{word}"'
