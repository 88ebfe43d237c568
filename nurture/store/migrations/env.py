"""Alembic's entry: runs on the connection it is handed, or opens the database of the settings' variable."""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection

from nurture.store import open_store
from nurture.store.tables import metadata


def run(connection: Connection) -> None:
    context.configure(connection=connection, target_metadata=metadata, render_as_batch=True, compare_type=True)
    with context.begin_transaction():
        context.run_migrations()


given = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    with open_store(
        context.get_x_argument(as_dictionary=True).get("url", "sqlite:///var/nurture.db")
    ).begin() as opened:
        run(opened)
