"""`nurture demo`: eight weeks of nurturing in two minutes, with real mail, real requests and real flow runs."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import threading
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from nurture.cli.common import FINDINGS, FINE, err, fail, out, plain, settings
from nurture.cli.intake import load_map
from nurture.cli.up import end_at_signals, log_to
from nurture.errors import NurtureError, UsageError

if TYPE_CHECKING:
    from nurture.demo.run import Demo


SILENCE_SECONDS = 10.0
"""Where no bar can move, a line at least this often while there is something to tell."""


def register(app: typer.Typer) -> None:
    app.command("demo")(demo)


def demo(
    leads: str | None = typer.Option(None, help="Another file of leads, with its --map; or x_education, or olist."),
    map_path: Path | None = typer.Option(None, "--map", help="What its columns mean."),
    seed: int = typer.Option(7, help="The same seed, the same demo."),
    weeks: int = typer.Option(8, min=1, max=26, help="How long, in weeks of its own clock."),
    stay: bool | None = typer.Option(
        None, "--stay/--no-stay", help="Keep the pages open at the end (a terminal: yes)."
    ),
) -> None:
    """Import leads, run eight weeks of campaigns with simulated people, show what came of it, keep the pages open."""
    from nurture.demo.files import chosen
    from nurture.demo.run import Demo

    base = settings()
    chosen_leads, chosen_map = chosen(leads, map_path, base.campaigns_dir / "imports")
    load_map(chosen_map)
    began = time.monotonic()
    with Demo(base, leads=chosen_leads, seed=seed, weeks=weeks) as running:
        log_to(running.home / "log" / "nurture.log")
        command = commands(running)
        out.print(
            Text.assemble(
                ("The demo begins", "bold"),
                f" on {running.begin:%A %d %B %Y}, seed {seed}. Files: {plain(running.home)}/",
            )
        )
        prepare(command, chosen_leads, chosen_map)
        running.look_at_leads()
        wait_for_prefect(running)
        play(running, command)
        took = time.monotonic() - began
        from nurture.cli.demo_report import report

        report(running, command, took)
        if stay if stay is not None else sys.stdout.isatty() and sys.stdin.isatty():
            keep_open(running)


def commands(running: Demo) -> Callable[..., tuple[int, str]]:
    """Runs `nurture ...` in this process, on the demo, at the demo's moment."""
    from nurture.cli import command as whole
    from nurture.cli.common import lending

    app = whole()

    def run(*argv: str) -> tuple[int, str]:
        os.environ.update(running.environment())
        printed = io.StringIO()
        parts = running.installation.parts
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed), lending(parts):
            try:
                code = app(args=list(argv), prog_name="nurture", standalone_mode=False)
            except NurtureError as known:
                code = fail(known)
            except typer.Exit as ended:
                code = ended.exit_code
        return int(code or 0), printed.getvalue()

    return run


def prepare(command: Callable[..., tuple[int, str]], leads: Path, map_path: Path) -> None:
    """Import, check, apply: the three commands a marketer begins with."""
    for argv in (("import", str(leads), "--map", str(map_path), "--yes"), ("check",), ("apply", "--yes")):
        began = time.monotonic()
        code, printed = command(*argv)
        shown = " ".join(Path(a).name if "/" in a else a for a in argv)
        out.print(
            Text.assemble(("$ ", "dim"), (f"nurture {shown}", "bold"), (f"   {time.monotonic() - began:.1f} s", "dim"))
        )
        failed = code not in (FINE, FINDINGS) or (code == FINDINGS and argv[0] != "import")
        for line in printed.splitlines() if failed else _gist(printed, argv[0]):
            out.print(Text.from_ansi(line))
        if failed:
            raise UsageError(
                f"`nurture {shown}` did not succeed; the lines above say why.",
                fix="Mend what it names, then run the demo again.",
            )


def _gist(printed: str, what: str) -> list[str]:
    """Whole sentences only: who came in, and what was applied; not every line that was noticed on the way."""
    lines = [line for line in printed.splitlines() if line.strip()]
    words = [Text.from_ansi(line).plain.lstrip() for line in lines]
    if what == "import":
        end = next((i for i, said in enumerate(words) if said.startswith(("note:", "line ", "lines "))), len(lines))
        return [*lines[:end], "  what it noticed, line by line: the same with --dry-run"] if end < len(lines) else lines
    begin = next((i for i, said in enumerate(words) if said.startswith(("Applied", "Nothing to apply"))), 0)
    return lines[begin:]


def wait_for_prefect(running: Demo) -> None:
    server = running.installation.prefect
    if server is None:
        return
    with err.status("Prefect's API is starting (its database is made on the first start) ..."):
        up = server.wait()
    if not up:
        err.print("Prefect's API did not start; the demo goes on without flow runs. Its log: " + str(server.log))


def play(running: Demo, command: Callable[..., tuple[int, str]]) -> None:
    """The eight weeks, with a bar that moves by days."""
    days = (running.end - running.begin).days
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[told]}"), TimeElapsedColumn())
    last, spoke = [running.begin], [time.monotonic()]
    with Progress(*columns, console=err, transient=err.is_terminal) as bar:
        task = bar.add_task(f"{running.begin:%a %d %b}", total=days, told="")

        def progress(now: datetime, told: str) -> None:
            bar.update(task, completed=(now - running.begin).total_seconds() / 86400, description=f"{now:%a %d %b}")
            if told:
                bar.update(task, told=told)
            if not err.is_terminal and ((now - last[0]).days >= 7 or time.monotonic() - spoke[0] > SILENCE_SECONDS):
                last[0], spoke[0] = now, time.monotonic()
                err.print(f"{now:%a %d %b}: {told or running.mail.accepted}")

        running.play(command, progress)


def keep_open(running: Demo) -> None:
    """The pages stay until Ctrl-C; nothing is due any more unless somebody clicks."""
    stop = threading.Event()
    end_at_signals(stop)
    out.print("\nCtrl-C ends it.")
    while not stop.wait(0.5):
        pass
