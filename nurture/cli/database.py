"""`nurture db`: the database's schema, seen and brought up to date."""

from __future__ import annotations

import shutil
from pathlib import Path

import typer
from rich.text import Text

from nurture.cli.common import FINDINGS, emit_json, open_database, out, plain, settings
from nurture.errors import UsageError


def register(app: typer.Typer) -> None:
    db = typer.Typer(no_args_is_help=True, help="The database: its schema, its size, its backup.")
    db.command("upgrade")(upgrade)
    db.command("status")(status)
    db.command("backup")(backup)
    db.command("accept-key")(accept_key)
    app.add_typer(db, name="db")


def upgrade() -> None:
    """Bring the database to this program's schema (every command does it by itself; this one only does that)."""
    open_database().close()
    out.print("The database is up to date.")


def backup(
    folder: Path = typer.Argument(help="A folder of its own for this backup; it is made."),
) -> None:
    """Copy the database, and the key beside it, while everything runs. To restore: stop, and put both files back."""
    from nurture.store.schema import copy_to

    chosen = settings()
    store = open_database(chosen)
    try:
        folder.mkdir(parents=True, mode=0o700)
    except FileExistsError:
        raise UsageError(f"{plain(folder)} is there already", fix="name a new folder") from None
    try:
        copy_to(store, folder / "nurture.db")
    except BaseException:
        shutil.rmtree(folder)
        raise
    finally:
        store.close()
    key = chosen.var_dir / "secret.key"
    if chosen.secret_key is None and key.is_file():
        shutil.copy2(key, folder / "secret.key")
    for file in sorted(folder.iterdir()):
        file.chmod(0o600)
        out.print(Text(f"{plain(file)}  {file.stat().st_size:,} bytes"))


def accept_key(
    yes: bool = typer.Option(False, "--yes", help="Do it; without this the command only says what is lost."),
) -> None:
    """The old secret key is lost for good: go on with the present one."""
    from nurture.assembly import key_mark
    from nurture.model.tokens import Keys
    from nurture.store.privacy import own_key

    chosen = settings()
    store = open_database(chosen)
    mark = key_mark(Keys.from_secrets(chosen.secrets()))
    with store.begin() as conn:
        before = own_key.remembered(conn)
        if before != mark and yes:
            own_key.remember(conn, mark, now=chosen.clock().now())
    store.close()
    if before == mark:
        out.print("This database was begun with the present key; there is nothing to accept.")
    elif yes:
        out.print("From now on the present key is the one. Keep it with the backup: nurture db backup FOLDER.")
    else:
        out.print(_LOST)
        raise typer.Exit(FINDINGS)


_LOST = """With another key this is lost, and nothing brings it back:
  - people who were erased and must never get mail again are no longer recognised in a new import
  - what the consent ledger holds so far can no longer be proved (nurture consent verify will say so)
  - links in mails that were sent are void: unsubscribe and preferences too
The old key may still be in a backup (secret.key), or in NURTURE_SECRET_KEY where this ran before.
Nothing was changed. To go on with the present key: nurture db accept-key --yes"""


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
