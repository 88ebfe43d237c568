"""What receivers think of a sender: complaint rates that stop us in time, and when one counts as a bulk sender.

The lines are those that large providers publish: below 0.1 % is wanted, 0.3 % is never allowed, and who brings close
to 5,000 mails in a day to one provider's personal mailboxes is a bulk sender from then on.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Literal

WINDOW: Final = timedelta(days=7)
WARN, STOP = 0.001, 0.003
FEWEST: Final = 3
"""Complaints in a week below which nothing stops: of a hundred mails one complaint is one per cent and says little."""
BULK: Final = 5000

Standing = Literal["fine", "warn", "stop"]


@dataclass(frozen=True, slots=True)
class Complaints:
    """One sender's week."""

    sender: str
    sent: int
    complaints: int

    @property
    def rate(self) -> float:
        return self.complaints / max(self.sent, self.complaints, 1)

    @property
    def standing(self) -> Standing:
        """`stop` from 0.3 % on, `warn` from 0.1 % on, `fine` while too few complained to tell."""
        if self.complaints < FEWEST:
            return "fine"
        return "stop" if self.rate >= STOP else "warn" if self.rate >= WARN else "fine"

    def __str__(self) -> str:
        return f"{self.complaints} complaints about {self.sent} mails from {self.sender} in a week ({self.rate:.2%})"
