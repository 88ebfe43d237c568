"""`nurture db`: the database's schema, seen and brought up to date."""

from __future__ import annotations

import typer

from nurture.cli.common import FINDINGS, emit_json, out, settings


def register(app: typer.Typer) -> None:
    db = typer.Typer(no_args_is_help=True, help="The database: its schema and its size.")
    db.command("upgrade")(upgrade)
    db.command("status")(status)
    app.add_typer(db, name="db")


def upgrade() -> None:
    """Bring the database to this program's schema (every command does it by itself; this one only does that)."""
    from nurture.cli.common import open_database

    open_database().close()
    out.print("The database is up to date.")


def status(as_json: bool = typer.Option(False, "--json", help="Print one JSON document.")) -> None:
    """Say which schema the database has, which one the program wants, and how many rows each table holds."""
    from nurture.store import open_store
    from nurture.store.schema import versions

    store = open_store(settings().database_url)
    found = versions(store)
    if as_json:
        emit_json(found)
    else:
        out.print(f"schema {found['at'] or 'none'}, the program wants {found['wanted']}", highlight=False)
        for table, rows in found["rows"].items():
            out.print(f"  {rows:>10,}  {table}", highlight=False)
    store.close()
    raise typer.Exit(0 if found["at"] == found["wanted"] else FINDINGS)
