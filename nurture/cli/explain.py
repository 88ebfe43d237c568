"""`nurture explain`: one lead's whole story, with the score that sums and the gate's answer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import typer
from rich.text import Text

from nurture.cli import completing
from nurture.cli.common import FINE, emit_json, find_lead, open_parts, out, plain, table
from nurture.errors import UsageError

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from nurture.insight.story import Story
    from nurture.parts import Parts
    from nurture.rehearse.timeline import Moment

AHEAD: Final = timedelta(days=60)
LONGEST: Final = timedelta(days=800)


def register(app: typer.Typer) -> None:
    app.command("explain")(explain)


def explain(
    lead: str = typer.Argument(help="A lead's number, e-mail address or external id."),
    at: str | None = typer.Option(
        None, "--at", help="As things stood then, or will stand: 2026-11-23 or 2026-11-23T09:00:00+01:00."
    ),
    campaign: str | None = typer.Option(
        None, "--campaign", help="Only what one campaign did.", autocompletion=completing.campaigns,
    ),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON document."),
) -> None:
    """Why this lead got, did not get, or will get what and when; the score line by line; why (not) handed to sales."""
    from nurture.insight.story import tell

    parts, clock = open_parts()
    moment, now = _moment(at), clock.now()
    if campaign is not None and campaign not in parts.library.campaigns:
        raise UsageError(f"no campaign `{campaign}`", fix="`nurture status` lists them")
    lead_id = find_lead(parts.store, lead)
    story = tell(parts, lead_id, now=now, at=moment, campaign=campaign)
    if story is None:
        raise UsageError(f"no lead `{lead}`")
    past = moment is not None and moment <= now
    coming, zone = ([], None) if past else _coming(parts, lead_id, now, moment, campaign)
    if as_json:
        emit_json({**as_document(story), "coming": coming})
    else:
        show(story)
        if zone is not None:
            _show_coming(coming, zone)
    raise typer.Exit(FINE)


def _coming(
    parts: Parts, lead_id: int, now: datetime, until: datetime | None, campaign: str | None
) -> tuple[list[Moment], ZoneInfo]:
    from nurture.rehearse.ahead import ahead

    last = min(until or now + AHEAD, now + LONGEST)
    return ahead(parts, lead_id, now=now, until=last, campaign=campaign)


def _show_coming(coming: list[Moment], zone: ZoneInfo) -> None:
    from nurture.rehearse.timeline import lines

    out.print(Text(f"What comes, if nothing else happens ({zone.key})", style="bold"))
    for line in lines(coming, zone):
        out.print(Text(f"  {plain(line)}"))
    if not coming:
        out.print("  nothing")


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
    _show_stored(story)
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
    title = f"Engagement {since.score / 1000:.3f} (model {story.score.model.id})"
    if rows:
        out.print(table(f"{title}: these lines sum to it", ("when", "rule", "points", "why"), rows, right=[2]))
    else:
        out.print(f"{title}: nothing that counts yet", highlight=False)
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
    for other in story.shadows:
        said = other.scores
        unlike = "the same" if said.action == scored.action else "otherwise"
        out.print(
            f"Shadow model {other.model.id} decides nothing and says {unlike}: "
            f"engagement {said.engagement / 1000:.1f}, cell {said.cell}, {said.action}",
            highlight=False,
        )


_OVER: Final = {
    "disqualified": "it is disqualified; `nurture sales reopen` brings it back, unless the reason was final",
    "converted": "sales made an account and a contact of it", "customer": "it is a customer",
    "erased": "it asked to be forgotten",
}
"""Stages of which the gate is not asked."""


def _show_gate(story: Story) -> None:
    out.print()
    missing = [p for p in story.gate.why_not if p.id != "G11" or story.handoff is None]
    if story.handoff is not None:
        whose = f", with {story.owner}" if story.owner else ", with nobody yet"
        out.print(Text.assemble(("With sales: ", "bold magenta"), f"hand-off {story.handoff}{plain(whose)}."))
        if not missing:
            return
        out.print("The gate would not let it pass today:")
    elif story.stage in _OVER:
        out.print(f"[bold]Not handed to sales:[/] {_OVER[story.stage]}.", highlight=False)
        return
    elif story.gate.outcome == "pass":
        out.print("[bold green]The gate to sales is open.[/]")
        return
    else:
        out.print(f"[bold]Not handed to sales:[/] the gate says {story.gate.outcome}.", highlight=False)
    rows = [(p.id, p.kind, p.text, p.missing) for p in missing]
    out.print(table("", ("rule", "class", "what", "the smallest thing that is missing"), rows))


def _show_stored(story: Story) -> None:
    kept = story.stored
    if kept is None:
        return
    agreed = f", agreement {kept.agreement_version}" if kept.agreement_version is not None else ""
    out.print()
    out.print(Text(f"What the gate had said by then ({kept.at:%a %d %b %Y %H:%M} UTC, via {kept.via}{agreed}): "
                   f"{kept.outcome}"))
    out.print(Text(f"  {kept.vector}"), soft_wrap=True)
    for one in kept.results:
        if one.get("outcome") != "pass" and not one.get("skipped"):
            out.print(Text(f"  {plain(' '.join(str(one.get(n) or '') for n in ('id', 'outcome', 'text')))}"))


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
        "shadows": [
            {"model": s.model.id, "engagement": s.scores.engagement, "cell": s.scores.cell, "action": s.scores.action}
            for s in story.shadows
        ],
        "handoff": story.handoff, "owner": story.owner,
        "gate": story.gate.outcome,
        "why_not": [{"id": p.id, "text": p.text, "missing": p.missing} for p in story.gate.why_not],
        "gate_stored": story.stored,
        "now": story.standing,
    }
