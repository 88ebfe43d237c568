"""`nurture agreement`: what marketing and sales signed, what a change would do, and scoring everybody again."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from nurture.cli.common import FINDINGS, FINE, emit_json, open_parts, out, plain, settings, show, table
from nurture.errors import UsageError

if TYPE_CHECKING:
    from nurture.decide.agreement import Remark
    from nurture.insight.forecast import Forecast
    from nurture.model.library import Library

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Folder = Annotated[Path | None, typer.Option("--campaigns", help="The folder with the proposed files.")]
REPORTS = "simulations"
"""Folder beside the agreement that holds what was simulated, by content."""

agreement = typer.Typer(
    no_args_is_help=True, help="The agreement of marketing and sales: check, compare, sign, try out."
)


def register(app: typer.Typer) -> None:
    app.add_typer(agreement, name="agreement")
    app.command("rescore")(rescore)


def _folder(given: Path | None) -> Path:
    return given or settings().campaigns_dir


def _proposed(given: Path | None) -> Library:
    """The library as the files say it now.

    Raises:
        UsageError: one of the company's five files does not read.
    """
    from nurture.authoring import read_folder

    reading = read_folder(_folder(given), settings().templates_dir)
    if reading.library is None:
        wrong = next((str(p.message) for p in reading.errors), "files are missing")
        raise UsageError(f"the proposed files do not read: {wrong}", fix="run `nurture check`")
    return reading.library


def _applied() -> Library | None:
    """What is applied; None where nothing is. Looking does not make a database."""
    kind, _, path = settings().database_url.partition(":///")
    if kind.startswith("sqlite") and not Path(path or ":memory:").expanduser().is_file():
        return None
    parts, _ = open_parts()
    return parts.library if parts.applied else None


@agreement.command()
def check(
    campaigns: Folder = None,
    today: Annotated[str | None, typer.Option(help="As if it were this day: 2027-01-15.")] = None,
    as_json: Json = False,
) -> None:
    """Is it signed by everybody, in force, reviewed in time, and does its version tell of its changes?"""
    from nurture.decide import agreement as rules

    library, applied = _proposed(campaigns), _applied()
    day = _day(today) if today else _today(library)
    found = rules.remarks(
        library.agreement, today=day, applied=applied.agreement if applied else None, scoring=library.scoring,
        applied_scoring=applied.scoring if applied else None,
    )
    found += _report_missing(campaigns, library, applied)
    if as_json:
        emit_json([{"level": r.level, "code": r.code, "text": r.text, "fix": r.fix} for r in found])
    else:
        _say(found, library)
    raise typer.Exit(FINDINGS if any(r.level == "error" for r in found) else FINE)


def _report_missing(campaigns: Path | None, library: Library, applied: Library | None) -> list[Remark]:
    from nurture.decide import agreement as rules

    if applied is None:
        return []
    content = rules.content_sha(library.agreement, library.scoring)
    if content == rules.content_sha(applied.agreement, applied.scoring) or _report(campaigns, content).is_file():
        return []
    return [rules.Remark("warning", "agreement-not-simulated", "this change has not been tried out",
                         "nurture agreement simulate")]


def _report(campaigns: Path | None, content: str) -> Path:
    return _folder(campaigns) / REPORTS / f"{content[:16]}.json"


def _say(found: list[Remark], library: Library) -> None:
    one = library.agreement
    signed = ", ".join(f"{s.name} ({s.role}, {s.on_date})" for s in one.signed) or "nobody"
    out.print(Text(plain(f"Agreement {one.version}, from {one.effective_from}, next review {one.next_review}")))
    out.print(Text(plain(f"signed by {signed}")))
    for remark in found:
        style = {"error": "bold red", "warning": "yellow"}.get(remark.level, "")
        out.print(Text.assemble((f"{remark.level}", style), f"[{remark.code}] {plain(remark.text)}"))
        if remark.fix:
            out.print(Text(plain(f"  fix: {remark.fix}")))
    if not found:
        out.print(Text("in force, nothing to do", style="green"))


@agreement.command()
def diff(campaigns: Folder = None, as_json: Json = False) -> None:
    """What the files would change in the agreement and the scoring that are applied."""
    from nurture.decide import agreement as rules

    library, applied = _proposed(campaigns), _applied()
    if applied is None:
        raise UsageError("nothing is applied yet to compare with", fix="nurture apply")
    changes = [("agreement", c) for c in rules.differences(applied.agreement, library.agreement)]
    changes += [("scoring", c) for c in rules.differences(applied.scoring, library.scoring)]
    if as_json:
        emit_json([{"file": name, "path": c.path, "before": c.before, "after": c.after} for name, c in changes])
    else:
        for name, change in changes:
            out.print(Text(plain(f"{name}: {change}")))
        if not changes:
            out.print(Text("no difference"))
    raise typer.Exit(FINDINGS if changes else FINE)


@agreement.command()
def sign(
    role: Annotated[str, typer.Option(help="marketing, sdr or account_executive.")],
    name: Annotated[str, typer.Option(help="Whose signature it is.")],
    on: Annotated[str | None, typer.Option(help="The day of the signature; today if left out.")] = None,
    campaigns: Folder = None,
) -> None:
    """Write a signature into agreement.yaml. It counts once the file is applied."""
    from nurture.authoring.sign import add_signature

    library = _proposed(campaigns)
    if role not in library.agreement.signatories:
        who = ", ".join(library.agreement.signatories)
        raise UsageError(f"`{role}` does not sign this agreement", fix=f"one of: {who}")
    if not name.strip() or "\n" in name:
        raise UsageError("a signature needs a name", fix="--name 'Ines Example'")
    day = _day(on) if on else _today(library)
    path = _folder(campaigns) / "agreement.yaml"
    text = path.read_text(encoding="utf-8")
    path.write_text(add_signature(text, role=role, name=name.strip(), on=day), encoding="utf-8")
    out.print(Text(plain(f"{name.strip()} signed version {library.agreement.version} as {role} on {day}: {path}")))


def _today(library: Library) -> date:
    """The day where the agreement's calendar is kept."""
    from nurture.decide.gate_facts import day_of

    return day_of(library.agreement, settings().clock().now())


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"`{text}` is not a date", fix="write 2027-01-15") from None


