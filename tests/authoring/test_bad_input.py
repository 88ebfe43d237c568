"""Hostile, broken and random files: findings, never a traceback, in bounded time and memory."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable, Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nurture.authoring import read_sources
from nurture.authoring.check import check
from nurture.authoring.format import formatted
from nurture.authoring.reading import kind_of, read_bytes
from nurture.authoring.report import as_text
from nurture.authoring.rulebook import RULES
from nurture.authoring.template import COPY_LIMIT
from nurture.model.problem import Problem
from tests.authoring.folders import TODAY, good

GOOD = good()
CAMPAIGN = "campaigns/awareness-buyers-guide.yaml"
MB = 1024 * 1024

HOSTILE: dict[str, Callable[[], bytes]] = {
    "a million brackets": lambda: b"campaign: " + b"[" * (MB - 20),
    "a million braces": lambda: b"{" * (MB - 1),
    "a million dashes": lambda: b"- " * (MB // 2 - 1),
    "a million colons": lambda: b"a: " * (MB // 3),
    "a million questions": lambda: b"? " * (MB // 2 - 1),
    "a line of a megabyte": lambda: b"name: " + b"x" * (MB - 10),
    "a word of a megabyte": lambda: b"steps:\n  - step: " + b"a" * (MB - 100) + b"\n    send: awareness/guide\n",
    "a megabyte of entries": lambda: b"steps:\n" + b"- a\n" * (MB // 4 - 10),
    "a megabyte of keys": lambda: b"".join(b"k%d: 1\n" % i for i in range(90_000)),
    "the same key again and again": lambda: b"a: 1\n" * (MB // 5 - 1),
    "more than a megabyte": lambda: b"# " + b"x" * (MB + 1),
    "laughs": lambda: b"a: &a [x,x]\n" + b"".join(b"b%d: &b%d [*a,*a]\n" % (i, i) for i in range(100)),
    "anchors": lambda: b"&a " * (MB // 3 - 1),
    "tags": lambda: b"!!a " * (MB // 4 - 1),
    "quotes": lambda: b"'" * (MB - 1),
    "an open quote": lambda: b'name: "' + b"x\n" * (MB // 2 - 10),
    "percent": lambda: b"%YAML 1.1\n" * 1000,
    "nul": lambda: b"campaign: a\x00b",
    "escape": lambda: b"campaign: \x1b[31mred",
    "utf-16": lambda: "campaign: ą".encode("utf-16"),
    "utf-16 without a mark": lambda: "campaign: a".encode("utf-16-le"),
    "latin": lambda: "name: Přílohy".encode("cp1250"),
    "half a letter": lambda: b"name: \xc4",
    "surrogate": lambda: b"name: \xed\xa0\x80",
    "mark in the middle": lambda: "name: a\ufeffb".encode(),
    "separators": lambda: "name: a\u2028b\u0085c".encode(),
    "tabs": lambda: b"steps:\n\t- step: a",
    "booleans of 1.1": lambda: b"on: yes\noff: no\ny: n\n",
    "numbers of 1.1": lambda: b"a: 0o17\nb: 017\nc: 1_000\nd: 17:30\ne: .inf\nf: 0x1F\n",
    "merge": lambda: b"a: { <<: { b: 1 } }\n",
    "documents": lambda: b"---\na: 1\n---\nb: 2\n...\n",
    "a list": lambda: b"- a\n- b\n",
    "a word": lambda: b"campaign",
    "nothing": lambda: b"",
    "a mapping as key": lambda: b"{ {a: b}: c }",
    "windows": lambda: b"campaign: a\r\nname: b\r\n",
    "huge numbers": lambda: b"priority: " + b"9" * 5000 + b"\ncontrol_group: " + b"9" * 5000 + b"%\n",
    "huge duration": lambda: b"steps: [{ step: a, after: 99999 years, end: x }]\n",
}


def read_everywhere(raw: bytes) -> tuple[Problem, ...]:
    """The same bytes as every kind of file, in a folder that is otherwise fine."""
    places = [CAMPAIGN, "campaigns/company.yaml", "campaigns/scoring.yaml", "campaigns/forms/x.yaml",
              "campaigns/x.test.yaml",
              "campaigns/wordings/x.md", "templates/awareness/guide.en.md", "templates/awareness/x.en.mjml",
              "templates/_base.html"]
    found: set[Problem] = set()
    for name in places:
        reading = read_bytes({**{n: t.encode() for n, t in GOOD.items()}, name: raw})
        found |= set(check(reading, today=TODAY))
        as_text(sorted(found)[:50], reading.sources)
    return tuple(found)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_file_is_a_finding(what: str) -> None:
    raw = HOSTILE[what]()
    problems = check(read_bytes({CAMPAIGN: raw}), today=TODAY)
    assert any(p.severity == "error" and p.place.file == CAMPAIGN for p in problems), what
    assert {p.code for p in problems} <= set(RULES)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_file_takes_less_than_two_seconds(what: str) -> None:
    raw = HOSTILE[what]()
    begun = time.process_time()
    check(read_bytes({CAMPAIGN: raw}), today=TODAY)
    assert time.process_time() - begun < 2


@pytest.mark.parametrize("what", [w for w in HOSTILE if "mega" in w or "million" in w or w == "laughs"])
def test_a_hostile_file_takes_less_than_200_mb(what: str) -> None:
    raw = HOSTILE[what]()
    tracemalloc.start()
    check(read_bytes({CAMPAIGN: raw}), today=TODAY)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 200 * MB


@pytest.mark.parametrize("what", [w for w in HOSTILE if "mega" not in w and "million" not in w])
def test_a_hostile_file_may_stand_anywhere(what: str) -> None:
    assert read_everywhere(HOSTILE[what]())


FRONT = "---\ncontent: x\nkind: educational\ndepth: awareness\nsubject: X\npreheader: Y\n---\n"
LARGE = 250_000
HOSTILE_COPY = {
    "open tags": "<a", "tags": '<a href="', "attributes": "<a " + "x='" * 900, "brackets": "[", "pictures": "![",
    "links": "[a](",
    "code": "`", "stars": "*a ", "quotes": "> ", "lists": "- ", "html": "<div><!--", "print": "{{ ",
    "printed": "{{ a }}", "if": "{% if a %}",
    "dots": "{{ a" + ".b" * 3000 + " }}", "parentheses": "{{ " + "(" * 3000,
    "filters": "{{ a" + " | upper" * 3000 + " }}", "comment": "{#",
    "entities": "&amp;", "tables": "|a|b\n|-|-\n", "references": "[a]: b\n",
    "named": "[a](https://x.example/{{ b }} 'c')\n", "tildes": "~~",
    "and": "{{ a" + " and a" * 3000 + " }}", "concat": "{{ a" + " ~ a" * 3000 + " }}",
    "compare": "{{ a" + " < a" * 3000 + " }}",
}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("what", HOSTILE_COPY)
@pytest.mark.parametrize("name", ["templates/awareness/x.en.md", "templates/awareness/x.en.html",
                                  "templates/_base.html"])
def test_a_hostile_copy_is_a_finding_in_less_than_two_seconds(what: str, name: str) -> None:
    piece = HOSTILE_COPY[what]
    text = (FRONT if "_base" not in name else "") + piece * (LARGE // len(piece))
    begun = time.process_time()
    problems = check(read_sources({name: text}), today=TODAY)
    assert time.process_time() - begun < 2
    assert problems


def test_a_copy_that_is_too_large_is_said_to_be() -> None:
    name = "templates/awareness/guide.en.md"
    problems = check(read_sources({**GOOD, name: GOOD[name] + "Once more.\n" * (COPY_LIMIT // 10)}), today=TODAY)
    assert {"template-too-large"} == {p.code for p in problems if p.place.file == name}


def test_after_two_hundred_findings_the_rest_is_left_out() -> None:
    found = read_bytes({CAMPAIGN: HOSTILE["the same key again and again"]()}).problems
    assert len(found) < 250 and "too-many" in {p.code for p in found}


def test_a_file_of_more_than_a_megabyte_is_said_to_be() -> None:
    assert {p.code for p in read_bytes({CAMPAIGN: HOSTILE["more than a megabyte"]()}).problems} == {"too-large"}


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=400), st.sampled_from(sorted(GOOD)))
def test_any_text_is_read_or_refused(text: str, name: str) -> None:
    reading = read_sources({**GOOD, name: text})
    problems = check(reading, today=TODAY)
    assert {p.code for p in problems} <= set(RULES)
    assert all(p.place.line >= 1 and p.place.col >= 1 for p in problems)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300), st.sampled_from(sorted(GOOD)))
def test_any_bytes_are_read_or_refused(raw: bytes, name: str) -> None:
    check(read_bytes({name: raw}), today=TODAY)


PIECES = (
    "", " ", "  ", "\n", "\n  ", ":", ": ", "- ", "{", "}", "[", "]", ",", '"', "'", "#", "|", ">", "%", "&a", "*a",
    "!", "~", "0",
    "null", "true", "any", "not", "all", "9" * 40, "-1", "{{ ", " }}", "{% if lead.x %}", "{% endif %}", "\t", "\x00",
    "\u202e", "é",
    "step", "send", "wait_for", "choose", "steps", "enter", "lead", "---\n", "...", "3 days", "50%", "https://", "<",
    "=?utf-8?q?",
)


@st.composite
def mutated(draw: st.DrawFn) -> tuple[str, str]:
    """A good file with up to six places cut, doubled, swapped or filled with something."""
    name = draw(st.sampled_from(sorted(GOOD)))
    text = GOOD[name]
    for _ in range(draw(st.integers(1, 6))):
        start = draw(st.integers(0, len(text)))
        end = draw(st.integers(start, min(len(text), start + 60)))
        piece = draw(st.sampled_from((*PIECES, text[start:end] * 2, text[end:start:-1])))
        text = text[:start] + piece + text[end:]
    return name, text


@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(mutated())
def test_a_mutated_file_is_read_or_refused(case: tuple[str, str]) -> None:
    name, text = case
    reading = read_sources({**GOOD, name: text})
    problems = check(reading, today=TODAY)
    assert {p.code for p in problems} <= set(RULES)
    as_text(problems, reading.sources)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(mutated())
def test_formatting_a_mutated_file_ends_and_is_stable(case: tuple[str, str]) -> None:
    name, text = case
    if kind_of(name) in ("copy", "layout", "wording"):
        return
    made = formatted(text)
    assert made is None or formatted(made) == made


def lines_left_out(text: str) -> Iterator[str]:
    lines = text.split("\n")
    for i in range(len(lines)):
        yield "\n".join([*lines[:i], *lines[i + 1:]])


@pytest.mark.parametrize("name", [n for n in sorted(GOOD) if n.endswith(".yaml")])
def test_every_line_may_be_missing(name: str) -> None:
    for text in lines_left_out(GOOD[name]):
        check(read_sources({**GOOD, name: text}), today=TODAY)
