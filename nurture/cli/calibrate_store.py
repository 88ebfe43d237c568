"""`nurture calibrate` without a file: what this installation's own hand-offs teach."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from nurture.cli.common import FINDINGS, FINE, emit_json, open_parts, out, settings, table

if TYPE_CHECKING:
    from nurture.insight.calibration import FromHandoffs


def from_store(*, as_json: bool, places: int | None) -> int:
    """Print what the hand-offs teach and return the exit code: 1 where they are not enough for a proposal."""
    from nurture.insight.calibration import from_handoffs

    parts, clock = open_parts()
    path = settings().campaigns_dir / "scoring.yaml"
    scoring = path.read_text(encoding="utf-8") if path.is_file() else "models:\n"
    found = from_handoffs(parts.store, parts.library.agreement, scoring, now=clock.now())
    capacity = places or parts.library.agreement.max_new_handoffs_per_day
    if as_json:
        emit_json({**found.document(), "capacity_per_day": capacity})
    else:
        _show(found, capacity)
    return FINDINGS if found.lacking else FINE


def _show(found: FromHandoffs, capacity: int) -> None:
    out.print(f"{found.handoffs:,} hand-offs: {found.good:,} good, {found.bad:,} bad, {found.unlabelled:,} say nothing")
    rows = [(c.cell, c.share.n, c.share.hits, f"{c.share.rate:.0%}", f"{c.share.low:.0%} to {c.share.high:.0%}",
             "" if c.enough else "not enough data") for c in found.cells]
    out.print(table("By cell", ("cell", "leads", "good", "rate", "95 %", ""), rows, right=(1, 2, 3)))
    for wrong in found.not_monotone:
        out.print(Text(f"the matrix is not in order: {wrong}", style="yellow"))
    lifts = [(x.kind, x.with_it.n, f"{x.with_it.rate:.0%}", f"{x.with_it.low:.0%} to {x.with_it.high:.0%}",
              f"{x.without.rate:.0%}", f"{x.lift:.2f}") for x in found.lifts]
    names = ("event", "leads", "good", "95 %", "without", "lift")
    out.print(table("What happened before", names, lifts, right=(1, 2, 4, 5)))
    tenths = [(d.number, d.share.n, d.share.hits, f"{d.share.rate:.0%}", f"{d.lift:.2f}") for d in found.deciles]
    columns = ("tenth", "leads", "good", "rate", "lift")
    out.print(table("Tenths of the score at hand-off", columns, tenths, right=(0, 1, 2, 3, 4)))
    cuts = [(c.threshold, f"{c.handed_share:.0%}", f"{c.handed_share * found.per_day:.1f} of {capacity}",
             f"{c.won.rate:.0%}", f"{c.found:.0%}") for c in found.cuts]
    columns = ("from", "handed over", "per day", "good", "found")
    out.print(table("Engagement thresholds", columns, cuts, right=(0, 1, 3, 4)))
    verdict = "the later half falls into other cells" if found.drift >= 0.25 else "steady"
    out.print(f"drift of the cells: {found.drift:.3f} ({verdict})")
    out.print("Only handed-over leads carry labels; who was missed, only the exploration sample can say.")
    if found.lacking:
        out.print(Text(found.lacking, style="bold"))
        return
    changes = [(c.model, c.rule, c.now, c.proposed, f"{c.low} to {c.high}", c.reason) for c in found.changes]
    out.print(table("Points", ("model", "rule", "now", "proposed", "95 %", "seen"), changes, right=(2, 3)))
    out.print("\nProposed change (nothing has been applied; `nurture agreement simulate` shows what it would do):")
    out.print(Text(found.diff), soft_wrap=True)
