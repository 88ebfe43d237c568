"""The example company's own site: what visitors of its pages do there, and what it tells nurture about them."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from typing import Final

from nurture.demo.people import Person

FORM_OF: Final = {
    "/webinar": "webinar",
    "/trial": "trial",
    "/compare": "compare-us",
    "/profile": "profile",
    "/stay": "stay",
    "/may-we-call": "may-we-call",
    "/demo": "demo-request",
}
"""Pages with a form of ours on them."""
EVENT_OF: Final = {"/tools/roi": "roi-calculated", "/trial/start": "trial-started"}
"""What tools on the site post when they are used."""
DEEP: Final = (
    "/stories",
    "/tools",
    "/pricing",
    "/compare",
    "/tablets",
    "/guides/requirements-sheet",
    "/guides/budget-paper",
)

_FIELD: Final = re.compile(
    r"<(input|select|textarea)\b([^>]*)>(.*?)(?=<(?:input|select|textarea|button|label|fieldset|div)\b)", re.S
)
_ATTRIBUTE: Final = re.compile(r'([a-z-]+)="([^"]*)"')
_OPTION: Final = re.compile(r"<option(?: selected)?>([^<]+)</option>")


@dataclass(frozen=True, slots=True)
class Visit:
    """What one look at a page leads to: facts the site tells, a form that is filled, where the visitor goes next."""

    events: tuple[dict[str, str], ...] = ()
    form: str | None = None
    onward: str | None = None


def visit(someone: Person, path: str) -> Visit:
    """One page of the site as this person uses it. `path` begins with a slash and carries no query."""
    draws = [someone.chance.random() for _ in range(3)]
    events = [{"kind": "page_view", "path": path, "touchpoint": "site"}]
    if path.startswith("/guides/"):
        depth = "consideration" if path.startswith(DEEP) else "awareness"
        events.append(
            {
                "kind": "download",
                "path": path,
                "content": path.rsplit("/", 1)[-1],
                "topic": "product-education",
                "depth": depth,
            }
        )
    used = EVENT_OF.get(path)
    if used is not None and draws[0] < 0.25 + 0.6 * someone.interest:
        events.append({"kind": used, "path": path})
    form = FORM_OF.get(path)
    if form is not None and (form in someone.forms or draws[1] > 0.35 + 0.6 * someone.interest):
        form = None
    onward = None
    if form is None and draws[2] < 0.8 * someone.interest:
        onward = _onward(someone, path)
    return Visit(tuple(events), form, onward)


def _onward(someone: Person, path: str) -> str | None:
    """The more somebody wants it, the nearer to the end of the site they look."""
    way = {"/pricing": "/demo", "/tools/roi": "/pricing", "/stories/onboarding": "/pricing", "/demo": None}
    if path in way:
        return way[path]
    return someone.chance.choice(("/pricing", "/webinar", "/webinar", "/tools/roi", "/compare", "/trial"))


def fill(page: str, someone: Person, *, agree: float = 0.8) -> dict[str, str]:
    """The fields of a form as this person fills them: what they know, and the boxes they choose to tick."""
    answers: dict[str, str] = {}
    for kind, attributes, rest in _FIELD.findall(page):
        found = dict(_ATTRIBUTE.findall(attributes))
        name, needed = found.get("name", ""), bool(re.search(r"\srequired\b", attributes))
        if not name or name == "website":
            continue
        if found.get("type") == "hidden":
            answers[name] = html.unescape(found.get("value", ""))
        elif found.get("type") == "checkbox":
            near = page[page.find(f'id="{name}"') :][:1500]
            if someone.chance.random() < agree or "needed" in near.split("</div></div>")[0]:
                answers[name] = "yes"
        elif kind == "select":
            options = [html.unescape(option) for option in _OPTION.findall(rest)]
            known = someone.known.get(name)
            answers[name] = known if known in options else someone.chance.choice(options) if options else ""
        else:
            value = someone.email if name == "email" else someone.known.get(name, "")
            answers[name] = value or ("Example" if needed else "")
    return answers
