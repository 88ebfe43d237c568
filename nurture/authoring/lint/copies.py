"""Templates and layouts: what they name, where they lead, what every mail must show, and what languages share."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from nurture.authoring.addresses import web_address_fault
from nurture.authoring.copy import Known, copy_faults, known_of, names_in, without_jinja
from nurture.authoring.desk import did_you_mean, problem
from nurture.authoring.lint.folder import Folder
from nurture.authoring.reading import File
from nurture.authoring.template import CopyFile, Link
from nurture.model.campaign import Campaign, HandOff, Notify, Send, Test
from nurture.model.company import BUILT_IN_FIELDS, LeadField
from nurture.model.problem import Place, Problem
from nurture.model.sandbox import Fault
from nurture.model.words import ContentKind

_MUST_SHOW = (
    ("unsubscribe_url", "no-unsubscribe", "has no unsubscribe link", "put `{{ unsubscribe_url }}` into the footer"),
    ("company.postal_address", "no-postal-address", "shows no postal address",
     "put `{{ company.postal_address }}` into the footer"),
    ("company.legal_name", "no-sender-identity", "does not say which company writes",
     "put `{{ company.legal_name }}` into the footer"),
    ("preferences_url", "no-preferences", "has no link to the preferences",
     "put `{{ preferences_url }}` into the footer"),
    ("reason", "no-reason", "does not say why it came", "put `{{ reason }}` into the footer"),
)
_OWN_LINKS = re.compile(
    r"\{\{\s*(unsubscribe_url|preferences_url|links[.\[][^}]*|company\.(website|privacy_url))\s*\}\}.*"
)


def copies(folder: Folder) -> Iterator[Problem]:
    fields = {**BUILT_IN_FIELDS, **folder.library.company.lead_fields}
    if "company" not in folder.has:
        fields |= _anything(folder)
    sent = {name for c, _ in folder.campaigns for s in c.walk() for name in _named(s.action)}
    for file in folder.reading.of("copy"):
        if isinstance(file.noun, CopyFile) and file.noun.form != "txt":
            yield from _copy(folder, file, file.noun, fields)
        elif isinstance(file.noun, CopyFile):
            yield from _text_part(folder, file, file.noun, fields)
    for file in folder.reading.of("layout"):
        yield from _layout(file, fields)
    yield from _languages(folder, sent)
    for campaign, file in folder.campaigns:
        yield from _in_campaign(folder, campaign, file, fields)


def _anything(folder: Folder) -> dict[str, LeadField]:
    """Without a company.yaml every field that copy names exists."""
    named = {word for f in folder.reading.of("copy") for word in re.findall(r"lead\.([a-z_]+)", f.text)}
    return {word: LeadField(word) for word in named}


def _named(action: object) -> list[str]:
    if not isinstance(action, Send):
        return []
    return [action.template, *(v.template for v in (action.test.variants if action.test else ()) if v.template)]


def _copy(folder: Folder, file: File, copy: CopyFile, fields: dict[str, LeadField]) -> Iterator[Problem]:
    template = folder.library.templates.get(copy.name)
    known = known_of(fields, frozenset(template.links if template else ()))
    yield from _subject(file, copy, known)
    if not copy.body.strip():
        yield problem("empty-copy", copy.place, f"`{copy.name}` is empty", "write it")
    for fault in copy_faults(copy.body, known, True):
        yield _at(fault, copy.body, copy.place, f"`{copy.name}`")
    yield from _links(copy)
    yield from _frame(folder, file, copy)


def _subject(file: File, copy: CopyFile, known: Known) -> Iterator[Problem]:
    for key, source in (("subject", copy.subject), ("preheader", copy.preheader)):
        for fault in copy_faults(source, known, False):
            yield _at(fault, source, file.spot(key), f"this {key}", quoted=True)
    if not copy.subject and file.whole:
        yield problem("no-subject", file.spot("subject"), "this copy has no subject", "write one")
    elif len(without_jinja(copy.subject)) > 70:
        yield problem("long-subject", file.spot("subject"),
                      f"this subject has {len(without_jinja(copy.subject))} characters before anything is filled in",
                      "say it in 70")
    words = without_jinja(copy.subject)
    if words.isupper() and len(words.split()) > 1 or "!!" in words or "$$" in words:
        yield problem("shouting-subject", file.spot("subject"), "this subject shouts", "write it as you would say it")
    if not copy.preheader:
        yield problem("no-preheader", file.spot("preheader"), "this copy has no preheader", "write one")


def _at(fault: Fault, source: str, start: Place, what: str, *, quoted: bool = False) -> Problem:
    """A fault of a piece of copy, with its place in the file."""
    lines = source.split("\n")
    said = lines[fault.line - 1] if 0 < fault.line <= len(lines) else ""
    col = max(said.find(fault.name), 0) if fault.name else max(said.find("{"), 0)
    # Front matter begins at its value's column, a body at column 1.
    quote = 1 if quoted and "{{" in said and start.width > len(said) else 0
    begin = start.col - 1 + quote if fault.line == 1 else 0
    place = Place(start.file, start.line + fault.line - 1, begin + col + 1, max(1, len(fault.name)))
    fixes = {"missing-default": f"write `{{{{ lead.{fault.name} | default('...') }}}}`"}
    unread = fault.code == "template-syntax"
    message = f"{what} does not read as a template: {fault.message}" if unread else fault.message
    return problem(fault.code, place, message, fixes.get(fault.code, ""))


def _links(copy: CopyFile) -> Iterator[Problem]:
    first: dict[str, Link] = {}
    for link in copy.links:
        if link.image:
            yield from _image(link)
            continue
        own = _OWN_LINKS.fullmatch(link.url.strip())
        if link.name and ("unsubscribe_url" in link.url or "preferences_url" in link.url):
            yield problem("tracked-unsubscribe", link.place, f"the link `{link.name}` would be tracked",
                          "remove its name")
        if own or link.url.startswith(("mailto:", "tel:")):
            continue
        fault = _address_fault(link.url)
        if fault:
            yield problem("link-not-https", link.place, f"`{link.url[:80]}`: {fault}",
                          "write the whole address with https")
        elif not link.name:
            yield problem("unnamed-link", link.place, f"this link has no name: `{link.url[:80]}`",
                          f"add one: `[words]({link.url[:60]} \"name-of-the-link\")`")
        elif first.setdefault(link.name, link).url != link.url:
            yield problem("same-link-name", link.place,
                          f"`{link.name}` on line {first[link.name].place.line} leads somewhere else",
                          "name them apart")


def _image(link: Link) -> Iterator[Problem]:
    fault = None if link.url.startswith("cid:") else _address_fault(link.url)
    if fault:
        yield problem("link-not-https", link.place, f"`{link.url[:80]}`: {fault}", "write the whole address with https")
    if link.name is None:
        yield problem("image-without-alt", link.place, "this picture has no text in its place",
                      "write `![what it shows](https://...)`, or alt=\"\" when it shows nothing")


def _address_fault(url: str) -> str | None:
    """Jinja may stand in the path of an address, never in its host."""
    if "{" not in url:
        return web_address_fault(url)
    start = url.split("{", 1)[0]
    if not re.match(r"https://[^/?#]+[/?#]", start):
        return "what is filled in decides where it leads"
    return web_address_fault(re.sub(r"\{\{.*?\}\}", "x", url).replace("{", "x").replace("}", "x").replace(" ", "x"))


def _frame(folder: Folder, file: File, copy: CopyFile) -> Iterator[Problem]:
    """Every copy has a frame with a footer, in HTML and in text, or brings its own."""
    layouts = folder.library.layouts
    page = copy.form == "mjml" or (copy.form == "html" and "<html" in copy.body.lower())
    if page:
        yield from _shows(copy.body, copy.place, f"the email `{copy.name}`",
                          operational=copy.kind is ContentKind.OPERATIONAL)
        return
    known = sorted({name.rsplit(".", 1)[0] for name in layouts})
    if f"{copy.layout}.html" not in layouts:
        yield problem("unknown-layout", file.spot("layout"),
                      f"no layout `{copy.layout}`.{did_you_mean(copy.layout, known)}",
                      f"write templates/{copy.layout}.html and templates/{copy.layout}.txt")
        return
    template = folder.library.templates.get(copy.name)
    written = template and any(c.text for c in template.copies.values())
    if f"{copy.layout}.txt" not in layouts and not written:
        yield problem("no-text-part", Place(f"templates/{copy.layout}.html"),
                      f"there is no templates/{copy.layout}.txt for the text part",
                      "write it, or a text part beside every copy")


def _text_part(folder: Folder, file: File, copy: CopyFile, fields: dict[str, LeadField]) -> Iterator[Problem]:
    template = folder.library.templates.get(copy.name)
    if template is None:
        yield problem("file-name", Place(file.name), f"there is no copy `{copy.name}` this could be the text part of",
                      "name it like the copy beside it")
        return
    start = Place(file.name)
    for fault in copy_faults(copy.body, known_of(fields, frozenset(template.links)), False):
        yield _at(fault, copy.body, start, f"`{copy.name}`")
    yield from _shows(copy.body, start, f"the text part of `{copy.name}`",
                      operational=template.kind is ContentKind.OPERATIONAL)


@lru_cache(maxsize=512)
def _shown(source: str) -> frozenset[str] | None:
    return names_in(source)


def _shows(source: str, place: Place, what: str, *, operational: bool = False) -> Iterator[Problem]:
    shown = _shown(source)
    if shown is None:
        return
    for word, code, message, fix in _MUST_SHOW:
        if word not in shown and not (operational and code in ("no-unsubscribe", "no-preferences", "no-reason")):
            yield problem(code, place, f"{what} {message}", fix)


def _layout(file: File, fields: dict[str, LeadField]) -> Iterator[Problem]:
    source, start = file.text, Place(file.name)
    for fault in copy_faults(source, known_of(fields, frozenset()), file.name.endswith(".html")):
        yield _at(fault, source, start, "this layout")
    yield from _shows(source, start, "this layout")
    shown = _shown(source)
    if shown is not None and "content" not in shown:
        yield problem("empty-copy", start, "this layout has no place for the copy",
                      "put `{{ content }}` where it belongs")


def _languages(folder: Folder, sent: set[str]) -> Iterator[Problem]:
    grouped: dict[str, list[File]] = {}
    for file in folder.reading.of("copy"):
        if isinstance(file.noun, CopyFile) and file.noun.form != "txt":
            grouped.setdefault(file.noun.name, []).append(file)
    contents: dict[str, str] = {}
    bodies: dict[str, File] = {}
    for name, files in grouped.items():
        for file in files:
            first = bodies.setdefault(" ".join(file.noun.body.split()), file)
            if first is not file and file.noun.body.strip():
                yield problem("same-copy", file.noun.place, f"this says word for word what {first.name} says",
                              "write another, or send that one")
        yield from _variants(name, files)
        top = files[0]
        if name not in sent and folder.campaigns and "campaign" not in folder.lost:
            yield problem("unused-template", Place(top.name), f"no campaign sends `{name}`", "delete it, or send it")
        content = folder.library.templates[name].content if name in folder.library.templates else name
        other = contents.setdefault(content, name)
        if other != name:
            yield problem("shared-content", top.spot("content"), f"`{other}` is the content `{content}` too",
                          "give each its own content")


def _variants(name: str, files: list[File]) -> Iterator[Problem]:
    said: dict[str, tuple[object, File]] = {}
    for file in files:
        for key in ("kind", "content", "depth"):
            value = getattr(file.noun, key)
            if value is None:
                continue
            first, where = said.setdefault(key, (value, file))
            if first != value:
                yield problem("variants-differ", file.spot(key),
                              f"`{key}` is `{value}` here and `{first}` in {where.name}",
                              "say it in one of the files only")
    for key in ("kind", "content", "depth"):
        if key not in said and all(f.whole for f in files):
            yield problem("missing-kind", Place(files[0].name), f"`{name}` does not say its `{key}`", f"add `{key}:`")
    every = {name for f in files for name in f.noun.named_links()}
    for file in files:
        missing = sorted(every - set(file.noun.named_links()))
        if missing and len(files) > 1:
            yield problem("variant-links-differ", file.noun.place, f"this language lacks the link `{missing[0]}`",
                          "add it")


def _in_campaign(folder: Folder, campaign: Campaign, file: File, fields: dict[str, LeadField]) -> Iterator[Problem]:
    """Copy that stands in a campaign: subjects of variants, notes to sales, messages to colleagues."""
    notes = known_of(fields, frozenset(), lenient=True)
    for step in campaign.walk():
        match step.action:
            case Send(template=name, test=Test(variants=variants)):
                template = folder.library.templates.get(name)
                known = known_of(fields, frozenset(template.links if template else ()))
                for variant in variants:
                    if variant.subject is None:
                        continue
                    place = file.spot("variant", variant.name, variant.subject)
                    for fault in copy_faults(variant.subject, known, False):
                        yield _at(fault, variant.subject, place, "this subject", quoted=True)
                    if len(without_jinja(variant.subject)) > 70:
                        yield problem("long-subject", place,
                                      f"this subject has {len(without_jinja(variant.subject))} characters",
                                      "say it in 70")
            case HandOff(note=said) | Notify(message=said):
                key = "note" if isinstance(step.action, HandOff) else "message"
                for fault in copy_faults(said, notes, False):
                    yield _at(fault, said, file.spot("step", step.id, key), f"this {key}", quoted=True)
