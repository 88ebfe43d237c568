"""The text part, made from the HTML: same words, same links."""

from __future__ import annotations

import re

from inscriptis import get_text
from inscriptis.css_profiles import CSS_PROFILES
from inscriptis.model.config import ParserConfig
from lxml import html as lxml_html

_CONFIG = ParserConfig(css=CSS_PROFILES["strict"].copy())


def from_html(page: str) -> str:
    """HTML -> text with each link's address behind its words. Blank runs shrink to one empty line."""
    if not page.strip():
        return ""
    tree = lxml_html.document_fromstring(page)
    for anchor in tree.iter("a"):
        address = anchor.get("href", "")
        words = "".join(anchor.itertext()).strip()
        if address and not address.startswith("#") and address != words and address != f"mailto:{words}":
            anchor.append(_words(f": {address}" if _alone(anchor) else f" ({address})"))
    text = get_text(lxml_html.tostring(tree, encoding="unicode"), _CONFIG)
    lines = [line.rstrip() for line in text.splitlines()]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip("\n") + "\n"


def _words(text: str) -> lxml_html.HtmlElement:
    span = lxml_html.Element("span")
    span.text = text
    return span


def _alone(anchor: lxml_html.HtmlElement) -> bool:
    """Is this link all its paragraph says? Then the address goes behind a colon, ready to be clicked."""
    parent = anchor.getparent()
    while parent is not None and parent.tag in ("strong", "b", "em", "span"):
        parent = parent.getparent()
    if parent is None:
        return False
    return "".join(parent.itertext()).strip() == "".join(anchor.itertext()).strip()
