"""Files -> `Library`, or `Problems`; every file is read on its own, and only then are they put together."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import lru_cache
from hashlib import sha256
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Any, Final, Literal, TypeVar

from nurture.authoring import fallback
from nurture.authoring.agreement import read_agreement
from nurture.authoring.brought import read_brought
from nurture.authoring.campaign import read_campaign
from nurture.authoring.company import read_company, read_sales, read_tracks
from nurture.authoring.desk import Desk, Spots, problem
from nurture.authoring.forms import read_form, read_wording
from nurture.authoring.scoring import read_scoring
from nurture.authoring.story import read_stories
from nurture.authoring.template import CopyFile, assemble, read_copy, read_layout, template_name
from nurture.authoring.tree import SIZE_LIMIT, Node, read_tree
from nurture.model.campaign import Campaign
from nurture.model.company import Company
from nurture.model.library import Library
from nurture.model.problem import Place, Problem, Severity
from nurture.model.scoring import Scoring

T = TypeVar("T")
Kind = Literal["company", "tracks", "scoring", "agreement", "sales", "campaign", "form", "wording", "story", "copy",
               "layout", "import"]

COMPANY_FILES: Final[tuple[Kind, ...]] = ("company", "tracks", "scoring", "agreement", "sales")


@dataclass(frozen=True, slots=True)
class File:
    """One file as read. `whole` is false when something in it could not be read: it is checked, and never runs."""

    name: str
    kind: Kind
    noun: Any
    problems: tuple[Problem, ...]
    spots: Spots
    text: str

    @property
    def whole(self) -> bool:
        return self.noun is not None and not any(p.severity is Severity.ERROR for p in self.problems)

    def spot(self, *key: Any) -> Place:
        """Where these words stand; the top of the file when they do not."""
        return self.spots.get(key) or Place(self.name)


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read. `library` holds every file that reads well; None when one of the company's five does not.

    `problems` are those of reading alone; `check` adds the findings of the rules. `sources`: relative path -> text.
    """

    library: Library | None
    problems: tuple[Problem, ...]
    sources: Mapping[str, str]
    files: Mapping[str, File] = field(default_factory=dict)
    draft: Library | None = None
    """Like `library`, but with the files that have mistakes: for checking only."""

    @property
    def errors(self) -> tuple[Problem, ...]:
        return tuple(p for p in self.problems if p.severity is Severity.ERROR)

    def of(self, kind: Kind) -> tuple[File, ...]:
        return tuple(f for f in self.files.values() if f.kind == kind)


def kind_of(name: str) -> Kind | None:
    """What a file is, by its path; None: not ours to read."""
    path = PurePosixPath(name)
    folder, stem = str(path.parent), path.name
    if folder == "campaigns" and stem.endswith(".yaml"):
        if stem.endswith(".test.yaml"):
            return "story"
        return next((k for k in COMPANY_FILES if stem == f"{k}.yaml"), "campaign")
    if folder == "campaigns/forms" and stem.endswith(".yaml"):
        return "form"
    if folder == "campaigns/imports" and stem.endswith(".map.yaml"):
        return "import"
    if folder == "campaigns/wordings" and stem.endswith(".md"):
        return "wording"
    if path.parts[0] == "templates" and stem.lower() != "readme.md":
        if folder == "templates" and stem.startswith("_") and path.suffix in (".html", ".txt", ".mjml"):
            return "layout"
        return "copy" if path.suffix in (".md", ".mjml", ".html", ".txt") else None
    return None


def read_folder(campaigns: Path, templates: Path) -> Reading:
    """Read everything marketers wrote. Never raises for what stands in a file; missing folders are empty ones."""
    raw: dict[str, bytes] = {}
    unread: list[Problem] = []
    for root, name in ((campaigns, "campaigns"), (templates, "templates")):
        for path in sorted(root.rglob("*")) if root.is_dir() else ():
            relative = f"{name}/{path.relative_to(root).as_posix()}"
            stray = _stray(relative, a_file=path.is_file())
            unread += [stray] if stray is not None else []
            if kind_of(relative) is None or not path.is_file():
                continue
            content = _bytes_of(path, root, relative, unread)
            if content is not None:
                raw[relative] = content
    return _decoded(raw, unread)


