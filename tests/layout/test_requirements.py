"""The tables of `tests/README.md` name every requirement once, and only tests that are there."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
ROW = re.compile(r"^\| ([A-Z]\d+(?:-\d\d)?) \|(.*)\|$")
NAMED = re.compile(r"`([\w/]+\.py)::(\w+)(?:\[([\w-]+)\])?`")
SHOWN = re.compile(r"`[\w/]+\.py::\w+|`(?:nurture|make) |missing: ")
REQUIREMENTS = {0: 33, 1: 26, 2: 23, 3: 16, 4: 20}
OTHERS = {"V": 22, "C": 22, "U": 14, "G": 7, "F": 1, "H": 9, "A": 3, "D": 10, "P": 10}


def rows() -> list[tuple[str, str]]:
    """(id, shown by) of every row of a table that begins with an id."""
    found = (ROW.match(line) for line in (TESTS / "README.md").read_text("utf-8").splitlines())
    return [(row.group(1), row.group(2).rpartition(" | ")[2].strip()) for row in found if row]


def wanted() -> set[str]:
    asked = {f"S{article}-{n:02}" for article, most in REQUIREMENTS.items() for n in range(1, most + 1)}
    assert len(asked) == 118
    return asked | {f"{letter}{n}" for letter, most in OTHERS.items() for n in range(1, most + 1)}


def test_every_id_stands_there_exactly_once() -> None:
    assert Counter(number for number, _ in rows()) == Counter(wanted())


@pytest.mark.parametrize(("number", "shown"), rows(), ids=[number for number, _ in rows()])
def test_what_is_named_exists(number: str, shown: str) -> None:
    assert SHOWN.search(shown), f"{number} is neither shown nor said to be missing"
    assert ("partly: " in shown) <= ("missing: " in shown), f"{number} does not say what is missing"
    assert shown.count(".py::") == len(NAMED.findall(shown)), f"{number} names a test in another form"
    for path, name, case in NAMED.findall(shown):
        source = (TESTS / path).read_text("utf-8")
        assert re.search(rf"^(?:async )?def {name}\(", source, re.M), f"{path} has no {name}"
        if path == "authoring/test_cases.py":
            assert (TESTS / "authoring" / "cases" / case).is_dir(), f"no case {case}"
        elif case:
            assert f'"{case}"' in source, f"{path} has no case {case}"
