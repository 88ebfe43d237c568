"""A template becomes something that can be filled in: once per content, never per lead.

Markdown goes onto its layout, MJML becomes HTML, CSS goes into the elements, links get their numbers, and the text
part is made from the HTML. What is left for each lead is filling in words.
"""

from __future__ import annotations

import html as entities
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import Final

import css_inline
import mjml
from jinja2 import Template as Filled
from markdown_it import MarkdownIt

from nurture.errors import NurtureError
from nurture.mail.jinjaproof import Jar
from nurture.mail.plaintext import from_html
from nurture.model.sandbox import compile_copy
from nurture.model.template import Copy, Template

CLICK: Final = "click_url"
PIXEL: Final = "pixel_url"
HONEYPOT: Final = "honeypot_url"

_ANCHOR: Final = re.compile(r"<a\b[^>]*>", re.IGNORECASE)
_ATTRIBUTE: Final = re.compile(r"""\s([a-z-]+)="([^"]*)\"""", re.IGNORECASE)
_NAMED_LINK: Final = re.compile(r"""\{\{\s*links(?:\.([\w]+)|\[\s*['"]([^'"]+)['"]\s*\])\s*\}\}""")
_CONTENT: Final = re.compile(r"\{\{\s*content\s*\}\}")
_PAGE: Final = re.compile(r"<html\b(?:[^>]*\bdir=)?", re.IGNORECASE)
_FROM_RIGHT: Final = frozenset({"ar", "arc", "ckb", "dv", "fa", "he", "ps", "sd", "ug", "ur", "yi"})
_BODY_END: Final = re.compile(r"</body\s*>", re.IGNORECASE)


class CompileError(NurtureError):
    """A template that cannot become a mail; `check` should have said so earlier."""


@dataclass(frozen=True, slots=True)
class Link:
    """One link of a template. `index` stands in click addresses; the name is what campaigns ask for."""

    index: int
    url: str
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Face:
    """HTML and text of one copy, with its links as they are or through the click address. Jinja sources."""

    html: str
    text: str


@dataclass(frozen=True, slots=True)
class CompiledCopy:
    language: str
    subject: Filled
    preheader: Filled
    plain: Face
    tracked: Face
    subject_source: str
    preheader_source: str


@dataclass(frozen=True, slots=True)
class CompiledMail:
    """A template in all its languages. `key` addresses template and layout together."""

    name: str
    key: str
    digest: str
    copies: Mapping[str, CompiledCopy]
    links: tuple[Link, ...]

    def copy_for(self, *languages: str | None) -> CompiledCopy:
        """The first of `languages` this mail speaks (also by its main part), else English, else any."""
        for language in languages:
            for candidate in (language, (language or "").replace("_", "-").split("-")[0]):
                if candidate and candidate in self.copies:
                    return self.copies[candidate]
        return self.copies.get("en") or next(iter(self.copies.values()))


def from_right(language: str) -> bool:
    """Whether a language is written from right to left."""
    return language.replace("_", "-").split("-")[0].lower() in _FROM_RIGHT


def key_of(template: Template, layouts: Mapping[str, str]) -> str:
    """The content address of everything that shapes this mail."""
    parts = (template.name, template.digest, *(f"{n}:{layouts[n]}" for n in sorted(layouts) if _is_layout(n, template)))
    return blake2b("\0".join(parts).encode(), digest_size=12).hexdigest()


def compile_mail(template: Template, layouts: Mapping[str, str]) -> CompiledMail:
    """Compile every language of `template`. Raises CompileError, or sandbox.CopyError for copy that does not read.

    `layouts`: name -> source; `_base.html` frames Markdown and HTML fragments, `_base.txt` their text part.
    """
    links: dict[tuple[str, str | None], Link] = {}
    copies = {
        language: _compile_copy(template, template.copies[language], layouts, links)
        for language in sorted(template.copies)
    }
    if not copies:
        raise CompileError(f"The template `{template.name}` has no copy in any language.")
    return CompiledMail(template.name, key_of(template, layouts), template.digest, copies, tuple(links.values()))


def _compile_copy(
    template: Template, copy: Copy, layouts: Mapping[str, str], links: dict[tuple[str, str | None], Link]
) -> CompiledCopy:
    jar = Jar()
    html, content = _html(template, copy, layouts, jar)
    plain = _anchors(html, jar, links, tracked=False)
    tracked = _anchors(html, jar, links, tracked=True)
    if content is None:
        texts = [from_html(jar.as_words(face)) for face in (plain, tracked)]
    else:
        frame = jar.protect(_layout(template, layouts, "txt"))
        parts = [from_html(jar.as_words(_anchors(content, jar, links, tracked=t))) for t in (False, True)]
        texts = [_fill(frame, jar, part) for part in parts]
    if copy.text is not None:
        texts = [copy.text, copy.text]
    faces = [
        Face(_with_pixel(jar.restore(face), tracked=on), jar.restore(text).strip("\n") + "\n")
        for face, text, on in ((plain, texts[0], False), (tracked, texts[1], True))
    ]
    for face in faces:
        compile_copy(face.html, html=True)
        compile_copy(face.text)
    return CompiledCopy(
        copy.language,
        compile_copy(copy.subject),
        compile_copy(copy.preheader or ""),
        faces[0],
        faces[1],
        copy.subject,
        copy.preheader or "",
    )


