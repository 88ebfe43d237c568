"""Signed calls of mail providers -> `Notice`s: one vocabulary, one file per provider, pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from nurture.mail.inbound.providers import mailgun, postmark, sendgrid, ses
from nurture.mail.inbound.providers.call import BadCall, Call

Read = Callable[[bytes, Mapping[str, str], str, datetime], Call]

PROVIDERS: Final[Mapping[str, Read]] = {
    "mailgun": mailgun.read,
    "postmark": postmark.read,
    "sendgrid": sendgrid.read,
    "ses": ses.read,
}
"""`read(body, headers, secret, now)`. Header names are lower case. Raises BadCall."""

__all__ = ["PROVIDERS", "BadCall", "Call", "Read"]
