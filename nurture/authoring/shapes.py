"""JSON Schema pieces that the word tables share: what an editor is told a value looks like."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any, Final

from nurture.authoring import values as v

Shape = Mapping[str, Any]


def ref(name: str) -> Shape:
    return {"$ref": f"#/definitions/{name}"}


def choice(words: Iterable[str] | type[StrEnum]) -> Shape:
    return {"enum": [str(w) for w in words]}


def several(shape: Shape) -> Shape:
    """One, or a list of them."""
    return {"oneOf": [shape, {"type": "array", "items": shape, "minItems": 1}]}


def array(shape: Shape, at_least: int = 0) -> Shape:
    return {"type": "array", "items": shape, "minItems": at_least}


def table(shape: Shape) -> Shape:
    """A block whose keys are names of the writer's own."""
    return {"type": "object", "additionalProperties": shape}


def whole(low: int, high: int) -> Shape:
    return {"type": "integer", "minimum": low, "maximum": high}


TEXT: Final[Shape] = {"type": "string", "minLength": 1}
SLUG: Final[Shape] = {"type": "string", "pattern": f"^{v.SLUG}$"}
YES_NO: Final[Shape] = {"type": "boolean"}
SCALAR: Final[Shape] = {"type": ["string", "number", "boolean"]}
ANY: Final[Shape] = {}
DAY: Final[Shape] = {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"}
URL: Final[Shape] = {"type": "string", "pattern": "^https://"}
EMAIL: Final[Shape] = {"type": "string", "pattern": "@"}

SHARED: Final[Mapping[str, Shape]] = {
    "duration": {
        "type": "string", "pattern": f"^{v.DURATION}$", "description": "How long: a number and a unit.",
        "examples": ["3 days", "4 hours", "2 weeks", "5 business days"],
    },
    "cap": {
        "type": "string", "pattern": f"^{v.CAP}$", "description": "How many emails at most, over a sliding period.",
        "examples": ["2 emails per week"],
    },
    "clock": {
        "type": "string", "pattern": f"^({v.CLOCK})$", "description": "A time of the day, two digits each.",
        "examples": ["08:30", "17:30"],
    },
    "share": {"type": "string", "pattern": f"^{v.SHARE}$", "description": "Percent.", "examples": ["5%", "50%"]},
    "points": {
        "type": ["integer", "number", "string"], "description": "Points, with a sign.", "examples": [15, -5],
    },
    "weekdays": several({"type": "string"}),
}
