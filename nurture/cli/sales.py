"""`nurture sales`: the desk of sales on the command line. Every decision is made in a named person's name."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer
from rich.text import Text

from nurture.cli import sales_accounts
from nurture.cli.common import emit_json, find_lead, open_parts, out, plain, show
from nurture.cli.decided import As, Handoff, Json, Note, Reason, pairs, read_day, tell

sales = typer.Typer(no_args_is_help=True, help="Hand-offs and what sales decides about them.")


def register(app: typer.Typer) -> None:
    sales_accounts.register(sales)
    app.add_typer(sales, name="sales")


@sales.command("list")
def list_(
    queue: Annotated[str | None, typer.Option(help="Only this queue.")] = None,
    owner: Annotated[str | None, typer.Option(help="Only what this seller has.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Closed ones too.")] = False,
    as_json: Json = False,
) -> None:
    """Hand-offs in the order sales should take them."""
    from nurture.stages.recycle import review_text
    from nurture.store.sales import handoffs

    parts, clock = open_parts()
    states = ("open", "accepted", "rejected", "recycled", "expired", "revoked", "converted")
    with parts.store.read() as conn:
        found = handoffs.listing(conn, queue=queue, owner=owner, states=states if everything else states[:2])
    now, zone = clock.now(), parts.library.agreement.calendar.zone
    rows = [
        {
            "handoff": h["id"],
            "lead": h["lead_id"],
            "who": _name(h),
            "cell": h["cell"],
            "fast": h["fast"] if as_json else "asked for contact" if h["fast"] else "",
            "state": h["state"],
            "owner": h["owner"],
            "due": h["deadline"] if as_json else _when(h["deadline"], zone),
            "late": _late(h, now),
        }
        for h in found
    ]
    said = review_text(parts.library.agreement, now)
    if said is not None and not as_json:
        out.print(Text(plain(said[1]), style="yellow"))
    show(rows, as_json=as_json, title=f"Hand-offs (times of {zone})")


def _late(handoff: dict[str, Any], now: datetime) -> str:
    late = handoff["deadline"] is not None and handoff["deadline"] < now
    return "past due" if late else ""


def _name(handoff: dict[str, Any]) -> str:
    fields = {name: held.get("v") for name, held in handoff["fields"].items()}
    name = " ".join(str(fields[part]) for part in ("first_name", "last_name") if fields.get(part)) or handoff["email"]
    return f"{name}, {fields['company']}" if fields.get("company") else str(name or handoff["lead_id"])


def _when(at: datetime | None, zone: str) -> str:
    return f"{at.astimezone(ZoneInfo(zone)):%a %d %b %H:%M}" if at is not None else ""


@sales.command("show")
def show_(handoff: Handoff, as_json: Json = False) -> None:
    """Everything about one hand-off: the packet, timers, decisions."""
    from nurture.decide.sla import DEADLINES
    from nurture.sales import packet
    from nurture.sales.delivery import handoff_link
    from nurture.store.sales import handoffs, timers

    parts, _ = open_parts()
    with parts.store.read() as conn:
        found = handoffs.get(conn, handoff)
        decided = handoffs.decisions_of(conn, handoff)
        running = timers.of_handoff(conn, handoff)
        done = handoffs.activities(conn, found.lead_id, since=found.opened_at)
        bant = handoffs.bant(conn, found.lead_id, found.cycle)
    if as_json:
        emit_json({"handoff": found, "decisions": decided, "timers": running, "activities": done, "bant": bant})
        return
    link = handoff_link(parts.public_url, parts.keys, found.id)
    zone = parts.library.agreement.calendar.zone
    out.print(Text("\n".join(plain(line) for line in packet.text(found.packet, link=link).splitlines())))
    out.print()
    out.print(Text(plain(f"{found.state}, owner {found.owner or 'nobody yet'}, queue {found.queue}, agreement "
                         f"{found.agreement_version} {(found.agreement_sha or '')[:12]}")))
    rows = [
        {"for": DEADLINES.get(t["kind"], t["kind"]), "due": _when(t["due_at"], zone), "met": _when(t["met_at"], zone),
         "missed": _when(t["breached_at"], zone)} for t in running
    ]
    show(rows, as_json=False, title=f"Deadlines (times of {zone})")
    show(
        [
            {
                "when": _when(d["at"], zone),
                "who": d["actor_id"],
                "what": d["decision"],
                "reason": d["reason"],
                "note": d["note"],
            }
            for d in decided
        ],
        as_json=False,
        title="Decisions",
    )
    if bant:
        rows = [{"": letter, "answer": row["answer"], "note": row["note"]} for letter, row in bant.items()]
        show(rows, as_json=False, title="BANT")


@sales.command()
def accept(handoff: Handoff, by: As, note: Note = None, as_json: Json = False) -> None:
    """Take a lead on."""
    from nurture.acts import desk

    parts, clock = open_parts()
    tell(desk.accept(parts, handoff, by=by, now=clock.now(), note=note), as_json)


@sales.command()
def reject(handoff: Handoff, by: As, reason: Reason = None, note: Note = None, as_json: Json = False) -> None:
    """Turn a lead away for good, with a reason."""
    from nurture.acts import desk

    parts, clock = open_parts()
    tell(desk.reject(parts, handoff, reason=reason, by=by, now=clock.now(), note=note), as_json)


@sales.command()
def recycle(
    handoff: Handoff, by: As, reason: Reason = None, note: Note = None,
    revisit: Annotated[str | None, typer.Option(help="When to come back: 2027-03-01.")] = None, as_json: Json = False,
) -> None:
    """Not yet: give a lead back to marketing, with a reason and perhaps a date."""
    from nurture.acts import desk

    parts, clock = open_parts()
    day = read_day(revisit, "--revisit")
    tell(desk.recycle(parts, handoff, reason=reason, by=by, now=clock.now(), note=note, revisit_on=day), as_json)


@sales.command("return")
def return_(
    handoff: Handoff, by: As,
    field: Annotated[list[str] | None, typer.Option(help="A field that is missing; several times.")] = None,
    note: Note = None, as_json: Json = False,
) -> None:
    """Give a lead back because something about it is missing."""
    from nurture.acts import desk

    parts, clock = open_parts()
    tell(desk.return_for_data(parts, handoff, missing=tuple(field or ()), by=by, now=clock.now(), note=note), as_json)


@sales.command()
def qualify(
    handoff: Handoff, by: As,
    bant: Annotated[list[str] | None, typer.Option(help="need=yes, budget=partly ...; several times.")] = None,
    bant_note: Annotated[list[str] | None, typer.Option(help="need='wants 40 seats'; several times.")] = None,
    note: Note = None, as_json: Json = False,
) -> None:
    """Write down budget, authority, need and timeline; enough of them makes the lead sales qualified."""
    from nurture.acts import desk

    parts, clock = open_parts()
    tell(desk.qualify(parts, handoff, bant=pairs(bant or [], "--bant"), by=by, now=clock.now(), note=note,
                       notes=pairs(bant_note or [], "--bant-note")), as_json)


@sales.command()
def call(
    handoff: Handoff, by: As,
    kind: Annotated[str, typer.Option(help="call, mail, meeting or sales_assist.")] = "call",
    outcome: Annotated[str | None, typer.Option(help="reached, voicemail, no answer ...")] = None,
    content: Annotated[str | None, typer.Option(help="What a sales-assist mail contained.")] = None,
    note: Note = None, as_json: Json = False,
) -> None:
    """Write down a call, a mail or a meeting."""
    from nurture.acts import worked

    parts, clock = open_parts()
    done = worked.log_call(
        parts, handoff, kind=kind, outcome=outcome, note=note, content=content, by=by, now=clock.now()
    )
    tell(done, as_json)


@sales.command()
def level(
    handoff: Handoff, level: Annotated[str, typer.Argument(help="A level of agreement.yaml.")], by: As,
    note: Note = None, as_json: Json = False,
) -> None:
    """Say how far an accepted lead is, by your company's own levels between accepted and qualified."""
    from nurture.acts import worked

    parts, clock = open_parts()
    tell(worked.reach(parts, handoff, level=level, by=by, now=clock.now(), note=note), as_json)


