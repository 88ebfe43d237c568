"""What a request brings, read with care: forms, tokens, headers, and who asks too often."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final

from fastapi import Request
from pydantic import Field
from starlette.datastructures import FormData

from nurture.model.tokens import TokenPurpose, verify
from nurture.web.house import House
from nurture.web.limits import client_key

MOST_ROWS: Final = 2**53
Row = Annotated[int, Field(ge=0, le=MOST_ROWS)]
"""The number of a row that a database can have."""
Leaf = Annotated[int, Field(ge=-MOST_ROWS, le=MOST_ROWS)]
"""Which page of a list; one that is not there is an empty or the first one."""
Days = Annotated[int, Field(ge=0, le=36_500)]
BODY_MOST: Final = 64 * 1024
KEPT: Final = frozenset(
    {
        b"purpose",
        b"sec-purpose",
        b"x-purpose",
        b"x-moz",
        b"sec-fetch-dest",
        b"sec-fetch-mode",
        b"sec-gpc",
        b"dnt",
        b"via",
    }
)
"""Headers that help to tell a person from a machine; no others are kept of a hit."""
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def clean(value: bytes, most: int) -> str:
    """A header's text without control characters, cut to `most`."""
    text = value.decode("utf-8", "replace")[:most]
    return text if text.isprintable() else _CONTROL.sub(" ", text)


async def read_form(request: Request) -> FormData:
    """The fields of a form, within the size and count a person's form has; more than that is cut off as empty."""
    if int(request.headers.get("content-length") or 0) > BODY_MOST:
        return FormData()
    return await request.form(max_files=0, max_fields=100, max_part_size=BODY_MOST)


def read_token(house: House, purpose: TokenPurpose, token: str, ids: int) -> tuple[int, ...] | None:
    """The `ids` numbers a token of this purpose carries; None where it is not ours, whatever is wrong with it."""
    found = verify(house.parts.keys, purpose, token)
    return found if found is not None and len(found) == ids else None


def proof_of(request: Request, house: House, source: str, **more: Any) -> dict[str, Any]:
    """What was seen when a person chose something. The address of the network is truncated by the retention job."""
    return {
        "source": source,
        "ip": request.client.host if request.client else "",
        "form_url": request.url.path.split("/")[1],
        "agent": clean(request.headers.get("user-agent", "").encode(), 300),
        **more,
    }


def allowed(request: Request, house: House) -> bool:
    """Whether this network may post once more, as often as people do."""
    key = client_key(request.client.host if request.client else None)
    return key is None or house.limits.post.take(key, house.now())
