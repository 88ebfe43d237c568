"""`nurture check`, `schema`, `fmt` and `new`: commands for the files marketers write. They need no database."""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.text import Text

from nurture.cli.common import FINDINGS, FINE, NO_FILES, err, out, settings, table
from nurture.errors import UsageError

if TYPE_CHECKING:
    from nurture.authoring import Reading
    from nurture.authoring.rulebook import Rule
    from nurture.model.problem import Problem
    from nurture.model.words import FunnelStage

_PATHS = typer.Argument(None, help="A folder with campaigns/ and templates/, a folder of campaigns, or single files.")
_FORMAT = typer.Option("text", "--format", help="text, json, github or sarif.")
_JSON = typer.Option(False, "--json", help="The same as --format json.")
_STRICT = typer.Option(False, "--strict", help="Warnings count as errors.")
_ALL = typer.Option(False, "--all", help="Show notes too, not only errors and warnings.")
_EXPLAIN = typer.Option(None, "--explain", metavar="CODE", help="Print the page of one rule.")
_RULES = typer.Option(False, "--rules", help="List every rule.")
_BEFORE = typer.Option(None, "--before", help="An earlier state of the folder: renames without `was` are noticed.")
_TODAY = typer.Option(None, "--today", help="The day for rules about dates, as 2026-11-22.")


_KIND = typer.Argument(None, help="campaign, company, tracks, scoring, agreement, sales, form or test.")
_WRITE = typer.Option(None, "--write", metavar="FOLDER", help="Write every schema into this folder (campaigns/).")
_FILES = typer.Argument(None, help="Files or folders; without any: the campaigns folder.")
_DIFF = typer.Option(False, "--check", help="Change nothing; end with 1 when something would change.")
_STAGE = typer.Argument(None, help="awareness, consideration, decision or recycled; or company.")
_ID = typer.Argument(None, help="The new campaign's id.")
_TRACK = typer.Option(None, "--track", help="The track it serves.")
_STORY = typer.Option(None, "--story", metavar="CAMPAIGN", help="Write a story for a campaign that has none.")
_INTO = typer.Option(None, "--into", help="A folder with campaigns/ and templates/; without it the configured ones.")


def register(app: typer.Typer) -> None:
    app.command("new")(new)
    app.command("check")(check)
    app.command("fmt")(fmt)
    app.command("schema")(schema)


def check(
    paths: list[Path] = _PATHS,
    form: str = _FORMAT,
    strict: bool = _STRICT,
    everything: bool = _ALL,
    explain: str | None = _EXPLAIN,
    rules: bool = _RULES,
    before: Path | None = _BEFORE,
    today: str | None = _TODAY,
    as_json: bool = _JSON,
) -> None:
    """Read every campaign, template and company file and say everything that is wrong with them."""
    from nurture.authoring import report

    if explain is not None:
        out.print(report.page(_rule(explain)))
        raise typer.Exit(FINE)
    if rules:
        _list_rules()
        raise typer.Exit(FINE)
    form = "json" if as_json else form
    if form not in report.FORMATS:
        raise UsageError(f"there is no format `{form}`", fix=f"take one of {', '.join(report.FORMATS)}")
    reading, problems, only = _checked(paths or [], before, today)
    if not reading.sources:
        raise UsageError("there is nothing to check here: no campaigns, no templates", fix=NO_FILES)
    shown = [p for p in problems if (only is None or p.place.file in only) and (everything or p.severity != "info")]
    _print(reading, shown, form)
    bad = any(p.severity == "error" or (strict and p.severity == "warning") for p in shown)
    raise typer.Exit(FINDINGS if bad else FINE)


def _rule(code: str) -> Rule:
    from nurture.authoring.desk import did_you_mean
    from nurture.authoring.rulebook import RULES

    if code not in RULES:
        raise UsageError(f"there is no rule `{code}`.{did_you_mean(code, RULES)}",
                         fix="`nurture check --rules` lists them")
    return RULES[code]


def _list_rules() -> None:
    from nurture.authoring.rulebook import RULES

    rows = [(rule.code, rule.severity, rule.title) for rule in RULES.values()]
    out.print(table(f"{len(rows)} rules", ("code", "severity", "title"), rows))


def folders(paths: list[Path]) -> tuple[Path, Path, list[Path] | None]:
    """Which campaigns and templates are meant, and which single files only (None: all).

    Raises:
        UsageError: a path that does not exist.
    """
    chosen = settings()
    for path in paths:
        if not path.exists():
            raise UsageError(f"there is no `{path}`", fix="name a folder or a file that exists")
    if len(paths) == 1 and paths[0].is_dir():
        root = paths[0]
        if (root / "campaigns").is_dir() or (root / "templates").is_dir():
            return root / "campaigns", root / "templates", None
        if root.resolve() != chosen.templates_dir.resolve():
            return root, chosen.templates_dir, None
    return chosen.campaigns_dir, chosen.templates_dir, paths or None


