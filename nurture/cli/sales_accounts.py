"""`nurture sales convert | account | contact | results`: what becomes of a lead, organisations, their deals."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from nurture.cli.common import FINDINGS, emit_json, open_parts, out, plain, show, table
from nurture.cli.decided import As, Handoff, Json, Note, pairs, read_day, tell
from nurture.errors import UsageError

if TYPE_CHECKING:
    from nurture.parts import Parts


def register(sales: typer.Typer) -> None:
    sales.command("convert")(convert)
    sales.command("account")(account)
    sales.command("contact")(contact)
    sales.command("results")(results)


def account(
    number: Annotated[int | None, typer.Argument(help="An account's number; without one, all of them.")] = None,
    role: Annotated[list[str] | None, typer.Option(help="A role of the buying committee; several times.")] = None,
    as_json: Json = False,
) -> None:
    """An organisation: who we know there, which roles are covered, how engaged they are, which deal is open."""
    from nurture.acts import conversion
    from nurture.store.sales import accounts

    parts, _ = open_parts()
    if number is None:
        with parts.store.read() as conn:
            rows = accounts.listing(conn)
        names = ("id", "name", "country", "owner", "people")
        show([{n: r[n] for n in names} for r in rows], as_json=as_json, title="Accounts")
        return
    view = conversion.account_view(parts, number, roles=tuple(role or ()))
    if as_json:
        emit_json(view)
        return
    out.print(
        Text(plain(f"{view['name']}: engagement {view['engagement'] / 1000:.1f}, owner {view['owner'] or 'nobody'}"))
    )
    people = [{**p, "engagement": f"{p['engagement'] / 1000:.1f}"} for p in view["people"]]
    show(people, as_json=False, title="People")
    deal = view["open_deal"]
    if deal is not None:
        out.print(Text(plain(f"Open deal: {deal['name']}")))
    if view["roles"]:
        out.print(table("Roles", ("role", "covered"), [(r, "yes" if c else "no") for r, c in view["roles"].items()]))


def contact(
    number: Annotated[int, typer.Argument(help="The account's number.")],
    email: Annotated[str, typer.Option(help="The person's address.")],
    by: As,
    field: Annotated[list[str] | None, typer.Option(help="first_name=Anna, role=partner ...; several times.")] = None,
    as_json: Json = False,
) -> None:
    """Add somebody you know at an organisation who never was a lead. Nothing is sent to them."""
    from nurture.acts import contacts

    parts, clock = open_parts()
    made, new = contacts.add(parts, number, email=email, fields=pairs(field or [], "--field"), by=by, now=clock.now())
    if as_json:
        emit_json({"contact": made, "account": number, "new": new})
        return
    out.print(Text(f"contact {made} at account {number}{'' if new else ' (was known already)'}"))


def convert(
    handoff: Handoff,
    by: As,
    account: Annotated[str | None, typer.Option(help="An account's number, or `new`.")] = None,
    contact: Annotated[str | None, typer.Option(help="A contact's number, or `new`.")] = None,
    deal: Annotated[
        str | None, typer.Option(help="A deal's number, or the name of a new one (`new`: named for you).")
    ] = None,
    amount: Annotated[float | None, typer.Option(help="What the deal is worth.")] = None,
    currency: Annotated[str | None, typer.Option(help="EUR, PLN ...")] = None,
    close_on: Annotated[str | None, typer.Option(help="When the deal should close: 2027-03-01.")] = None,
    field: Annotated[list[str] | None, typer.Option(help="name=value you know better; several times.")] = None,
    confirm_duplicate: Annotated[str | None, typer.Option(help="Why a second account is right.")] = None,
    affiliation: Annotated[str | None, typer.Option(help="A contact of another account: `move` or `second`.")] = None,
    candidates: Annotated[bool, typer.Option("--candidates", help="Only show what the lead may belong to.")] = False,
    note: Note = None,
    as_json: Json = False,
) -> None:
    """Make account, contact and perhaps a deal out of a lead."""
    from nurture.acts import conversion

    parts, clock = open_parts()
    if candidates:
        _candidates(parts, handoff, clock.now(), as_json)
        return
    if affiliation not in (None, "move", "second"):
        raise UsageError(f"`{affiliation}` is not an affiliation", fix="--affiliation move or --affiliation second")
    choice = conversion.Choice(
        account=_number_or_new(account, "--account"), contact=_number_or_new(contact, "--contact"),
        deal=_deal(deal, amount, currency, read_day(close_on, "--close-on")), overrides=pairs(field or [], "--field"),
        confirm_duplicate=confirm_duplicate, affiliation=affiliation,  # type: ignore[arg-type]  # checked above
    )
    tell(conversion.convert(parts, handoff, choice, by=by, now=clock.now(), note=note), as_json)


def _number_or_new(text: str | None, option: str) -> Any:
    if text is None or text == "new":
        return text
    if not (text.isascii() and text.isdigit()):
        raise UsageError(f"`{text}` is neither a number nor `new`", fix=f"{option} 12 or {option} new")
    return int(text)


def _deal(text: str | None, amount: float | None, currency: str | None, close_on: date | None) -> Any:
    from nurture.acts.conversion import Deal

    if text is None:
        return None
    if text.isascii() and text.isdigit():
        return Deal(id=int(text))
    minor = None if amount is None else round(amount * 100)
    return Deal(name=None if text == "new" else text, amount=minor, currency=currency, close_on=close_on)


def _candidates(parts: Parts, handoff: int, now: datetime, as_json: bool) -> None:
    from nurture.acts import conversion
    from nurture.store.sales import handoffs

    with parts.store.read() as conn:
        lead_id = handoffs.get(conn, handoff).lead_id
    found = conversion.candidates(parts, lead_id, now=now)
    if as_json:
        emit_json(found)
        return
    for name in ("accounts", "contacts", "deals"):
        show(
            [{k: v for k, v in row.items() if k != "fields"} for row in found[name]], as_json=False, title=name.title()
        )


def results(
    file: Annotated[Path, typer.Argument(help="CSV with result, lead, deal, reason, amount, currency, date.")],
    as_json: Json = False,
) -> None:
    """Take in what became of deals: won, lost, churned. Reading a file twice changes nothing.

    For a file with these column names. An export with a CRM's own names, or about leads our sellers never worked:
    `nurture import-results` with a map. Told by both, a result counts once.
    """
    from nurture.acts import results as stage

    parts, clock = open_parts()
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as unreadable:
        raise UsageError(f"`{file}` cannot be read: {type(unreadable).__name__}", fix="give a UTF-8 CSV file") from None
    read, wrong = stage.read_csv(text)
    outcomes = stage.record(parts, read, now=clock.now())
    rows = [
        {"result": o.result.kind, "lead": o.lead_id, "deal": o.result.deal, "state": o.state, "text": o.text}
        for o in outcomes
    ] + [{"result": "", "lead": None, "deal": None, "state": "unreadable", "text": w} for w in wrong]
    show(rows, as_json=as_json, title="Results")
    if wrong or any(o.state == "refused" for o in outcomes):
        raise typer.Exit(FINDINGS)
