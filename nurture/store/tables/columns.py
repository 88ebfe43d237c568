"""Column kinds that both databases share."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, BigInteger, Integer
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

BIG = BigInteger().with_variant(Integer, "sqlite")
"""SQLite makes only an INTEGER primary key an alias of its rowid."""
DOCUMENT = JSON().with_variant(JSONB, "postgresql")

SQLModel.metadata.naming_convention = {
    "ix": "ix_%(column_0_label)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


def serial() -> Any:
    """A primary key the database counts up."""
    return Field(default=None, primary_key=True, sa_type=BIG)


def ref(*, index: bool = False, nullable: bool = False) -> Any:
    """The id of a row of another table.

    No foreign keys between facts and state: erasure, merges and batches touch rows in any order, and a cascade that
    deletes the row saying "done" is how other engines came to send a mail again.
    """
    if nullable:
        return Field(default=None, index=index, sa_type=BIG)
    return Field(index=index, sa_type=BIG)


def document(*, nullable: bool = False) -> Any:
    if nullable:
        return Field(default=None, sa_type=DOCUMENT, nullable=True)
    return Field(default_factory=dict, sa_type=DOCUMENT, nullable=False)


def core(row: type[SQLModel]) -> Any:
    """The Core table behind a row class, for statements without the ORM; SQLModel sets `__table__` silently."""
    return row.__table__  # type: ignore[attr-defined]  # SQLModel sets it when the class is made
