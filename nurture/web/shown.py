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