def _checked(
    paths: list[Path], before: Path | None, today: str | None
) -> tuple[Reading, list[Problem], frozenset[str] | None]:
    from nurture.authoring import read_folder
    from nurture.authoring.check import check as find_all

    campaigns, templates, single = folders(paths)
    reading = read_folder(campaigns, templates)
    earlier = None
    if before is not None:
        old_campaigns, old_templates, _ = folders([before])
        earlier = read_folder(old_campaigns, old_templates)
    problems = find_all(reading, today=_day(today), before=earlier)
    shown_as = {"campaigns": campaigns.as_posix(), "templates": templates.as_posix()}
    only = None if single is None else frozenset(n for n in _files(reading, problems) if _meant(n, shown_as, single))
    moved = [replace(p, place=replace(p.place, file=_path(p.place.file, shown_as))) for p in problems]
    sources = {_path(name, shown_as): text for name, text in reading.sources.items()}
    files = None if only is None else frozenset(_path(name, shown_as) for name in only)
    return replace(reading, sources=sources), moved, files


def _files(reading: Reading, problems: tuple[Problem, ...]) -> set[str]:
    return {*reading.sources, *(p.place.file for p in problems)}


def _path(name: str, shown_as: dict[str, str]) -> str:
    """`campaigns/x.yaml` as the path the user would type."""
    root, _, rest = name.partition("/")
    return f"{shown_as.get(root, root)}/{rest}"


def _meant(name: str, shown_as: dict[str, str], single: list[Path]) -> bool:
    path = Path(_path(name, shown_as)).resolve()
    return any(path == given.resolve() or given.resolve() in path.parents for given in single)


def _day(said: str | None) -> date:
    if said is None:
        return settings().clock().now().date()
    try:
        return date.fromisoformat(said)
    except ValueError:
        raise UsageError(f"`{said}` is no day", fix="write it as 2026-11-22") from None


def _print(reading: Reading, problems: list[Problem], form: str) -> None:
    from nurture import __version__
    from nurture.authoring import report

    if form == "json":
        sys.stdout.write(report.as_json(problems) + "\n")
    elif form == "github":
        sys.stdout.write("".join(f"{line}\n" for line in report.as_github(problems).split("\n") if line))
    elif form == "sarif":
        sys.stdout.write(report.as_sarif(problems, __version__) + "\n")
    else:
        if problems:
            out.print(report.as_text(problems, reading.sources), end="", soft_wrap=True)
        counted = {"campaign": len(reading.of("campaign")),
                   "template": len(reading.draft.templates if reading.draft else ()),
                   "form": len(reading.of("form"))}
        err.print(Text(report.summary(problems, counted)))


def schema(kind: str | None = _KIND, write: Path | None = _WRITE) -> None:
    """JSON Schema for editors: print one, or write all of them beside the campaigns."""
    from nurture.authoring.desk import did_you_mean
    from nurture.authoring.schema import FILES, as_text

    if write is not None:
        write.mkdir(parents=True, exist_ok=True)
        for name in [kind] if kind else FILES:
            _known_kind(name)
            (write / f"{name}.schema.json").write_text(as_text(name), encoding="utf-8")
        out.print(Text(f"{1 if kind else len(FILES)} schemas in {write}; line 1 of a campaign names its own:"))
        out.print(Text("# yaml-language-server: $schema=./campaign.schema.json", style="dim"))
        return
    if kind is not None and kind not in FILES:
        raise UsageError(f"there is no kind `{kind}`.{did_you_mean(kind, FILES)}",
                         fix=f"take one of {', '.join(FILES)}")
    sys.stdout.write(as_text(kind or "campaign"))


def _known_kind(kind: str) -> None:
    from nurture.authoring.schema import FILES

    if kind not in FILES:
        raise UsageError(f"there is no kind `{kind}`", fix=f"take one of {', '.join(FILES)}")


