"""`nurture report`: funnel, speed, deadlines, alignment, won leads read backwards, stagnation, shadow models."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.text import Text

from nurture.cli.common import FINE, emit_json, open_parts, out, plain, settings, table
from nurture.errors import UsageError

if TYPE_CHECKING:
    from nurture.insight.reports import Report

KINDS = ("funnel", "speed", "sla", "alignment", "won", "stagnation", "shadow")
LONGEST = 60
"""Rows of one table on a terminal; csv and json have them all."""


def register(app: typer.Typer) -> None:
    app.command("report")(report)


def report(
    kind: str = typer.Argument("funnel", help="funnel, speed, sla, alignment, won, stagnation or shadow."),
    by: str = typer.Option("month", "--by", help="Cohorts of the funnel: month or source."),
    since: str | None = typer.Option(None, "--since", help="Only from this day on: 2026-01-01."),
    until: str | None = typer.Option(None, "--until", help="Only people acquired before this day (funnel)."),
    days: int | None = typer.Option(None, "--days", min=1, help="Only the last so many days."),
    as_of: str | None = typer.Option(None, "--as-of", help="As if today were this day, for what counts as young."),
    as_csv: bool = typer.Option(False, "--csv", help="Print the tables as CSV."),
    picture: Path | None = typer.Option(None, "--svg", help="Write the picture there."),
    dots: Path | None = typer.Option(None, "--png", help="Write the picture there as PNG."),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON document."),
) -> None:
    """What became of leads, and how marketing and sales work together. Every rate has two denominators."""
    from nurture.insight import reports

    if kind not in KINDS:
        raise UsageError(f"there is no report `{plain(kind)}`", fix=f"one of {', '.join(KINDS)}")
    if by not in ("month", "source"):
        raise UsageError(f"--by cannot be `{plain(by)}`", fix="month or source")
    chosen = settings()
    now = _day(as_of, "--as-of") or chosen.clock().now()
    start = _day(since, "--since") or reports.recent(now, days)
    parts, _ = open_parts(chosen)
    store, agreement = parts.store, parts.library.agreement
    if kind == "funnel":
        found = reports.funnel(store, agreement, now=now, since=start, until=_day(until, "--until"), by=by)
    else:
        found = reports.KINDS[kind](store, agreement, now=now, since=start)
    _write(found, picture, dots)
    if as_json:
        emit_json(found.document)
    elif as_csv:
        sys.stdout.write(reports.as_csv(found))
    else:
        show(found)
    raise typer.Exit(FINE)


def _write(found: Report, picture: Path | None, dots: Path | None) -> None:
    from nurture.insight.pictures import png

    for path in (picture, dots):
        if path is None:
            continue
        try:
            path.write_bytes(found.picture.encode() if path is picture else png(found.picture))
        except OSError as wrong:
            raise UsageError(f"cannot write {path}: {wrong.strerror}") from wrong


def show(found: Report) -> None:
    """Print a report for a person."""
    for sheet in found.sheets:
        out.print(table(sheet.title, sheet.columns, sheet.rows[:LONGEST], right=sheet.numbers))
        if len(sheet.rows) > LONGEST:
            out.print(f"... and {len(sheet.rows) - LONGEST:,} more (--csv has them all)")
        if not sheet.rows:
            out.print("nothing yet")
        out.print()
    if found.view != "both":
        out.print(Text(f"All numbers are {found.view}' view.", style="dim"))
    for note in found.notes:
        out.print(Text(note, style="dim"))


def _day(text: str | None, option: str) -> datetime | None:
    if text is None:
        return None
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{option}: `{plain(text)}` is not a day", fix="write it like 2026-11-22") from None
    return read if read.tzinfo else read.replace(tzinfo=UTC)
