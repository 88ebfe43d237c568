"""Keeping Jinja whole while Markdown, MJML and the CSS inliner take the text apart and put it together again.

An HTML parser moves a bare `{% for %}` out of its table (foster parenting): the loop is then silently gone. So what is
in braces becomes words and comments first, which every tool leaves where they stand, and comes back afterwards.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

_EXPRESSION: Final = re.compile(r"\{\{.*?\}\}", re.DOTALL)
_STATEMENT: Final = re.compile(r"\{%.*?%\}", re.DOTALL)
_REMARK: Final = re.compile(r"\{#.*?#\}", re.DOTALL)
_TAG: Final = re.compile(r"<[^<>]*>", re.DOTALL)
_WORD: Final = re.compile(r"<!--qj(\d+)qj-->|qj(\d+)qj")


@dataclass(slots=True)
class Jar:
    """What was taken out, by number. One jar serves one source from beginning to end."""

    kept: list[str] = field(default_factory=list)

    def protect(self, source: str) -> str:
        """Expressions become words; statements become comments, or words where they stand inside a tag."""
        source = _EXPRESSION.sub(lambda m: self._word(m.group()), _REMARK.sub("", source))
        hidden = _STATEMENT.sub(lambda m: "\0" * len(m.group()), source)
        tags = [m.span() for m in _TAG.finditer(hidden)]

        def put(found: re.Match[str]) -> str:
            word = self._word(found.group())
            inside = any(first <= found.start() < last for first, last in tags)
            return word if inside else f"<!--{word}-->"

        return _STATEMENT.sub(put, source)

    def restore(self, text: str) -> str:
        return _WORD.sub(lambda m: self.kept[int(m.group(1) or m.group(2))], text)

    def as_words(self, text: str) -> str:
        """Comments back to bare words, for a tool that drops comments."""
        return re.sub(r"<!--(qj\d+qj)-->", r"\1", text)

    def holds_jinja(self, text: str) -> bool:
        return _WORD.search(text) is not None

    def _word(self, what: str) -> str:
        self.kept.append(what)
        return f"qj{len(self.kept) - 1}qj"
