"""`nurture sends, resend, queue, preview, send-test, doctor`: what went out, what waits, a look before it goes."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

import typer
from rich.text import Text

from nurture.cli import completing
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
from nurture.errors import Unavailable, UsageError

if TYPE_CHECKING:
    from nurture.model.library import Library
    from nurture.store import Store

doctor = typer.Typer(help="Look at what this program stands on: database, mail server, keys, clock; domain, inbound.")


def register(app: typer.Typer) -> None:
    app.command("sends")(sends)
    app.command("resend")(resend)
    app.command("queue")(queue)
    app.command("preview")(preview)
    app.command("send-test")(send_test)
    doctor.command("domain")(doctor_domain)
    app.add_typer(doctor, name="doctor")


_STATES = ("sent", "failed", "refused", "deferred", "unknown", "planned", "claimed", "rehearsed")


def sends(
    campaign: str | None = typer.Option(
        None, "--campaign", help="Only this campaign.", autocompletion=completing.campaigns,
    ),
    lead: str | None = typer.Option(None, "--lead", help="Only this lead: number, e-mail address or external id."),
    step: str | None = typer.Option(None, "--step", help="Only this step."),
    failed: bool = typer.Option(False, "--failed", help="Only those that failed."),
    state: list[str] = typer.Option([], "--state", help=f"Only these: {', '.join(_STATES)}."),
    limit: int = typer.Option(100, "--limit", min=1, help="At most so many, newest first."),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON document."),
) -> None:
    """Who got what, who did not, and why."""
    from nurture.store.mail import sends as rows

    unknown = [s for s in state if s not in _STATES]
    if unknown:
        raise UsageError(f"`{unknown[0]}` is not a state of a message", fix=f"one of: {', '.join(_STATES)}")
    store = open_database()
    _known(store, campaign)
    lead_id = find_lead(store, lead) if lead else None
    states = {*state, *(("failed",) if failed else ())}
    with store.read() as conn:
        found = rows.listing(conn, campaign=campaign, states=states, lead_id=lead_id, step=step, limit=limit)
        signs = rows.signs(conn, [row["id"] for row in found if row["state"] == "unknown"])
    if as_json:
        emit_json([{**row, "sign": signs.get(row["id"])} for row in found])
        return
    show([_short(row, signs) for row in found], as_json=False, title="Messages")
    if signs:
        out.print(_UNKNOWN)


def _known(store: Store, campaign: str | None) -> None:
    """A name that no campaign ever had is a slip of the pen, and no empty answer."""
    from nurture.store.mail import sends as rows

    if campaign is None:
        return
    with store.read() as conn:
        others = rows.other_campaigns(conn, campaign)
    if others is not None:
        fix = f"one of: {', '.join(others)}" if others else "nurture apply"
        raise UsageError(f"no campaign `{plain(campaign)}` is applied", fix=fix)


_UNKNOWN = (
    "unknown: the server may have taken the mail, and nobody heard its answer. It counts as sent, so that nobody gets "
    "it twice; a click, a reply or a bounce will show that it arrived. A campaign that says `if_unknown_delivery: "
    "resend_same_id` sends it once more after four hours without a sign. If the mail server's log says that it never "
    "came: `nurture resend NUMBER --unknown`."
)


def _short(row: dict[str, Any], signs: Mapping[int, str | None]) -> dict[str, Any]:
    said = (row["reply"], row["reason_text"]) if row["state"] == "sent" else (row["reason_text"], row["reply"])
    why = said[0] or said[1] or ""
    if sign := signs.get(row["id"]):
        why = f"{why}; it arrived: {sign.replace('_', ' ')}"
    return {
        "message": row["id"], "lead": row["email"] or row["lead_id"], "campaign": row["campaign"],
        "step": row["step_id"], "state": row["state"], "why": why,
        "at": f"{row['at']:%Y-%m-%d %H:%M}" if row["at"] else "",
    }  # fmt: skip


def resend(
    message: list[int] = typer.Argument(None, help="Numbers of messages, as `nurture sends --failed` lists them."),
    campaign: str | None = typer.Option(
        None, "--campaign", help="Every failed message of this campaign.", autocompletion=completing.campaigns,
    ),
    unknown: bool = typer.Option(
        False, "--unknown", help="Also those nobody knows the end of: whoever has one of them gets it twice."
    ),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON document."),
) -> None:
    """Send failed messages again, under the same Message-ID and with the guard asked anew."""
    from nurture.store.mail import sends as rows

    if not message and campaign is None:
        raise UsageError("nothing to send again", fix="give numbers of messages, or --campaign")
    chosen = settings()
    store, now = open_database(chosen), chosen.clock().now()
    _known(store, campaign)
    with store.begin() as conn:
        ids = set(message or ())
        if campaign is not None:
            states = ["failed", "unknown"] if unknown else ["failed"]
            ids |= {row["id"] for row in rows.listing(conn, campaign=campaign, states=states, limit=100_000)}
        going = rows.resend(conn, ids, now=now, unknown=unknown)
        signs = rows.signs(conn, ids - going)
    left = sorted(ids - going)
    if as_json:
        emit_json({"again": sorted(going), "left": left})
    else:
        out.print(f"{len(going)} will be sent again")
        _tell_left(len(left), {} if unknown else signs)
    raise typer.Exit(FINE if going else FINDINGS)


def _tell_left(left: int, signs: Mapping[int, str | None]) -> None:
    arrived = sum(sign is not None for sign in signs.values())
    silent, rest = len(signs) - arrived, left - len(signs)
    if rest:
        out.print(f"{rest} left alone: they did not fail, they arrived, or the lead has had this content otherwise")
    if arrived:
        out.print(f"{arrived} left alone: unknown at first, and a sign came since that they arrived")
    if silent:
        out.print(f"{silent} left alone: unknown, the server may have taken them; --unknown sends those as well")


def queue(as_json: bool = typer.Option(False, "--json", help="Print one JSON document.")) -> None:
    """What waits, what of it is due, and what may not send now and why."""
    from nurture.store.mail import sends as rows

    chosen = settings()
    store, now = open_database(chosen), chosen.clock().now()
    with store.read() as conn:
        waiting, halts = rows.queue(conn, now=now), rows.halts(conn, now=now)
    if as_json:
        emit_json({"now": now, "waiting": waiting, "halts": halts})
        return
    show([{**row, "next": _moment(row["next"])} for row in waiting], as_json=False, title="Waiting", right=(3, 4))
    if any(row["state"] == "unknown" for row in waiting):
        out.print(_UNKNOWN)
    if halts:
        show([{**row, "until": _moment(row["until"])} for row in halts], as_json=False, title="Held back")


def _moment(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M %Z}" if at else ""


_AS = "`real` (a sample), `empty`, `nasty`, or a lead: number, e-mail address or external id."


def preview(
    what: str = typer.Argument(help="A template (`awareness/guide`), a step, or `campaign/step`."),
    as_: str = typer.Option("real", "--as", help=_AS),
    variant: str | None = typer.Option(None, "--variant", help="A variant of the step's test."),
    language: str | None = typer.Option(None, "--language", help="The language, instead of the lead's."),
    form: str = typer.Option("text", "--format", help="html, text or raw."),
) -> None:
    """One mail as it would go out, from the files as they are. Nothing is sent, tracked or counted."""
    from nurture.insight import preview as stage

    if form not in ("html", "text", "raw"):
        raise UsageError(f"`{form}` is not a format", fix="html, text or raw")
    chosen = settings()
    library = _library()
    words = _words(library, as_)
    made = stage.show(
        library, stage.find(library, what, variant=variant), words, public_url=chosen.url,
        language=language or words.get("language"), now=chosen.clock().now(),
    )  # fmt: skip
    if form == "raw":
        sys.stdout.buffer.write(made.raw)
    elif form == "html":
        sys.stdout.write(made.html)
    else:
        out.print(Text.assemble(("Subject: ", "dim"), plain(made.subject)))
        out.print(Text(made.text), soft_wrap=True)


def send_test(
    what: str = typer.Argument(help="A template, a step, or `campaign/step`."),
    to: str = typer.Option(..., "--to", help="Where the test goes."),
    as_: str = typer.Option("real", "--as", help=_AS),
    variant: str | None = typer.Option(None, "--variant", help="A variant of the step's test."),
    language: str | None = typer.Option(None, "--language", help="The language, instead of the lead's."),
) -> None:
    """Send one mail to yourself: its subject is marked, it is never tracked and never counted."""
    from nurture.insight import preview as stage
    from nurture.mail.headers import mailable, parse_mailbox
    from nurture.model.delivery import Delivery, Outgoing

    parts, clock = open_parts()
    library = _library()
    asked, words = stage.find(library, what, variant=variant), _words(library, as_)
    made = stage.show(
        library, asked, words, public_url=parts.public_url, language=language or words.get("language"), now=clock.now(),
        to=to, mark="[Test] ",
    )  # fmt: skip
    company = library.company
    sender = parse_mailbox(asked.campaign.sending.sender)[1] if asked.campaign else company.support_email
    address, utf8 = mailable(to)
    waiting = [Outgoing(0, made.raw, sender, address, utf8, asked.campaign.sending.route if asked.campaign else None)]
    answers: list[Delivery] = []
    parts.transport.pump(lambda n: [waiting.pop()] if waiting else [], answers.append)
    parts.transport.close()
    reply = answers[0].reply
    if reply.code is None:
        fix = "see that the mail server runs; NURTURE_SMTP_URL and NURTURE_SMTP_ROUTES say where it is"
        raise Unavailable(f"not sent to {address}: {reply.text.strip()}", fix=fix)
    good = 200 <= reply.code < 300
    out.print(Text(plain(f"{'sent to' if good else 'not sent to'} {address}: {reply.code} {reply.text}")))
    raise typer.Exit(FINE if good else FINDINGS)


def doctor_domain(
    domain: str = typer.Argument(help="The domain mails come from."),
    selector: str | None = typer.Option(None, "--selector", help="The DKIM selector (default: as set)."),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON document."),
) -> None:
    """SPF, DKIM, DMARC, MX and host names of a sending domain: what is published, what is missing, what to publish."""
    from nurture.mail.domain import ask
    from nurture.mail.hostnames import names
    from nurture.mail.transport import parse_routes

    chosen = settings()
    library = _library()
    back = library.company.list_domain or domain
    findings = ask(
        domain, selector=selector or chosen.dkim_selector, bounce_domain=back, expected=_dkim_record(chosen)
    )  # fmt: skip
    findings += names([r.host for r in parse_routes(chosen.smtp_url, chosen.smtp_routes)], back)
    show([f.as_dict() for f in findings], as_json=as_json, title=f"Mail from {domain}")
    raise typer.Exit(FINDINGS if any(not f.good for f in findings) else FINE)


def _dkim_record(chosen: Any) -> str | None:
    from nurture.mail.dkim import load_signer

    if not chosen.dkim_domain or chosen.dkim_key_file is None:
        return None
    return load_signer(chosen.dkim_domain, chosen.dkim_selector, chosen.dkim_key_file).record()


def _library() -> Library:
    """The files as they are, with every mistake that does not stop a look at them."""
    from nurture.authoring import read_folder

    chosen = settings()
    reading = read_folder(chosen.campaigns_dir, chosen.templates_dir)
    library = reading.library or reading.draft
    if library is None:
        raise UsageError("the files cannot be read", fix="`nurture check` says where and why")
    return library


def _words(library: Library, who: str) -> dict[str, Any]:
    from nurture.insight import preview as stage

    if who in ("real", "empty", "nasty"):
        return dict(stage.words_of(library, who))
    from nurture.store.audience import snapshots

    chosen = settings()
    store = open_database(chosen)
    lead_id = find_lead(store, who)
    with store.read() as conn:
        lead = snapshots.load(conn, [lead_id], now=chosen.clock().now(), with_events=False)[lead_id].lead
    words: dict[str, Any] = {name: value.value for name, value in lead.fields.items()}
    words["email"] = lead.email or "nobody@example.com"
    words.update({n: v for n, v in (("language", lead.language), ("country", lead.country)) if v})
    return words
