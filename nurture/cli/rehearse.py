"""`nurture test | simulate | paths | show`: campaigns rehearsed on a virtual clock, counted out and drawn."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import typer
from rich.progress import track
from rich.text import Text

from nurture.cli.common import FINDINGS, FINE, emit_json, err, out, plain, settings, table
from nurture.errors import UsageError

if TYPE_CHECKING:
    from nurture.model.library import Library
    from nurture.model.story import Story
    from nurture.rehearse.simulate import Simulated
    from nurture.rehearse.story import Told


def register(app: typer.Typer) -> None:
    app.command("test")(test)
    app.command("simulate")(simulate)
    app.command("paths")(paths)
    app.command("show")(show)


def test(
    campaigns: list[str] = typer.Argument(None, help="Only the stories of these campaigns; none named: all."),
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
        emit_json({"stories": [_document(t) for t in told], "uncovered": missing})
    else:
        _print(told, missing, verbose=verbose, cover=cover)
    raise typer.Exit(FINE if all(t.passed for t in told) and not missing else FINDINGS)


def load(campaigns: Sequence[str]) -> tuple[Library, list[Story]]:
    """The files as they stand, and their stories.

    Raises:
        UsageError: the files have errors, or a named campaign is not there.
    """
    from nurture.authoring import read_folder

    chosen = settings()
    reading = read_folder(chosen.campaigns_dir, chosen.templates_dir)
    if reading.library is None:
        raise UsageError("the files have errors, so no story can be told", fix="`nurture check` says where")
    for name in campaigns:
        if name not in reading.library.campaigns:
            raise UsageError(f"no campaign `{name}`", fix="known are " + ", ".join(sorted(reading.library.campaigns)))
    stories = [
        file.noun for name, file in sorted(reading.files.items()) if file.kind == "story" and file.noun is not None
    ]
    return reading.library, [s for s in stories if not campaigns or s.campaign in campaigns]


def _print(told: Sequence[Told], missing: dict[str, list[str]], *, verbose: bool, cover: bool) -> None:
    for one in told:
        mark = Text("ok   ", style="green") if one.passed else Text("FAIL ", style="bold red")
        out.print(mark + Text(f"{one.story.campaign}: {plain(one.story.name)}"))
        for failure in one.failures[:1]:
            out.print(Text(f"     first difference: {plain(failure)}", style="red"))
        for failure in one.failures[1:]:
            out.print(Text(f"     then: {plain(failure)}"))
        if verbose or not one.passed:
            _print_line(one)
    for campaign, steps in missing.items():
        out.print(Text(f"no story reaches, in {campaign}: {', '.join(steps)}", style="yellow"))
    if cover and not missing:
        out.print("Every step of every campaign is reached by a story.")
    failed = sum(not t.passed for t in told)
    out.print(
        f"{len(told) - failed} passed, {failed} failed in {sum(t.seconds for t in told):.1f} s",
        style="bold red" if failed else "bold",
    )


def _print_line(one: Told) -> None:
    from zoneinfo import ZoneInfo

    from nurture.rehearse.timeline import lines

    zone = ZoneInfo(one.story.lead.timezone or "UTC")
    for line in lines(one.moments, zone):
        out.print(Text(f"       {plain(line)}"))


def _document(one: Told) -> dict[str, object]:
    return {
        "story": one.story.name,
        "campaign": one.story.campaign,
        "file": one.story.place.file,
        "passed": one.passed,
        "failures": one.failures,
        "seconds": round(one.seconds, 3),
        "timeline": one.moments,
        "reached": sorted(one.reached),
    }


def _junit(told: Sequence[Told]) -> bytes:
    suite = ElementTree.Element(
        "testsuite", name="stories", tests=str(len(told)), failures=str(sum(not t.passed for t in told))
    )
    for one in told:
        case = ElementTree.SubElement(
            suite, "testcase", classname=one.story.campaign, name=one.story.name, time=f"{one.seconds:.3f}"
        )
        if not one.passed:
            ElementTree.SubElement(case, "failure", message=plain(one.failures[0])).text = "\n".join(
                map(plain, one.failures)
            )
    return bytes(ElementTree.tostring(suite, encoding="utf-8", xml_declaration=True))


def simulate(
    campaign: str = typer.Argument(help="The campaign to rehearse."),
    lead: str = typer.Option(
        "", "--lead", help="One lead as YAML: '{ score: 60, consents: [nurture_email], timezone: Europe/Berlin }'."
    ),
    happens: list[str] = typer.Option(
        [], "--happens", help="What the lead does, as YAML: '{ after: 4 days, clicked: case-study }'. Repeatable."
    ),
    people: int = typer.Option(
        0, "--people", min=0, max=100_000, help="Rehearse with so many invented people instead of one."
    ),
    leads: Path | None = typer.Option(
        None, "--leads", exists=True, dir_okay=False, help="Rehearse with the people of this CSV file (needs --map)."
    ),
    mapping: Path | None = typer.Option(
        None, "--map", exists=True, dir_okay=False, help="The mapping of the CSV file."
    ),
    days: int = typer.Option(60, "--days", min=1, max=800, help="How long to watch the invented people."),
    starts: str = typer.Option(
        "", "--starts", help="When it begins, local: 2026-10-05T09:00. Default: the coming Monday at nine."
    ),
    seed: int = typer.Option(1, "--seed", help="The same seed gives the same people doing the same things."),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON document."),
) -> None:
    """What would happen to a lead like this, or to a crowd: real pipeline, virtual clock, mail that goes nowhere."""
    library, _ = load([campaign])
    if people or leads is not None:
        _crowd(library, campaign, people, leads, mapping, days, starts, seed, as_json)
    else:
        _one(library, campaign, lead, happens, starts, as_json)


def _one(library: Library, campaign: str, lead: str, happens: Sequence[str], starts: str, as_json: bool) -> None:
    from nurture.rehearse.single import story_of
    from nurture.rehearse.story import tell

    story = story_of(library, campaign, lead=lead, happens=happens, starts=starts or _monday())
    told = tell(story, library)
    if as_json:
        emit_json(_document(told))
    else:
        out.print(Text(f"One lead in {campaign}, from {story.starts:%a %d %b %Y %H:%M} (local)", style="bold"))
        _print_line(told)
        for failure in told.failures:
            out.print(Text(plain(failure), style="red"))
        unseen = [s.id for s in library.campaigns[campaign].walk() if s.id not in told.reached]
        out.print(Text("steps this lead did not reach: " + (", ".join(unseen) or "none")))
    raise typer.Exit(FINE if told.passed else FINDINGS)


def _crowd(
    library: Library,
    campaign: str,
    people: int,
    leads: Path | None,
    mapping: Path | None,
    days: int,
    starts: str,
    seed: int,
    as_json: bool,
) -> None:
    from datetime import UTC, datetime

    from rich.progress import Progress

    from nurture.rehearse import simulate as rehearsal
    from nurture.rehearse.single import people_of

    habits = rehearsal.Habits()
    start = datetime.fromisoformat(starts or _monday()).replace(tzinfo=UTC)
    crowd = (
        people_of(leads, mapping, now=start)
        if leads is not None
        else rehearsal.population(people, library, seed=seed, habits=habits)
    )
    with Progress(console=err, transient=True, disable=not err.is_terminal) as bar:
        task = bar.add_task("rehearsing", total=1.0)
        result = rehearsal.run(
            library,
            library.campaigns[campaign],
            crowd,
            start=start,
            days=days,
            seed=seed,
            habits=habits,
            progress=lambda share: bar.update(task, completed=share),
        )
    if as_json:
        emit_json(result)
    else:
        _print_crowd(result)
    raise typer.Exit(FINE)


def _print_crowd(result: Simulated) -> None:
    out.print(
        Text(
            f"{result.people} people in {result.campaign}, {result.days} days: {result.entered} entered, "
            f"{result.control} in the control group",
            style="bold",
        )
    )
    for why, n in result.not_entered.items():
        out.print(Text(f"  {n} did not enter: {plain(why)}"))
    out.print(
        Text(f"clicks are visible for {result.visible} of {result.people}; for the others a click is unknown, not no")
    )
    out.print(table("Mails", ("step", "sent"), list(result.sends_per_step.items()), right=[1]))
    if result.refused:
        out.print(table("Refused by the guard", ("why", "mails"), list(result.refused.items()), right=[1]))
    busiest = max(result.sends_per_day.items(), key=lambda kv: kv[1], default=("", 0))
    out.print(
        f"{sum(result.sends_per_day.values())} mails on {len(result.sends_per_day)} days; "
        f"the most on {busiest[0]}: {busiest[1]}",
        highlight=False,
    )
    _print_bars(result.sends_per_day)
    most = max(result.handoffs_per_day.values(), default=0)
    out.print(
        f"{len(result.hours_to_handoff)} handed to sales, at most {most} a day (sales takes {result.capacity_per_day})"
        + (
            f", half of them within {result.median_days_to_handoff:.1f} days"
            if result.median_days_to_handoff is not None
            else ""
        ),
        highlight=False,
    )
    out.print(table("Where they stand", ("state", "people"), _most_first(result.ends), right=[1]))
    out.print(Text("steps nobody reached: " + (", ".join(result.never_reached) or "none")))


def _most_first(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda found: -found[1])


def _print_bars(per_day: Mapping[str, int]) -> None:
    most = max(per_day.values(), default=1)
    for day, n in per_day.items():
        out.print(Text(f"  {day} {n:>6} " + "#" * max(round(50 * n / most), 1)))


def _monday() -> str:
    """The Monday after today at nine: a rehearsal needs some day, and that one has no surprises."""
    from datetime import timedelta

    now = settings().clock().now()
    day = now + timedelta(days=(7 - now.weekday()) % 7 or 7)
    return f"{day:%Y-%m-%d}T09:00"


def paths(
    campaign: str = typer.Argument(help="The campaign."),
    most: int = typer.Option(200, "--most", min=1, help="List at most so many."),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON document."),
) -> None:
    """Every way through a campaign, with its length, its mails and its hardest week against the cap."""
    from nurture.rehearse.paths import allowed_per_week
    from nurture.rehearse.paths import paths as all_paths

    library, _ = load([campaign])
    found, more = all_paths(library.campaigns[campaign], most=most)
    allowed = allowed_per_week(library.campaigns[campaign])
    if as_json:
        emit_json({"campaign": campaign, "allowed_per_week": allowed, "more": more, "paths": found})
    else:
        rows = [
            (i, f"{p.days:.0f}", len(p.mails), p.hardest_week, " > ".join(p.choices) or "straight on", p.ends)
            for i, p in enumerate(found, 1)
        ]
        out.print(
            table(
                f"{len(found)}{'+' if more else ''} ways through {campaign}",
                ("", "days", "mails", "hardest week", "forks", "ends"),
                rows,
                right=[0, 1, 2, 3],
            )
        )
        worst = max((p.hardest_week for p in found), default=0)
        if allowed is not None and worst > allowed:
            out.print(
                Text(
                    f"The hardest week has {worst} mails and the campaign allows {allowed}: the cap will move some.",
                    style="yellow",
                )
            )
    raise typer.Exit(FINE)


def show(
    what: str = typer.Argument(help="A campaign, or `lifecycle`."),
    form: str = typer.Option("mermaid", "--format", help="mermaid or svg."),
    counts: bool = typer.Option(False, "--counts", help="With how many people stand on each step now."),
    to: Path | None = typer.Option(None, "--to", help="Write to this file instead of the screen."),
) -> None:
    """Draw a campaign, or the stages a lead can be in and every way between them."""
    from nurture.model import lifecycle
    from nurture.rehearse import draw

    if form not in ("mermaid", "svg"):
        raise UsageError(f"`{form}` is not a format", fix="mermaid or svg")
    if what == "lifecycle":
        picture = lifecycle.mermaid()
    else:
        library, _ = load([what])
        make = draw.svg if form == "svg" else draw.mermaid
        picture = make(library.campaigns[what], _standing(what) if counts else None)
    if to is not None:
        to.write_text(picture, encoding="utf-8")
        out.print(f"written to {to}", highlight=False)
    else:
        sys.stdout.write(picture)
    raise typer.Exit(FINE)


def _standing(campaign: str) -> dict[str, int]:
    from nurture.cli.common import open_database
    from nurture.store import rehearsals

    store = open_database()
    with store.read() as conn:
        return rehearsals.standing(conn, campaign)