def fmt(files: list[Path] = _FILES, dry: bool = _DIFF) -> None:
    """Give campaign files one look. Comments stay, and what a file says never changes."""
    from nurture.authoring.format import formatted

    changed, unread = 0, 0
    for path in _yaml_files(files or [settings().campaigns_dir]):
        try:
            text = path.read_bytes().decode("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            err.print(Text(f"{path}: not read: {error}"))
            unread += 1
            continue
        made = formatted(text)
        if made is None:
            err.print(Text(f"{path}: does not read; `nurture check` says why"))
            unread += 1
        elif made != text:
            changed += 1
            out.print(Text(f"{path}{': would change' if dry else ''}"))
            if not dry:
                path.write_text(made, encoding="utf-8")
    raise typer.Exit(FINDINGS if unread or (dry and changed) else FINE)


def _yaml_files(paths: list[Path]) -> list[Path]:
    found: list[Path] = []
    for path in paths:
        if not path.exists():
            raise UsageError(f"there is no `{path}`", fix="name a folder or a file that exists")
        found += sorted(p for p in path.rglob("*.yaml") if p.is_file()) if path.is_dir() else [path]
    return found


def new(
    stage: str | None = _STAGE,
    name: str | None = _ID,
    track: str | None = _TRACK,
    story: str | None = _STORY,
    into: Path | None = _INTO,
) -> None:
    """Write a commented campaign for a stage of the funnel, with its mails and its story.

    `nurture new company` writes what a folder needs before that: the five company files, a form with its consent
    texts, two campaigns. Nothing that exists is overwritten.
    """
    from nurture.authoring import read_folder
    from nurture.authoring.draft import draft_for, files, story_for
    from nurture.authoring.starter import usual_track

    campaigns, templates, _ = folders([into] if into else [])
    if into is not None:
        campaigns, templates = into / "campaigns", into / "templates"
    if stage == "company":
        _begin(campaigns, templates)
        return
    library = read_folder(campaigns, templates).draft
    assert library is not None
    if story is not None:
        if story not in library.campaigns:
            from nurture.authoring.desk import did_you_mean

            raise UsageError(f"there is no campaign `{story}`.{did_you_mean(story, library.campaigns)}",
                             fix="name one that exists")
        made = {f"campaigns/{story}.test.yaml": story_for(library.campaigns[story])}
    else:
        chosen = _stage(stage)
        if track is None and not (campaigns / "tracks.yaml").exists():
            track = usual_track(chosen)
        draft = draft_for(library, _new_id(name or f"{chosen}-campaign"), chosen, track)
        made = files(draft, layouts=not library.layouts)
    _write({_target(path, campaigns, templates): text for path, text in made.items()})


def _begin(campaigns: Path, templates: Path) -> None:
    from nurture.authoring.reading import COMPANY_FILES, kind_of
    from nurture.authoring.starter import starter

    made = starter(settings().clock().now().date())
    # Who has tracks has campaigns for them; who has not gets tracks from here, and they need theirs.
    old = (campaigns / "tracks.yaml").exists()
    company = {f"campaigns/{kind}.yaml" for kind in COMPANY_FILES}
    wanted = {p: t for p, t in made.items() if not old or p in company or kind_of(p) == "layout" or p.endswith(".json")}
    places = {_target(name, campaigns, templates): text for name, text in wanted.items()}
    missing = {path: text for path, text in places.items() if not path.exists()}
    if not missing:
        raise UsageError("there is nothing to add: all of it exists already", fix="`nurture check` says what is wrong")
    _write(missing)
    err.print("Change every line that says Example, then: nurture check, nurture test, nurture plan.")


def _stage(said: str | None) -> FunnelStage:
    from nurture.authoring.desk import did_you_mean
    from nurture.model.words import FunnelStage

    words = [s.value for s in FunnelStage]
    if said not in words:
        takes = f"{', '.join(words)}; or `nurture new company` for the first files of a company"
        if not said:
            raise UsageError("which stage of the funnel is the campaign for?", fix=f"nurture new STAGE ID: {takes}")
        raise UsageError(f"`{said}` is no stage.{did_you_mean(said, words)}", fix=f"take one of {takes}")
    return FunnelStage(said)


def _new_id(said: str) -> str:
    import re

    from nurture.authoring.values import SLUG

    if not re.fullmatch(SLUG, said):
        raise UsageError(f"`{said}` cannot be a campaign's id", fix="small letters, digits and `-`, as `spring-guide`")
    return said


def _target(name: str, campaigns: Path, templates: Path) -> Path:
    root, _, rest = name.partition("/")
    return (campaigns if root == "campaigns" else templates) / rest


def _write(made: dict[Path, str]) -> None:
    """All of the files or none: nothing that exists is overwritten."""
    there = [path for path in made if path.exists()]
    if there:
        raise UsageError(f"{there[0]} exists already", fix="choose another id, or remove the file")
    for path, text in made.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        out.print(Text(str(path)))
