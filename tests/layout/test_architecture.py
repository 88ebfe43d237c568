"""The house keeps its own rules."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from nurture.model import words

ROOT = Path(__file__).parents[2]
ROOMS = ("nurture", "flows")


def sources(*rooms: str) -> list[Path]:
    return [path for room in rooms or ROOMS for path in sorted((ROOT / room).rglob("*.py"))]


def test_imports_point_down() -> None:
    command = [Path(sys.executable).with_name("lint-imports"), "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout[-3000:]


def test_no_column_drops_the_offset_in_silence() -> None:
    """A hand-written DateTime(timezone=True) gives naive moments back on SQLite."""
    wrong = [
        p for p in sources("nurture/store") if re.search(r"DateTime\(\s*timezone\s*=\s*True", p.read_text("utf-8"))
    ]
    wrong = [p for p in wrong if "migrations" not in p.parts]
    assert wrong == []


@pytest.mark.parametrize("room", ["model", "authoring", "decide", "store", "mail", "sales", "stages", "acts", "intake"])
def test_below_the_pipeline_nobody_reads_the_clock(room: str) -> None:
    reads = re.compile(
        r"datetime\.now\(|datetime\.utcnow\(|\btime\.time\(|date\.today\(|os\.environ|os\.getenv|\brandom\."
    )
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in sources(f"nurture/{room}")
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if reads.search(line) and "migrations" not in path.parts
    ]
    assert found == []


def test_prefect_and_apscheduler_stay_in_flows() -> None:
    known = re.compile(r"^\s*(?:from|import) (prefect|apscheduler)\b", re.M)
    assert [p for p in sources("nurture") if known.search(p.read_text("utf-8"))] == []


def test_commands_that_need_no_run_import_no_prefect() -> None:
    program = (
        "import sys\nfrom nurture.cli import main\n"
        "try:\n    main(['check', '--help'])\nexcept SystemExit:\n    pass\n"
        "assert 'prefect' not in sys.modules and 'apscheduler' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=ROOT, timeout=120, capture_output=True)


def test_names_say_what_is_inside() -> None:
    vague = {"utils", "util", "helpers", "helper", "manager", "base", "common_utils", "misc"}
    assert [p for p in sources() if p.stem in vague] == []


def test_the_glossary_and_the_vocabulary_use_the_same_words() -> None:
    glossary = (ROOT / "nurture" / "README.md").read_text("utf-8").split("## Words")[1].split("## Decisions")[0]
    defined = {
        word
        for line in glossary.splitlines()
        if line.startswith("| ")
        for word in line.split("|")[1].strip().split(", ")
    }
    for word in (
        "lead",
        "track",
        "campaign",
        "step",
        "enrollment",
        "message",
        "event",
        "gate",
        "hand-off",
        "recycle",
        "suppression",
        "MQL",
        "SAL",
        "SQL",
        "lead conversion",
        "account",
        "contact",
        "opportunity",
    ):
        assert word in defined
    said = " ".join(glossary.split())
    for stage in (words.Stage.CONVERTED,):
        assert stage.value in said


def test_no_unfinished_business_without_a_reason() -> None:
    marks = re.compile(r"\b(TODO|FIXME|XXX)\b|pragma: no cover")
    assert [f"{p.relative_to(ROOT)}" for p in sources() if marks.search(p.read_text("utf-8"))] == []


def test_ignored_checks_say_why() -> None:
    bare = re.compile(r"# (?:type: ignore(?:\[[a-z-]+(?:, ?[a-z-]+)*\])?|noqa(?:: [A-Z0-9, ]+)?)\s*$")
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in sources()
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if bare.search(line)
    ]
    assert found == []


def test_every_room_says_what_it_is() -> None:
    rooms = [p for p in (ROOT / "nurture").iterdir() if p.is_dir() and (p / "__init__.py").exists()]
    missing = [
        p.name for p in (*rooms, ROOT / "flows") if not (p / "README.md").exists() and len(list(p.glob("*.py"))) > 3
    ]
    assert missing == []


@pytest.mark.parametrize("room", ["acts", "decide", "insight", "mail", "stages", "store", "web"])
def test_a_rooms_page_names_every_module_in_it(room: str) -> None:
    page = (ROOT / "nurture" / room / "README.md").read_text("utf-8")
    named = set(re.findall(r"`(?:\w+/)?(\w+)(?:\.py)?`", page))
    apart = {"__init__", "__main__", "versions", "tables", "migrations", "providers"}
    modules = [p for p in sources(f"nurture/{room}") if p.stem not in apart and p.parent.name not in apart]
    assert [str(p.relative_to(ROOT)) for p in modules if p.stem not in named] == []


def test_no_path_of_one_machine_is_committed() -> None:
    """Every text of the tree (what is made here, `.venv`, `var`, `build`, stays out), with or without git."""
    kinds = {".py", ".md", ".yaml", ".yml", ".toml", ".txt", ".html", ".mjml", ".csv", ".cfg", ".ini", ""}
    ours = ("nurture", "flows", "tests", "campaigns", "templates", ".github", ".ci")
    texts = [path for path in ROOT.iterdir() if path.is_file()]
    texts += [path for room in ours for path in (ROOT / room).rglob("*") if path.is_file()]
    here = [f"{ROOT}/{room}" for room in (*ours, ".venv", "var", "build")]
    texts = [path for path in texts if path.suffix in kinds and "__pycache__" not in path.parts]
    assert len(texts) > 500
    named = {path: path.read_text("utf-8", errors="replace") for path in texts}
    assert [str(path) for path, text in named.items() if any(place in text for place in here)] == []
