"""The command `nurture`: one module per family of commands, each with `register(app)`; thin, the work is elsewhere."""

from __future__ import annotations

import importlib
import importlib.util
import io
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import click
import typer
from typer.models import CommandInfo, TyperInfo

from nurture import __version__
from nurture.cli.common import fail
from nurture.errors import NurtureError, UsageError

FAMILIES = (
    "authoring",
    "campaigns",
    "stories",
    "rehearse",
    "intake",
    "sending",
    "books",
    "inbound",
    "sales",
    "consent",
    "privacy",
    "explain",
    "reports",
    "agreement",
    "calibrate",
    "database",
    "users",
    "doctor",
    "up",
    "server",
    "demo",
)
"""In the order of the help page: write, run, import, send, sell, protect, understand, keep."""

_TASKS = {
    "Write campaigns": ("new", "check", "fmt", "schema", "test", "simulate", "paths", "show", "preview"),
    "Run campaigns": ("plan", "apply", "rollback", "status", "pause", "resume", "enroll", "retire"),
    "Bring people in": ("import", "import-attendance", "import-list", "import-results"),
    "Send": ("sends", "queue", "resend", "release", "send-test", "inbound"),
    "Sell": ("sales", "agreement"),
    "Understand": ("explain", "report", "rescore", "calibrate", "score-file"),
    "Protect people": ("consent", "privacy"),
}
ROOM_FOR_PANELS = 60
"""Columns; on a narrower screen panels would cut the names of options in the middle."""
PANELS = {command: panel for panel, commands in _TASKS.items() for command in commands}
"""Where a command stands on the help page; what is not named keeps the system running."""


@cache
def build() -> typer.Typer:
    """The whole command line, one per process. Modules of a family import what is heavy only when a command runs."""
    columns = shutil.get_terminal_size().columns
    narrow = columns < ROOM_FOR_PANELS
    app = typer.Typer(
        name="nurture",
        no_args_is_help=True,
        rich_markup_mode=None if narrow else "rich",
        pretty_exceptions_enable=False,
        help="Lead nurturing that your company runs itself: campaigns as files, consent at every send, all explained.",
        context_settings={"help_option_names": ["-h", "--help"], "terminal_width": columns if narrow else None},
    )

    @app.callback(invoke_without_command=True)
    def _root(
        version: bool = typer.Option(False, "--version", is_eager=True, help="Print the version and end."),
    ) -> None:
        if version:
            typer.echo(f"nurture {__version__}")
            raise typer.Exit

    for family in FAMILIES:
        name = f"nurture.cli.{family}"
        if importlib.util.find_spec(name) is not None:
            importlib.import_module(name).register(app)
    every: list[CommandInfo | TyperInfo] = [*app.registered_commands, *app.registered_groups]
    for info in every:
        info.rich_help_panel = PANELS.get(info.name or "", "Keep it running")
    return app


@cache
def command() -> Callable[..., Any]:
    """What `build` describes, ready to be called (by a demo or a test many times)."""
    whole = typer.main.get_command(build())
    if shutil.get_terminal_size().columns < ROOM_FOR_PANELS:
        _say_whole(whole)
    return whole


def _say_whole(command: Any) -> None:
    """Lists without panels cut what a command does after some words; a whole sentence is folded instead."""
    for one in getattr(command, "commands", {}).values():
        one.short_help = one.short_help or " ".join((one.help or "").split("\n\n")[0].split())
        _say_whole(one)


def main(argv: Sequence[str] | None = None) -> None:
    """Run one command. A user's mistake ends in a message and an exit code, never in a traceback."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal of another time cannot show every name; a name it cannot show is no reason to end.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        try:
            command()(args=list(argv) if argv is not None else None, standalone_mode=True)
        finally:
            if sys.stdout is not None:  # started with its output closed
                sys.stdout.flush()
    except SystemExit as end:
        if not isinstance(end.__context__, BrokenPipeError):
            raise
        _leave_quietly()
    except NurtureError as known:
        sys.exit(fail(known))
    except (click.exceptions.Abort, KeyboardInterrupt):
        sys.exit(130)
    except BrokenPipeError:
        _leave_quietly()
    except OSError as wrong:
        # A path somebody typed or set. What is not about a file is a bug, and shows as one.
        if wrong.filename is None:
            raise
        fix = "choose another place, or make this one usable"
        sys.exit(fail(UsageError(f"{wrong.filename}: {wrong.strerror}", fix=fix)))


def _leave_quietly() -> None:
    """The reader of a pipe (`| head`) has gone; that is its good right."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(0)
