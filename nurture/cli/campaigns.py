"""Commands that run campaigns: plan, apply, rollback, status, pause, resume, enroll, retire."""

from __future__ import annotations

import getpass
import re
import subprocess
import sys
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import typer
from rich.text import Text

from nurture.cli import completing
from nurture.cli.books import show_books
from nurture.cli.common import (
    FINDINGS,
    FINE,
    NO_FILES,
    emit_json,
    err,
    open_database,
    open_parts,
    out,
    plain,
    settings,
    table,
)
from nurture.cli.planned import plan_json, show_plan, sum_up
from nurture.errors import Refused, UsageError

if TYPE_CHECKING:
    from nurture.acts.apply import Draft, Plan, Retire
    from nurture.authoring import Reading
    from nurture.store import Store

JSON = typer.Option(False, "--json", help="Print one JSON document.")
ACCEPT = typer.Option([], "--accept", help='Say a large number back, for example --accept "leave=640".')
YES = typer.Option(False, "--yes", "-y", help="Do not ask.")
RETIRE = typer.Option([], "--retire", help="A campaign whose file is gone: --retire NAME=finish or NAME=leave.")
BY = typer.Option(None, "--by", help="Your name in the books; your login name if left out.")


def register(app: typer.Typer) -> None:
    app.command("plan")(plan)
    app.command("apply")(apply)
    app.command("rollback")(rollback)
    app.command("status")(status)
    app.command("pause")(pause)
    app.command("resume")(resume)
    app.command("enroll")(enroll)
    app.command("retire")(retire)


# -- plan and apply -----------------------------------------------------------------------------------------------


def plan(retire: list[str] = RETIRE, by: str | None = BY, as_json: bool = JSON) -> None:
    """What would applying these files do to the people inside? Changes nothing; prints an id for `nurture apply`."""
    from nurture.acts import apply as applying

    store = open_database()
    draft = _draft(retire)
    now = settings().clock().now()
    with store.read() as conn:
        made = applying.plan(conn, draft, now=now)
    if not made.empty:
        applying.keep(store, made, draft, now=now, by=_who(by))
    show_plan(made, as_json=as_json)
    raise typer.Exit(FINE)


def apply(
    plan_id: str | None = typer.Argument(None, metavar="[PLAN]", help="The id that `nurture plan` printed."),
    accept: list[str] = ACCEPT, yes: bool = YES, retire: list[str] = RETIRE, by: str | None = BY, as_json: bool = JSON,
) -> None:
    """Make the files what runs, in one transaction. Refuses a stale plan, and large numbers nobody said back."""
    from nurture.acts import apply as applying

    store = open_database()
    now = settings().clock().now()
    draft = _planned_draft(store, plan_id) if plan_id else _draft(retire)
    with store.read() as conn:
        made = applying.plan(conn, draft, now=now)
    if made.empty:
        _say(as_json, {"applied": False, "why": "nothing to apply"}, "Nothing to apply: this is what runs already.")
        raise typer.Exit(FINE)
    if not as_json:
        show_plan(made, as_json=False, hint=False)
    if not (yes or plan_id):
        _confirm(made)
    done = applying.apply(
        store, draft, now=now, by=_who(by), plan_id=plan_id, accept=_accepted(accept), git_commit=_commit(),
    )
    _say(as_json, {"applied": True, **plan_json(done)}, f"Applied. {sum_up(done)}")
    raise typer.Exit(FINE)


def rollback(
    campaign: str = typer.Argument(help="The campaign to take back.", autocompletion=completing.campaigns),
    to: int | None = typer.Option(None, "--to", help="The version to go back to; the one before, if left out."),
    accept: list[str] = ACCEPT, yes: bool = YES, by: str | None = BY, as_json: bool = JSON,
) -> None:
    """Apply an older content of one campaign, copy included, as a new version. Says what it cannot take back."""
    from nurture.acts import apply as applying

    store = open_database()
    now = settings().clock().now()
    with store.read() as conn:
        draft = applying.rollback(conn, campaign, to)
        made = applying.plan(conn, draft, now=now)
    if not as_json:
        show_plan(made, as_json=False, hint=False)
        out.print(
            Text(
                "Not taken back: mails that were sent, people who left, and moments that were brought forward.",
                style="yellow",
            )
        )
    if not yes:
        _confirm(made)
    done = applying.apply(store, draft, now=now, by=_who(by), accept=_accepted(accept))
    version = draft.rollback[campaign]
    _say(as_json, {"applied": True, "back_to": version, **plan_json(done)},
         f"`{campaign}` runs the content of version {version} again. The file on disk still says something else.")
    raise typer.Exit(FINE)


