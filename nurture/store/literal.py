"""Status words written into the statement instead of bound to it.

A partial index serves a query only if the database can see, when it plans, that the condition holds; with a bound
parameter it cannot, and every tick would read the whole table.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import ColumnElement, literal_column


def word(status: str) -> ColumnElement[str]:
    """One status word of `model.words` as a literal."""
    if not status.replace("_", "").isalnum():
        raise ValueError(f"`{status}` is not a status word")
    return literal_column(f"'{status}'")


def is_one_of(column: Any, statuses: Iterable[str]) -> ColumnElement[bool]:
    """`column IN ('a','b')` in the order the index was declared with."""
    return column.in_([word(status) for status in statuses])  # type: ignore[no-any-return]  # columns are untyped
