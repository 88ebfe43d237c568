"""The demo itself: the real installation on a virtual clock, with people around it, for eight weeks in two minutes."""

from __future__ import annotations

import csv
import fcntl
import itertools
import os
import shlex
import shutil
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import fields
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Self

from flows.installation import Installation
from flows.schedule import Job
from flows.server import free_port, is_free
from nurture.assembly import ANOTHER_KEY
from nurture.clock import VirtualClock
from nurture.demo.mailbox import MailFolder
from nurture.demo.sample import BEGIN, SampleLead
from nurture.demo.seller import Command, Seller
from nurture.demo.world import World
from nurture.errors import Refused, UsageError
from nurture.model.intents import Tally
from nurture.pipeline import next_due
from nurture.settings import Settings
from nurture.store.audience import people
from nurture.web.programs.signed import own_secret

FOLDER = "demo"
WEEKS = 8
MOST_RUNS = 400
AIM = 0.36
"""How much of them is meant to be used."""
STRANGERS = 48
SHORT_GAP = timedelta(hours=5)
LONG_GAP = timedelta(hours=30)
Progress = Callable[[datetime, str], None]


class Demo:
    """Everything that runs in a demo. Use as a context manager; `play` is the eight weeks."""

    def __init__(self, settings: Settings, *, leads: Path, seed: int, weeks: int = WEEKS) -> None:
        self.leads = leads
        self.seed = seed
        self.begin = datetime.combine(BEGIN, time(7, 0), UTC)
        self.end = self.begin + timedelta(weeks=weeks)
        self.clock = VirtualClock(self.begin)
        self.books: dict[str, Tally] = {}
        self.runs: Counter[str] = Counter()
        self.ticks = 0
        self.home, self._held = own_folder(settings.var_dir)
        unknown = _refused(leads)
        self.mail = MailFolder(self.home / "mail", refuse=unknown)
        self._base = settings

    def __enter__(self) -> Self:
        self.mail.__enter__()
        try:
            self.settings = self._settings(self._base)
            self.installation = Installation(self.settings, clock=self.clock, observer=self._note, demo=True)
            try:
                self.installation.__enter__()
            except Refused as wrong:
                # A key of its own for each demo: a database with people in it was begun with another one.
                raise self._not_empty("people") if wrong.code == ANOTHER_KEY else wrong from None
            self._be_alone()
        except BaseException:
            self.mail.__exit__()
            os.close(self._held)
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.installation.close()
        self.mail.__exit__()
        os.close(self._held)

    def _be_alone(self) -> None:
        with self.installation.parts.store.read() as conn:
            there, _ = people.census(conn)
        if there:
            self.installation.close()
            raise self._not_empty(f"{there:,} people")

    @staticmethod
    def _not_empty(whom: str) -> UsageError:
        return UsageError(
            f"The database of NURTURE_DATABASE_URL already holds {whom}.",
            fix="Give the demo an empty one, or unset the variable: then it makes its own.",
        )

    def look_at_leads(self) -> None:
        """Count who was imported. Raises UsageError where no row of the file could be used."""
        with self.installation.parts.store.read() as conn:
            self.imported, self.with_address = people.census(conn)
        if not self.imported:
            raise UsageError(
                f"No row of {self.leads.name} could be used; the lines above say why.",
                fix="Mend the file or its map: `nurture import FILE --map MAP --dry-run` tries it out.",
            )

    def _settings(self, base: Settings) -> Settings:
        # Beside another demo the usual ports are its own, even if it has yet to open them.
        alone = self.home.name == FOLDER
        port = base.port if alone and is_free(base.host, base.port) else free_port()
        default = Settings.model_fields["database_url"].default
        return base.model_copy(
            update={
                "var_dir": self.home,
                "port": port,
                "public_url": f"http://{base.host}:{port}",
                "now": None,
                "database_url": f"sqlite:///{self.home / 'nurture.db'}"
                if base.database_url == default
                else base.database_url,
                "smtp_url": f"smtp://127.0.0.1:{self.mail.port}",
                "smtp_routes": {},
                "mx_lookup": False,
                "prefect_port": base.prefect_port
                if alone and is_free("127.0.0.1", base.prefect_port)
                else free_port(),
            }
        )

    def environment(self) -> dict[str, str]:
        """What makes a `nurture` command act on the demo, at the demo's moment."""
        chosen = self.settings
        return {
            "NURTURE_DATABASE_URL": chosen.database_url,
            "NURTURE_VAR_DIR": str(chosen.var_dir),
            "NURTURE_PUBLIC_URL": chosen.url,
            "NURTURE_SMTP_URL": chosen.smtp_url,
            "NURTURE_NOW": self.clock.now().isoformat(),
        }

    def way_in(self) -> Path:
        """A file for a shell to read: from then on `nurture ...` there asks what the demo left, at its last moment."""
        path = self.home / "env"
        lines = [f"export {name}={shlex.quote(value)}" for name, value in self.environment().items()]
        path.touch(mode=0o600)
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path

    def play(self, command: Command, progress: Progress) -> None:
        """The eight weeks: people act at their own times, the clock jumps to what is due next, flows run."""
        parts = self.installation.parts
        self._progress = progress
        self.world = World(
            self.clock, self.mail, self.installation.url, own_secret(parts.keys), self.seed, _rows(self.leads)
        )
        self.seller = Seller(command, self.seed)
        self.world.invite_strangers(STRANGERS, self.end)
        while True:
            self._tick()
            now = self.clock.now()
            if now >= self.end:
                return
            following = self._next(now)
            self.world.act_until(following)
            self.clock.jump(following)

    def _tick(self) -> None:
        self.installation.clockwork.tick()
        self.ticks += 1
        now = self.clock.now()
        arrived = self.world.receive()
        if self.seller.is_due(now):
            self.seller.work(now)
        if arrived:
            self._tell()
        else:
            self._progress(now, "")

    def _tell(self) -> None:
        self._progress(self.clock.now(), f"{self.mail.accepted} mails, {sum(self.runs.values())} runs")

    def _next(self, now: datetime) -> datetime:
        """When to look again: the next due moment, in working hours, and not so soon that the runs would not last."""
        passed = (now - self.begin) / (self.end - self.begin)
        hurried = sum(self.runs.values()) > MOST_RUNS * AIM * (passed + 0.08)
        least = now + (LONG_GAP if hurried else SHORT_GAP)
        due = [moment for moment in (next_due(self.installation.parts), self.world.next_act()) if moment is not None]
        return min(working_hours(max(least, min(due, default=self.end))), self.end)

    def _note(self, job: Job, books: Mapping[str, Tally]) -> None:
        self.runs[job.name] += 1
        for stage, tally in books.items():
            self.books.setdefault(stage, Tally()).add(tally)
        self._tell()