def retire(
    campaign: str = typer.Argument(help="The campaign to retire.", autocompletion=completing.campaigns),
    leave: bool = typer.Option(False, "--leave", help="People inside leave now; if left out, they finish."),
    accept: list[str] = ACCEPT, yes: bool = YES, by: str | None = BY, as_json: bool = JSON,
) -> None:
    """Let nobody enter a campaign any more. Delete its file too: a later edit of it would bring it back."""
    from nurture.acts import apply as applying

    store = open_database()
    now = settings().clock().now()
    with store.read() as conn:
        draft = applying.retirement(conn, campaign, "leave" if leave else "finish")
        made = applying.plan(conn, draft, now=now)
    if not as_json:
        show_plan(made, as_json=False, hint=False)
    if not yes:
        _confirm(made)
    done = applying.apply(store, draft, now=now, by=_who(by), accept=_accepted(accept))
    _say(as_json, {"applied": True, **plan_json(done)}, f"`{campaign}` is retired. {sum_up(done)}")
    raise typer.Exit(FINE)


def _draft(retire: list[str]) -> Draft:
    from nurture.acts import apply as applying
    from nurture.authoring import read_folder

    chosen = settings()
    reading = read_folder(chosen.campaigns_dir, chosen.templates_dir)
    if not reading.sources:
        raise UsageError(f"no files in {chosen.campaigns_dir}/", fix=NO_FILES)
    _refuse_findings(reading)
    return applying.draft_of(reading, retire=_retired(retire))


def _refuse_findings(reading: Reading) -> None:
    """What `nurture check` calls an error never runs."""
    from nurture.authoring.check import check
    from nurture.model.problem import Severity

    errors = [p for p in check(reading) if p.severity is Severity.ERROR]
    errors.sort(key=lambda p: p.place.file.endswith(".test.yaml"))  # a story's errors follow from its campaign's
    for problem in errors[:5]:
        for line in str(problem).splitlines():
            err.print(Text(plain(line)))
    if errors:
        many = f"{len(errors)} errors in the files" if len(errors) > 1 else "an error in the files"
        raise Refused(f"{many}: nothing was applied", code="check", fix="run `nurture check` and mend them")


def _retired(words: list[str]) -> dict[str, Retire]:
    found: dict[str, Retire] = {}
    for word in words:
        name, _, how = word.partition("=")
        if how == "finish":
            found[name] = "finish"
        elif how == "leave":
            found[name] = "leave"
        else:
            raise UsageError(
                f"`--retire {word}` does not read", fix="write --retire NAME=finish or --retire NAME=leave"
            )
    return found


def _planned_draft(store: Store, plan_id: str) -> Draft:
    """The draft a kept plan was made of: files, a retirement or an older version."""
    from nurture.acts import apply as applying
    from nurture.store.programs import campaigns

    with store.read() as conn:
        kept = campaigns.plan(conn, plan_id)
        if kept is None:
            raise UsageError(f"no plan `{plan_id}`", fix="run `nurture plan`; it prints the id")
        for name, n in kept.counts.get("rollback", {}).items():
            return applying.rollback(conn, name, int(n))
    return _draft([f"{name}={how}" for name, how in kept.counts.get("retire", {}).items()])


