"""`nurture inbound`: mail that comes in, what became of it, and the ones only a human can judge."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from nurture.cli.common import (
    FINDINGS,
    FINE,
    emit_json,
    find_lead,
    open_database,
    open_parts,
    out,
    plain,
    settings,
    show,
)
from nurture.cli.sending import doctor
from nurture.errors import NurtureError, UsageError

if TYPE_CHECKING:
    from nurture.settings import Settings

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Number = Annotated[int, typer.Argument(help="The number that `nurture inbound list` shows.")]
_SHOWN = (
    "from", "name", "subject", "is", "by", "effect", "decided", "suggested", "feedback", "doubts", "back_on",
)
_KINDS = ("bounce", "complaint", "receipt", "auto_reply", "unsubscribe", "reply", "stranger", "review")


def register(app: typer.Typer) -> None:
    told = "Mail that comes in: bounces, complaints, replies, strangers."
    family = typer.Typer(help=told, invoke_without_command=True)
    family.callback()(inbound)
    family.command("list")(listing)
    family.command("show")(show_one)
    family.command("decide")(decide)
    app.add_typer(family, name="inbound")
    doctor.command("inbound")(doctor_inbound)


def inbound(
    context: typer.Context,
    watch: Annotated[bool, typer.Option("--watch", help="Go on until Ctrl-C; IMAP tells of new mail at once.")] = False,
    source: Annotated[
        str, typer.Option("--from", help="Instead of NURTURE_INBOUND: maildir:PATH, imaps://..., lmtp://host:port.")
    ] = "",
    as_json: Json = False,
) -> None:
    """Take in the mail that is there now (or `--watch`). Nothing is ever answered, and nothing is taken twice."""
    if context.invoked_subcommand is not None:
        return
    from nurture.acts.inbound.watch import Watch
    from nurture.mail.inbound.sources import parse_sources

    chosen = settings()
    where = source or chosen.inbound
    if not where:
        raise UsageError(
            "No place is set where mail comes in.",
            fix="Set NURTURE_INBOUND to maildir:PATH, imaps://user:password@host/FOLDER or lmtp://127.0.0.1:8024.",
        )
    clock = chosen.clock()
    sources = parse_sources(where, today=lambda: clock.now().date())
    parts, _ = open_parts(chosen)
    watching = Watch(parts, sources, clock.now)
    if watch:
        _watch(watching)
    else:
        watching.once()
    if as_json:
        emit_json(dict(watching.counted))
    else:
        counted = ", ".join(f"{n} {kind.replace('_', ' ')}" for kind, n in sorted(watching.counted.items()))
        out.print(Text(f"taken in: {counted}" if counted else "no new mail"))


def _watch(watching: Any) -> None:
    from nurture.cli.up import log_to

    log_to(settings().var_dir / "log" / "inbound.log")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    watching.start()
    out.print(f"Watching {', '.join(s.name for s in watching.sources)}. Ctrl-C ends it; the mail in hand is finished.")
    watching.wait(stop)
    watching.stop()


def listing(
    kind: Annotated[list[str] | None, typer.Option("--kind", help=f"Only these: {', '.join(_KINDS)}.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Also those that were dealt with.")] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many, newest first.")] = 50,
    as_json: Json = False,
) -> None:
    """Mails that wait for a human (`--all`: everything that came in)."""
    from nurture.store.mail import inbound as rows

    unknown = [k for k in kind or () if k not in _KINDS]
    if unknown:
        raise UsageError(f"`{plain(unknown[0])}` is not a kind of mail", fix=f"one of: {', '.join(_KINDS)}")
    with open_database().read() as conn:
        found = rows.listing(conn, kinds=kind or (), open_only=not every and not kind, limit=limit)
    if as_json:
        emit_json(found)
        return
    show([_short(row) for row in found], as_json=False, title="Mail that came in" if every or kind else "Waiting")


def _short(row: dict[str, Any]) -> dict[str, Any]:
    said = row["summary"]
    return {
        "mail": row["id"], "came": f"{row['received_at']:%Y-%m-%d %H:%M}", "is": row["kind"], "lead": row["lead_id"],
        "from": str(said.get("from", ""))[:60], "subject": str(said.get("subject", ""))[:80],
        "what": str(said.get("decided") or said.get("effect", ""))[:160],
    }


def show_one(
    number: Number,
    raw: Annotated[bool, typer.Option("--raw", help="Print the mail's bytes, where they are kept.")] = False,
    as_json: Json = False,
) -> None:
    """One mail: what it says, how it was understood, what became of it."""
    from nurture.store.mail import inbound as rows

    with open_database().read() as conn:
        row = rows.get(conn, number)
    kept = row.pop("raw")
    if raw:
        if kept is None:
            raise UsageError(f"The bytes of mail {number} are not kept.", fix="Those that wait for somebody are.")
        # Never the bytes themselves: a terminal would obey what stands in them.
        for line in bytes(kept).decode("utf-8", "replace").splitlines():
            out.print(Text(plain(line)), soft_wrap=True)
        return
    if as_json:
        emit_json(row)
        return
    said = row["summary"]
    for name in _SHOWN:
        if said.get(name):
            out.print(Text.assemble((f"{name}: ", "dim"), plain(said[name])))
    for one in said.get("about", ()):
        out.print(Text.assemble(("about: ", "dim"), plain(" ".join(f"{k}={v}" for k, v in one.items() if v != ""))))
    out.print(Text.assemble(("lead: ", "dim"), str(row["lead_id"] or "nobody known")))
    for line in str(said.get("text", "")).splitlines():
        out.print(Text("  " + plain(line)), soft_wrap=True)
    if row["handled_at"] is None:
        out.print("It waits: nurture inbound decide NUMBER --as ... --by YOU")


def decide(
    number: Number,
    as_: Annotated[str, typer.Option("--as", help="ignore, bounce, complaint, unsubscribe, reply or stranger.")],
    by: Annotated[str, typer.Option("--by", help="Your name; it is written down.")],
    lead: Annotated[str, typer.Option("--lead", help="Whom it is about: number, address or external id.")] = "",
) -> None:
    """Say what a mail is that nobody else could judge; it then acts like one that was clear."""
    from nurture.acts.inbound import by_hand as stage

    parts, clock = open_parts()
    lead_id = find_lead(parts.store, lead) if lead else None
    done = stage.decide(parts, number, as_, by=by, lead_id=lead_id, now=clock.now())
    out.print(Text(plain(f"mail {number}: {done.effect}")))


def doctor_inbound(as_json: Json = False) -> None:
    """Whether bounces, complaints and replies reach us: sources, providers, and the addresses that must lead here."""
    chosen = settings()
    found = _findings(chosen)
    show(found, as_json=as_json, title="Incoming mail")
    raise typer.Exit(FINE if all(row["good"] for row in found) else FINDINGS)


def _findings(chosen: Settings) -> list[dict[str, Any]]:
    from nurture.mail.inbound.sources import parse_sources
    from nurture.store.mail import inbound as rows

    clock = chosen.clock()
    found: list[dict[str, Any]] = []

    def say(what: str, good: bool, told: str) -> None:
        found.append({"what": what, "good": good, "says": told})

    if not chosen.inbound and not chosen.inbound_webhooks:
        say("NURTURE_INBOUND", False, "not set: bounces, complaints, mailto-unsubscribes and replies reach nobody")
    try:
        for source in parse_sources(chosen.inbound, today=lambda: clock.now().date()):
            say(source.name, *_reachable(source))
    except UsageError as wrong:
        say("NURTURE_INBOUND", False, wrong.message)
    for provider in sorted(chosen.inbound_webhooks):
        known = provider in ("ses", "sendgrid", "postmark", "mailgun")
        told = f"reports at {chosen.url}/inbound/{provider}" if known else "no provider this program knows"
        say(f"webhook {provider}", known, told)
    parts, _ = open_parts(chosen)
    domain = _domain(parts)
    say("addresses", True, f"the mail server of {domain} must bring b+*@{domain} and u+*@{domain} here")
    with parts.store.read() as conn:
        counted = rows.counts(conn)
    waiting = counted.pop("waiting", 0)
    say("came in so far", True, ", ".join(f"{n} {k}" for k, n in sorted(counted.items())) or "nothing")
    say("waiting for a human", waiting == 0, f"{waiting}: nurture inbound list" if waiting else "none")
    return found


def _reachable(source: Any) -> tuple[bool, str]:
    try:
        return True, source.look()
    except NurtureError as wrong:
        return False, wrong.message


def _domain(parts: Any) -> str:
    from nurture.mail.links import addressing

    return addressing(parts.library.company, parts.keys, parts.public_url).domain
