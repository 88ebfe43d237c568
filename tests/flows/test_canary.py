"""One address and a few secrets that are followed through a whole run: where they are written, and that they can go."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from nurture.demo.sample import SHIPPED, SHIPPED_MAP
from nurture.insight import traces
from nurture.store import open_store

ROOT = Path(__file__).parents[2]
NAME, ADDRESS = "Canaryson", "zebulon.canaryson@canary-bird.example"
SECRETS = {
    "NURTURE_SECRET_KEY": "canary-key-0123456789-abcdefghijklmnop",
    "NURTURE_WEBHOOK_SECRET": "whsec_Y2FuYXJ5LXdlYmhvb2stc2VjcmV0LXRoYXQtbXVzdC1zdGF5",
    "NURTURE_OIDC_CLIENT_SECRET": "canary-client-secret-4711",
}
OWN = ("consent_proof.", "lead.", "lead_value.", "message.", "mail/", "nurture.db", "event.", "outbox.", "handoff.")
"""Where a person may be written: their own rows and their own mails."""


def leads(path: Path) -> Path:
    """A few of the demo's people, and one who agreed to everything and is looked for afterwards."""
    lines = SHIPPED.read_text("utf-8").splitlines()
    agreed = (line for line in lines if ",no,yes,no,yes,yes,guide form," in line and ",pl,public," in line)
    model = next(agreed).split(",")
    canary = ["A99999", ADDRESS, "Zebulon", NAME, "Canary Bird Works", *model[5:]]
    path.write_text("\n".join([*lines[:40], ",".join(canary)]) + "\n", "utf-8")
    return path


def run(home: Path, *argv: str, **more: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **SECRETS, "NURTURE_PORT": "0", "NURTURE_PREFECT_PORT": "0", **more}
    return subprocess.run(
        [sys.executable, "-m", "nurture.cli", *argv], cwd=home, env=environment, capture_output=True, text=True,
        timeout=900, check=False,
    )


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.prefect
@pytest.mark.process
def test_no_secret_is_written_and_an_address_only_where_it_belongs_and_erasure_ends_both(tmp_path: Path) -> None:
    for name in ("campaigns", "templates"):
        (tmp_path / name).symlink_to(ROOT / name)
    file = leads(tmp_path / "leads.csv")
    played = run(tmp_path, "demo", "--no-stay", "--weeks", "1", "--leads", str(file), "--map", str(SHIPPED_MAP))
    assert played.returncode == 0, played.stderr[-2000:]
    told = played.stdout + played.stderr
    home = tmp_path / "var" / "demo"
    assert (home / "prefect").is_dir(), "the run was not Prefect's"
    store = open_store(f"sqlite:///{home}/nurture.db")
    try:
        for name, secret in SECRETS.items():
            assert secret not in told
            assert traces.find(store, home, secret) == [], name
        found = traces.find(store, home, ADDRESS)
        assert any(t.where.startswith("mail/") for t in found) and any(t.where == "lead.email" for t in found)
        assert [t.where for t in found if not t.where.startswith(OWN)] == []
        assert ADDRESS not in told
    finally:
        store.close()
    where = {"NURTURE_VAR_DIR": str(home), "NURTURE_DATABASE_URL": f"sqlite:///{home}/nurture.db"}
    assert run(tmp_path, "privacy", "erase", ADDRESS, "--by", "ines", "--yes", **where).returncode == 0
    for word in (ADDRESS, NAME, "Canary Bird Works", "canary-bird"):
        left = run(tmp_path, "privacy", "find", word, **where)
        assert left.returncode == 0, f"{word}: {left.stdout}"
    proven = run(tmp_path, "consent", "verify", **where)
    assert proven.returncode == 0 and "unbroken" in proven.stdout