def read_bytes(raw: Mapping[str, bytes]) -> Reading:
    """The same from bytes as they came (an upload, an archive): what is not UTF-8 is noted."""
    strays = [found for name in sorted(raw) if (found := _stray(name)) is not None]
    return _decoded({name: raw[name] for name in sorted(raw) if kind_of(name) is not None}, strays)


def _stray(name: str, *, a_file: bool = True) -> Problem | None:
    """What looks like ours and is not read is said; a campaign that silently never runs is the worst of mistakes."""
    path = PurePosixPath(name)
    if kind_of(name) is not None:
        return None if a_file else problem("not-read", Place(name), "this is no file", "put a file here, or nothing")
    hidden = any(part.startswith(".") for part in path.parts)
    aside = hidden or "imports" in path.parts
    if aside or path.parts[0] != "campaigns" or path.suffix.lower() not in (".yaml", ".yml"):
        return None
    fix = f"name it {path.with_suffix('.yaml')}" if path.suffix != ".yaml" else f"move it to campaigns/{path.name}"
    return problem("not-read", Place(name), "this file is not read", fix)


def _decoded(raw: Mapping[str, bytes], unread: list[Problem]) -> Reading:
    # What is wrong with a map is said by `nurture import`; here it only tells what campaigns may count on.
    texts = {name: decode(content, name, [] if kind_of(name) == "import" else unread) for name, content in raw.items()}
    return _put_together({name: text for name, text in texts.items() if text is not None}, unread)


def read_sources(sources: Mapping[str, str]) -> Reading:
    """The same from texts: what was applied and is kept in the store. Paths begin with `campaigns/` or `templates/`."""
    return _put_together({name: sources[name] for name in sorted(sources) if kind_of(name) is not None}, [])


def _bytes_of(path: Path, root: Path, name: str, unread: list[Problem]) -> bytes | None:
    try:
        if not path.resolve().is_relative_to(root.resolve()):
            unread.append(problem("file-name", Place(name), "this link leads out of the folder",
                                  "put the file itself here"))
            return None
        if path.stat().st_size > SIZE_LIMIT:
            unread.append(problem("too-large", Place(name), "this file is larger than 1 MB", "split it"))
            return None
        return path.read_bytes()
    except OSError as error:
        unread.append(problem("encoding", Place(name), f"this file cannot be read: {error.strerror or error}"))
        return None


def decode(raw: bytes, name: str, unread: list[Problem]) -> str | None:
    """Bytes -> text with `\\n` line ends. A file that is not UTF-8 is noted with the place of its first wrong byte."""
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        unread.append(problem("encoding", Place(name), "this file is UTF-16, not UTF-8", "save it as UTF-8"))
        return None
    try:
        return raw.decode("utf-8").replace("\r\n", "\n").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        before = raw[: error.start].decode("utf-8", "replace")
        place = Place(name, before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1)
        unread.append(problem("encoding", place, f"byte 0x{raw[error.start]:02X} is not UTF-8",
                              "save the file as UTF-8"))
        return None


_YAML_READERS: Final[Mapping[Kind, Callable[[Node, Desk], Any]]] = {
    "company": read_company, "tracks": read_tracks, "scoring": read_scoring, "agreement": read_agreement,
    "sales": read_sales, "form": read_form, "story": read_stories,
}


@lru_cache(maxsize=4096)
def read_file(name: str, text: str) -> File:
    """One file by itself. Pure, so an unchanged text is read once per process."""
    kind = kind_of(name)
    assert kind is not None
    desk = Desk(name)
    noun: Any
    if kind == "layout":
        noun = read_layout(text, desk)
    elif kind == "wording":
        noun = read_wording(text, desk)
    elif kind == "copy":
        noun = read_copy(text, desk)
    elif kind == "import":
        noun = read_brought(text, name)
    else:
        noun = _from_yaml(kind, text, desk)
    return File(name, kind, noun, tuple(desk.problems), desk.spots, text)