def _html(template: Template, copy: Copy, layouts: Mapping[str, str], jar: Jar) -> tuple[str, str | None]:
    """Finished HTML with its Jinja in the jar, and the part inside the layout (None: the copy is a whole page)."""
    source = _NAMED_LINK.sub(lambda m: template.links.get(m.group(1) or m.group(2), m.group()), copy.body)
    body = jar.protect(source)
    if copy.form == "mjml":
        return _inline(_mjml(body, template.name)), None
    if copy.form == "html" and (page := _PAGE.search(body)):
        unsaid = from_right(copy.language) and "dir=" not in page.group().lower()
        return _inline(f'{body[: page.end()]} dir="rtl"{body[page.end() :]}' if unsaid else body), None
    content = body if copy.form == "html" else _markdown().render(body)
    if from_right(copy.language):
        # Said at the copy itself: programs that show mail drop what stands on <html> and <body>.
        content = f'<div dir="rtl" style="text-align:right">\n{content}\n</div>'
    frame = jar.protect(_layout(template, layouts, "html"))
    return _inline(_fill(frame, jar, content)), content


def _fill(frame: str, jar: Jar, content: str) -> str:
    for number, kept in enumerate(jar.kept):
        if _CONTENT.fullmatch(kept):
            frame = frame.replace(f"qj{number}qj", content)
    return frame


def _layout(template: Template, layouts: Mapping[str, str], ending: str) -> str:
    found = layouts.get(f"{template.layout}.{ending}")
    if found is None and ending == "html":
        found = layouts.get(template.layout)
    if found is None:
        raise CompileError(
            f"`{template.name}` wants the layout `{template.layout}.{ending}`, which does not exist.",
            fix=f"Add templates/{template.layout}.{ending} or name another layout.",
        )
    return found


def _is_layout(name: str, template: Template) -> bool:
    return name == template.layout or name.rsplit(".", 1)[0] == template.layout


@lru_cache(maxsize=1)
def _markdown() -> MarkdownIt:
    return MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])


def _mjml(body: str, name: str) -> str:
    try:
        return str(mjml.mjml2html(body))
    except ValueError as error:
        raise CompileError(f"`{name}` is not MJML that can be compiled: {error}") from None


@lru_cache(maxsize=1)
def _inliner() -> css_inline.CSSInliner:
    # Without this the inliner fetches and reads whatever a <link rel=stylesheet> names, also local files.
    return css_inline.CSSInliner(load_remote_stylesheets=False, keep_at_rules=True)


def _inline(page: str) -> str:
    try:
        return _inliner().inline(page)
    except css_inline.InlineError as error:
        raise CompileError(f"The styles of this mail cannot be read: {error}") from None


def _anchors(page: str, jar: Jar, links: dict[tuple[str, str | None], Link], *, tracked: bool) -> str:
    """Every plain https link gets its number; a link with Jinja in it (unsubscribe, personal) stays as it is."""

    def one(found: re.Match[str]) -> str:
        tag = found.group()
        attributes = dict(_ATTRIBUTE.findall(tag))
        url = entities.unescape(attributes.get("href", ""))
        name = next((attributes[a] for a in ("data-link", "title", "name") if attributes.get(a)), None)
        tag = re.sub(r"""\s(?:data-link|title|name)="[^"]*\"""", "", tag)
        if not url.lower().startswith(("https://", "http://")) or jar.holds_jinja(url):
            return tag
        link = links.setdefault((url, name), Link(len(links), url, name))
        return re.sub(r"""\shref="[^"]*\"""", f' href="{_through(jar, link.index)}"', tag) if tracked else tag

    return _ANCHOR.sub(one, page)


def _through(jar: Jar, index: int) -> str:
    word = jar.protect("{{ " + CLICK + " }}")
    return f"{word}/{index}"


def _with_pixel(page: str, *, tracked: bool) -> str:
    """The open pixel stands in both faces, for consents are apart; the honeypot only where links are tracked."""
    picture = f'<img src="{{{{ {PIXEL} }}}}" width="1" height="1" alt="" style="display:block">'
    tail = f"{{% if {PIXEL} %}}{picture}{{% endif %}}"
    if tracked:
        style = "display:none;font-size:0;line-height:0"
        tail += f'<a href="{{{{ {HONEYPOT} }}}}" tabindex="-1" aria-hidden="true" style="{style}"></a>'
    ends = [found.start() for found in _BODY_END.finditer(page)]
    at = ends[-1] if ends else len(page)
    return page[:at] + tail + page[at:]
