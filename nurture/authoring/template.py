"""Files under `templates/` -> `Template`s: front matter, copy per language, named links."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import Final

from markdown_it import MarkdownIt

from nurture.authoring import addresses
from nurture.authoring import values as v
from nurture.authoring.block import Block, Word, Words
from nurture.authoring.desk import Desk
from nurture.authoring.forms import split_front
from nurture.authoring.shapes import SLUG, TEXT, URL, array, choice, table
from nurture.authoring.tree import Node
from nurture.model.problem import Place
from nurture.model.template import Copy, Template
from nurture.model.words import ContentKind, Depth

COPY_LIMIT: Final = 64 * 1024
"""Characters of a copy or a layout; with styles and pictures a mail is clipped from 102 KB."""

MARKS_LIMIT: Final = 2000
"""Of each sign that means something in Markdown or HTML."""

TEMPLATE: Final[Words] = {
    "content": Word("The unit of never twice, across tracks and cycles.", SLUG, False, ("buyers-guide",)),
    "kind": Word("Decides which consent it needs.", choice(ContentKind), False, ("educational",)),
    "depth": Word("How far along the buying way it is.", choice(Depth), False, ("awareness",)),
    "topics": Word("What it is about.", array(SLUG), False, (["product-education"],)),
    "subject": Word("The subject; at most 70 characters.", {"type": "string"}, False,
                    ("The buyer's guide you asked for",)),
    "preheader": Word("The line after the subject in a list of mails.", TEXT, False, ("Eleven questions to ask",)),
    "layout": Word("The frame: templates/<layout>.html and .txt.", SLUG, False, ("_base",)),
    "repeat_after": Word("never, or after so long the same person may get it again.", TEXT, False,
                         ("never", "365 days")),
    "links": Word("Named links: name -> https address; copy writes {{ links.name }}.", table(URL)),
}


@dataclass(frozen=True, slots=True)
class Link:
    """A link as written in a copy. `name` is None where it has none; `url` may still hold Jinja."""

    url: str
    name: str | None
    place: Place
    image: bool = False
    """A picture: `name` is then what stands in its place (its alt text)."""


@dataclass(frozen=True, slots=True)
class CopyFile:
    """One file: one language of one template, or its hand-written text part (`form` txt)."""

    name: str
    language: str | None
    form: str
    body: str
    place: Place
    content: str | None = None
    kind: ContentKind | None = None
    depth: Depth | None = None
    topics: tuple[str, ...] = ()
    subject: str = ""
    preheader: str = ""
    layout: str = "_base"
    repeat_after: str | None = None
    named: tuple[tuple[str, str], ...] = ()
    links: tuple[Link, ...] = ()
    digest: str = ""

    def named_links(self) -> dict[str, str]:
        """Name -> address of every link with a name; front matter goes first."""
        written = {link.name: link.url for link in reversed(self.links) if link.name and not link.image}
        return {**written, **dict(self.named)}


def template_name(file: str) -> tuple[str, str | None, str] | None:
    """`templates/awareness/guide.pl.md` -> (`awareness/guide`, `pl`, `md`); None for files that are no copy."""
    found = re.fullmatch(
        r"templates/(?P<name>[a-z0-9][a-z0-9_-]*(?:/[a-z0-9][a-z0-9_-]*)*)"
        r"(?:\.(?P<language>[a-z]{2,3}(?:-[A-Za-z]{2,4})?))?\.(?P<form>md|mjml|html|txt)", file)
    return None if found is None else (found["name"], found["language"], found["form"])


def read_copy(text: str, desk: Desk) -> CopyFile | None:
    """One file of copy. Notes what is wrong with its front matter; what the copy says is looked at later."""
    named = template_name(desk.file)
    if named is None:
        desk.find("file-name", Place(desk.file), "this is not the name of a template",
                  "small letters, digits and `-`: `awareness/guide.en.md`")
        return None
    name, language, form = named
    digest = sha256(text.encode()).hexdigest()
    if form == "txt":
        return CopyFile(name, language, form, text, Place(desk.file), digest=digest)
    parts = split_front(text, desk)
    if parts is None:
        return None
    root, body, first = parts
    return _copy(root, desk, CopyFile(name, language, form, body, Place(desk.file, first), digest=digest))


def read_layout(text: str, desk: Desk) -> str | None:
    """A layout as it is; None when it is too large to frame a mail."""
    if len(text) <= COPY_LIMIT:
        return text
    desk.find("template-too-large", Place(desk.file), f"this layout is longer than {COPY_LIMIT // 1024} KB",
              "move styles that no mail needs out of it")
    return None


def _copy(root: Node, desk: Desk, bare: CopyFile) -> CopyFile:
    block = Block(root, desk, TEMPLATE)
    for key in TEMPLATE:
        desk.spots[(key,)] = block.place(key)
    named = tuple((n, url) for n, _, node in block.pairs("links") if (url := addresses.web_address(node,
                                                                                                   desk)) is not None)
    return CopyFile(
        bare.name, bare.language, bare.form, bare.body, bare.place,
        content=block.get("content", v.slug),
        kind=block.get("kind", v.one_of(ContentKind)),
        depth=block.get("depth", v.one_of(Depth)),
        topics=block.get("topics", v.many(v.slug), ()),
        subject=block.get("subject", _subject, ""),
        preheader=block.get("preheader", v.line, ""),
        layout=block.get("layout", _layout, "_base"),
        repeat_after=block.get("repeat_after", _repeat),
        named=named,
        links=() if _overgrown(bare, desk) else tuple(links_of(bare.body, bare.form, bare.place)),
        digest=bare.digest,
    )


def _overgrown(bare: CopyFile, desk: Desk) -> bool:
    """A copy that only a machine can have written; readers of Markdown take minutes for it."""
    marks = max(bare.body.count(mark) for mark in "[<`*_~>|&")
    if len(bare.body) <= COPY_LIMIT and marks <= MARKS_LIMIT:
        return False
    desk.find("template-too-large", bare.place, "this copy holds more than a mail can hold",
              "shorten it, and link to the rest")
    return True


def _subject(node: Node, desk: Desk) -> str | None:
    """An empty subject is a finding of its own."""
    return "" if node.kind == "text" and not node.text.strip() else v.line(node, desk)


def _layout(node: Node, desk: Desk) -> str | None:
    if node.kind != "text" or not re.fullmatch(r"_[a-z0-9_-]{1,40}", node.text):
        v.not_like(node, desk, "_base")
        return None
    return node.text


def _repeat(node: Node, desk: Desk) -> str | None:
    if node.text == "never":
        return None
    found = v.duration(node, desk)
    return None if found is None else str(found)


@lru_cache(maxsize=1)
def _markdown() -> MarkdownIt:
    return MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])


# A tag is at most so long: without the limit a file of `<a` alone would take minutes.
_TAG: Final = re.compile(r"<(?:a|img|mj-button|mj-navbar-link|mj-image)\b[^>]{0,2000}>", re.IGNORECASE)
_PRINTED: Final = re.compile(r"\{\{[^\n{}]{0,500}\}\}")
_ASIDE: Final = re.compile(r"qJ([0-9]+)Jq")
_ATTRIBUTE: Final = re.compile(r"""\s([a-z-]+)\s*=\s*(?:"([^"]*)"|'([^']*)')""", re.IGNORECASE)


