"""Many machines: what a Prefect server needs before `prefect deploy --all`, and the web app by itself."""

from __future__ import annotations

import os

import typer
from rich.text import Text

from nurture.cli.common import out, plain, settings
from nurture.errors import Unavailable, UsageError


def register(app: typer.Typer) -> None:
    app.command("server-setup")(server_setup)
    app.command("web")(web)
    app.command("webhook-secret")(webhook_secret)


def server_setup() -> None:
    """Make the work pool and the automation for lost machines on the Prefect server of PREFECT_API_URL."""
    import flows  # noqa: F401  # switches telemetry off before Prefect is imported

    if not os.environ.get("PREFECT_API_URL"):
        raise UsageError(
            "PREFECT_API_URL is not set.", fix="PREFECT_API_URL=http://your-server:4200/api nurture server-setup"
        )
    import httpx

    from flows.deploy import setup

    try:
        done = setup()
    except httpx.HTTPError as away:
        raise Unavailable(
            f"The Prefect server does not answer: {type(away).__name__}.", fix="Look at PREFECT_API_URL."
        ) from away
    for line in done:
        out.print(Text(plain(line)))
    out.print("Next: prefect --no-prompt deploy --all")


def web(
    host: str | None = typer.Option(None, help="Where it listens (NURTURE_HOST)."),
    port: int | None = typer.Option(None, help="Its port (NURTURE_PORT)."),
) -> None:
    """Only the web app: pages, tracking, forms, API. The clock runs elsewhere."""
    import uvicorn

    from flows.installation import listen
    from flows.work import open_parts
    from nurture.web import serving
    from nurture.web.app import app_of
    from nurture.web.follow import Follower

    chosen = settings()
    said = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    chosen = chosen.model_copy(update=said)
    taken = listen(chosen.host, chosen.port)
    parts = open_parts(chosen)
    app = app_of(chosen, parts, chosen.clock())
    Follower(parts).start()
    out.print(Text(f"nurture web: http://{chosen.host}:{taken.getsockname()[1]}"))
    uvicorn.Server(serving.config(app, trusted_proxies=chosen.trusted_proxies)).run(sockets=[taken])


def webhook_secret() -> None:
    """Print the secret that other systems sign their calls to /events with (NURTURE_WEBHOOK_SECRET, else our own)."""
    from nurture.model.tokens import Keys
    from nurture.web.programs.signed import own_secret

    chosen = settings()
    known = chosen.webhook_secrets()
    typer.echo(known[0] if known else own_secret(Keys.from_secrets(chosen.secrets())))
