"""One wrong folder per rule, with what `nurture check` says about it beside it.

`python -m tests.authoring.accept` writes what is said now; read the difference before keeping it.
"""

from __future__ import annotations

import re

import pytest

from nurture.authoring import read_sources
from nurture.authoring.check import check
from nurture.authoring.rulebook import RULES
from tests.authoring.folders import CASES, HERE, NOTE, TODAY, findings, good, shown

ROOT = HERE.parent.parent

BUILT = frozenset({"too-large", "template-too-large", "too-many"})
"""Rules about size: their wrong files are made in `test_bad_input`."""


@pytest.mark.parametrize("code", sorted(p.name for p in CASES.iterdir()))
def test_a_wrong_folder_is_told_so(code: str) -> None:
    expected = CASES / code / "expected.txt"
    said = shown(code)
    assert said == expected.read_text(encoding="utf-8")
    assert code in {p.code for p in findings(code)}


def test_every_rule_has_a_wrong_folder_and_a_page() -> None:
    assert {p.name for p in CASES.iterdir()} | BUILT == set(RULES)
    for rule in RULES.values():
        assert rule.why and rule.fix and rule.title and (rule.wrong or rule.code == "empty-file")


def test_the_good_folder_has_no_problem() -> None:
    assert {p.code for p in check(read_sources(good()), today=TODAY)} == {NOTE}


def codes(name: str, text: str, **instead: tuple[str, str]) -> set[str]:
    """What is said of the good folder with this map beside it, and with words of its files replaced."""
    sources = {**good(), f"campaigns/imports/{name}.map.yaml": text}
    for file, (old, new) in instead.items():
        path = f"campaigns/{file.replace('_', '-')}.yaml"
        assert old in sources[path]
        sources[path] = sources[path].replace(old, new)
    reading = read_sources(sources)
    assert not any("imports" in path for path in reading.sources), "a map is no part of what is applied"
    return {p.code for p in check(reading, today=TODAY)} - {NOTE}


def test_what_an_import_map_brings_is_known() -> None:
    asks = ("did: booked-demo", "did: came-to-the-stand")
    brings = "import: fair\nemail: E\ntags: webinar-attended\nlists: [fair-2026]\nevents: [{kind: came-to-the-stand}]\n"
    assert codes("fair", brings, awareness_buyers_guide=asks) == set()
    assert codes("fair", "import: fair\n", awareness_buyers_guide=asks) == {"unknown-event"}
    other = "import: fair\nemail: E\ntags: [other]\n"
    assert codes("fair", other) == {"nothing-adds"}
    assert codes("fair", other, company=("emits: [", "emits: [tag_added, ")) == set(), "it comes another way"
    assert codes("fair", "lists: [\n" + other) == set(), "nurture import says what is wrong with a map"


def test_every_code_that_is_printed_is_in_the_book() -> None:
    source = "\n".join(p.read_text(encoding="utf-8") for p in (ROOT / "nurture" / "authoring").rglob("*.py"))
    printed = set(re.findall(r"""(?:find|problem|unknown|Fault)\(\s*"([a-z]+(?:-[a-z0-9]+)+|[a-z]+)",""", source))
    printed |= set(re.findall(r'''code="([a-z-]+)"''',
                              (ROOT / "nurture" / "model" / "sandbox.py").read_text(encoding="utf-8")))
    assert len(printed) > 100
    assert printed <= set(RULES)