def links_of(body: str, form: str, place: Place) -> list[Link]:
    """Every link of a copy with its name and its place in the file."""
    found = _markdown_links(body) if form == "md" else []
    found += _tags(body)
    made, at = [], 0
    for url, name, image in found:
        here = body.find(url, at)
        if here < 0:
            here = body.find(url)
        at = max(here, 0)
        made.append(Link(url, name, _place(body, at, place, len(url)), image))
    return made


def _tags(body: str) -> list[tuple[str, str | None, bool]]:
    """Links and pictures written as HTML or MJML."""
    made: list[tuple[str, str | None, bool]] = []
    for tag in _TAG.finditer(body):
        attributes = {key.lower(): one or two for key, one, two in _ATTRIBUTE.findall(tag.group())}
        if "href" in attributes:
            name = next((attributes[a] for a in ("data-link", "title", "name") if attributes.get(a)), None)
            made.append((attributes["href"], name, False))
        if "src" in attributes:
            made.append((attributes["src"], attributes.get("alt"), True))
    return made


def _markdown_links(body: str) -> list[tuple[str, str | None, bool]]:
    # Jinja inside an address would end the link for Markdown, so it is put aside while links are looked for.
    aside: list[str] = []

    def put(found: re.Match[str]) -> str:
        aside.append(found.group())
        return f"qJ{len(aside) - 1}Jq"

    made: list[tuple[str, str | None, bool]] = []
    for token in _markdown().parse(_PRINTED.sub(put, body)):
        for child in token.children or ():
            if child.type in ("link_open", "image"):
                url = str(child.attrGet("href") or child.attrGet("src") or "")
                image = child.type == "image"
                name = child.content if image else child.attrGet("title")
                made.append((_ASIDE.sub(lambda m: aside[int(m[1])], url), str(name) if name else None, image))
    return made


def _place(body: str, at: int, place: Place, width: int) -> Place:
    line = body.count("\n", 0, at)
    col = at - (body.rfind("\n", 0, at) + 1)
    return Place(place.file, place.line + line, col + 1, max(1, min(width, 80)))


def assemble(files: Iterable[CopyFile], language: str) -> Template | None:
    """One template out of its files. The main file is the one in the company's language, else the first."""
    files = sorted(files, key=lambda f: (f.form == "txt", f.language not in (None, language), f.language or ""))
    main = next((f for f in files if f.form != "txt"), None)
    if main is None:
        return None
    texts = {f.language or language: f.body for f in files if f.form == "txt"}
    copies: dict[str, Copy] = {}
    links: dict[str, str] = {}
    for file in files:
        if file.form == "txt":
            continue
        spoken = file.language or language
        copies.setdefault(spoken, Copy(spoken, file.subject, file.preheader, file.body, file.form, texts.get(spoken),
                                       file.place))
        links = {**file.named_links(), **links}
    return Template(
        name=main.name,
        content=next((f.content for f in files if f.content), main.name.replace("/", "-")),
        kind=next((f.kind for f in files if f.kind), ContentKind.EDUCATIONAL),
        depth=next((f.depth for f in files if f.depth), Depth.AWARENESS),
        topics=next((f.topics for f in files if f.topics), ()),
        copies=copies,
        layout=main.layout,
        repeat_after=next((f.repeat_after for f in files if f.repeat_after), None),
        links=links,
        digest=sha256("".join(f"{f.language}.{f.form}:{f.digest}\n" for f in files).encode()).hexdigest(),
        place=main.place,
    )
