"""`nurture test`: stories told, judged, and written down for people and for CI."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import typer
from rich.progress import track
from rich.text import Text

from nurture.cli import completing
from nurture.cli.common import FINDINGS, FINE, NO_FILES, emit_json, err, out, plain, settings
from nurture.errors import UsageError

if TYPE_CHECKING:
    from nurture.authoring.reading import Reading
    from nurture.model.library import Library
    from nurture.model.story import Story
    from nurture.rehearse.story import Told


def register(app: typer.Typer) -> None:
    app.command("test")(test)


def test(
    campaigns: list[str] = typer.Argument(
        None, help="Only the stories of these campaigns; none named: all.", autocompletion=completing.campaigns
    ),
    cover: bool = typer.Option(False, "--cover", help="Name the steps that no story reaches; exit 1 if there are any."),
    verbose: bool = typer.Option(False, "-v", "--verbose", help="Print the time line of stories that pass, too."),
    junit: Path | None = typer.Option(None, "--junit", help="Write the results as JUnit XML to this file."),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON document."),
) -> None:
    """Tell the stories (`*.test.yaml`) beside the campaigns on a virtual clock, through the engine of production."""
    from nurture.rehearse.story import tell, uncovered

    library, stories = load(campaigns or ())
    told: list[Told] = []
    for story in track(
        stories, description="telling stories", console=err, transient=True, disable=not err.is_terminal
    ):
        began = time.perf_counter()
        told.append(replace(tell(story, library), seconds=time.perf_counter() - began))
    wanted = {c: library.campaigns[c] for c in (campaigns or library.campaigns)}
    missing = uncovered(wanted, told) if cover else {}
    if junit is not None:
        junit.write_bytes(_junit(told))
    if as_json:
        emit_json({"stories": [document(t) for t in told], "uncovered": missing})
    else:
        _print(told, missing, verbose=verbose, cover=cover)
    raise typer.Exit(FINE if all(t.passed for t in told) and not missing else FINDINGS)


def load(campaigns: Sequence[str]) -> tuple[Library, list[Story]]:
    """The files as they stand, and their stories.

    Raises:
        UsageError: the files have errors, or a named campaign is not there.
    """
    from nurture.authoring import read_folder
    from nurture.authoring.desk import did_you_mean

    chosen = settings()
    reading = read_folder(chosen.campaigns_dir, chosen.templates_dir)
    if not reading.sources:
        raise UsageError(f"no files in {chosen.campaigns_dir}/", fix=NO_FILES)
    if reading.library is None:
        raise UsageError("the company files have errors, so nothing can be rehearsed", fix="`nurture check` says where")
    known = reading.library.campaigns
    for name in campaigns:
        if name not in known and f"campaigns/{name}.yaml" in reading.files:
            _readable(reading, f"campaigns/{name}.yaml")
        if name not in known:
            raise UsageError(f"no campaign `{name}`{did_you_mean(name, known)}",
                             fix="known are " + ", ".join(sorted(known)) if known else "`nurture new` writes one")
    for name, file in sorted(reading.files.items()):
        ours = not campaigns or name.removeprefix("campaigns/").split(".")[0] in campaigns
        if file.kind in ("story", "campaign") and ours:
            _readable(reading, name)
    files = sorted((name, file) for name, file in reading.files.items() if file.kind == "story")
    stories = [story for _, file in files for story in file.noun or ()]
    return reading.library, [s for s in stories if not campaigns or s.campaign in campaigns]


def _readable(reading: Reading, name: str) -> None:
    """A file with mistakes is said to have them; leaving its stories out would look like success."""
    wrong = next((p for p in reading.files[name].problems if p.severity == "error"), None)
    if wrong is not None:
        place = f"{wrong.place.file}:{wrong.place.line}:{wrong.place.col}"
        raise UsageError(plain(f"{place}: {wrong.message}"), fix=wrong.fix or "`nurture check` says more")


def _print(told: Sequence[Told], missing: dict[str, list[str]], *, verbose: bool, cover: bool) -> None:
    for one in told:
        mark = Text("ok   ", style="green") if one.passed else Text("FAIL ", style="bold red")
        out.print(mark + Text(f"{one.story.campaign}: {plain(one.story.name)}"))
        for failure in one.failures[:1]:
            out.print(Text(f"     first difference: {plain(failure)}", style="red"))
        for failure in one.failures[1:]:
            out.print(Text(f"     then: {plain(failure)}"))
        if verbose or not one.passed:
            print_line(one)
    for campaign, steps in missing.items():
        out.print(Text(f"no story reaches, in {campaign}: {', '.join(steps)}", style="yellow"))
    if cover and not missing:
        out.print("Every step of every campaign is reached by a story.")
    failed = sum(not t.passed for t in told)
    out.print(
        f"{len(told) - failed} passed, {failed} failed in {sum(t.seconds for t in told):.1f} s",
        style="bold red" if failed else "bold",
    )


def print_line(one: Told) -> None:
    from nurture.rehearse.timeline import lines

    for line in lines(one.moments, one.zone):
        out.print(Text(f"       {plain(line)}"))


def document(one: Told) -> dict[str, object]:
    return {
        "story": one.story.name,
        "campaign": one.story.campaign,
        "file": one.story.place.file,
        "passed": one.passed,
        "failures": one.failures,
        "seconds": round(one.seconds, 3),
        "timezone": one.zone.key,
        "timeline": one.moments,
        "reached": sorted(one.reached),
    }


def _junit(told: Sequence[Told]) -> bytes:
    from nurture.rehearse.timeline import lines

    suite = ElementTree.Element(
        "testsuite", name="stories", tests=str(len(told)), failures=str(sum(not t.passed for t in told))
    )
    for one in told:
        case = ElementTree.SubElement(
            suite,
            "testcase",
            classname=one.story.campaign,
            name=plain(one.story.name),
            time=f"{one.seconds:.3f}",
            file=one.story.place.file,
            line=str(one.story.place.line),
        )
        if not one.passed:
            told_of = [*one.failures, "", *lines(one.moments, one.zone)]
            failure = ElementTree.SubElement(case, "failure", message=plain(one.failures[0]))
            failure.text = "\n".join(map(plain, told_of))
    return bytes(ElementTree.tostring(suite, encoding="utf-8", xml_declaration=True))