def _accepted(words: list[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for word in ",".join(words).replace(" ", "").split(",") if words else []:
        match = re.fullmatch(r"(leave|due|hand_off)=(\d{1,12})", word)
        if match is None:
            hint = "a percentage is not accepted; " if "%" in word else ""
            raise UsageError(
                f"`--accept {word}` does not read",
                fix=f'{hint}write the number of people, for example --accept "leave=640"',
            )
        found[match[1]] = int(match[2])
    return found


def _who(by: str | None) -> str:
    if by:
        return by
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "cli"


def _commit() -> str | None:
    """The commit the files stand at, where they are kept in git: a convenience, so every failure means none."""
    try:
        run = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, timeout=5, check=False)
    except (OSError, subprocess.SubprocessError):
        return None
    return run.stdout.strip() or None if run.returncode == 0 else None


def _confirm(made: Plan) -> None:
    if not sys.stdin.isatty():
        raise UsageError("this would be applied without anybody saying so", fix="add --yes, or give the id of a plan")
    if not typer.confirm(f"Apply this ({made.people} people inside)?"):
        raise typer.Exit(FINDINGS)


def _say(as_json: bool, document: Mapping[str, Any], sentence: str) -> None:
    if as_json:
        emit_json(document)
    else:
        out.print(Text(sentence, style="green"))


# -- status -------------------------------------------------------------------------------------------------------


def status(
    campaign: str | None = typer.Argument(
        None, help="One campaign, with its versions and steps.", autocompletion=completing.campaigns,
    ),
    as_json: bool = JSON,
) -> None:
    """What runs, in which version, with how many people; which files on disk say something else."""
    from nurture.insight.running import campaign_status, note_files, overview

    store = open_database()
    chosen = settings()
    now = chosen.clock().now()
    if campaign is not None:
        found = campaign_status(store, campaign, now=now)
        if found is None:
            raise UsageError(f"no campaign `{plain(campaign)}` is applied", fix="`nurture status` lists them")
        _show_status(found, as_json=as_json)
        raise typer.Exit(FINE)
    note_files(store, chosen.campaigns_dir, chosen.templates_dir, now=now)
    rows = overview(store, chosen.campaigns_dir, chosen.templates_dir, now=now)
    if as_json:
        emit_json(rows)
    elif not rows:
        out.print(Text("Nothing is applied yet: run `nurture check`, then `nurture apply`."))
    else:
        columns = ("campaign", "state", "version", "people", "due", "next", "drains", "file")
        out.print(table("", columns, [[_cell(row[c]) for c in columns] for row in rows], right=(2, 3, 4)))
        show_books({row["campaign"]: row["mail"] for row in rows if row.get("mail")})
    raise typer.Exit(FINE)


def _cell(value: Any) -> str:
    if isinstance(value, datetime):
        return f"{value:%a %d %b %H:%M}"
    return "" if value is None else str(value)


def _show_status(found: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        emit_json(found)
        return
    out.print(Text.assemble((found["campaign"], "bold"), f"  {found['state']}, version {found['version']}"))
    versions = [
        (
            v["n"],
            _cell(v["applied_at"]),
            v["applied_by"],
            v["people"] or "",
            v["in_flight"],
            (v["git_commit"] or "")[:10],
        )
        for v in found["versions"]
    ]
    out.print(table("versions", ("n", "applied", "by", "people", "in_flight", "commit"), versions, right=(0, 3)))
    steps = [(s["step"], s["action"], s["people"] or "", s["sent"] or "") for s in found["steps"]]
    out.print(table("steps", ("step", "does", "stand here", "sent"), steps, right=(2, 3)))
    show_books({found["campaign"]: found["mail"]})


# -- at once ------------------------------------------------------------------------------------------------------


def pause(
    campaign: list[str] = typer.Argument(None, help="One or more campaigns.", autocompletion=completing.campaigns),
    everything: bool = typer.Option(False, "--all", help="Every campaign."), by: str | None = BY, as_json: bool = JSON,
) -> None:
    """Stop campaigns at once, before their next message leaves. Nobody loses a place."""
    from nurture.acts import apply as applying

    names = _named(campaign, everything)
    stopped = applying.pause(open_database(), names, now=settings().clock().now(), by=_who(by))
    _say(as_json, {"paused": stopped}, f"Paused: {', '.join(stopped) or 'nothing that was running'}.")
    raise typer.Exit(FINE)


def resume(
    campaign: list[str] = typer.Argument(None, help="One or more campaigns.", autocompletion=completing.campaigns),
    everything: bool = typer.Option(False, "--all", help="Every paused campaign."),
    over: int = typer.Option(None, "--over", min=1, max=72, metavar="HOURS",
                             help="Spread what came due over so many hours; left out: what company.yaml says."),
    as_json: bool = JSON,
) -> None:
    """Let paused campaigns go on; what came due meanwhile is spread over some hours (`spread` in company.yaml)."""
    from nurture.acts import apply as applying

    names = _named(campaign, everything)
    span = timedelta(hours=over) if over else None
    backlog = applying.resume(open_database(), names, now=settings().clock().now(), over=span)
    said = ", ".join(f"{name} ({n} due, spread)" if n else name for name, n in backlog.items())
    _say(as_json, {"resumed": backlog}, f"Resumed: {said or 'nothing was paused'}.")
    raise typer.Exit(FINE)


def _named(campaign: list[str] | None, everything: bool) -> list[str]:
    if bool(campaign) == everything:
        raise UsageError("which campaigns?", fix="name them, or say --all")
    return list(campaign or [])


def enroll(
    campaign: str = typer.Argument(help="The campaign they enter.", autocompletion=completing.campaigns),
    list_name: str = typer.Option(..., "--list", help="The list whose people enter."),
    accept: list[str] = typer.Option([], "--accept", help='Say a large number back: --accept "enter=1200".'),
    yes: bool = YES, by: str | None = BY, as_json: bool = JSON,
) -> None:
    """Bring the people of a list into a campaign: a plan of who enters and who does not; with --yes, do it."""
    from nurture.acts import enlist

    parts, clock = open_parts()
    now = clock.now()
    told = enlist.plan(parts, campaign, list_name, now=now)
    _show_enlisted(told, as_json=as_json and not yes)
    if not yes:
        raise typer.Exit(FINE)
    if told.asks and f"enter={told.asks}" not in accept:
        raise Refused(
            f"{told.asks} people would enter", code="blast_guard", fix=f'say it back: --accept "enter={told.asks}"'
        )
    done = enlist.carry_out(parts, campaign, list_name, now=now, by=_who(by))
    _say(
        as_json,
        {"enrolled": done.enter, "control": done.control, "refused": dict(done.refused)},
        f"{done.enter} entered `{campaign}`.",
    )
    raise typer.Exit(FINE)


def _show_enlisted(told: Any, *, as_json: bool) -> None:
    if as_json:
        emit_json({"campaign": told.campaign, "list": told.list_name, "people": told.people, "enter": told.enter,
                   "control": told.control, "leave_others": told.leave_others, "refused": dict(told.refused)})
        return
    rows = [("would enter", told.enter), ("would be in the control group", told.control)]
    rows += [(f"not: {reason}", n) for reason, n in told.refused.most_common()]
    out.print(table(f"{told.list_name} -> {told.campaign} ({told.people} people)", ("", "people"), rows, right=(1,)))
    if told.leave_others:
        out.print(Text(f"{told.leave_others} would leave another campaign by this"))
    out.print(Text("add --yes to do it", style="dim"))
