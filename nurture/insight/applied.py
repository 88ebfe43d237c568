"""A scoring model from a file, applied to columns that are not in the store."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from nurture.authoring.reading import read_file
from nurture.decide.fit import fit
from nurture.errors import UsageError
from nurture.insight.learning import Columns
from nurture.model.facts import Value
from nurture.model.scoring import Model

_ANY_DAY: Final = datetime(2000, 1, 1, tzinfo=UTC)
"""Values from a file have no age, so the moment they are judged at says nothing."""


def read_model(path: Path, name: str) -> Model:
    """The model called `name` of a scoring file. Raises UsageError where it cannot be read."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as wrong:
        raise UsageError(f"cannot read {path}: {wrong}") from wrong
    read = read_file("campaigns/scoring.yaml", text)
    if not read.whole:
        why = read.problems[0].message if read.problems else "it is empty"
        raise UsageError(f"{path} is not a scoring file: {why}")
    for model in read.noun.models:
        if model.id == name:
            found: Model = model
            return found
    have = ", ".join(model.id for model in read.noun.models)
    raise UsageError(f"{path} has no model `{name}`", fix=f"its models are: {have}")


def fit_points(model: Model, columns: Columns) -> list[int]:
    """Fit of every row (the lower bound, in milli-points), by the rules of the product itself."""
    rows = len(columns.outcomes)
    flags = set(columns.yes_no)
    names = [criterion.field for criterion in model.fit] + [taken.field for taken in model.subtract]
    used = {name: columns.values[name] for name in names if name in columns.values}
    points: list[int] = []
    for row in range(rows):
        values = {}
        for name, column in used.items():
            value: Any = column[row]
            if value is not None:
                values[name] = Value(value == "yes" if name in flags else value)
        points.append(fit(values, model, at=_ANY_DAY).low)
    return points
