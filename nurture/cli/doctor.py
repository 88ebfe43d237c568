"""`nurture doctor` by itself: what this installation stands on, one line each, and how to mend what is wrong."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final, Literal
from urllib.parse import urlsplit

import typer
from rich.text import Text

from nurture.cli.common import FINDINGS, FINE, emit_json, open_parts, out, plain, settings
from nurture.cli.sending import doctor
from nurture.errors import NurtureError

if TYPE_CHECKING:
    from nurture.clock import Clock
    from nurture.parts import Parts
    from nurture.settings import Settings

PATIENCE: Final = 5.0
"""Seconds a mail server has for each answer."""
ROOM: Final = 500_000_000
"""Bytes that should be free where the database grows."""
_LOCAL: Final = ("127.", "localhost", "::1", "0.")
_STYLE: Final = {"good": "green", "look": "yellow", "bad": "bold red"}


@dataclass(frozen=True, slots=True)
class Finding:
    """`bad` stops something now; `look` will, or is meant for one machine only."""

    what: str
    state: Literal["good", "look", "bad"]
    says: str
    fix: str = ""


def register(app: typer.Typer) -> None:
    doctor.callback(invoke_without_command=True)(look)


def look(
    context: typer.Context, as_json: bool = typer.Option(False, "--json", help="Print one JSON document.")
) -> None:
    """Look at what this program stands on: database, mail server, keys, the clock, who may sign in. Exit 1 if bad."""
    if context.invoked_subcommand is not None:
        return
    chosen = settings()
    parts, clock = open_parts(chosen)
    found = [*inside(parts, clock), *_settings(chosen), *servers(chosen), _room(chosen)]
    if as_json:
        emit_json([{"what": f.what, "state": f.state, "says": f.says, "fix": f.fix} for f in found])
    else:
        _print(found)
    raise typer.Exit(FINDINGS if any(f.state == "bad" for f in found) else FINE)


def _print(found: list[Finding]) -> None:
    wide = max(len(f.what) for f in found)
    for one in found:
        line = Text.assemble((f"{one.state:<5}", _STYLE[one.state]), f"{one.what:<{wide}}  {plain(one.says)}")
        out.print(line)
        if one.fix:
            out.print(Text(" " * (wide + 7) + f"fix: {plain(one.fix)}"))
    out.print(Text("More: `nurture doctor domain DOMAIN`, `nurture doctor inbound`.", style="dim"))


def inside(parts: Parts, clock: Clock) -> Iterator[Finding]:
    """What the store knows: is anything applied, may anybody sign in, who is the clock, what is held back."""
    from nurture.store.mail import sends
    from nurture.store.running import clock_owner, sessions

    now = clock.now()
    with parts.store.read() as conn:
        people = sessions.users(conn)
        holder = clock_owner.holder(conn)
        held = sends.halts(conn, now=now)
    yield Finding("database", "good", f"{parts.store.place} answers")
    if parts.applied:
        yield Finding("campaigns", "good", f"{len(parts.library.campaigns)} applied")
    else:
        yield Finding("campaigns", "bad", "nothing is applied, so nobody gets anything", "nurture check, nurture apply")
    yield from agreement(parts, now)
    active = [user for user in people if not user.disabled]
    if active:
        yield Finding("sign-in", "good", f"{len(active)} may sign in")
    else:
        fix = "nurture users add NAME --address YOU@COMPANY --role admin"
        yield Finding("sign-in", "look", "nobody may sign in to the pages", fix)
    if holder is None or holder.lease_until <= now:
        yield Finding("clock", "bad", "not running: nothing is sent, scored or handed over", "nurture up")
    else:
        yield Finding("clock", "good", f"runs in {holder.owner}")
    for one in held:
        yield Finding("held back", "look", f"{one['what']}: {one['why']}", "nurture queue")


def agreement(parts: Parts, now: datetime) -> Iterator[Finding]:
    """Whether leads may be handed over by what was signed, and whether its review is due."""
    from nurture.decide.gate import in_force
    from nurture.decide.gate_facts import day_of
    from nurture.stages.recycle import review_text

    if not parts.applied:
        return
    signed = parts.library.agreement
    standing, due = in_force(signed, on_day=day_of(signed, now)), review_text(signed, now)
    tolerated = standing.evidence.get("overdue") and signed.enforce == "warn"
    if standing.outcome != "pass" and not tolerated:
        yield Finding("agreement", "bad", f"{standing.text}: nothing is handed over", "nurture agreement check")
    elif due is not None:
        yield Finding("agreement", "look", due[1], "meet, change what has to change, nurture agreement sign")
    else:
        says = f"version {signed.version}, next review {signed.next_review}"
        yield Finding("agreement", "good", says)


def _settings(chosen: Settings) -> Iterator[Finding]:
    from nurture.mail.dkim import load_signer

    yield _key(chosen)
    host = urlsplit(chosen.url).hostname or ""
    if host.startswith(_LOCAL):
        says = f"{chosen.url}: links in mails lead to this machine only"
        yield Finding("public url", "look", says, "NURTURE_PUBLIC_URL=https://...")
    elif not chosen.url.startswith("https://"):
        yield Finding("public url", "look", f"{chosen.url} is not https", "put a proxy with a certificate before it")
    else:
        yield Finding("public url", "good", chosen.url)
    if not chosen.dkim_domain or chosen.dkim_key_file is None:
        yield Finding("dkim", "look", "not signed here; the mail server has to", "NURTURE_DKIM_DOMAIN, ..._KEY_FILE")
        return
    try:
        load_signer(chosen.dkim_domain, chosen.dkim_selector, chosen.dkim_key_file)
    except NurtureError as wrong:
        yield Finding("dkim", "bad", wrong.message, wrong.fix or "")
    else:
        yield Finding("dkim", "good", f"{chosen.dkim_selector}._domainkey.{chosen.dkim_domain}")


def _key(chosen: Settings) -> Finding:
    try:
        chosen.secrets()
    except NurtureError as wrong:
        return Finding("secret key", "bad", wrong.message, wrong.fix or "")
    if chosen.secret_key is not None:
        return Finding("secret key", "good", "from NURTURE_SECRET_KEY")
    return Finding("secret key", "good", f"{chosen.var_dir / 'secret.key'}; keep it with the database's backup")


def servers(chosen: Settings) -> Iterator[Finding]:
    """Whether the mail servers let us in: greeting, encryption, login. Nothing is sent."""
    from nurture.decide.reply import told
    from nurture.mail.session import knock
    from nurture.mail.smtp import own_name
    from nurture.mail.transport import parse_routes
    from nurture.model.delivery import Phase

    try:
        routes = parse_routes(chosen.smtp_url, chosen.smtp_routes)
    except NurtureError as wrong:
        yield Finding("mail server", "bad", wrong.message, wrong.fix or "NURTURE_SMTP_URL")
        return
    for route in routes:
        name = "mail server" if route.name == "main" else f"mail server {route.name}"
        where = f"{route.host}:{route.port}"
        no = knock(route, helo=own_name(), patience=PATIENCE)
        if no is None:
            yield Finding(name, "good", f"{where} lets us in")
        elif no.phase is Phase.CONNECT and no.code is None:
            fix = "see that it runs; NURTURE_SMTP_URL says where it is"
            yield Finding(name, "bad", f"{where} does not answer: {no.text[:200]}; mail waits", fix)
        else:
            yield Finding(name, "bad", f"{where}: {told(no)[:200]}; mail waits", "NURTURE_SMTP_URL")


def _room(chosen: Settings) -> Finding:
    folder = chosen.var_dir if chosen.var_dir.exists() else chosen.var_dir.absolute().parent
    free = shutil.disk_usage(folder).free
    says = f"{free / 1e9:,.1f} GB free at {chosen.var_dir}"
    return Finding("disk", "good" if free > ROOM else "bad", says, "" if free > ROOM else "make room")
