"""Calibration from this installation's own hand-offs: what they teach, and what it would change in `scoring.yaml`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from nurture.decide import lesson as rules
from nurture.decide.calibrate import Line, enough
from nurture.decide.interval import Cut, Decile, deciles
from nurture.decide.lesson import CellRow, Lift
from nurture.insight.learning import Calibration, Columns, cut_document, decile_document, learn
from nurture.insight.proposal import as_diff, insert_model, won
from nurture.model.agreement import Agreement
from nurture.store import Store
from nurture.store.sales import training


@dataclass(frozen=True, slots=True)
class Change:
    """One engagement rule and what its points should be."""

    rule: str
    model: str
    event: str
    now: int
    proposed: int
    low: int
    high: int
    reason: str


@dataclass(frozen=True, slots=True)
class FromHandoffs:
    handoffs: int
    good: int
    bad: int
    unlabelled: int
    """Undecided, or ended for a reason that says nothing about the lead."""
    cells: tuple[CellRow, ...]
    not_monotone: tuple[str, ...]
    lifts: tuple[Lift, ...]
    deciles: tuple[Decile, ...]
    cuts: tuple[Cut, ...]
    per_day: float
    drift: float
    lacking: str
    """Why there is no proposal; empty where there is one."""
    learnt: Calibration | None = None
    changes: tuple[Change, ...] = ()
    diff: str = ""

    def document(self) -> dict[str, Any]:
        return {
            "enough": not self.lacking, "why": self.lacking, "handoffs": self.handoffs, "good": self.good,
            "bad": self.bad, "unlabelled": self.unlabelled, "cells": [asdict(c) for c in self.cells],
            "not_monotone": list(self.not_monotone), "lifts": [asdict(x) for x in self.lifts],
            "deciles": [decile_document(d) for d in self.deciles], "thresholds": [cut_document(c) for c in self.cuts],
            "handoffs_per_day": round(self.per_day, 2), "drift": round(self.drift, 4),
            "changes": [asdict(c) for c in self.changes], "diff": self.diff,
        }


def from_handoffs(store: Store, agreement: Agreement, scoring: str, *, now: datetime) -> FromHandoffs:
    """Learn from every labelled hand-off, with each lead as it was at that moment.

    Only handed-over leads carry labels, so this says which of those were good; who was missed, only the exploration
    sample can say.
    """
    with store.read() as conn:
        everything = training.lessons(conn)
    labelled = [(one, good) for one in everything if (good := rules.label(one, agreement)) is not None]
    lessons = [one for one, _ in labelled]
    outcomes = [good for _, good in labelled]
    cells, wrong = rules.cells(lessons, outcomes)
    scores = [one.engagement + one.fit for one in lessons]
    ranked = deciles([score / 2000 for score in scores], outcomes)
    found = FromHandoffs(
        len(everything), sum(outcomes), len(outcomes) - sum(outcomes), len(everything) - len(labelled), tuple(cells),
        tuple(wrong), tuple(rules.lifts(lessons, outcomes)), tuple(ranked), tuple(rules.thresholds(lessons, outcomes)),
        rules.per_day(everything), rules.cell_drift(everything), enough(outcomes) or "",
    )
    if found.lacking:
        return found
    return _proposed(found, lessons, outcomes, scoring, now)


def _proposed(
    found: FromHandoffs, lessons: Sequence[Any], outcomes: Sequence[bool], scoring: str, now: datetime
) -> FromHandoffs:
    table, counted = rules.columns(lessons)
    columns = Columns(table, outcomes, {name: name for name in table}, counts=counted)
    learnt = learn(columns, name="hand-offs", now=now, fields=frozenset(table) - counted)
    numbers = (found.handoffs, found.good, found.bad, found.unlabelled, found.cells, found.not_monotone, found.lifts,
               found.deciles, found.cuts, found.per_day, found.drift)
    if isinstance(learnt, str):
        return FromHandoffs(*numbers, learnt)
    changes = tuple(_changes(scoring, [line for line in learnt.model.lines if line.column in counted]))
    after = with_points(scoring, changes)
    if any(groups.column not in counted for groups in learnt.model.groups):
        after = insert_model(after, learnt.block)
    return FromHandoffs(*numbers, "", learnt, changes, as_diff(scoring, after, "campaigns/scoring.yaml"))


def _changes(scoring: str, lines: Sequence[Line]) -> Iterator[Change]:
    """For every engagement rule whose event was seen to matter: the points of having done it at all."""
    first: dict[str, Line] = {}
    for line in lines:
        kind = line.column.removeprefix("event:")
        if (line.at_least or 0) >= 1 and (kind not in first or (line.at_least or 0) < (first[kind].at_least or 0)):
            first[kind] = line
    for model, rule in _rules(scoring):
        seen = first.get(str(rule.get("event")))
        points = rule.get("points")
        plain = not any(key in rule for key in ("url", "content", "topic", "depth", "link", "form", "sequence"))
        if seen is not None and plain and isinstance(points, int) and points != seen.points:
            yield Change(str(rule.get("rule")), model, str(rule["event"]), points, seen.points, seen.low, seen.high,
                         won(seen.share))


def _rules(scoring: str) -> Iterator[tuple[str, Any]]:
    yaml = YAML(typ="rt")
    try:
        data = yaml.load(scoring)
    except YAMLError:
        return
    for model in (data or {}).get("models") or []:
        for rule in (model.get("engagement") or {}).get("rules") or []:
            yield str(model.get("model")), rule


def with_points(scoring: str, changes: Sequence[Change]) -> str:
    """The file with other points at the changed rules; nothing else moves, comments included."""
    wanted = {(change.model, change.rule): change for change in changes}
    lines = scoring.splitlines(keepends=True)
    for model, rule in _rules(scoring):
        change = wanted.get((model, str(rule.get("rule"))))
        if change is None:
            continue
        row, column = rule.lc.value("points")
        old = str(change.now)
        text = lines[row]
        if text[column : column + len(old)] == old:
            lines[row] = text[:column] + str(change.proposed) + text[column + len(old) :]
            why = f"  # calibrated: {change.now} -> {change.proposed} ({change.low} to {change.high}), {change.reason}"
            body, end = lines[row].rstrip("\n"), lines[row][len(lines[row].rstrip("\n")) :]
            lines[row] = body + why + end
    return "".join(lines)
