"""Commands as their users run them: what was printed, and how it ended."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from nurture.cli import main

Run = Callable[..., tuple[int, str]]


def runner(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], **environment: str) -> Run:
    """`run("queue", "--json", NURTURE_NOW=...)` gives (exit code, everything printed); settings stay for the next."""

    def run(*words: str, **changes: str) -> tuple[int, str]:
        for name, value in changes.items():
            monkeypatch.setenv(name, value)
        capfd.readouterr()
        code = 0
        try:
            main(list(words))
        except SystemExit as ended:
            code = int(ended.code or 0)
        said = capfd.readouterr()
        assert "Traceback" not in said.err
        return code, said.out + said.err

    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return run
