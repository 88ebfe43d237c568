"""Pictures as plain SVG: they follow the reader's light or dark setting, carry a title, and need no font of ours."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

from resvg_py import svg_to_bytes

from nurture.decide.interval import Decile

WIDTH: Final = 760
"""At least; long words make a picture wider instead of cutting them."""
LETTER: Final = 7.4
"""How wide a letter is drawn at most."""
_STYLE: Final = """
  svg { color-scheme: light dark; --ink: #1f2933; --soft: #52606d; --line: #cbd2d9; --bar: #2b6cb0; --bar2: #9fb3c8;
        --paper: #ffffff; background: var(--paper); }
  @media (prefers-color-scheme: dark) {
    svg { --ink: #e4e7eb; --soft: #9aa5b1; --line: #3e4c59; --bar: #63b3ed; --bar2: #486581; --paper: #12181f; } }
  text { fill: var(--ink); font-size: 13px; font-family: system-ui, "Segoe UI", Helvetica, Arial, sans-serif; }
  .soft { fill: var(--soft); } .title { font-size: 16px; font-weight: 600; }
  .bar { fill: var(--bar); } .bar2 { fill: var(--bar2); } .axis { stroke: var(--line); }
  .whisker { stroke: var(--ink); fill: none; }
  .end { text-anchor: end; } .mid { text-anchor: middle; }
"""


_SCREEN: Final = 'system-ui, "Segoe UI", Helvetica, Arial, sans-serif'
_DOTS: Final = "'Segoe UI', Helvetica, Arial, 'Liberation Sans', 'Noto Sans', 'DejaVu Sans'"
"""Without a browser nobody chooses a font for a family's kind: the ones that machines have are named."""
_COLOUR: Final = re.compile(r"(--[a-z0-9]+): (#[0-9a-f]{6})")
_DARK: Final = re.compile(r"@media \(prefers-color-scheme: dark\) \{.*?\} \}", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Bar:
    """One row of a bar picture. `value`, `low` and `high` are on the scale of the picture; `open` is not final yet."""

    label: str
    value: float
    note: str
    low: float | None = None
    high: float | None = None
    open: bool = False


def bars(title: str, subtitle: str, rows: Sequence[Bar], *, full: float | None = None) -> str:
    """Horizontal bars, one per row, with whiskers where an interval is known."""
    step, top = 30, 74
    left = 30 + LETTER * max((len(_short(row.label)) for row in rows), default=10)
    right = 30 + LETTER * max((len(row.note) for row in rows), default=10)
    most = full or max((max(row.value, row.high or 0.0) for row in rows), default=0.0) or 1.0
    wide = max(WIDTH - left - right, 160)
    height = top + step * len(rows) + 20
    parts = [_head(title, subtitle, left + wide + right, height)]
    for index, row in enumerate(rows):
        y = top + index * step
        length = wide * min(row.value / most, 1.0)
        parts.append(f'<text class="end" x="{left - 10:.1f}" y="{y + 14}">{escape(_short(row.label))}</text>')
        kind = "bar2" if row.open else "bar"
        parts.append(f'<rect class="{kind}" x="{left:.1f}" y="{y}" width="{length:.1f}" height="19" rx="2"/>')
        if row.low is not None and row.high is not None:
            a, b = left + wide * min(row.low / most, 1.0), left + wide * min(row.high / most, 1.0)
            path = f"M{a:.1f} {y + 5}v9M{a:.1f} {y + 9.5}H{b:.1f}M{b:.1f} {y + 5}v9"
            parts.append(f'<path class="whisker" d="{path}"/>')
        parts.append(f'<text class="soft" x="{left + wide + 10:.1f}" y="{y + 14}">{escape(row.note)}</text>')
    parts.append(f'<path class="axis" fill="none" d="M{left:.1f} {top - 8}V{height - 14}"/>')
    return "\n".join([*parts, "</svg>\n"])


def png(svg: str, *, zoom: float = 2.0) -> bytes:
    """A picture of ours as PNG, in its light colours, twice as many dots as it is wide: for slides and mails.

    Needs fonts on the machine; without any, the words are missing and the bars are there.
    """
    colours = dict(_COLOUR.findall(_STYLE.partition("@media")[0]))
    plain = _DARK.sub("", svg).replace(_SCREEN, _DOTS)
    for name, value in colours.items():
        plain = plain.replace(f"var({name})", value)
    made: bytes = svg_to_bytes(svg_string=plain, zoom=zoom, background=colours["--paper"])
    return made


def decile_bars(deciles: Sequence[Decile]) -> str:
    """Won leads by tenth of the score, best first."""
    rows = [
        Bar(f"tenth {one.number}: {one.highest:.0f} to {one.lowest:.0f}", one.share.rate,
            f"{one.share.rate:.0%} of {one.share.n:,}, lift {one.lift:.2f}", one.share.low, one.share.high)
        for one in deciles
    ]
    title = "How often leads were won, by tenth of the score"
    return bars(title, "best first; whiskers: 95 % interval", rows, full=1.0)


def _head(title: str, subtitle: str, width: float, height: float) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" role="img" '
        f'aria-label="{escape(title)}">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style>"
        f'<text class="title" x="20" y="30">{escape(title)}</text>'
        f'<text class="soft" x="20" y="50">{escape(subtitle)}</text>'
    )


def _short(text: str, longest: int = 26) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"