@agreement.command()
def simulate(
    days: Annotated[int, typer.Option(min=1, max=400, help="How far back to replay.")] = 30,
    campaigns: Folder = None,
    most: Annotated[int, typer.Option(help="Leads to list on each side.")] = 20,
    save: Annotated[bool, typer.Option(help="Keep the report beside the agreement.")] = True,
    as_of: Annotated[str | None, typer.Option("--as-of", help="Replay up to this day instead of today.")] = None,
    as_json: Json = False,
) -> None:
    """Replay the last days under the proposed rules: who would newly qualify, who would drop, how many a day.

    Reads the database, writes nothing to it and cannot send.
    """
    from nurture.insight.forecast import forecast

    library = _proposed(campaigns)
    parts, clock = open_parts()
    now = datetime.combine(_day(as_of), time(), UTC) if as_of else clock.now()
    made = forecast(parts.store, parts.library, library, now=now, days=days)
    document = {"from": _address(parts.library), "to": _address(library), "at": now.isoformat(), **made.as_dict()}
    if save:
        path = _report(campaigns, document["to"]["content"])
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(_without_people(document), indent=2) + "\n", encoding="utf-8")
    if as_json:
        emit_json(document)
    else:
        _show_forecast(made, most)


def _address(library: Library) -> dict[str, Any]:
    from nurture.decide import agreement as rules

    return {"agreement": library.agreement.version, "content": rules.content_sha(library.agreement, library.scoring)}


def _without_people(document: dict[str, Any]) -> dict[str, Any]:
    """The report as a file in a repository: counts and cells, nobody's number."""
    return {name: value for name, value in document.items() if name not in ("newly", "dropped")}


def _show_forecast(made: Forecast, most: int) -> None:
    before, after = made.before.as_dict(), made.after.as_dict()
    out.print(Text(f"{made.leads} leads, the last {made.days} days once more; nothing was sent."))
    names = ("qualified", "mean_per_day", "worst_day", "daily_limit", "decisions_per_seller_and_day")
    out.print(table("Load on sales", ("", "as it is", "as proposed"),
                    [(n.replace("_", " "), before[n], after[n]) for n in names], right=[1, 2]))
    waiting = max(after["left_waiting"].values(), default=0)
    if waiting:
        last = list(after["left_waiting"].values())[-1]
        out.print(Text(f"With the daily limit up to {waiting} wait; {last} still do at the end.", style="yellow"))
    for title, rows in (("Would newly qualify", made.newly), ("Would drop", made.dropped)):
        show([{"lead": p.lead_id, "on": p.on, "cell": p.cell, "by": p.via} for p in rows[:most]], as_json=False,
             title=f"{title}: {len(rows)}")
    sign = "more" if made.mails >= 0 else "fewer"
    out.print(Text(f"{made.moved} qualify either way, on another day or in another cell; "
                   f"about {abs(made.mails)} mails {sign} from nurture."))


def rescore(
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes.")] = 2,
    as_json: Json = False,
) -> None:
    """Score everybody again now. The running system does so by itself, slice by slice, when the rules change."""
    from rich.progress import Progress

    from nurture.cli.common import err
    from nurture.stages.rescore import rescore as score_all

    parts, clock = open_parts()
    with Progress(console=err, transient=True) as progress:
        task = progress.add_task("scoring", total=None)
        done = score_all(parts.store, parts.library, now=clock.now(), workers=workers,
                         progress=lambda n, of: progress.update(task, completed=n, total=of))
    row = {"leads": done.leads, "changed": done.changed, "woken": done.woken}
    if as_json:
        emit_json(row)
    else:
        out.print(Text(f"{done.leads} leads scored, {done.changed} changed, {done.woken} moved to another cell"))
