"""plan, apply, rollback, status, pause, resume, enroll and retire as typed on a command line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select

from nurture.store import open_store
from nurture.store.tables import AlertRow, ConsentStateRow, EnrollmentRow, LeadListRow, LeadRow
from tests.applying.world import BASE, GOOD, START, S, campaign_file
from tests.command import Run, runner

DRIP = [S("s0", 0), S("s1", 7), S("s2", 7), S("s3", 7, "score")]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with campaigns and templates, and nothing of this machine's settings."""
    shutil.copytree(GOOD, tmp_path, dirs_exist_ok=True)
    for path, text in BASE.items():
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NURTURE_NOW", START.isoformat())
    write(tmp_path, DRIP)
    return tmp_path


def write(folder: Path, steps: list[S], **more: Any) -> None:
    (folder / "campaigns" / "drip.yaml").write_text(campaign_file(steps, **more), encoding="utf-8")


@pytest.fixture
def nurture(here: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    return runner(monkeypatch, capfd)


def row(printed: str) -> dict[str, Any]:
    """The row of `drip` in `nurture status --json`."""
    return next(one for one in json.loads(printed) if one["campaign"] == "drip")


def people(here: Path, count: int, step: str = "s1") -> None:
    store = open_store(f"sqlite:///{here}/var/nurture.db")
    ids = range(1, count + 1)
    with store.begin() as conn:
        conn.execute(
            insert(LeadRow),
            [
                {
                    "id": i,
                    "email": f"p{i}@example.org",
                    "email_key": f"p{i}@example.org",
                    "email_hash": f"h{i}",
                    "stage": "nurturing",
                    "created_at": START,
                    "updated_at": START,
                }
                for i in ids
            ],
        )
        conn.execute(
            insert(ConsentStateRow),
            [
                {"lead_id": i, "purpose": "nurture_email", "channel": "email", "status": "granted", "since": START}
                for i in ids
            ],
        )
        if step:
            conn.execute(
                insert(EnrollmentRow),
                [
                    {
                        "id": i,
                        "lead_id": i,
                        "campaign": "drip",
                        "track": "education",
                        "version_entered": 1,
                        "version_now": 1,
                        "step_id": step,
                        "anchor_at": START,
                        "entered_at": START,
                        "due_at": START,
                    }
                    for i in ids
                ],
            )
        else:
            conn.execute(insert(LeadListRow), [{"list_name": "fair", "lead_id": i, "at": START} for i in ids])
    store.close()


def test_the_first_apply_and_what_status_says_after_it(nurture: Run, here: Path) -> None:
    assert "Nothing is applied yet" in nurture("status")[1] or "not applied" in nurture("status")[1]
    code, said = nurture("apply")
    assert (code, "without anybody saying so" in said) == (2, True)
    code, said = nurture("apply", "--yes")
    assert (code, "Applied. Campaigns: 4 new." in said) == (0, True), said
    assert "Nothing to apply" in nurture("apply", "--yes")[1]
    code, said = nurture("status", "--json")
    assert row(said)["file"] == "as applied"
    (here / "campaigns" / "drip.yaml").write_text("campaign: [", encoding="utf-8")
    assert "the applied version runs on" in nurture("status")[1]
    store = open_store(f"sqlite:///{here}/var/nurture.db")
    with store.read() as conn:
        told = conn.execute(select(AlertRow.__table__.c.text, AlertRow.__table__.c.for_whom)).all()
    assert [(text[:34], whom) for text, whom in told] == [("campaigns/drip.yaml is broken (lin", "ines@example.com")]
    store.close()
    (here / "campaigns" / "drip.yaml").unlink()
    assert "missing" in nurture("status")[1]
    assert "goes on as it is" in nurture("plan")[1]


def test_a_plan_is_printed_kept_and_applied_by_its_id(nurture: Run, here: Path) -> None:
    nurture("apply", "--yes")
    people(here, 40)
    write(here, [DRIP[0], S("s1", 0), S("r2", 7, was="s2", template="s2")])
    code, said = nurture("plan")
    assert code == 0
    for words in ("wait 7 days -> none", "renamed from s2", "s3: removed; people on it leave", '--accept "due=40"'):
        assert words in said
    plan = json.loads(nurture("plan", "--json")[1])
    assert plan["asks"] == {"due": 40}
    assert plan["campaigns"][0]["counts"]["at_once"] == 40
    code, said = nurture("apply", plan["plan"][:12])
    assert (code, "40 people would become due" in said) == (1, True), said
    code, said = nurture("apply", plan["plan"], "--accept", "due=100%")
    assert (code, "a percentage is not accepted" in said) == (2, True)
    assert nurture("apply", plan["plan"], "--accept", "due=40")[0] == 0
    code, said = nurture("apply", plan["plan"], "--accept", "due=40")
    assert (code, "Nothing to apply" in said) == (0, True), "applying twice is applying once"


def test_files_with_errors_are_not_applied(nurture: Run, here: Path) -> None:
    write(here, [S("s0", 0, template="not-there")])
    code, said = nurture("apply", "--yes")
    assert code == 1
    assert "unknown-template" in said
    assert "nothing was applied" in said


def test_rolling_back(nurture: Run, here: Path) -> None:
    nurture("apply", "--yes")
    write(here, DRIP[:2])
    nurture("apply", "--yes")
    code, said = nurture("rollback", "drip", "--yes")
    assert code == 0
    assert "Not taken back: mails that were sent" in said
    assert "runs the content of version 1 again" in said
    assert json.loads(nurture("status", "drip", "--json")[1])["version"] == 3
    assert nurture("rollback", "nothing", "--yes")[0] == 2
    assert nurture("rollback", "drip", "--to", "9", "--yes")[0] == 2


def test_pausing_and_resuming(nurture: Run, here: Path) -> None:
    nurture("apply", "--yes")
    people(here, 3)
    assert "Paused: drip" in nurture("pause", "drip", "--by", "ines")[1]
    assert "paused by ines" in nurture("status")[1]
    assert json.loads(nurture("resume", "--all", "--json")[1]) == {"resumed": {"drip": 3}}
    assert nurture("pause")[0] == 2
    assert nurture("pause", "nothing")[0] == 2


def test_enrolling_a_list_is_planned_first(nurture: Run, here: Path) -> None:
    nurture("apply", "--yes")
    people(here, 5, step="")
    code, said = nurture("enroll", "drip", "--list", "fair")
    assert code == 0
    assert "add --yes" in said
    assert json.loads(nurture("enroll", "drip", "--list", "fair", "--json")[1])["enter"] == 5
    assert "5 entered" in nurture("enroll", "drip", "--list", "fair", "--yes")[1]
    again = json.loads(nurture("enroll", "drip", "--list", "fair", "--json")[1])
    assert again["refused"] == {"the lead is in this campaign already": 5}
    assert nurture("enroll", "drip", "--list", "nobody")[0] == 2


def test_retiring_needs_the_number_back(nurture: Run, here: Path) -> None:
    nurture("apply", "--yes")
    people(here, 30)
    code, said = nurture("retire", "drip", "--leave", "--yes")
    assert (code, '--accept "leave=30"' in said) == (1, True), said
    assert nurture("retire", "drip", "--leave", "--yes", "--accept", "leave=30")[0] == 0
    assert row(nurture("status", "--json")[1])["state"] == "retired"
