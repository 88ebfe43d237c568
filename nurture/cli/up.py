"""`nurture up`: the whole installation on one machine, until Ctrl-C or SIGTERM."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.text import Text

from nurture.cli.common import out, plain, settings

LARGEST_LOG, OLD_LOGS = 20_000_000, 4
"""Bytes of one log file, and how many older ones are kept."""

if TYPE_CHECKING:
    from flows.schedule import Job
    from nurture.model.intents import Tally


def register(app: typer.Typer) -> None:
    app.command("up")(up)


def up(
    host: str | None = typer.Option(None, help="Where the web app listens (NURTURE_HOST)."),
    port: int | None = typer.Option(None, help="Its port (NURTURE_PORT)."),
    accept_clock: bool = typer.Option(
        False, "--accept-clock", help="The machine's clock went back and is right now: go on from there."
    ),
) -> None:
    """Run everything on this machine: web app, clock, and Prefect's API and pages beside them."""
    from flows.installation import Installation
    from nurture.cli.doctor import inside, servers

    chosen = settings()
    said = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    chosen = chosen.model_copy(update=said)
    log_to(chosen.var_dir / "log" / "nurture.log")
    stop = threading.Event()
    end_at_signals(stop)
    with Installation(chosen, observer=say, accept_clock=accept_clock) as running:
        out.print(Text.assemble(("nurture is up", "bold green"), f": {running.url}"))
        if running.prefect is not None:
            out.print(f"  runs and tallies: {running.prefect.url} (in a few seconds)", highlight=False)
        for one in (*inside(running.parts, chosen.clock()), *servers(chosen)):
            if one.state != "good":
                out.print(Text(f"  look: {plain(one.says)} ({plain(one.fix)})", style="yellow"))
        out.print("  Ctrl-C ends it; what is under way is finished first.")
        running.run(stop)
        out.print("Ending: the run under way is finished first ...")
    out.print("Ended. Nothing was lost.")


def end_at_signals(stop: threading.Event) -> None:
    """Ctrl-C, SIGTERM and a terminal that closes end what runs in order. `nohup` keeps it running, as it should."""

    def end(number: int, _: object) -> None:
        if stop.is_set() and number == signal.SIGINT:
            # No lock of a stream may be taken in here.
            with contextlib.suppress(OSError):
                os.write(2, b"\nStill finishing what is under way; a few seconds more.\n")
        stop.set()
        if number == signal.SIGHUP:
            nobody_reads()

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        if number != signal.SIGHUP or signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, end)


def nobody_reads() -> None:
    """The terminal is gone, or the reader of the pipe: what is said from now on goes to the log file only."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        with contextlib.suppress(OSError):
            os.dup2(nowhere, number)
    os.close(nowhere)


def say(job: Job, books: Mapping[str, Tally]) -> None:
    """One line per run: what it did, in the words of the books."""
    done: dict[str, int] = {}
    for tally in books.values():
        for what, n in tally.as_dict().items():
            if n and what != "due":
                done[what] = done.get(what, 0) + n
    if not done:
        return
    told = plain(", ".join(f"{n} {what.replace('_', ' ')}" for what, n in done.items()))
    try:
        out.print(Text(f"{job.name}: {told}"))
    except (OSError, SystemExit):  # rich ends the program for a closed pipe; a tick is not ended by its listener
        nobody_reads()


def log_to(path: Path) -> None:
    """Details go to a file that only this account reads; errors are also told on the terminal, in one line each."""
    from flows.logs import PrivateLog

    detail = PrivateLog(path, LARGEST_LOG, OLD_LOGS)
    detail.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    brief = logging.StreamHandler(sys.stderr)
    brief.setLevel(logging.ERROR)
    brief.setFormatter(_OneLine("%(message)s"))
    root = logging.getLogger("nurture")
    root.setLevel(logging.INFO)
    root.handlers[:] = [detail, brief]
    root.propagate = False
    # It warns with every tick that passes while a long run is under way; that is how the clock is meant to work.
    logging.getLogger("apscheduler").setLevel(logging.ERROR)


class _OneLine(logging.Formatter):
    """A traceback belongs into the file."""

    def formatException(self, ei: object) -> str:
        return ""

    def format(self, record: logging.LogRecord) -> str:
        record.exc_text = None
        return super().format(record).rstrip("\n")
