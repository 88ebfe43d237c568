"""How pages leave: rendered in the visitor's language, under a strict content policy, never cached."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from fastapi import Request
from fastapi.responses import HTMLResponse, JSONResponse

from nurture.web.house import House
from nurture.web.language import choose

STATIC: Final = Path(__file__).parent / "static"
POLICY: Final = (
    "default-src 'none'; script-src 'strict-dynamic'; style-src 'self'; img-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
"""No script of ours and none from a page's text: without a nonce `strict-dynamic` admits only what the browser's own
tools put in by hand, so that somebody can still measure a page (accessibility) without the policy being taken off."""
HEADERS: Final[Mapping[str, str]] = {
    "content-security-policy": POLICY,
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "x-robots-tag": "noindex, nofollow",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), interest-cohort=()",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}


def style_name() -> str:
    """The style sheet's address: it changes with its content, so it may be cached for ever."""
    digest = hashlib.blake2b((STATIC / "style.css").read_bytes(), digest_size=6).hexdigest()
    return f"/static/{digest}.css"


def language_of(request: Request, house: House, *known: str | None) -> str:
    """`?lang=` beats what we know of the person, which beats what the browser says."""
    return choose(
        request.query_params.get("lang"),
        *known,
        accepted=request.headers.get("accept-language", ""),
        fallback=house.company.language,
    )


def page(
    request: Request, house: House, name: str, *, known: str | None = None, status: int = 200, **values: Any
) -> HTMLResponse:
    """The page `name` for this visitor; `known` is the person's own language, where known."""
    # Staff pages speak English whatever the browser asks for; their words are not in the catalogues.
    language = "en" if "user" in values else language_of(request, house, known)
    template = house.pages(language).get_template(name)
    given = {
        "company": house.company,
        "style": STYLE,
        "path": request.url.path,
        "demo": house.demo,
        "company_accounts": house.provider is not None,
        "zone": house.zone,
    }
    body = template.render(given | values)
    return HTMLResponse(body, status_code=status, headers={"content-language": language})


def gone(request: Request, house: House) -> HTMLResponse:
    """The one answer to every token that is forged, cut short, swapped or unknown: it tells nothing apart."""
    return page(request, house, "gone.html", status=404)


def too_many(request: Request, house: House) -> HTMLResponse:
    answer = page(request, house, "slow_down.html", status=429)
    answer.headers["retry-after"] = "60"
    return answer


def refusal(status: int, why: str, **more: Any) -> JSONResponse:
    """A no to a program."""
    return JSONResponse({"error": why, **more}, status_code=status)


def unreadable(errors: Sequence[Any]) -> JSONResponse:
    """422 to a program. What was sent is not sent back: only where it is wrong, and why."""
    told = [{"at": ".".join(str(p) for p in e["loc"]), "what": e["msg"]} for e in errors[:20]]
    return refusal(422, "the request cannot be read", problems=told)


STYLE: Final = style_name()
