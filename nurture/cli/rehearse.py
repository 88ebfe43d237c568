"""`nurture simulate | paths | show`: campaigns rehearsed on a virtual clock, counted out and drawn."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.text import Text

from nurture.cli import completing
from nurture.cli.common import FINDINGS, FINE, emit_json, err, out, plain, settings, table
from nurture.cli.stories import document, load, print_line
from nurture.errors import UsageError

if TYPE_CHECKING:
    from nurture.model.library import Library
    from nurture.rehearse.simulate import Simulated


def register(app: typer.Typer) -> None:
    app.command("simulate")(simulate)
    app.command("paths")(paths)
    app.command("show")(show)


def simulate(
    campaign: str = typer.Argument(help="The campaign to rehearse.", autocompletion=completing.campaigns),
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
        emit_json(document(told))
    else:
        start = f"{story.starts:%a %d %b %Y %H:%M} ({told.zone.key})"
        out.print(Text(f"One lead in {campaign}, from {start}", style="bold"))
        print_line(told)
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
    from nurture.rehearse.single import door, people_of

    habits = rehearsal.Habits()
    start = datetime.fromisoformat(starts or _monday()).replace(tzinfo=UTC)
    crowd = (
        people_of(leads, mapping, now=start)
        if leads is not None
        else rehearsal.population(people, library, seed=seed, habits=habits, points=door(library.campaigns[campaign]))
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
    if result.put_off:
        out.print(table("Later than their steps say", ("why", "mails"), _most_first(result.put_off), right=[1]))
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
    campaign: str = typer.Argument(help="The campaign.", autocompletion=completing.campaigns),
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
    from nurture.insight import draw
    from nurture.model import lifecycle

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
    from nurture.store.running import rehearsals

    store = open_database()
    with store.read() as conn:
        return rehearsals.standing(conn, campaign)
