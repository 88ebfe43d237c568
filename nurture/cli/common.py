"""What every family of commands shares: parts of the installation, output, exit codes."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from enum import Enum
from functools import cache
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

from nurture.cli.listing import Listing
from nurture.errors import NurtureError, Refused, Unavailable, UsageError

if TYPE_CHECKING:
    from nurture.clock import Clock
    from nurture.parts import Parts
    from nurture.settings import Settings
    from nurture.store import Store

FINE, FINDINGS, USAGE, UNAVAILABLE = 0, 1, 2, 3
"""Exit codes: done; done and the answer is no (or findings); a user's mistake; a part does not answer."""

WIDE = 200
"""Columns where nobody looks at a screen: a pipe or a file should not get folded lines."""

out = Console(highlight=False, width=None if sys.stdout.isatty() else WIDE)
err = Console(stderr=True, highlight=False, width=None if sys.stderr.isatty() else WIDE)

_TURNING = re.compile(r"[\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


NO_FILES = "run this where your campaigns/ folder is, or set NURTURE_CAMPAIGNS_DIR; `nurture new` writes a first one"


def plain(words: object) -> str:
    """Text from the world, safe for a terminal: no escapes, no direction marks, one line, no markup."""
    return _CONTROL.sub("\ufffd", str(words).replace("\r", " ").replace("\n", " ").replace("\t", " "))


def fail(error: NurtureError) -> int:
    """Say what went wrong and how to mend it; returns the exit code."""
    err.print(Text.assemble(("error: ", "bold red"), plain(error.message)))
    if error.fix:
        err.print(Text.assemble(("  fix: ", "bold"), plain(error.fix)))
    if isinstance(error, UsageError):
        return USAGE
    if isinstance(error, Unavailable):
        return UNAVAILABLE
    return FINDINGS if isinstance(error, Refused) else USAGE


def emit_json(value: Any) -> None:
    """One JSON document on standard output, escaped where that cannot hold every letter."""
    narrow = not (sys.stdout.encoding or "").lower().startswith("utf")
    sys.stdout.write(json_text(json.dumps(value, default=_jsonable, ensure_ascii=narrow, indent=2)) + "\n")


def json_text(document: str) -> str:
    """JSON as a terminal may print it: what would turn text round stands there escaped, and reads back the same."""
    return _TURNING.sub(lambda found: f"\\u{ord(found[0]):04x}", document)


def _jsonable(value: Any) -> Any:
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, frozenset | set | tuple):
        return sorted(value) if isinstance(value, frozenset | set) else list(value)
    if hasattr(value, "__dataclass_fields__"):
        return {name: getattr(value, name) for name in value.__dataclass_fields__}
    return str(value)


def table(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[object]], *, right: Sequence[int] = ()
) -> Listing:
    """A quiet table; cells are text from the world and shown as such. `right` lists columns of numbers."""
    cells = [[cell if isinstance(cell, Text) else Text("" if cell is None else plain(cell)) for cell in row]
             for row in rows]  # fmt: skip
    return Listing(title, columns, cells, right=right)


def show(rows: Sequence[Mapping[str, Any]], *, as_json: bool, title: str = "", right: Sequence[int] = ()) -> None:
    """A listing either way: `--json` prints the rows, else a table with their keys as columns."""
    if as_json:
        emit_json(list(rows))
        return
    if not rows:
        out.print(Text(f"{title}: nothing" if title else "nothing"))
        return
    out.print(table(title, list(rows[0]), [list(row.values()) for row in rows], right=right))


def settings() -> Settings:
    """The settings of this process; a variable nobody reads is said once, on standard error."""
    from nurture.settings import load_settings, strange_variables

    for sentence in strange_variables():
        remark(sentence)
    return load_settings()


@cache
def remark(sentence: str) -> None:
    """Something worth knowing that is no mistake: once per process, on standard error, out of the way of `--json`."""
    err.print(Text.assemble(("note: ", "bold yellow"), plain(sentence)))


_lent: list[Parts] = []


@contextmanager
def lending(parts: Parts) -> Iterator[None]:
    """Commands that run in here use `parts` instead of opening their own (a process that runs many of them)."""
    _lent.append(parts)
    try:
        yield
    finally:
        _lent.pop()


def open_database(chosen: Settings | None = None) -> Store:
    """The installation's database, brought to this program's schema; a new one, or a migration, is remarked on."""
    if _lent:
        return _lent[-1].store
    from nurture.store import open_store
    from nurture.store.schema import ensure

    chosen = chosen or settings()
    store = open_store(chosen.database_url, sync=chosen.database_sync.upper())
    before, after = ensure(store)
    if before is None:
        remark(f"there was no database at {store.place}; an empty one was made")
    elif before != after:
        remark(f"the database was brought from schema {before} to {after}")
    return store


def open_parts(chosen: Settings | None = None) -> tuple[Parts, Clock]:
    """Everything a command needs to act on the running installation, and its clock."""
    from nurture.assembly import assemble, refresh

    chosen = chosen or settings()
    if _lent:
        refresh(_lent[-1])
        return _lent[-1], chosen.clock()
    store = open_database(chosen)
    return assemble(store, chosen), chosen.clock()


def find_lead(store: Store, who: str) -> int:
    """A lead by number, address or external id.

    Raises:
        UsageError: nobody, named by what was typed.
    """
    from nurture.store.audience.people import find

    with store.read() as conn:
        lead_id = find(conn, who)
    if lead_id is None:
        raise UsageError(f"no lead `{plain(who)}`", fix="give its number, its e-mail address or its external id")
    return lead_id
