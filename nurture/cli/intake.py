"""`nurture import` and its relatives: people and facts from files."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import typer
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.text import Text

from nurture.cli.common import FINDINGS, FINE, emit_json, err, open_database, open_parts, out, plain, settings, table
from nurture.errors import UsageError

if TYPE_CHECKING:
    from nurture.intake.mapping import ImportMap
    from nurture.intake.people import Source
    from nurture.intake.report import Findings, Forecast, Report

SHOWN = 40
"""Skipped rows and warnings on a terminal; `--json` gives a thousand."""

STOPPED = 130
"""The exit code of a command that Ctrl-C ended, as shells know it."""

NAMED = 5
"""Lines named beside one sentence."""

UNITS = ("minutes", "seconds")
DESK = frozenset({"converted", "customer"})
"""Stages in which a result moves the lead; of all others it is only recorded."""

_FILE = typer.Argument(help="The file, or - for standard input.")
_MAP = typer.Option(None, "--map", help="What the columns mean: a *.map.yaml file.")
_START_MAP = typer.Option(None, "--start-map", help="Write a first map there from the file's header, import nothing.")
_HOW_TO_MAP = "say --map FILE.map.yaml; nurture import FILE --start-map FILE.map.yaml writes a first one"
_DRY = typer.Option(False, "--dry-run", help="Only say what would happen.")
_YES = typer.Option(False, "--yes", "-y", help="Do not ask.")
_BY = typer.Option("command line", "--by", help="Whose import it is, for the record.")
_JSON = typer.Option(False, "--json", help="Print one JSON document.")


def register(app: typer.Typer) -> None:
    app.command("import")(import_people)
    app.command("import-attendance")(import_attendance)
    app.command("import-list")(import_list)
    app.command("import-results")(import_results)


def import_people(
    file: str = _FILE,
    map_path: Path | None = _MAP,
    start_map: Path | None = _START_MAP,
    dry_run: bool = _DRY,
    yes: bool = _YES,
    by: str = _BY,
    as_json: bool = _JSON,
) -> None:
    """Bring people in from a CSV file. Who is new and who may be mailed is said before anything is written."""
    from nurture.intake.first_map import fit_to
    from nurture.intake.people import PeopleImport
    from nurture.model.company import BUILT_IN_FIELDS

    if start_map is not None:
        write_first_map(file, start_map)
        raise typer.Exit(FINE)
    rules = load_map(map_path)
    with opened(file) as source:
        parts, clock = open_parts()
        strange: list[str] = []
        if parts.applied:
            rules, strange = fit_to(rules, {**BUILT_IN_FIELDS, **parts.library.company.lead_fields})
        work = PeopleImport(parts.store, source, rules, keys=parts.keys, now=clock.now())
        with progress("reading", source.size) as step:
            forecast = work.forecast(step)
        forecast.notes += strange
        if not as_json:
            show_forecast(forecast, source.name)
        if dry_run:
            if as_json:
                emit_json({"dry_run": True, **forecast.as_dict(), "skipped_rows": forecast.skipped.as_list()})
            else:
                show_findings(forecast.warnings, "noticed")
                show_findings(forecast.skipped, "skipped")
            raise typer.Exit(FINDINGS if forecast.skipped.total > forecast.duplicates else FINE)
        confirm(yes, as_json=as_json)
        with stopped_in_words(), progress("writing", source.size) as step:
            report = work.write(step, by=by)
    if as_json:
        emit_json({"file": source.name, "sha256": source.sha256, "forecast": forecast.as_dict(), **report.as_dict()})
    else:
        show_report(report)
    raise typer.Exit(FINDINGS if report.skipped.total > forecast.duplicates else FINE)


def import_attendance(
    file: str = _FILE,
    tool: str = typer.Option("generic", "--tool", help="zoom, teams, gotowebinar, livestorm or generic."),
    content: str = typer.Option(..., "--content", help="Which webinar it was: the id that campaigns and scoring use."),
    topic: str | None = typer.Option(None, "--topic", help="What it was about."),
    depth: str | None = typer.Option(None, "--depth", help="awareness, consideration or decision."),
    at: str | None = typer.Option(None, "--at", help="When it was, where the report does not say: 2026-11-20."),
    zone: str | None = typer.Option(None, "--zone", help="Time zone of the report; default: UTC."),
    unit: str | None = typer.Option(None, "--unit", help="minutes or seconds, where lengths have no unit."),
    known_only: bool = typer.Option(False, "--known-only", help="Do not make leads of people nobody knows."),
    by: str = _BY,
    as_json: bool = _JSON,
) -> None:
    """Who attended a webinar and for how long, from the report of a webinar tool. Registered is not attended."""
    from nurture.intake import attendance
    from nurture.intake.webinar_tools import TOOLS, read_report
    from nurture.model.tokens import Keys
    from nurture.model.words import Depth

    for value, options, name in ((tool, TOOLS, "--tool"), (depth, tuple(Depth), "--depth"), (unit, UNITS, "--unit")):
        if value is not None and value not in options:
            raise UsageError(f"{name} cannot be `{plain(value)}`", fix=f"one of {', '.join(options)}")
    chosen = settings()
    where = _zone(zone or "UTC")
    with opened(file) as source:
        people, unread = read_report(source.content.read(), tool, zone=where, unit=unit)
    webinar = attendance.Webinar(content, topic, depth, _moment(at, where))
    report = attendance.record(
        open_database(chosen), people, webinar, keys=Keys.from_secrets(chosen.secrets()), now=chosen.clock().now(),
        file_name=source.name, sha256=source.sha256, by=by, known_only=known_only,
    )
    for line, reason in unread:
        report.skipped.add(line, reason)
    if as_json:
        emit_json(report.as_dict())
    else:
        show_findings(report.skipped, "skipped")
        told = f"{report.people:,} people, {report.attended:,} attended; {report.events:,} new events"
        out.print(f"{told}, {report.created:,} new leads (not mailable), {report.unknown:,} left out as unknown")
    raise typer.Exit(FINDINGS if report.skipped.total else FINE)


def import_list(
    name: str = typer.Argument(help="The list, as campaigns call it."),
    file: str = _FILE,
    prefix: str = typer.Option("", "--prefix", help="What stands before external ids in the store."),
    as_json: bool = _JSON,
) -> None:
    """Put people who are already known on a list, by address or external id."""
    from nurture.intake import listing

    chosen = settings()
    with opened(file) as source:
        report = listing.add(open_database(chosen), name, source, now=chosen.clock().now(), prefix=prefix)
    if as_json:
        emit_json(report.as_dict())
    else:
        show_findings(report.skipped, "skipped")
        out.print(Text(f"list {plain(name)}: {report.added:,} added, {report.already:,} were on it, "
                       f"{report.skipped.total:,} skipped"))
    raise typer.Exit(FINDINGS if report.skipped.total else FINE)


def import_results(
    file: str = _FILE, map_path: Path | None = _MAP, by: str = _BY, as_json: bool = _JSON
) -> None:
    """Bring back how it ended (won, lost, churned) from a CRM's export. Reading a file twice changes nothing.

    The map says what the CRM's columns mean, and leads that our sellers never worked are kept for calibration. A file
    with our own column names needs no map: `nurture sales results`. Told by both, a result counts once.
    """
    from nurture.acts import results as desk
    from nurture.intake.results import read_results, record_history

    rules = load_map(map_path)
    parts, clock = open_parts()
    now = clock.now()
    with opened(file) as source:
        reported, skipped, rows = read_results(parts.store, source, rules)
    ours = [one for one in reported if one.stage in DESK and one.result in desk.KINDS]
    outcomes = desk.record(parts, [
        desk.Result(one.result, lead=str(one.lead_id), reason=one.reason, amount=one.amount, currency=one.currency,
                    on=one.at.date() if one.at else None)
        for one in ours
    ], now=now)
    for one, outcome in zip(ours, outcomes, strict=True):
        if outcome.state == "refused":
            skipped.add(one.line, outcome.text)
    new = record_history(parts.store, reported, rules, now=now, file_name=source.name, sha256=source.sha256, by=by)
    applied = sum(outcome.state == "applied" for outcome in outcomes)
    counts = {"rows": rows, "recorded": new, "applied_to_stages": applied, "skipped_total": skipped.total}
    if as_json:
        emit_json({**counts, "skipped": skipped.as_list()})
    else:
        show_findings(skipped, "skipped")
        out.print(f"rows {rows:,}: {new:,} results new, {applied:,} moved a lead, {skipped.total:,} skipped")
    raise typer.Exit(FINDINGS if skipped.total else FINE)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise UsageError(f"there is no time zone `{plain(name)}`", fix="write it like Europe/Warsaw") from None


def _moment(text: str | None, zone: ZoneInfo) -> datetime | None:
    from nurture.intake.values import moment

    try:
        return None if text is None else moment(text, zone=zone)
    except ValueError as wrong:
        raise UsageError(f"--at: {wrong}") from None


def load_map(path: Path | None) -> ImportMap:
    """The map at `path`; its mistakes are printed with their places, and the command ends with 2."""
    from nurture.intake.map_file import MapMistakes, read_map

    if path is None:
        raise UsageError("no map: what do the columns mean?", fix=_HOW_TO_MAP)
    try:
        return read_map(path)
    except MapMistakes as wrong:
        for problem in wrong.problems:
            head, *fix = str(problem).splitlines()
            err.print(Text("\n    ".join(plain(line.strip()) for line in (head, *fix))), soft_wrap=True)
        raise


def write_first_map(file: str, to: Path) -> None:
    """A map to begin with, from the header of `file`. Raises UsageError where `to` is there already."""
    from nurture.intake.first_map import propose
    from nurture.intake.text import open_table
    from nurture.model.company import BUILT_IN_FIELDS

    parts, _ = open_parts()
    with opened(file) as source:
        header = [name for name in open_table(source.content, columns=())[0].header if name]
    fields = {**BUILT_IN_FIELDS, **parts.library.company.lead_fields}
    begun = propose(header, name=Path(file).stem if file != "-" else "people", fields=fields)
    try:
        to.parent.mkdir(parents=True, exist_ok=True)
        with to.open("x", encoding="utf-8") as written:
            written.write(begun)
    except FileExistsError:
        raise UsageError(f"{plain(to)} is there already", fix="choose another name; nothing is written over") from None
    except OSError as wrong:
        raise UsageError(f"{plain(to)} cannot be written: {wrong.strerror}") from None
    out.print(Text(f"{plain(to)}: look at every line, then nurture import {plain(file)} --map {plain(to)} --dry-run"))


@contextmanager
def opened(name: str) -> Iterator[Source]:
    """The file called `name`, or standard input kept aside so that it can be read twice."""
    from nurture.intake.people import Source

    if name == "-":
        with tempfile.SpooledTemporaryFile(max_size=1 << 26) as kept:
            while part := sys.stdin.buffer.read(1 << 20):
                kept.write(part)
            yield Source.of(cast(BinaryIO, kept), "standard input")
        return
    try:
        with Path(name).open("rb") as content:
            source = Source.of(content, Path(name).name)
            yield source
    except OSError as wrong:
        if wrong.filename is None:
            raise
        fix = "check the path; - reads standard input"
        raise UsageError(f"cannot read {plain(wrong.filename)}: {wrong.strerror}", fix=fix) from wrong


@contextmanager
def progress(what: str, total: int) -> Iterator[Callable[[int], None] | None]:
    """A bar on standard error while something long runs; nothing where nobody watches."""
    if not err.is_terminal:
        yield None
        return
    columns = (TextColumn(what), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err, transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done: bar.update(task, completed=done)


@contextmanager
def stopped_in_words() -> Iterator[None]:
    """Ctrl-C while people are written: each batch is whole or not there, and a second import adds what is missing."""
    try:
        yield
    except KeyboardInterrupt:
        err.print("Stopped: what was written stays and is whole; import the file again to add the rest.")
        raise typer.Exit(STOPPED) from None


def confirm(yes: bool, *, as_json: bool = False) -> None:
    """Ask before writing. Without a terminal nobody can be asked, so `--yes` has to have been said."""
    if yes:
        return
    if as_json or not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError("nothing was written: nobody is here to say yes", fix="look at --dry-run, then add --yes")
    if not typer.confirm("Write this?", default=False):
        out.print("Nothing was written.")
        raise typer.Exit(FINDINGS)


def show_forecast(forecast: Forecast, name: str) -> None:
    out.print(Text.assemble((f"{plain(name)}: ", "bold"), f"{forecast.rows:,} row{'s' * (forecast.rows != 1)}"))
    out.print(f"  new {forecast.new:,}, known {forecast.known:,}, without an address {forecast.prospects:,} of them")
    broken = forecast.skipped.total - forecast.duplicates
    if forecast.skipped.total:
        why = f"{forecast.duplicates:,} repeat a person, {broken:,} cannot be used"
        out.print(f"  to be skipped {forecast.skipped.total:,}: {why}")
    gained = f"{forecast.mailable - forecast.mailable_before:+,} by this import"
    out.print(f"  [bold]mailable afterwards: {forecast.mailable:,}[/] of the people in this file ({gained})")
    for why, count in sorted(forecast.not_mailable.items(), key=lambda item: -item[1]):
        out.print(f"    not mailable, {why}: {count:,}")
    for note in forecast.notes:
        out.print(Text(f"  note: {plain(note)}", style="yellow"))


def show_report(report: Report) -> None:
    show_findings(report.warnings, "noticed")
    show_findings(report.skipped, "skipped")
    counts: list[tuple[str, Any]] = [
        ("rows", report.rows), ("created", report.created), ("updated", report.updated),
        ("unchanged", report.unchanged), ("skipped", report.skipped.total), ("consents recorded", report.consents),
        ("suppressed", report.suppressed), ("events recorded", report.events),
    ]
    out.print(table("Done" if report.changed else "Nothing changed", ("", "count"),
                    [(name, f"{count:,}") for name, count in counts], right=(1,)))


def show_findings(findings: Findings, what: str) -> None:
    """One line per different sentence, with the lines of the file it is about."""
    same: dict[str, list[int]] = {}
    for line, reason in sorted(findings.lines):
        same.setdefault(reason, []).append(line)
    told = 0
    for reason, lines in list(same.items())[:SHOWN]:
        named = ", ".join(str(line) for line in lines[:NAMED])
        more = f" and {len(lines) - NAMED:,} more" if len(lines) > NAMED else ""
        out.print(Text(f"  line{'s' * (len(lines) > 1)} {named}{more}: {what}: {plain(reason)}"))
        told += len(lines)
    if findings.total > told:
        out.print(f"  ... and {findings.total - told:,} more {what} (--json lists up to 1,000)")
