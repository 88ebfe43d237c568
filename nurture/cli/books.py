"""`nurture metrics, release`: the books for a scraper, and letting go what was held back."""

from __future__ import annotations

import sys
from collections.abc import Mapping

import typer

from nurture.cli.common import FINDINGS, FINE, emit_json, open_database, open_parts, out, plain, settings, table
from nurture.errors import UsageError


def register(app: typer.Typer) -> None:
    app.command("metrics")(metrics)
    app.command("release")(release)


_COLUMNS = ("due", "sent", "refused", "postponed", "deferred", "failed", "unknown", "in_flight")


def show_books(books: Mapping[str, Mapping[str, int]]) -> None:
    """What became of every mail whose time has come, and whether that adds up."""
    rows = []
    for campaign, mail in books.items():
        if any(mail.values()):
            adds_up = mail["due"] == sum(mail[column] for column in _COLUMNS[1:])
            rows.append((campaign, *(mail[c] for c in _COLUMNS), mail.get("planned", 0), "yes" if adds_up else "NO"))
    if rows:
        names = ("campaign", *_COLUMNS, "to come", "adds up")
        out.print(table("mail", [n.replace("_", " ") for n in names], rows, right=tuple(range(1, 10))))
    if any(mail["unknown"] for mail in books.values() if mail):
        out.print("unknown: sent perhaps, nobody heard the answer; counts as sent (`nurture sends --state unknown`)")


def metrics() -> None:
    """The books of mail as Prometheus text, as `/metrics` serves them to whoever has the token."""
    from nurture.insight import metrics as stage

    parts, clock = open_parts()
    sys.stdout.write(stage.text(parts, now=clock.now()))


def release(
    what: list[str] = typer.Argument(help="What is held back, as `nurture queue` names it: sender:example.com, ..."),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON document."),
) -> None:
    """Let a sender, a route or a receiving group send again at once: you have looked into why it was held back."""
    from nurture.store.mail import brakes, sends

    chosen = settings()
    store, now = open_database(chosen), chosen.clock().now()
    with store.begin() as conn:
        held = [row["what"] for row in sends.halts(conn, now=now)]
        stray = [key for key in what if key not in held]
        if stray and any(key.startswith("campaign ") for key in held if key.partition(" ")[2] in stray):
            raise UsageError(f"`{plain(stray[0])}` is a paused campaign", fix=f"nurture resume {plain(stray[0])}")
        gone = brakes.release(conn, what, now=now)
        due = sends.hurry(conn, gone, now=now)
    if as_json:
        emit_json({"released": gone, "not_held": stray, "due_now": due})
    else:
        held_not = "nothing of that is held back; `nurture queue` lists what is"
        out.print(f"released: {', '.join(gone)}" if gone else held_not)
        if due:
            out.print(f"{due} that waited for it are due now")
    raise typer.Exit(FINE if gone else FINDINGS)
