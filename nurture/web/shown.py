"""How values look on pages: days in the reader's language, links in a consent text, stages in words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime
from typing import Final
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_date
from markupsafe import Markup, escape

_LINK: Final = re.compile(r"\[([^\[\]\n]{1,200})\]\((https?://[^\s()<>\"']{1,500})\)")
_HIDING: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""Control characters, and those that change the direction of writing for others; a name may hold none of them."""
STAGES: Final[Mapping[str, str]] = {
    "identified": "Identified",
    "early": "Early",
    "nurturing": "Nurturing",
    "mql": "Ready for sales (MQL)",
    "sal": "Accepted by sales (SAL)",
    "sql": "Qualified by sales (SQL)",
    "converted": "Converted to a deal",
    "customer": "Customer",
    "recycled": "Given back by sales",
    "dormant": "Dormant",
    "disqualified": "Disqualified",
}


def day(moment: datetime | date, locale: Locale, zone: ZoneInfo) -> str:
    """`14 January 2027`, as the reader's language writes it; of a moment the day it was in `zone`."""
    return format_date(moment.astimezone(zone).date() if isinstance(moment, datetime) else moment, "long", locale)


def visible(value: object) -> object:
    """What is printed into a page: text that could turn round what stands beside it, or hide in it, is made visible."""
    return _HIDING.sub("\ufffd", value) if type(value) is str else value


def linked(text: str) -> Markup:
    """A consent text with its `[words](https://...)` as links; everything else in it is text."""
    made, at = Markup(), 0
    for found in _LINK.finditer(text):
        made += escape(text[at : found.start()])
        made += Markup('<a href="{}" rel="noopener noreferrer">{}</a>').format(found[2], found[1])
        at = found.end()
    return made + escape(text[at:])


def stage(name: str) -> str:
    return STAGES.get(name, name.replace("_", " "))
