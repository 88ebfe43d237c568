"""`nurture explain`: one lead's whole story, with the score that sums and the gate's answer."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import typer
from rich.text import Text

from nurture.cli.common import FINE, emit_json, find_lead, open_parts, out, plain, table
from nurture.errors import UsageError

if TYPE_CHECKING:
    from nurture.insight.story import Story


def register(app: typer.Typer) -> None:
    app.command("explain")(explain)


def explain(
    lead: str = typer.Argument(help="A lead's number, e-mail address or external id."),
    at: str | None = typer.Option(None, "--at", help="As things stood then: 2026-11-23 or 2026-11-23T09:00:00+01:00."),
    campaign: str | None = typer.Option(None, "--campaign", help="Only what one campaign did."),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON document."),
) -> None:
    """Why this lead got, did not get, or will get what and when; the score line by line; why (not) handed to sales."""
    from nurture.insight.story import tell

    parts, clock = open_parts()
    moment = _moment(at)
    if campaign is not None and campaign not in parts.library.campaigns:
        raise UsageError(f"no campaign `{campaign}`", fix="`nurture status` lists them")
    story = tell(parts, find_lead(parts.store, lead), now=clock.now(), at=moment, campaign=campaign)
    if story is None:
        raise UsageError(f"no lead `{lead}`")
    if as_json:
        emit_json(as_document(story))
    else:
        show(story)
    raise typer.Exit(FINE)


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"`{text}` is not a moment", fix="write 2026-11-23 or 2026-11-23T09:00:00Z") from None
    return read if read.tzinfo else read.replace(tzinfo=UTC)


def show(story: Story) -> None:
    """Print the story for a person."""
    out.print(Text.assemble((f"Lead {story.lead_id}: ", "bold"), plain(story.who)))
    out.print(
        f"at {story.at:%a %d %b %Y %H:%M} UTC: stage [bold]{story.stage}[/], track [bold]{story.track or 'none'}[/]",
        highlight=False,
    )
    out.print(Text("consent: " + (", ".join(story.consents) or "none")))
    rows = [
        (
            f"{e.at:%a %d %b %Y %H:%M}",
            e.kind,
            Text(plain(e.text), style=_STYLES.get(e.kind, "")),
            f"{e.campaign or ''}{' / ' + e.step if e.step else ''}",
        )
        for e in story.entries
    ]
    out.print()
    out.print(table("What happened", ("when (UTC)", "kind", "what", "where"), rows))
    _show_score(story)
    _show_gate(story)
    _show_next(story)


_STYLES = {
    "sent": "green",
    "refused": "yellow",
    "failed": "red",
    "stage": "bold",
    "hand_off": "bold magenta",
    "sales": "magenta",
    "gate": "dim",
}


def _show_score(story: Story) -> None:
    since = story.score.since
    rows = [
        (f"{line.at:%d %b %Y}" if line.at else "", line.rule or line.kind, f"{line.points / 1000:+.3f}", line.text)
        for line in since.lines
    ]
    out.print()
    out.print(
        table(
            f"Engagement {since.score / 1000:.3f} (model {story.score.model.id}): these lines sum to it",
            ("when", "rule", "points", "why"),
            rows,
            right=[2],
        )
    )
    if story.score.lifetime.score != since.score:
        out.print(
            f"{story.score.lifetime.score / 1000:.1f} lifetime, {since.score / 1000:.1f} since the last recycle",
            highlight=False,
        )
    fit, scored = story.score.fit, story.score.scores
    out.print(
        table(
            f"Fit {fit.low / 1000:.0f} to {fit.high / 1000:.0f}, {fit.coverage:.0%} known",
            ("field", "value", "gives", "at most"),
            [
                (
                    line.field,
                    line.value if line.known else "unknown",
                    f"{float(line.low) / 1000:.1f}",
                    f"{float(line.high) / 1000:.1f}",
                )
                for line in fit.lines
            ],
            right=[2, 3],
        )
    )
    out.print(f"Cell [bold]{scored.cell}[/]: {scored.action}", highlight=False)


def _show_gate(story: Story) -> None:
    out.print()
    if story.gate.outcome == "pass":
        out.print("[bold green]The gate to sales is open.[/]")
        return
    out.print(f"[bold]Not handed to sales:[/] the gate says {story.gate.outcome}.", highlight=False)
    rows = [(p.id, p.kind, p.text, p.missing) for p in story.gate.why_not]
    out.print(table("", ("rule", "class", "what", "the smallest thing that is missing"), rows))


def _show_next(story: Story) -> None:
    out.print()
    for stand in story.standing:
        due = f", next look {stand.due_at:%a %d %b %Y %H:%M} UTC" if stand.due_at else ""
        out.print(Text(f"Now in {stand.campaign}, on step {stand.step} ({stand.state}){due}. {plain(stand.why)}"))
    if not story.standing:
        out.print("In no campaign now.")


def as_document(story: Story) -> dict[str, Any]:
    """The story as `--json` prints it. Points are milli-points."""
    since = story.score.since
    return {
        "lead": story.lead_id,
        "who": story.who,
        "at": story.at,
        "stage": story.stage,
        "track": story.track,
        "consents": story.consents,
        "story": story.entries,
        "engagement": since.score,
        "lines": since.lines,
        "lifetime": story.score.lifetime.score,
        "fit": {"low": story.score.fit.low, "high": story.score.fit.high, "unknown": story.score.fit.unknown},
        "cell": story.score.scores.cell,
        "action": story.score.scores.action,
        "gate": story.gate.outcome,
        "why_not": [{"id": p.id, "text": p.text, "missing": p.missing} for p in story.gate.why_not],
        "now": story.standing,
    }
