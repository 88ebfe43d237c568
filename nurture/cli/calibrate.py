"""`nurture calibrate`: what the points should be, learnt from outcomes; proposed, never applied."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.text import Text

from nurture.cli.common import FINDINGS, FINE, emit_json, out, plain, settings, table
from nurture.cli.intake import load_map, opened
from nurture.errors import UsageError

if TYPE_CHECKING:
    from nurture.insight.learning import Calibration, Columns, Judged


def register(app: typer.Typer) -> None:
    app.command("calibrate")(calibrate)
    app.command("score-file")(score_file)


_MAP = typer.Option(None, "--map", help="What the columns mean: a *.map.yaml file.")
_JSON = typer.Option(False, "--json", help="Print one JSON document.")


def calibrate(
    file: str | None = typer.Argument(None, help="Leads and their outcomes; none: this installation's hand-offs."),
    map_path: Path | None = _MAP,
    outcome: str | None = typer.Option(None, "--outcome", help="A column of yes and no; else the map's `won` line."),
    without: list[str] = typer.Option([], "--without", help="Leave this column out (again and again)."),
    test: str | None = typer.Option(None, "--test", help="Judge the proposal on this other file of the same kind."),
    apply_to: str | None = typer.Option(None, "--apply-to", help="Like --test, and print the points of every row."),
    places: int | None = typer.Option(None, "--places", min=1, help="How many of these leads sales could have taken."),
    write: Path | None = typer.Option(None, "--out", help="Write the proposed model there as YAML."),
    picture: Path | None = typer.Option(None, "--svg", help="Write the deciles there as a picture."),
    as_json: bool = _JSON,
) -> None:
    """Learn from outcomes what the points should be, and propose a readable change of scoring.yaml. Applies nothing."""
    if file is None:
        from nurture.cli.calibrate_store import from_store

        raise typer.Exit(from_store(as_json=as_json, places=places))
    from nurture.insight.learning import as_document, judge, learn

    chosen = settings()
    columns = _columns(file, map_path, outcome, without)
    found = learn(columns, name=Path(file).name, now=chosen.clock().now(), places=places)
    if isinstance(found, str):
        emit_json({"enough": False, "why": found}) if as_json else out.print(Text(found))
        raise typer.Exit(FINDINGS)
    other = test or apply_to
    judged: Judged | None = None
    points: list[int] = []
    if other is not None:
        unseen = _columns(other, map_path, outcome, without)
        judged = judge(found.model, unseen, columns)
        points = found.model.scores(unseen.values, len(unseen.outcomes))
    _write(found, write, picture)
    if as_json:
        document = as_document(found, columns)
        document["enough"] = True
        if judged is not None:
            document["test"] = _judged_document(judged) | ({"scores": points} if apply_to else {})
        emit_json(document)
    else:
        _show(found, columns, judged, chosen.campaigns_dir / "scoring.yaml")
        if apply_to is not None:
            out.print("\n".join(str(one) for one in points))
    raise typer.Exit(FINE)


def score_file(
    file: str = typer.Argument(help="A CSV of leads, or - for standard input."),
    map_path: Path | None = _MAP,
    scoring: Path | None = typer.Option(None, "--scoring", help="The scoring file; default: campaigns/scoring.yaml."),
    model: str = typer.Option("calibrated", "--model", help="Which of its models."),
    outcome: str | None = typer.Option(None, "--outcome", help="A column of yes and no, to judge the ranking by."),
    as_json: bool = _JSON,
) -> None:
    """Score the leads of a file with a model of a scoring file, by the product's own rules. Stores nothing."""
    from nurture.decide.interval import auc
    from nurture.insight.applied import fit_points, read_model

    path = scoring or settings().campaigns_dir / "scoring.yaml"
    columns = _columns(file, map_path, outcome, [], needs_outcome=False)
    points = fit_points(read_model(path, model), columns)
    ranked = auc(points, columns.outcomes) if outcome else None
    if as_json:
        emit_json({"model": model, "leads": len(points), "auc": ranked, "scores": [one / 1000 for one in points]})
        raise typer.Exit(FINE)
    for one in points:
        out.print(f"{one / 1000:.3f}")
    if ranked is not None:
        out.print(f"AUC {ranked:.4f} over {len(points):,} leads")
    raise typer.Exit(FINE)


