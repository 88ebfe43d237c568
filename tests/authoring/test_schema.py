"""The schemas that editors read: valid draft-07, unchanged by accident, and of one mind with the reader."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from nurture.authoring import read_sources
from nurture.authoring.desk import Desk
from nurture.authoring.reading import kind_of
from nurture.authoring.schema import FILES, as_text, schema
from nurture.authoring.tree import read_tree
from nurture.authoring.values import anything
from tests.authoring.folders import CASES, GOOD, HERE

GOLDEN = HERE / "golden"
SHIPPED = HERE.parent.parent / "campaigns"
REFUSED = ("unknown-key", "missing-key", "not-a-choice", "bad-form", "one-action", "out-of-range", "unknown-trigger",
           "unknown-fact")
"""Wrong folders whose mistakes an editor should show while they are typed."""


def as_editors_read(text: str) -> Any:
    """The text as YAML 1.2 core data, which is what an editor validates."""
    root = read_tree(text, Desk("x.yaml"))
    assert root is not None

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: plain(v) for k, v in value.items()}
        return [plain(v) for v in value] if isinstance(value, tuple) else value

    return plain(anything(root, Desk("x.yaml")))


def schema_of(name: str) -> str | None:
    kind = kind_of(name)
    return {"story": "test"}.get(str(kind), str(kind)) if kind in (*FILES, "story") else None


def errors(name: str, text: str) -> list[str]:
    kind = schema_of(name)
    assert kind is not None
    return [e.message for e in Draft7Validator(schema(kind)).iter_errors(as_editors_read(text))]


@pytest.mark.parametrize("kind", FILES)
def test_a_schema_is_valid_and_only_changes_on_purpose(kind: str) -> None:
    Draft7Validator.check_schema(schema(kind))
    assert as_text(kind) == (GOLDEN / f"{kind}.schema.json").read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", FILES)
def test_every_word_has_a_hover_text_and_every_example_is_valid(kind: str) -> None:
    whole = schema(kind)
    blocks = [d for d in (whole, *whole["definitions"].values()) if d.get("type") == "object" and "properties" in d]
    for block in blocks:
        for name, word in block["properties"].items():
            assert word["description"].endswith((".", "?")), name
            for example in word.get("examples", ()):
                found = list(Draft7Validator({**word, "definitions": whole["definitions"]}).iter_errors(example))
                assert not found, (name, example, found)


@pytest.mark.parametrize("root", [GOOD, HERE.parent.parent], ids=["good", "shipped"])
def test_files_that_check_clean_are_valid(root: Path) -> None:
    seen = 0
    for path in sorted((root / "campaigns").rglob("*.yaml")):
        name = path.relative_to(root).as_posix()
        if schema_of(name) is None or read_sources({name: path.read_text()}).errors and root != GOOD:
            continue
        assert errors(name, path.read_text(encoding="utf-8")) == [], name
        seen += 1
    assert seen >= 10


@pytest.mark.parametrize("code", REFUSED)
def test_an_editor_shows_what_check_would_say(code: str) -> None:
    wrong = [p for p in sorted((CASES / code).rglob("*.yaml")) if schema_of(p.relative_to(CASES / code).as_posix())]
    names = {path.relative_to(CASES / code).as_posix(): path.read_text(encoding="utf-8") for path in wrong}
    refused = {name for name, text in names.items() if read_sources({name: text}).errors}
    shown = {name for name, text in names.items() if errors(name, text)}
    assert shown and shown <= refused
    assert refused - shown <= {"campaigns/agreement.yaml"}, "only a day that is in no calendar escapes a schema"


def test_the_schemas_beside_the_campaigns_are_the_ones_we_write() -> None:
    found = sorted(SHIPPED.glob("*.schema.json"))
    assert SHIPPED / "campaign.schema.json" in found
    for path in found:
        assert json.loads(path.read_text(encoding="utf-8")) == schema(path.name.removesuffix(".schema.json"))


def test_line_1_of_every_campaign_names_the_schema() -> None:
    campaigns = [p for p in SHIPPED.glob("*.yaml") if kind_of(f"campaigns/{p.name}") == "campaign"]
    assert campaigns
    for path in campaigns:
        first = path.read_text(encoding="utf-8").split("\n", 1)[0]
        assert first == "# yaml-language-server: $schema=./campaign.schema.json", path.name
