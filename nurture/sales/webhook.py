"""A signed POST to another system (Standard Webhooks), that cannot be turned against our own network."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
from standardwebhooks.webhooks import Webhook

from nurture.errors import Unavailable, UsageError
from nurture.model.network import is_public

TIMEOUT: Final = 10.0
TOO_MANY: Final = 429


def signed(body: Mapping[str, Any], *, key: str, secret: str, now: datetime) -> tuple[bytes, dict[str, str]]:
    """The body as it is sent, and its headers. `secret` is `whsec_` and base64; `key` names the message for good."""
    text = json.dumps(body, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    headers = {
        "content-type": "application/json",
        "webhook-id": key,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(secret).sign(msg_id=key, timestamp=now, data=text),
    }
    return text.encode(), headers


def post(url: str, body: bytes, headers: Mapping[str, str], *, private: bool = False) -> tuple[str, str]:
    """Deliver once. Returns `(done | deferred | failed, what was said)`; redirects are not followed.

    `private` allows addresses of the own network (and plain http), which a company may want and a form must not.

    Raises:
        UsageError: an address that is not https, or leads into the own network.
        Unavailable: the name does not resolve.
    """
    parts = urlsplit(url)
    if parts.scheme != "https" and not (private and parts.scheme == "http"):
        raise UsageError(f"a webhook needs https, not `{parts.scheme}`")
    if parts.hostname is None or parts.username is not None:
        raise UsageError("this is no address of a webhook")
    address = _address(parts.hostname, parts.port or (443 if parts.scheme == "https" else 80), private=private)
    try:
        # The address that was judged is the address that is called: a name may resolve otherwise a moment later.
        target = httpx.URL(url).copy_with(host=address)
        with httpx.Client(timeout=TIMEOUT, follow_redirects=False, trust_env=False) as client:
            asked = client.build_request(
                "POST", target, content=body, headers={**headers, "host": parts.netloc},
                extensions={"sni_hostname": parts.hostname},
            )
            # Only how it begins counts: what follows could go on for ever.
            answer = client.send(asked, stream=True)
            answer.close()
    except (httpx.ConnectError, httpx.ConnectTimeout) as away:
        return "deferred", f"no connection: {type(away).__name__}"
    except httpx.HTTPError as broken:
        # The other side may have it; the same webhook-id tells it that the next try is the same message.
        return "deferred", f"no answer: {type(broken).__name__}"
    said = f"{answer.status_code} {answer.reason_phrase}"
    if answer.is_success:
        return "done", said
    return ("deferred" if answer.status_code >= 500 or answer.status_code == TOO_MANY else "failed"), said


def _address(host: str, port: int, *, private: bool) -> str:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as unknown:
        raise Unavailable(f"`{host}` does not resolve") from unknown
    addresses = [str(item[4][0]) for item in found]
    if not private:
        for address in addresses:
            if not is_public(address):
                raise UsageError(f"`{host}` leads into a private network", fix="allow private webhooks in the settings")
    return addresses[0]