def _from_yaml(kind: Kind, text: str, desk: Desk) -> Any:
    root = read_tree(text, desk)
    if root is None or root.empty:
        if not desk.problems:
            desk.find("empty-file", Place(desk.file), "this file is empty", "write it, or delete it")
        return None
    if kind == "campaign":
        return read_campaign(root, desk, text)
    noun = _YAML_READERS[kind](root, desk)
    if kind in ("scoring", "agreement"):
        return replace(noun, sha=sha256(text.encode()).hexdigest())
    return noun


def _put_together(sources: Mapping[str, str], unread: list[Problem]) -> Reading:
    files = _read_all(sources)
    # Maps are read by whoever imports; they are no part of what is applied.
    sources = {name: text for name, text in sources.items() if files[name].kind != "import"}
    problems = sorted([*unread, *(p for f in files.values() for p in f.problems)])
    lost = {p.place.file for p in unread}
    broken = any(f.kind in COMPANY_FILES and not f.whole for f in files.values())
    broken = broken or any(f"campaigns/{kind}.yaml" in lost for kind in COMPANY_FILES)
    ours = {name: f for name, f in files.items() if f.kind != "import"}
    whole = {name: f for name, f in ours.items() if f.whole}
    draft = _library({name: f for name, f in ours.items() if f.noun is not None}, sources)
    library = draft if len(whole) == len(ours) else _library(whole, sources)
    return Reading(None if broken else library, tuple(problems), MappingProxyType(dict(sources)),
                   MappingProxyType(files), draft)


def _read_all(sources: Mapping[str, str]) -> dict[str, File]:
    with unwatched():
        return {name: read_file(name, text) for name, text in sources.items()}


@contextmanager
def unwatched() -> Iterator[None]:
    """Reading and checking make many objects and no rubbish; looking for some meanwhile takes most of the time."""
    watched = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if watched:
            gc.enable()


def _library(files: Mapping[str, File], sources: Mapping[str, str]) -> Library:
    campaigns: dict[str, Campaign] = {}
    for file in _of(files, "campaign"):
        campaigns.setdefault(file.noun.id, file.noun)
    nouns = {kind: next((f.noun for f in _of(files, kind)), None) for kind in COMPANY_FILES}
    every = list(campaigns.values())
    company = nouns["company"] or fallback.company_for(every)
    return Library(
        company=company,
        tracks=nouns["tracks"] or fallback.tracks_for(every),
        scoring=_on_days_of(company, nouns["scoring"] or fallback.scoring()),
        agreement=nouns["agreement"] or fallback.agreement(),
        sales=nouns["sales"] or fallback.sales_for(every),
        campaigns=campaigns,
        templates=_templates([f.noun for f in _of(files, "copy")], company.language),
        forms={f.noun.id: f.noun for f in _of(files, "form")},
        layouts={PurePosixPath(f.name).name: f.noun for f in _of(files, "layout")},
        wordings={f.noun.key: f.noun for f in _of(files, "wording")},
        stories=tuple(told for f in _of(files, "story") for told in f.noun),
        sha=_address(sources, sources),
        config_sha=_address(sources, [f"campaigns/{kind}.yaml" for kind in COMPANY_FILES]),
    )


def _on_days_of(company: Company, scoring: Scoring) -> Scoring:
    return replace(scoring, models=tuple(replace(model, zone=company.timezone) for model in scoring.models))


def _of(files: Mapping[str, File], kind: Kind) -> list[File]:
    return [f for f in files.values() if f.kind == kind]


def _templates(copies: list[CopyFile], language: str) -> dict[str, Any]:
    grouped: dict[str, list[CopyFile]] = {}
    for copy in copies:
        grouped.setdefault(copy.name, []).append(copy)
    made = {name: assemble(files, language) for name, files in grouped.items()}
    return {name: template for name, template in made.items() if template is not None}


def _address(sources: Mapping[str, str], names: Any) -> str:
    """The content address of these files."""
    lines = (f"{name}:{sha256(sources[name].encode()).hexdigest()}\n" for name in sorted(names) if name in sources)
    return sha256("".join(lines).encode()).hexdigest()


__all__ = ["COMPANY_FILES", "File", "Kind", "Reading", "kind_of", "read_file", "read_folder", "read_sources",
           "template_name"]