def _columns(
    file: str, map_path: Path | None, outcome: str | None, without: list[str], *, needs_outcome: bool = True
) -> Columns:
    from nurture.insight.learning import Columns
    from nurture.intake.outcomes import read_outcomes

    rules = load_map(map_path)
    with opened(file) as source:
        read = read_outcomes(source, rules, outcome=outcome, without=without, needs_outcome=needs_outcome)
    return Columns(
        values=read.values, outcomes=read.outcomes, labels={name: c.label for name, c in read.columns.items()},
        leak_risk=read.leak_risk, yes_no=[name for name, c in read.columns.items() if c.yes_no], not_used=read.not_used,
    )


def _write(found: Calibration, path: Path | None, picture: Path | None) -> None:
    from nurture.insight.pictures import decile_bars

    for target, content in ((path, "models:\n" + found.block), (picture, decile_bars(found.judged.deciles))):
        if target is None:
            continue
        try:
            target.write_text(content, encoding="utf-8")
        except OSError as wrong:
            raise UsageError(f"cannot write {target}: {wrong.strerror}") from wrong


def _judged_document(judged: Judged) -> dict[str, Any]:
    from nurture.insight.learning import decile_document

    return {
        "rows": judged.rows, "won": judged.good, "auc": round(judged.auc, 4),
        "auc_interval": [round(judged.low, 4), round(judged.high, 4)], "drift": round(judged.drift, 4),
        "deciles": [decile_document(one) for one in judged.deciles],
    }


def _show(found: Calibration, columns: Columns, judged: Judged | None, scoring: Path) -> None:
    from nurture.insight.learning import quality, rule_document
    from nurture.insight.proposal import as_diff, insert_model

    out.print(Text(quality(found.judged, found.validated), style="bold"))
    for name in columns.leak_risk:
        if name in found.model.columns:
            out.print(Text(f"leak risk: `{columns.labels[name]}` may have been written after the outcome was known; "
                           "compare with --without", style="yellow"))
    rules = [rule_document(line, columns.labels) for line in found.model.lines]
    rows = [
        (f"{r['field']}: {_values(r)}", f"{r['points']:+d}", "{:+d} to {:+d}".format(*r["interval"]), r["reason"])
        for r in rules
    ]
    out.print(table("Points", ("field", "points", "95 %", "seen"), rows, right=(1,)))
    out.print(table("Tenths, best first (each lead scored by a model that had not seen it)",
                    ("tenth", "points", "leads", "won", "rate", "95 %", "lift", "found so far"),
                    [(d.number, f"{d.highest:.0f} to {d.lowest:.0f}", d.share.n, d.share.hits, f"{d.share.rate:.0%}",
                      f"{d.share.low:.0%} to {d.share.high:.0%}", f"{d.lift:.2f}", f"{d.captured:.0%}")
                     for d in found.judged.deciles], right=(0, 2, 3, 4, 6, 7)))
    step = max(1, len(found.cuts) // 12)
    out.print(table("Thresholds", ("from points", "handed over", "share", "won of them", "95 %", "found"),
                    [(c.threshold, c.handed, f"{c.handed_share:.0%}", f"{c.won.rate:.0%}",
                      f"{c.won.low:.0%} to {c.won.high:.0%}", f"{c.found:.0%}") for c in found.cuts[::step]],
                    right=(0, 1, 2, 3, 5)))
    if found.chosen is not None:
        out.print(f"Sales can take everybody from {found.chosen.threshold} points up: {found.chosen.handed:,} leads.")
    if judged is not None:
        out.print(Text(f"On the other file: AUC {judged.auc:.3f} ({judged.low:.3f} to {judged.high:.3f}) over "
                       f"{judged.rows:,} leads, drift of the scores {judged.drift:.3f}", style="bold"))
    before = scoring.read_text(encoding="utf-8") if scoring.is_file() else "models:\n"
    out.print("\nProposed change (nothing has been applied):")
    out.print(Text(as_diff(before, insert_model(before, found.block), "campaigns/scoring.yaml")), soft_wrap=True)


def _values(rule: dict[str, Any]) -> str:
    if "one_of" in rule:
        return plain(", ".join(rule["one_of"]))
    low, high = rule.get("at_least"), rule.get("at_most")
    if low is None:
        return f"up to {high:g}"
    return f"from {low:g}" + (f" to {high:g}" if high is not None else "")
