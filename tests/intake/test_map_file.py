"""Maps: what is shipped and documented reads well; what is wrong is told all at once, with its place."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nurture.errors import UsageError
from nurture.intake.map_file import MapMistakes, parse_map, read_map
from nurture.model.words import Channel, Purpose
from tests.conftest import ROOT

SHIPPED = sorted((ROOT / "campaigns" / "imports").glob("*.map.yaml"))
README = (ROOT / "nurture" / "intake" / "README.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_shipped_maps_read(path: Path) -> None:
    assert read_map(path).columns()


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_documented_maps_read(number: int) -> None:
    text = EXAMPLES[number]
    if "import:" not in text:
        text = "import: example\nemail: E-mail\n" + text
    assert parse_map(text.encode()).name


def test_a_declaration_is_read_in_full() -> None:
    line = read_map(ROOT / "campaigns" / "imports" / "x_education.map.yaml").consents[0]
    assert line.purposes == (Purpose.PRIVACY_NOTICE, Purpose.NURTURE_EMAIL)
    assert line.channel is Channel.EMAIL
    assert line.declaration is not None
    assert line.declaration.signed_by
    assert line.declaration.text.startswith("I have read the privacy notice")


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("email: a\n", "1:1", "`import:` is missing"),
        ("import: a\n", "1:1", "neither `email` nor `external_id`"),
        ("import: a\nemail: {column: a, constant: b}\n", "2:1", "either `column` or `constant`"),
        ("import: a\nemail: b\nfields: {9x: c}\n", "3:10", "is no field name"),
        ("import: a\nemail: b\nfields: {x: {column: c, type: colour}}\n", "3:25", "`type` cannot be `colour`"),
        ("import: a\nemail: b\nzone: Mars/Olympus\n", "3:1", "no time zone"),
        ("import: a\nemail: b\nencoding: cp9999\n", "3:1", "encoding `cp9999`"),
        ("import: a\nemail: b\ndelimiter: ';;'\n", "3:1", "one character"),
        ("import: a\nemail: b\nconfidence: 2\n", "3:1", "from 0 to 1"),
        ("import: a\nemail: b\norigin: gossip\n", "3:1", "cannot be `gossip`"),
        ("import: a\nemail: b\nblock:\n  - reason: manual\n", "4:5", "needs `when`"),
        ("import: a\nemail: b\nblock:\n  - {reason: angry, when: {column: c, is: x}}\n", "4:6", "cannot be `angry`"),
        ("import: a\nemail: b\nevents:\n  - {kind: x, when: {column: c}}\n", "4:15", "needs one of"),
        ("import: a\nemail: b\nconsent:\n  - {purposes: [nurture_email]}\n", "4:5", "no proof: `at`"),
        ("import: a\nemail: b\nconsent:\n  - {source: s, at: t, wording: w}\n", "4:5", "`purposes` is missing"),
        ("import: a\nemail: b\noutcomes:\n  - {when: {column: c, is: x}}\n", "4:5", "needs `result`"),
        ("import: a\nemail: b\ntags: {x: y}\n", "3:1", "is a list of texts"),
        ("- a\n", "1:1", "begins with `import: name`"),
    ],
)
def test_every_mistake_has_its_place(text: str, place: str, message: str) -> None:
    with pytest.raises(MapMistakes) as wrong:
        parse_map(text.encode(), name="m.yaml")
    told = [f"{p.place.line}:{p.place.col} {p.message}" for p in wrong.value.problems]
    assert any(line.startswith(place) and message in line for line in told), told


def test_an_unsigned_declaration_says_everything_that_is_missing() -> None:
    text = "import: a\nemail: b\nconsent:\n  - purposes: [nurture_email]\n"
    text += "    declaration: {wording: w, signed_on: soon}\n"
    with pytest.raises(MapMistakes) as wrong:
        parse_map(text.encode())
    told = " ".join(problem.message for problem in wrong.value.problems)
    for word in ("text", "evidence", "source", "collected", "signed_by"):
        assert f"does not say `{word}`" in told
    assert "`soon` is not a day" in told


@pytest.mark.parametrize(
    "raw",
    [
        b"\xff\xfe", b"a: [", b"a: &a [*a]", b"\tx: 1", b"a: 1\na: 2", b"!!python/object:os.system x",
        b"x" * 2_000_000, b"",
    ],
)
def test_what_is_no_map_ends_in_a_sentence(raw: bytes) -> None:
    with pytest.raises(UsageError):
        parse_map(raw)


@settings(max_examples=150, deadline=None)
@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=8),
                    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
                        st.sampled_from(["import", "email", "fields", "consent", "when", "column", "purposes", "block",
                                         "declaration", "events", "outcomes", "calibrate", "x"]), inner, max_size=4),
                    max_leaves=12))
def test_no_document_crashes_the_reader(document: object) -> None:
    with suppress(UsageError):
        parse_map(json.dumps(document).encode())
