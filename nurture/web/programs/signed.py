"""Calls that other systems sign (standardwebhooks): who may sign, whether it fits, and the way every such call goes."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final, TypeVar

from fastapi import Request
from fastapi.responses import Response
from pydantic import BaseModel, ValidationError
from standardwebhooks import Webhook
from starlette.concurrency import run_in_threadpool

from nurture.model.tokens import Keys, ledger_hash
from nurture.web.answers import refusal, unreadable
from nurture.web.house import House
from nurture.web.limits import client_key

TOLERANCE: Final = timedelta(minutes=5)
MOST: Final = 500
"""Facts or results in one call."""

Batch = TypeVar("Batch", bound=BaseModel)


async def signed(
    request: Request, house: House, kind: type[Batch], take: Callable[[House, Batch, str], Response]
) -> Response:
    """`take(house, batch, id of the call)` once limit, signature and form of the call are in order; else a plain no."""
    if too_often(request, house):
        return refusal(429, "too many calls")
    body, headers = await request.body(), dict(request.headers)

    def dealt_with() -> Response:
        if not verified(secrets_of(house), body, headers, now=house.now()):
            return refusal(401, "the signature does not fit")
        try:
            batch = kind.model_validate_json(body)
        except ValidationError as wrong:
            return unreadable(wrong.errors())
        return take(house, batch, headers["webhook-id"])

    return await run_in_threadpool(dealt_with)


def too_often(request: Request, house: House, of: str = "") -> bool:
    """Whether a program asks more than the limit for calls allows; `of` counts one kind apart."""
    key = client_key(request.client.host if request.client else None)
    return key is not None and not house.limits.call.take(f"{of}{key}", house.now())


def secrets_of(house: House) -> tuple[str, ...]:
    """What may sign calls to us: the configured secrets (several while one is being replaced), else our own."""
    return house.webhook_secrets or (own_secret(house.parts.keys),)


def own_secret(keys: Keys) -> str:
    """The secret an installation has without being configured, in the form that signing libraries take."""
    return "whsec_" + base64.b64encode(bytes.fromhex(ledger_hash(keys, "webhook", "events"))).decode()


def verified(secrets: tuple[str, ...], body: bytes, headers: Mapping[str, str], *, now: datetime) -> bool:
    """Whether one of our secrets signed exactly this body, within five minutes of `now`.

    The library compares with the machine's clock; the moment is checked here, so that a virtual clock holds too.
    """
    try:
        sent = datetime.fromtimestamp(float(headers.get("webhook-timestamp", "")), UTC)
    except (ValueError, OverflowError, OSError):
        return False
    if abs(now - sent) > TOLERANCE or not headers.get("webhook-id"):
        return False
    return any(_signed(secret, body, headers, sent) for secret in secrets)


def _signed(secret: str, body: bytes, headers: Mapping[str, str], sent: datetime) -> bool:
    try:
        hook = Webhook(secret)
        wanted = hook.sign(headers["webhook-id"], sent, body.decode())
    except (ValueError, RuntimeError):
        return False
    given = headers.get("webhook-signature", "").split(" ")
    return any(hmac.compare_digest(wanted.encode(), one.encode()) for one in given)
