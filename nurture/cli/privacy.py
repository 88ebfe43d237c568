"""`nurture privacy`: what a person may ask for, as commands, and the retention job."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from nurture.cli.common import FINDINGS, FINE, emit_json, err, find_lead, json_text, open_parts, out, plain, settings
from nurture.errors import UsageError

By = Annotated[str, typer.Option("--by", help="Your name; it is written into the ledger.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document.")]
Who = Annotated[str, typer.Argument(help="Number, address or external id of the lead.")]


def register(app: typer.Typer) -> None:
    family = typer.Typer(help="What people may ask for about themselves.", no_args_is_help=True)
    family.command("export")(export)
    family.command("rectify")(rectify)
    family.command("object")(objects)
    family.command("erase")(erase)
    family.command("retain")(retain)
    family.command("find")(find)
    app.add_typer(family, name="privacy", rich_help_panel="Protect people")


def export(
    who: Who,
    to: Annotated[
        Path | None, typer.Option("--to", help="A .json or .zip (CSV) file; without it JSON is printed.")
    ] = None,
) -> None:
    """Everything we hold about one person (access and portability)."""
    from nurture.store.privacy import personal

    parts, _ = open_parts()
    lead_id = find_lead(parts.store, who)
    with parts.store.read() as conn:
        found = personal.collect(conn, lead_id)
    if to is None:
        typer.echo(json_text(personal.to_json(found)))
        return
    if to.suffix not in (".json", ".zip"):
        raise UsageError(f"`{plain(to.name)}` is neither .json nor .zip", fix="name the file so that its kind is clear")
    try:
        if to.suffix == ".json":
            to.write_text(personal.to_json(found), encoding="utf-8")
        else:
            to.write_bytes(personal.to_zip(found))
    except OSError as error:
        raise UsageError(f"{plain(to)} cannot be written: {error.strerror}") from None
    out.print(
        f"{sum(map(len, found.values()))} rows in {sum(1 for rows in found.values() if rows)} sections -> {plain(to)}"
    )


def rectify(
    who: Who,
    values: Annotated[list[str], typer.Argument(help="field=value, as often as needed.")],
    by: By,
) -> None:
    """Correct what is known about a person."""
    from nurture.acts import privacy

    parts, clock = open_parts()
    lead_id = find_lead(parts.store, who)
    pairs = dict(_pair(text) for text in values)
    changed = privacy.rectify(parts, lead_id, pairs, by=by, now=clock.now())
    out.print("corrected" if changed else "nothing to correct: that is what we hold")


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise UsageError(f"`{plain(text)}` is not field=value")
    return name.strip(), value.strip()


def objects(who: Who, by: By, source: Annotated[str, typer.Option(help="Where they said so.")] = "by hand") -> None:
    """Write down an objection to direct marketing: no mail, no calls, no tracking, no scoring."""
    from nurture.acts import privacy

    parts, clock = open_parts()
    lead_id = find_lead(parts.store, who)
    written = privacy.object_to_marketing(parts, lead_id, by=by, source=source, now=clock.now())
    out.print(f"{written} entries written" if written else "it was written down already")


def erase(
    who: Who,
    by: By,
    yes: Annotated[bool, typer.Option("--yes", help="Do it without asking.")] = False,
    compact: Annotated[
        bool, typer.Option(help="Rewrite the database file, so that nothing stays in free space.")
    ] = True,
    json: Json = False,
) -> None:
    """Forget a person: nothing stays but a keyed hash, so that nobody writes to them again."""
    from nurture.acts import privacy
    from nurture.mail import copies

    parts, clock = open_parts()
    lead_id = find_lead(parts.store, who)
    if not yes and not typer.confirm(f"Erase lead {lead_id} for good?"):
        raise typer.Exit(FINE)
    done = privacy.erase(parts, lead_id, by=by, now=clock.now())
    mails = copies.forget(settings().mailbox_dir, done.marks)
    if compact:
        privacy.compact(parts)
    if json:
        emit_json({"lead": done.lead_id, "repeated": done.repeated, "records": done.records,
                   "told_to": done.told_to, "mails": mails})
        return
    out.print(f"lead {done.lead_id} was erased before" if done.repeated else f"lead {done.lead_id} is erased")
    for record in done.records:
        if record != done.lead_id:
            out.print(f"  with lead {record}, who is the same person")
    for name in done.told_to:
        out.print(f"  had been handed to {plain(name)}: they have to be told")


def retain(
    quiet_days: Annotated[
        int, typer.Option(min=30, help="Erase who agreed to nothing and was silent this long.")
    ] = 730,
    network_days: Annotated[int, typer.Option(min=1, help="Forget networks of hits and proofs after so long.")] = 90,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would happen.")] = False,
    json: Json = False,
) -> None:
    """The retention job: forget silent people and old network addresses, anchor the ledger."""
    from nurture.acts import privacy
    from nurture.mail import copies

    parts, clock = open_parts()
    done = privacy.retain(
        parts, now=clock.now(), dry_run=dry_run, quiet=timedelta(days=quiet_days), networks=timedelta(days=network_days)
    )
    if not dry_run:
        copies.forget(settings().mailbox_dir, done.marks)
        privacy.compact(parts)
    if json:
        emit_json({"dry_run": done.dry_run, "leads": done.leads, "networks": done.networks, "anchors": done.anchors,
                   "visitors": done.visitors})
        return
    would = "would be " if dry_run else ""
    networks = sum(done.networks.values())
    out.print(f"{len(done.leads)} leads {would}erased, {networks} networks {would}forgotten, "
              f"{done.visitors} anonymous visitors {would}forgotten")
    if dry_run and done.leads:
        err.print("  leads: " + ", ".join(map(str, done.leads[:20])) + (" ..." if len(done.leads) > 20 else ""))


def find(
    word: Annotated[str, typer.Argument(help="An address, a name, a secret: whatever should not be there.")],
    json: Json = False,
) -> None:
    """Every place where a word is still written: tables, database file, logs, mails, Prefect's files. Exit 1 if any."""
    from nurture.insight import traces

    parts, _ = open_parts()
    try:
        found = traces.find(parts.store, settings().var_dir, word)
    except ValueError as wrong:
        raise UsageError(str(wrong)) from None
    if json:
        emit_json([{"where": t.where, "spelling": t.spelling, "count": t.count} for t in found])
    for trace in () if json else found:
        out.print(f"{plain(trace.where)}: {trace.count} times, {trace.spelling}", highlight=False)
    if found:
        raise typer.Exit(FINDINGS)
    if not json:
        out.print("written nowhere")