@sales.command("pass")
def pass_(
    handoff: Handoff, to: Annotated[str, typer.Option(help="Another seller of sales.yaml.")], by: As,
    note: Note = None, as_json: Json = False,
) -> None:
    """Pass an accepted lead on to another seller: to the account executive, say."""
    from nurture.acts import worked

    parts, clock = open_parts()
    tell(worked.hand_on(parts, handoff, to=to, by=by, now=clock.now(), note=note), as_json)


@sales.command()
def take(
    lead: Annotated[str, typer.Argument(help="A lead's number, e-mail address or external id.")], by: As,
    reason: Reason = None, queue: Annotated[str | None, typer.Option(help="Into this queue.")] = None,
    override: Annotated[list[str] | None, typer.Option(help="G07='pilot customer': go past a soft rule.")] = None,
    as_json: Json = False,
) -> None:
    """Ask for a lead that the score has not handed over. Consent is asked all the same."""
    from nurture.acts import desk

    parts, clock = open_parts()
    tell(desk.take(parts, find_lead(parts.store, lead), by=by, reason=reason or "", now=clock.now(), queue=queue,
                    overrides=pairs(override or [], "--override")), as_json)


@sales.command()
def undo(handoff: Handoff, by: As, note: Note = None, as_json: Json = False) -> None:
    """Take your own rejection or recycle back, until the end of the next working day."""
    from nurture.acts import desk

    parts, clock = open_parts()
    tell(desk.undo(parts, handoff, by=by, now=clock.now(), note=note), as_json)


@sales.command()
def reopen(
    lead: Annotated[str, typer.Argument(help="A lead's number, e-mail address or external id.")],
    by: As,
    note: Note = None,
    as_json: Json = False,
) -> None:
    """Bring a disqualified lead back to nurture, with a note why."""
    from nurture.acts.reopen import reopen as bring_back

    parts, clock = open_parts()
    done = bring_back(parts, find_lead(parts.store, lead), by=by, note=note, now=clock.now())
    if as_json:
        emit_json(done)
    else:
        out.print(Text(f"lead {done.lead_id} is {done.after.value}"))


@sales.command()
def reasons(as_json: Json = False) -> None:
    """The closed lists of reasons, and what each does."""
    from nurture.decide import recycle as rules

    parts, _ = open_parts()
    agreement = parts.library.agreement
    rows = [{"for": "recycle", "reason": r.id, "says": r.label, "cool-off days": r.cool_off_days, "mails": r.mode,
             "track": r.track or "where it was", "note": "needed" if r.note_required else ""}
            for r in rules.recycle_reasons(agreement).values() if r.kind == "active"]
    rows += [{"for": "reject", "reason": r.id, "says": r.label, "cool-off days": "", "mails": "none",
              "track": "for good" if r.terminal else "", "note": "needed" if r.note_required else ""}
             for r in agreement.reject_reasons.values()]
    show(rows, as_json=as_json, title="Reasons")
