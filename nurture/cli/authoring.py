"""`nurture check`, `schema`, `fmt` and `new`: commands for the files marketers write. They need no database."""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.text import Text

from nurture.cli.common import FINDINGS, FINE, err, out, settings, table
from nurture.errors import UsageError

if TYPE_CHECKING:
    from nurture.authoring import Reading
    from nurture.authoring.desk import Rule
    from nurture.model.problem import Problem

_PATHS = typer.Argument(None, help="A folder with campaigns/ and templates/, a folder of campaigns, or single files.")
_FORMAT = typer.Option("text", "--format", help="text, json, github or sarif.")
_STRICT = typer.Option(False, "--strict", help="Warnings count as errors.")
_ALL = typer.Option(False, "--all", help="Show notes too, not only errors and warnings.")
_EXPLAIN = typer.Option(None, "--explain", metavar="CODE", help="Print the page of one rule.")
_RULES = typer.Option(False, "--rules", help="List every rule.")
_BEFORE = typer.Option(None, "--before", help="An earlier state of the folder: renames without `was` are noticed.")
_TODAY = typer.Option(None, "--today", help="The day for rules about dates, as 2026-11-22.")


def register(app: typer.Typer) -> None:
    app.command("check")(check)


def check(
    paths: list[Path] = _PATHS,
    form: str = _FORMAT,
    strict: bool = _STRICT,
    everything: bool = _ALL,
    explain: str | None = _EXPLAIN,
    rules: bool = _RULES,
    before: Path | None = _BEFORE,
    today: str | None = _TODAY,
) -> None:
    """Read every campaign, template and company file and say everything that is wrong with them."""
    from nurture.authoring import report

    if explain is not None:
        out.print(report.page(_rule(explain)))
        raise typer.Exit(FINE)
    if rules:
        _list_rules()
        raise typer.Exit(FINE)
    if form not in report.FORMATS:
        raise UsageError(f"there is no format `{form}`", fix=f"take one of {', '.join(report.FORMATS)}")
    reading, problems, only = _checked(paths or [], before, today)
    shown = [p for p in problems if (only is None or p.place.file in only) and (everything or p.severity != "info")]
    _print(reading, shown, form)
    bad = any(p.severity == "error" or (strict and p.severity == "warning") for p in shown)
    raise typer.Exit(FINDINGS if bad else FINE)


def _rule(code: str) -> Rule:
    from nurture.authoring.desk import did_you_mean
    from nurture.authoring.rulebook import RULES

    if code not in RULES:
        raise UsageError(f"there is no rule `{code}`.{did_you_mean(code, RULES)}", fix="`nurture check --rules` lists them")
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
        counted = {"campaign": len(reading.of("campaign")), "template": len(reading.draft.templates if reading.draft else ()),
                   "form": len(reading.of("form"))}
        err.print(Text(report.summary(problems, counted)))
