"""The salesperson of the demo: looks at the list every second working day, decides by command line."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Final

Command = Callable[..., tuple[int, str]]
"""Runs `nurture ARGUMENTS` at the demo's moment; returns exit code and what it printed."""

REJECT: Final = ("not_icp", "student_or_jobseeker", "no_longer_there")
RECYCLE: Final = ("bad_timing", "no_budget", "not_decision_maker", "still_researching", "unresponsive")
BANT: Final = ("--bant", "need=yes", "--bant", "timeline=partly", "--bant", "budget=partly")


class Seller:
    """Decides for whoever owns a hand-off. `done` counts decisions and their reasons; `refused`: what rules forbade."""

    def __init__(self, command: Command, seed: int) -> None:
        self.command = command
        self.chance = random.Random(f"{seed}:seller")
        self.done: Counter[str] = Counter()
        self.refused: list[str] = []
        self._day: date | None = None
        self._accepted: dict[int, datetime] = {}

    def is_due(self, now: datetime) -> bool:
        """Every second working day."""
        rested = self._day is None or (now.date() - self._day).days >= 2
        return now.weekday() < 5 and 7 <= now.hour < 17 and rested

    def work(self, now: datetime) -> None:
        """One morning: decide what is new, go on with what was taken on."""
        self._day = now.date()
        code, listed = self.command("sales", "list", "--json")
        if code != 0:
            return
        for handoff in json.loads(listed):
            number, owner = int(handoff["handoff"]), handoff["owner"] or "lena"
            if handoff["state"] == "open":
                self._decide(number, owner, now)
            elif number in self._accepted and now - self._accepted[number] > timedelta(days=3):
                self._finish(number, owner, now)

    def _decide(self, number: int, owner: str, now: datetime) -> None:
        draw = self.chance.random()
        if draw < 0.6:
            if self._say("accept", number, owner):
                self._accepted[number] = now
                self._say("call", number, owner, "--outcome", "reached", "--note", "spoke for ten minutes")
        elif draw < 0.72:
            self._say("reject", number, owner, "--reason", self.chance.choice(REJECT))
        else:
            self._recycle(number, owner, now)

    def _finish(self, number: int, owner: str, now: datetime) -> None:
        del self._accepted[number]
        if self.chance.random() < 0.4:
            self._recycle(number, owner, now)
        elif self._say("qualify", number, owner, *BANT, "--bant-note", "need=wants every phone ready on the first day"):
            close = (now + timedelta(days=60)).date().isoformat()
            deal = (
                "--account",
                "new",
                "--contact",
                "new",
                "--deal",
                "new",
                "--amount",
                "18000",
                "--currency",
                "EUR",
                "--close-on",
                close,
            )
            self._say("convert", number, owner, *deal)

    def _recycle(self, number: int, owner: str, now: datetime) -> None:
        reason = self.chance.choice(RECYCLE)
        more: tuple[str, ...] = ()
        if reason == "bad_timing":
            more = ("--revisit", (now + timedelta(days=75)).date().isoformat())
        self._say("recycle", number, owner, "--reason", reason, "--note", "see the call notes", *more)

    def _say(self, what: str, number: int, owner: str, *more: str) -> bool:
        code, told = self.command("sales", what, str(number), "--as", owner, *more)
        reason = more[more.index("--reason") + 1] if "--reason" in more else ""
        if code == 0:
            self.done[f"{what}: {reason}" if reason else what] += 1
        else:
            self.refused.append(f"{what} {number}: {told.strip().splitlines()[0] if told.strip() else code}")
        return code == 0
