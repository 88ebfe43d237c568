"""JSON Schema draft-07 of every file, for editors: completion, hover texts, examples, and red lines while typing.

Draft-07 because the common YAML language server reads it and nothing newer. Made from the same word tables as the
reader, so that an editor and `nurture check` know the same words. An editor finds it by line 1 of a file:
`# yaml-language-server: $schema=./campaign.schema.json`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from nurture.authoring import agreement, company, forms, scoring, story, words
from nurture.authoring.block import Word, Words
from nurture.authoring.conditions import ARGS_OF, DATED
from nurture.authoring.shapes import SHARED, Shape, array, ref
from nurture.authoring.words import ACTIONS, COMPANIONS

DRAFT: Final = "http://json-schema.org/draft-07/schema#"

FILES: Final[Mapping[str, tuple[Words, str]]] = {
    "campaign": (words.CAMPAIGN, "A campaign: what happens on a track, for one stage of the funnel."),
    "company": (company.COMPANY, "Who sends, about what, and what a lead can hold."),
    "tracks": (company.TRACKS, "The lanes leads are nurtured on, and the rules that choose one."),
    "scoring": (scoring.SCORING, "What points are given for, and what follows from them."),
    "agreement": (agreement.FILE, "What marketing and sales signed."),
    "sales": (company.SALES, "Who is who in sales, and how a lead reaches them."),
    "form": (forms.FORM, "A form as people fill it in."),
    "test": (story.STORY, "A story, or a list of them: given a lead, when these things happen, then these mails."),
}

_CONDITION: Final[Words] = {**words.FACTS, **words.FACT_ARGS, **words.CONNECTIVES}
_HAPPENING: Final[Words] = {
    "after": Word("How long from the start.", ref("duration"), True, ("4 days",)), **story.HAPPENINGS,
    **story.HAPPENING_ARGS,
}

_PARTS: Final[Mapping[str, Words]] = {
    "enter": words.ENTER, "trigger": {**words.TRIGGERS, **words.TRIGGER_ARGS}, "condition": _CONDITION,
    "leave_rule": {**_CONDITION, **words.LEAVE}, "goal": words.GOAL, "window": words.WINDOW, "sending": words.SENDING,
    "variant": words.VARIANT, "winner": words.WINNER, "test": words.TEST, "send": words.SEND, "until": words.UNTIL,
    "branch": words.BRANCH, "if_not": words.IF_NOT, "step": words.STEP,
    "topic": company.TOPIC, "lead_field": company.LEAD_FIELD, "track": company.TRACK, "track_rule": company.TRACK_RULE,
    "seller": company.SELLER, "queue": company.QUEUE, "assist": company.ASSIST,
    "model": scoring.MODEL, "criterion": scoring.CRITERION, "value_rule": scoring.VALUE_RULE,
    "subtraction": scoring.SUBTRACTION, "engagement": scoring.ENGAGEMENT, "engagement_rule": scoring.ENGAGEMENT_RULE,
    "inactivity": scoring.INACTIVITY, "matrix_cell": scoring.CELL,
    "agreement": agreement.AGREEMENT, "signature": agreement.SIGNATURE, "icp": agreement.ICP,
    "bounds": agreement.BOUNDS,
    "exception": agreement.EXCEPTION, "bant": agreement.BANT_REQUIRED, "gate": agreement.GATE,
    "required": agreement.REQUIRED, "sla": agreement.SLA, "calendar": agreement.CALENDAR,
    "capacity": agreement.CAPACITY,
    "recycle_reason": agreement.RECYCLE, "reject_reason": agreement.REJECT,
    "form_field": forms.FORM_FIELD, "form_consent": forms.FORM_CONSENT,
    "story": story.STORY, "story_lead": story.STORY_LEAD, "happening": _HAPPENING, "expectation": story.EXPECTATION,
}


def _any_of(names: Iterable[str]) -> Shape:
    return {"anyOf": [{"required": [name]} for name in names]}


_FACT_NEEDS: Final[Shape] = {
    "minProperties": 1,
    "dependencies": {
        "field": _any_of(ARGS_OF["field"]), "in_last": _any_of(sorted(DATED)),
        **{arg: _any_of(op for op,
                        args in ARGS_OF.items() if arg in args) for args in ARGS_OF.values() for arg in args},
    },
}
_MORE: Final[Mapping[str, Shape]] = {
    "condition": _FACT_NEEDS, "leave_rule": _FACT_NEEDS, "trigger": {"minProperties": 1},
    "step": {
        "oneOf": [{"required": [action]} for action in ACTIONS],
        "dependencies": {
            "wait_for": ["within"], "score": ["because"], "notify": ["message"], "if_not": ["try_for"],
            **{name: _any_of(owners) for name, owners in COMPANIONS.items() if name != "if_not"},
        },
    },
    "if_not": {"oneOf": [{"required": ["move_to"]}, {"required": ["end"]}]},
    "engagement_rule": {"oneOf": [{"required": ["event"]}, {"required": ["sequence"]}]},
}


def schema(kind: str) -> dict[str, Any]:
    """The schema of one kind of file; a KeyError for a kind that is none of `FILES`."""
    table, says = FILES[kind]
    shape = {"anyOf": [ref("story"), array(ref("story"), 1)]} if kind == "test" else _block(table)
    made = {"$schema": DRAFT, "title": f"nurture {kind}", "description": says, **shape}
    needed = _needed(made)
    made["definitions"] = {name: _definition(name) for name in sorted(needed)}
    return made


def as_text(kind: str) -> str:
    """The schema as it is written to a file."""
    return json.dumps(schema(kind), ensure_ascii=False, indent=1) + "\n"


def _definition(name: str) -> Shape:
    return SHARED[name] if name in SHARED else {**_block(_PARTS[name]), **_MORE.get(name, {})}


def _block(table: Words) -> dict[str, Any]:
    required = [name for name, word in table.items() if word.required]
    made: dict[str, Any] = {
        "type": "object", "additionalProperties": False,
        "properties": {name: _word(word) for name, word in table.items()},
    }
    return {**made, "required": required} if required else made


def _word(word: Word) -> dict[str, Any]:
    # Draft-07 readers ignore everything beside a `$ref`, so the hover text wraps it.
    shape = {"allOf": [word.schema]} if "$ref" in word.schema else dict(word.schema)
    made = {"description": word.says, **shape}
    return {**made, "examples": list(word.examples)} if word.examples else made


def _needed(made: Any) -> set[str]:
    """The definitions a schema names, and those they name."""
    found: set[str] = set()
    waiting: list[Any] = [made]
    while waiting:
        part = waiting.pop()
        if isinstance(part, Mapping):
            name = str(part.get("$ref", "")).removeprefix("#/definitions/")
            if name and name not in found:
                found.add(name)
                waiting.append(_definition(name))
            waiting.extend(part.values())
        elif isinstance(part, list):
            waiting.extend(part)
    return found
