"""What can go wrong, in two kinds.

A *user's* mistake in a file is a value with a place (`model.problem.Problem`), collected and never raised.
Everything below is raised, says what, where and how to mend, and tells the caller whether to try again.
"""

from __future__ import annotations


class NurtureError(Exception):
    """Base of everything we raise on purpose.

    `fix` is one plain sentence on how to mend it; `retry` says whether the same call may succeed later.
    """

    retry: bool = False

    def __init__(self, message: str, *, fix: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix

    def __str__(self) -> str:
        return f"{self.message}\n  fix: {self.fix}" if self.fix else self.message


class UsageError(NurtureError):
    """The command was understood and cannot be carried out as asked (exit code 2)."""


class Conflict(NurtureError):
    """Somebody else was faster: the row changed since it was read. Re-read and decide again."""


class Refused(NurtureError):
    """A rule of the product says no (a decision by nobody, an offer to an early lead). `code` names the rule."""

    def __init__(self, message: str, *, code: str, fix: str = "") -> None:
        super().__init__(message, fix=fix)
        self.code = code


class Unavailable(NurtureError):
    """A part we depend on does not answer (database, SMTP server, port). Nothing was lost; try again."""

    retry = True
