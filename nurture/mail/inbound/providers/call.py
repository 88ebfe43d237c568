"""What every provider's call comes down to, and the small reading tools they share."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from nurture.errors import NurtureError
from nurture.mail.inbound import status
from nurture.mail.inbound.message import clean
from nurture.model.inbound import Action, Notice, Reason, Struck
from nurture.model.tokens import normal_address

LARGEST: Final = 1024 * 1024
MOST: Final = 1000
AHEAD: Final = timedelta(minutes=5)


class BadCall(NurtureError):
    """A call that is not to be believed, or that nobody can read. `code` is the HTTP status."""

    def __init__(self, message: str, *, code: int = 401) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Call:
    """A verified call. `id` is what a replay repeats. `confirm`: an address to visit to be subscribed (SES)."""

    id: str
    notices: tuple[Notice, ...] = ()
    confirm: str = ""
    needs: str = ""
    """The address of a certificate that has to be fetched before the signature can be checked (SES)."""
    check: Callable[[bytes], Call] | None = None
    """Given that certificate (PEM), the verified call. Raises BadCall."""


def document(body: bytes) -> Any:
    """The body as JSON. Raises BadCall."""
    if len(body) > LARGEST:
        raise BadCall("the call is too large", code=413)
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise BadCall("the call is no JSON", code=400) from None


def fields(value: Any) -> Mapping[str, Any]:
    """A JSON object, or an empty one for anything else: providers leave parts out."""
    return value if isinstance(value, dict) else {}


def word(value: Any, most: int = 500) -> str:
    """Text as a database takes it; empty for anything that is no text."""
    return clean(value[:most]) if isinstance(value, str) else ""


def address(value: Any) -> str:
    found = word(value, 320).strip()
    found = found.rpartition("<")[2].rstrip(">") if "<" in found else found
    return normal_address(found) if "@" in found else ""


def moment(value: Any, *, now: datetime) -> datetime:
    """A time as providers write it: epoch seconds or ISO 8601. What cannot be read, or lies ahead, is now."""
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            found = datetime.fromtimestamp(float(value), UTC)
        else:
            found = datetime.fromisoformat(word(value, 40).replace("Z", "+00:00"))
            found = found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        return now
    return min(found, now)


def fresh(at: Any, *, now: datetime, within: timedelta) -> None:
    """Raises BadCall for a call signed too long ago, or ahead of our clock."""
    try:
        signed = datetime.fromtimestamp(float(at), UTC) if not isinstance(at, datetime) else at
    except (TypeError, ValueError, OverflowError, OSError):
        raise BadCall("the call does not say when it was signed") from None
    if not now - within <= signed <= now + AHEAD:
        raise BadCall("the call was signed at another time")


def judged(where: str, *, hard: bool, code: str = "", said: str = "", reason: Reason | None = None) -> Struck:
    """What a provider says of one address. Its own "permanent" is needed for a hard verdict, and not enough for one:
    providers say it of mails that were refused for what was in them, too.
    """
    made = status.struck(where, Action.FAILED, status=code, said=said)
    why = reason or made.reason
    if hard and why in (Reason.UNKNOWN, Reason.NETWORK, Reason.EXPIRED):
        why = Reason.NO_ADDRESS if not code.startswith("4") else why
    return Struck(where, Action.FAILED, why, made.status or code, permanent=hard, said=made.said)
