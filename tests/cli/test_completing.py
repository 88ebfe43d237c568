"""What the shell offers at Tab."""

from __future__ import annotations

from pathlib import Path

import pytest

from nurture.cli.completing import campaigns
from tests.conftest import ROOT


def test_the_shell_completes_the_campaigns_of_the_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NURTURE_CAMPAIGNS_DIR", str(ROOT / "campaigns"))
    assert campaigns("c") == ["champion", "consideration-proof"]
    assert {"welcome", "long-cycle"} < set(campaigns("")), "company files and stories are no campaigns"
    monkeypatch.setenv("NURTURE_CAMPAIGNS_DIR", str(tmp_path / "none"))
    assert campaigns("c") == []
    monkeypatch.setenv("NURTURE_PORT", "what")
    assert campaigns("c") == [], "a Tab is no moment for messages"
