"""`nurture users`: who signs in to the pages and the API, and with which roles."""

from __future__ import annotations

import secrets
from typing import Annotated

import typer

from nurture.cli.common import emit_json, open_parts, out, plain, show
from nurture.errors import UsageError

Json = Annotated[bool, typer.Option("--json", help="One JSON document.")]
Name = Annotated[str, typer.Argument(help="The user's short name; for sellers the one in sales.yaml.")]


def register(app: typer.Typer) -> None:
    family = typer.Typer(help="Who may sign in, and as what.", no_args_is_help=True)
    family.command("list")(list_users)
    family.command("add")(add)
    family.command("password")(password)
    family.command("link")(link)
    family.command("token")(token)
    family.command("disable")(disable)
    app.add_typer(family, name="users")


def list_users(json: Json = False) -> None:
    """Everybody who may sign in."""
    from nurture.store.running import sessions

    parts, _ = open_parts()
    with parts.store.read() as conn:
        found = sessions.users(conn)
    show(
        [{"user": u.id, "name": u.name, "address": u.email_key, "roles": ", ".join(sorted(u.roles)),
          "state": "disabled" if u.disabled else "may sign in"} for u in found],
        as_json=json, title="users",
    )


def add(
    user: Name,
    address: Annotated[str, typer.Option(help="Where sign-in links go.")],
    role: Annotated[list[str], typer.Option(help="marketing, sales, manager, privacy or admin; as often as needed.")],
    name: Annotated[str, typer.Option(help="How pages call them.")] = "",
) -> None:
    """Let somebody sign in, or change their address and roles. They ask for a link on the sign-in page."""
    from nurture.model.address import read_address
    from nurture.store.running import sessions

    unknown = sorted(set(role) - set(sessions.ROLES))
    if unknown:
        raise UsageError(f"no role `{plain(unknown[0])}`", fix=f"one of {', '.join(sessions.ROLES)}")
    try:
        mailbox = read_address(address).mailbox
    except ValueError as wrong:
        raise UsageError(plain(wrong)) from None
    parts, clock = open_parts()
    with parts.store.begin() as conn:
        taken = sessions.user_by_address(conn, mailbox)
        if taken is not None and taken.id != user:
            raise UsageError(f"the address belongs to `{plain(taken.id)}`")
        made = sessions.put_user(conn, user, address=mailbox, name=name or user, roles=role, now=clock.now())
    out.print(f"{plain(made.id)} may sign in as {', '.join(sorted(made.roles))}")


def password(user: Name) -> None:
    """Set a password; every open session and API token of the user ends."""
    from nurture.store.running import sessions
    from nurture.web.staff.signin import hash_password

    parts, clock = open_parts()
    _known(parts.store, user)
    typed = typer.prompt("New password", hide_input=True, confirmation_prompt=True)
    try:
        hashed = hash_password(typed)
    except ValueError as wrong:
        raise UsageError(str(wrong)) from None
    with parts.store.begin() as conn:
        sessions.set_password(conn, user, hashed, now=clock.now())
    out.print("set; all sessions have ended")


def link(user: Name, json: Json = False) -> None:
    """Print a link that signs the user in, once, within twenty minutes."""
    from nurture.web.staff.signin import one_time_link

    parts, clock = open_parts()
    _known(parts.store, user)
    made = one_time_link(parts, user, now=clock.now())
    emit_json({"link": made}) if json else out.print(made, soft_wrap=True)


def token(user: Name) -> None:
    """Print a new API token of the user; it acts in their name, for a year. It is shown this once."""
    from nurture.store.running import sessions

    parts, clock = open_parts()
    _known(parts.store, user)
    made = f"nurture_{secrets.token_urlsafe(32)}"
    with parts.store.begin() as conn:
        sessions.open_session(conn, user, made, now=clock.now(), kind="api")
    out.print(made, soft_wrap=True)


def disable(user: Name) -> None:
    """Nobody signs in as this user any more; open sessions end at once."""
    from nurture.store.running import sessions

    parts, clock = open_parts()
    _known(parts.store, user)
    with parts.store.begin() as conn:
        sessions.disable(conn, user, now=clock.now())
    out.print("disabled")


def _known(store: object, user: str) -> None:
    from nurture.store import Store
    from nurture.store.running import sessions

    assert isinstance(store, Store)
    with store.read() as conn:
        if sessions.user(conn, user) is None:
            raise UsageError(f"no user `{plain(user)}`", fix="`nurture users add` makes one")
