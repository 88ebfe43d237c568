"""Tables on screens of any width: no word is broken for want of room, and nothing is left out."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from rich.console import Console

from nurture.cli import build, command
from nurture.cli.common import table

ROWS = (
    ("awareness-buyers-guide", "live", 12, "", "works council; \u202eno", "identified -> early: accepted the notice"),
    ("win-back", "not applied", 3_400, "", "", "ola@example.com"),
    ("\u65e5\u672c\u8a9e", "live", 1, "", "", "Q" * 64),
)


@pytest.mark.parametrize("width", [24, 40, 60, 80, 120, 200])
def test_a_word_is_broken_only_where_it_is_longer_than_a_third_of_the_screen(width: int) -> None:
    screen = Console(width=width, record=True, force_terminal=False)
    screen.print(table("What runs", ("campaign", "state", "people", "due next", "where", "what"), ROWS, right=(2,)))
    lines = screen.export_text().splitlines()
    told = re.split(r"[\s;]+|: ", " ".join(lines))
    for word in ("What", "awareness-buyers-guide", "council", "identified", "applied", "ola@example.com", "3400"):
        assert word in told or len(word) > max(20, width // 3), word
    assert sum(word.count("Q") for word in told) == 64 and "\u202e" not in "".join(lines)
    assert all(len(line) <= width for line in lines)


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("COLUMNS", "40")
    build.cache_clear()
    command.cache_clear()
    yield
    build.cache_clear()
    command.cache_clear()


@pytest.mark.usefixtures("narrow")
@pytest.mark.parametrize("asked", [(), ("import",), ("db",), ("users", "add")])
def test_help_on_a_narrow_screen_cuts_no_name_and_no_sentence(
    asked: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    command()(args=[*asked, "--help"], standalone_mode=False)
    lines = capsys.readouterr().out.splitlines()
    told = " ".join(" ".join(lines).split())
    assert max(map(len, lines)) <= 40 and "…" not in told and "..." not in told.replace("[ARGS]...", "")
    for name in {(): "--install-completion", ("import",): "--start-map <path>"}.get(asked, "-h, --help").split():
        assert name in told
