"""A maildir that a mail server delivers into: a file is moved to `cur` only once its mail has been dealt with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import Final

from nurture.errors import Unavailable, UsageError
from nurture.mail.inbound.message import LARGEST
from nurture.model.inbound import Arrived

PAUSE: Final = 2.0
"""Seconds between two looks."""
BATCH: Final = 1000
SEEN: Final = "S"


class Maildir:
    """`path` has `new`, `cur` and `tmp`; they are made where the folder is empty or not there yet."""

    def __init__(self, path: str | Path, *, pause: float = PAUSE) -> None:
        if not str(path):
            raise UsageError("NURTURE_INBOUND names no folder.", fix="Write maildir:/var/mail/nurture.")
        self.path = Path(path).expanduser()
        self.name = "maildir"
        self.pause = pause

    def prepare(self) -> None:
        """Raises UsageError for a folder that is no maildir and holds other things."""
        try:
            there = {p.name for p in self.path.iterdir()} if self.path.exists() else set()
            if there and not there & {"new", "cur"}:
                raise UsageError(
                    f"{self.path} is no maildir: it has neither `new` nor `cur`.", fix="Name the folder that has them."
                )
            for part in ("tmp", "new", "cur"):
                (self.path / part).mkdir(parents=True, exist_ok=True)
        except OSError as wrong:
            raise UsageError(
                f"The maildir {self.path} cannot be used: {wrong.strerror}.", fix="Mend its rights, or name another."
            ) from None

    def waiting(self) -> list[Path]:
        """Mails nobody has dealt with, oldest first; at most a thousand at a time."""
        fresh = [p for p in (self.path / "new").iterdir() if not p.name.startswith(".")]
        fresh += [p for p in (self.path / "cur").iterdir() if SEEN not in p.name.partition(":2,")[2]]
        return sorted(fresh, key=lambda p: p.name)[:BATCH]

    def look(self) -> str:
        """What is there, in one sentence. Raises UsageError where it cannot be used."""
        self.prepare()
        return f"{self.path}: {len(self.waiting())} to take in"

    def once(self, handle: Callable[[Arrived], None]) -> int:
        self.prepare()
        taken = 0
        for path in self.waiting():
            try:
                with path.open("rb") as file:
                    raw = file.read(LARGEST + 1)
            except FileNotFoundError:
                # Another process of ours took it meanwhile.
                continue
            except OSError as wrong:
                raise Unavailable(f"The mail {path.name} cannot be read: {wrong.strerror}.") from None
            handle(Arrived(raw, self.name))
            self._done(path)
            taken += 1
        return taken

    def _done(self, path: Path) -> None:
        base, _, flags = path.name.partition(":2,")
        try:
            path.rename(self.path / "cur" / f"{base}:2,{''.join(sorted({*flags, SEEN}))}")
        except FileNotFoundError:
            return
        except OSError as wrong:
            raise Unavailable(f"The mail {path.name} cannot be moved: {wrong.strerror}.") from None

    def watch(self, handle: Callable[[Arrived], None], stop: Event, say: Callable[[str], None]) -> None:
        while not stop.is_set():
            try:
                taken = self.once(handle)
            except (Unavailable, UsageError) as away:
                say(away.message)
                stop.wait(10 * self.pause)
                continue
            if not taken:
                stop.wait(self.pause)
