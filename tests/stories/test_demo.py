"""The demo plays the real thing, the same for the same seed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from nurture.cli import main
from nurture.cli.demo import prepare
from nurture.demo.run import own_folder
from nurture.demo.sample import COUNT, SHIPPED, SHIPPED_MAP, as_csv, generate

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.process


def run(home: Path, *argv: str, **more: str) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "NURTURE_VAR_DIR": str(home),
        "NURTURE_PREFECT": "off",
        "NURTURE_CAMPAIGNS_DIR": str(ROOT / "campaigns"),
        "NURTURE_TEMPLATES_DIR": str(ROOT / "templates"),
        "COLUMNS": "160",
        "PYTHONPATH": str(ROOT),
        **more,
    }
    return subprocess.run(
        [sys.executable, "-m", "nurture.cli", "demo", "--no-stay", *argv],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=1000,
        check=False,
    )


def play(home: Path, *argv: str, **more: str) -> str:
    done = run(home, *argv, **more)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return done.stdout


def outcome(said: str) -> str:
    """What came of it, without what differs from run to run: seconds, ports, tokens and folders."""
    told = said[said.index("What people did") : said.index("Where to look")]
    return re.sub(r"\d+ seconds|[0-9a-f]{10,}", "", told)


def some_leads(path: Path, count: int) -> Path:
    path.write_text("\n".join(SHIPPED.read_text("utf-8").splitlines()[: count + 1]) + "\n", "utf-8")
    return path


def a_week(folder: Path) -> tuple[str, ...]:
    return ("--weeks", "1", "--leads", str(some_leads(folder / "few.csv", 90)), "--map", str(SHIPPED_MAP))


@pytest.mark.timeout(280)
def test_a_week_of_the_demo_is_real(tmp_path: Path) -> None:
    said = play(tmp_path / "one", *a_week(tmp_path))
    assert "It adds up." in said
    for what in ("pictures fetched", "links clicked", "facts posted"):
        assert what in said
    assert re.search(r"welcome +hello +[4-9]\d", said), "everybody who may be welcomed was"
    mails = list((tmp_path / "one" / "demo" / "mail").rglob("*.eml"))
    assert sum(b"List-Unsubscribe-Post" in mail.read_bytes() for mail in mails) > 50
    ask = f". '{tmp_path / 'one' / 'demo' / 'env'}' && '{sys.executable}' -m nurture explain 1"
    asked = subprocess.run(["sh", "-c", ask], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert asked.returncode == 0 and "SENT " in asked.stdout, "the demo's database answers at the demo's last moment"


@pytest.mark.slow
@pytest.mark.timeout(560)
def test_a_week_of_the_demo_is_the_same_for_the_same_seed(tmp_path: Path) -> None:
    few = a_week(tmp_path)
    assert outcome(play(tmp_path / "one", *few)) == outcome(play(tmp_path / "two", *few))


@pytest.mark.slow
@pytest.mark.prefect
@pytest.mark.timeout(2200)
def test_eight_weeks_in_real_flow_runs_end_the_same_for_the_same_seed(tmp_path: Path) -> None:
    said = play(tmp_path / "one", NURTURE_PREFECT="on", NURTURE_PREFECT_PORT="0")
    for what in ("mails searched by gateways", "seats taken in a webinar", "unsubscribes", "accept", "reject"):
        assert what in " ".join(said.split())
    assert "It adds up." in said and re.search(r"welcome +hello +2\d\d", said)
    assert 100 < int(re.search(r"(\d+) real flow runs", said)[1]) <= 400
    other = play(tmp_path / "two", NURTURE_PREFECT="on", NURTURE_PREFECT_PORT="0")
    assert outcome(other) == outcome(said)


@pytest.fixture
def own_environment() -> Iterator[None]:
    """The demo sets variables for the commands its seller types; in one process with other tests they must not stay."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.mark.usefixtures("own_environment")
@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (("--leads", "none.csv", "--map", "none.yaml"), "There is no file none.csv"),
        (("--leads", str(SHIPPED)), "Nothing says what the columns of leads.csv mean"),
        (("--map", str(SHIPPED_MAP)), "no file of leads"),
        (("--leads", str(SHIPPED), "--map", str(ROOT / "campaigns/sales.yaml")), "sales.yaml:1:1"),
        (("--leads", str(ROOT / "campaigns/sales.yaml"), "--map", str(SHIPPED_MAP)), "did not succeed"),
        (("--leads", "olistt"), "one of the names x_education, olist"),
    ],
)
def test_leads_or_a_map_that_cannot_be_used_are_one_message(
    tmp_path: Path, argv: tuple[str, ...], told: str, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setenv("NURTURE_VAR_DIR", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.chdir(ROOT)
    with pytest.raises(SystemExit) as ended:
        main(["demo", "--no-stay", *argv])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert told in said and "fix:" in said and "Traceback" not in said


def test_a_second_demo_leaves_the_first_one_its_folder(tmp_path: Path) -> None:
    first, held = own_folder(tmp_path)
    (first / "nurture.db").touch()
    second, beside = own_folder(tmp_path)
    assert second != first and (first / "nurture.db").exists()
    os.close(held)
    again, held = own_folder(tmp_path)
    assert again == first and not (first / "nurture.db").exists(), "what an ended demo left is nobody's"
    os.close(held)
    os.close(beside)


def test_what_commands_print_in_colour_is_shown_as_colour(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    prepare(lambda *argv: (0, f"\x1b[1mleads.csv: \x1b[0m{argv[0]}"), tmp_path / "leads.csv", tmp_path / "map")
    said = capsys.readouterr().out
    assert "leads.csv: import" in said and "\ufffd" not in said and "\x1b" not in said


def test_the_shipped_leads_are_what_the_generator_makes() -> None:
    assert SHIPPED.read_text("utf-8") == as_csv(generate())


def test_leads_are_spread_like_the_public_files() -> None:
    rows = generate(4000, seed=3)
    share = lambda which: sum(map(which, rows)) / len(rows)  # noqa: E731  # a word for this test
    assert abs(share(lambda r: r.source == "search ad") - 0.311) < 0.03
    assert abs(share(lambda r: r.visits == "0") - 0.243) < 0.03
    assert abs(share(lambda r: r.do_not_email == "yes") - 0.081) < 0.02
    assert abs(share(lambda r: r.role == "") - 0.281) < 0.03
    assert abs(share(lambda r: r.last_activity == "mail bounced") - 0.036) < 0.015
    assert generate(50, seed=3) == generate(50, seed=3) != generate(50, seed=4)
    assert all(
        r.email == "" or r.email.endswith(".example") or "@" not in r.email for r in rows if "nobody" not in r.email
    )
    assert len(generate()) > COUNT


def test_no_row_of_a_public_file_is_copied(shared_data: Path) -> None:
    ours = SHIPPED.read_text("utf-8")
    known = (shared_data / "x_education_leads.csv").read_text("utf-8").splitlines()[1:]
    assert not [line for line in known if line.split(",")[0] in ours]


def test_a_folder_that_is_no_demo_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "mine.txt").write_text("keep me")
    with pytest.raises(AssertionError, match="holds something that is not a demo"):
        play(tmp_path)
    assert (tmp_path / "demo" / "mine.txt").exists()
