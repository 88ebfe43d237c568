"""The driver's own cursor inside a transaction of ours, for the few statements that run once per message or so.

Rows come as plain tuples, values go as the driver takes them. SQLAlchemy's result objects cost as much as the rows.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import psycopg
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

Row = tuple[Any, ...]


class Driver:
    """`lite`: SQLite, with `?`; else PostgreSQL, whose `%s` are written as `?` too and whose lists are arrays."""

    __slots__ = ("_raw", "lite")

    def __init__(self, conn: Connection) -> None:
        self.lite = conn.dialect.name == "sqlite"
        self._raw: Any = conn.connection.driver_connection

    def rows(self, sql: str, given: Sequence[Any]) -> list[Row]:
        """What a query, or a statement with RETURNING, gives."""
        try:
            if self.lite:
                found: list[Row] = self._raw.execute(sql, given).fetchall()
            else:
                with self._raw.cursor(binary=True) as cursor:
                    found = cursor.execute(_percent(sql), given).fetchall()
        except (sqlite3.Error, psycopg.Error) as error:
            raise _ours(sql, error) from error
        return found

    def do(self, sql: str, given: Sequence[Any]) -> int:
        """Run one statement; how many rows it touched."""
        try:
            return int(self._raw.execute(sql if self.lite else _percent(sql), given).rowcount)
        except (sqlite3.Error, psycopg.Error) as error:
            raise _ours(sql, error) from error

    def each(self, sql: str, given: Sequence[Sequence[Any]]) -> int:
        """SQLite: run one statement for each of these; how many rows they touched."""
        try:
            return int(self._raw.executemany(sql, given).rowcount)
        except sqlite3.Error as error:
            raise _ours(sql, error) from error

    def among(self) -> str:
        """`IN` a list that is one parameter, so that the statement stays the same whatever its length."""
        return AMONG_LITE if self.lite else AMONG_PG

    def list(self, values: Sequence[Any]) -> Any:
        return json.dumps(values) if self.lite else values

    def moment(self, at: datetime | None) -> Any:
        """As the columns' own type stores it: SQLite keeps naive UTC text."""
        return at if at is None or not self.lite else _text(at)


AMONG_LITE = "IN (SELECT value FROM json_each(?))"
AMONG_PG = "= ANY(?)"


@lru_cache(maxsize=256)
def _percent(sql: str) -> str:
    return sql.replace("?", "%s")


@lru_cache(maxsize=64)
def _text(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")


@lru_cache(maxsize=4096)
def read_moment(text: str) -> datetime:
    """A moment as SQLite keeps it."""
    return datetime.fromisoformat(text + "+00:00")


def moment(value: Any) -> datetime | None:
    """A moment as either driver gives it."""
    if value is None or isinstance(value, datetime):
        return value
    return read_moment(value)


def _ours(sql: str, error: Exception) -> Exception:
    """The driver's error as the rest of the program knows it (`Store.begin` says it in one sentence)."""
    base = sqlite3.Error if isinstance(error, sqlite3.Error) else psycopg.Error
    return DBAPIError.instance(sql, None, error, base, hide_parameters=True, dialect=None)
