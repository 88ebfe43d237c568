"""Every command the README names runs."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from tests.flows.conftest import command, environment_of, installation

ROOT = Path(__file__).parents[2]
ELSEWHERE = {"nurture up": "tests/flows/test_up.py runs it as a process of its own"}
SHORTER = {"nurture test": "nurture test awareness-buyers-guide"}
"""Every story is run by tests/rehearse/test_shipped_stories.py; here it is the command that counts."""
WRONG = re.compile(r"error:|Traceback|No such command")


def commands() -> list[str]:
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.S)
    lines = [line.partition("  #")[0].strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if line.startswith("nurture ")]


def targets() -> set[str]:
    return set(re.findall(r"(?:^|`)make ([a-z-]+)", (ROOT / "README.md").read_text("utf-8"), re.M))


@pytest.mark.process
@pytest.mark.timeout(280)
def test_the_tour_runs_from_top_to_bottom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    made = installation(tmp_path, 9)
    environment = environment_of(made)
    told = commands()
    assert len(told) >= 8
    for line in told:
        if line in ELSEWHERE:
            continue
        said = command(environment, *shlex.split(SHORTER.get(line, line))[1:])
        assert not WRONG.search(said), f"$ {line}\n{said[-2000:]}"


def test_every_make_target_it_names_exists() -> None:
    known = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.M))
    assert targets() <= known


def test_it_fits_on_a_few_screens() -> None:
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) < 120