def working_hours(moment: datetime) -> datetime:
    """`moment`, or the next half past seven on a working day: mail windows and sellers keep office hours."""
    if moment.weekday() >= 5 or moment.hour >= 17:
        moment = (moment + timedelta(days=1)).replace(hour=7, minute=30)
        while moment.weekday() >= 5:
            moment += timedelta(days=1)
    return max(moment, moment.replace(hour=7, minute=30))


def _rows(path: Path) -> dict[str, SampleLead]:
    """Who the people of the shipped file are. Another file's people introduce themselves."""
    names = [f.name for f in fields(SampleLead)]
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        if list(reader.fieldnames or []) != names:
            return {}
        return {row["email"].lower(): SampleLead(**row) for row in reader if "@" in row["email"]}


def _refused(path: Path) -> frozenset[str]:
    """Addresses of the shipped file whose mailbox has gone since: the server says so, as servers do."""
    import random

    known = sorted(_rows(path))
    return frozenset(random.Random(len(known)).sample(known, len(known) // 50)) if known else frozenset()


def own_folder(var: Path) -> tuple[Path, int]:
    """An empty folder that no other demo runs in, and what holds it until it is closed (or the process ends).

    Only what an earlier demo left is removed; the pages of one that still runs are somebody's.
    """
    names = itertools.chain([FOLDER], (f"{FOLDER}-{number}" for number in itertools.count(2)))
    while True:
        home = var / next(names)
        home.mkdir(parents=True, exist_ok=True)
        held = os.open(home, os.O_RDONLY)
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _empty(home)
        except BlockingIOError:
            os.close(held)
            continue
        except BaseException:
            os.close(held)
            raise
        return home, held


def _empty(home: Path) -> None:
    mark = home / "made-by-nurture-demo"
    there = list(home.iterdir())
    if there and mark not in there:
        raise UsageError(f"{home} holds something that is not a demo.", fix="Move it away, or set NURTURE_VAR_DIR.")
    for path in there:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink()
    mark.touch()
