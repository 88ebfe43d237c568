"""`nurture sales account | results`: organisations, and what became of their deals."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from nurture.cli.common import FINDINGS, emit_json, open_parts, out, plain, show, table
from nurture.errors import UsageError

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


def register(sales: typer.Typer) -> None:
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
    from nurture.store import accounts

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
    by: Annotated[str, typer.Option("--as", help="Who adds it: a seller of sales.yaml.", envvar="NURTURE_SELLER")],
    field: Annotated[list[str] | None, typer.Option(help="first_name=Anna, role=partner ...; several times.")] = None,
    as_json: Json = False,
) -> None:
    """Add somebody you know at an organisation who never was a lead. Nothing is sent to them."""
    from nurture.acts import contacts
    from nurture.cli.sales import pairs

    parts, clock = open_parts()
    made, new = contacts.add(parts, number, email=email, fields=pairs(field or [], "--field"), by=by, now=clock.now())
    if as_json:
        emit_json({"contact": made, "account": number, "new": new})
        return
    out.print(Text(f"contact {made} at account {number}{'' if new else ' (was known already)'}"))


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
