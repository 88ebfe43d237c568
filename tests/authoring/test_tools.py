"""`nurture check`, `fmt`, `schema` and `new` as they are typed; what they print and how they end."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from nurture.authoring import read_folder, read_sources
from nurture.authoring.check import check
from nurture.authoring.desk import Desk
from nurture.authoring.draft import draft_for, files, story_for
from nurture.authoring.format import formatted
from nurture.authoring.report import as_github, as_sarif, as_text
from nurture.authoring.rulebook import RULES
from nurture.authoring.schema import FILES
from nurture.authoring.starter import starter
from nurture.authoring.tree import read_tree
from nurture.cli import build
from nurture.errors import UsageError
from nurture.model.problem import Place, Problem, Severity
from nurture.model.words import FunnelStage
from tests.authoring.folders import CASES, GOOD, NOTE, TODAY, good, wrong

SHIPPED = Path(__file__).parents[2]


APP = build()


def run(*words: str) -> Result:
    return CliRunner().invoke(APP, list(words))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(GOOD, tmp_path / "f")
    return tmp_path / "f"


def spoil(folder: Path) -> Path:
    path = folder / "campaigns" / "awareness-buyers-guide.yaml"
    path.write_text(path.read_text().replace("funnel_stage: awareness", "funnel_stage: awarness"))
    return path


def test_check_ends_with_0_1_and_2(folder: Path) -> None:
    assert run("check", str(folder), "--today", "2026-11-22").exit_code == 0
    spoil(folder)
    found = run("check", str(folder), "--today", "2026-11-22")
    assert found.exit_code == 1
    assert "campaigns/awareness-buyers-guide.yaml:4:15: error[not-a-choice]" in found.output
    assert "^^^^^^^^" in found.output and "Did you mean `awareness`?" in found.output
    for words in (("check", "nowhere"), ("check", str(folder), "--format", "xml"), ("check", "--explain", "nonsense"),
                  ("check", str(folder), "--today", "soon")):
        assert isinstance(run(*words).exception, UsageError), words


def test_a_warning_fails_only_when_asked_to(folder: Path) -> None:
    path = folder / "campaigns" / "awareness-buyers-guide.yaml"
    path.write_text(path.read_text().replace("2 emails per week", "1 email per week"))
    assert run("check", str(folder), "--today", "2026-11-22").exit_code == 0
    assert run("check", str(folder), "--today", "2026-11-22", "--strict").exit_code == 1


def test_single_files_show_their_own_problems_only(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = spoil(folder)
    monkeypatch.chdir(folder)
    assert run("check", str(path)).exit_code == 1
    assert run("check", "campaigns/consideration-proof.yaml").exit_code == 0


def test_check_speaks_json_github_and_sarif(folder: Path) -> None:
    spoil(folder)
    said: dict[str, Any] = {form: run("check", str(folder), "--today", "2026-11-22", "--format",
                                      form).stdout for form in ("json", "github", "sarif")}
    (first, *_) = json.loads(said["json"])
    assert first["code"] == "not-a-choice" and (first["line"], first["col"], first["end_col"]) == (4, 15, 23)
    assert said["github"].startswith("::error file=") and "line=4,col=15,title=not-a-choice::" in said["github"]
    run_ = json.loads(said["sarif"])["runs"][0]
    assert run_["results"][0]["ruleId"] == run_["tool"]["driver"]["rules"][run_["results"][0]["ruleIndex"]]["id"]
    assert json.loads(run("check", str(GOOD), "--today", "2026-11-22", "--format", "json").stdout) == []
    assert run("check", str(GOOD), "--today", "2026-11-22", "--format", "github").stdout == ""


@pytest.mark.parametrize("code", RULES)
def test_every_rule_has_a_page(code: str) -> None:
    page = run("check", "--explain", code)
    assert page.exit_code == 0 and RULES[code].fix.split()[0] in page.output and len(page.output) > 80


def test_the_list_of_rules() -> None:
    listed = run("check", "--rules")
    assert listed.exit_code == 0 and len(RULES) >= 100 and all(code in listed.output for code in RULES)


def test_annotations_and_terminals_cannot_be_broken_by_a_file() -> None:
    nasty = Problem(Place("a,b:c.yaml", 1, 1), Severity.ERROR, "unknown-key", "x\n::error::y \x1b[31m%", "z\r")
    line = as_github([nasty])
    assert "\n" not in line and "file=a%2Cb%3Ac.yaml" in line and "%0A::error::y" in line
    text = as_text([nasty], {"a,b:c.yaml": "\x1b[2Jred \u202e"}).plain
    assert "\x1b" not in text and "\u202e" not in text
    assert json.loads(as_sarif([nasty], "1"))["runs"][0]["results"][0]["locations"]


def test_a_caret_stands_under_wide_letters() -> None:
    problem = Problem(Place("a.yaml", 1, 4, 2), Severity.ERROR, "unknown-key", "m")
    shown = as_text([problem], {"a.yaml": "名前: xy"}).plain.split("\n")
    assert shown[2].index("^") == len("  1 | ") + 5, "two letters of two cells and a colon stand before it"


@pytest.mark.parametrize("name", sorted(n for n in good() if n.endswith(".yaml")))
def test_formatting_keeps_what_is_said_and_every_comment(name: str) -> None:
    text = good()[name]
    made = formatted(text)
    assert made is not None and formatted(made) == made
    assert sorted(part.split("#")[1] for part in text.split("\n") if "  # " in part) == sorted(
        part.split("#")[1] for part in made.split("\n") if "  # " in part)
    one, other = read_sources({**good(), name: text}), read_sources({**good(), name: made})
    assert [p.code for p in one.problems] == [p.code for p in other.problems] == []
    assert {p.code for p in check(other, today=TODAY)} == {NOTE}


def test_formatting_puts_things_into_one_form() -> None:
    untidy = "a:   {b: 1,c: [1,2]}   # why\n\n\n\nd:\n- e\n-    f\n"
    assert formatted(untidy) == "a: { b: 1, c: [1, 2] } # why\n\nd:\n  - e\n  - f\n"
    long = "a: { " + ", ".join(f"key{i}: value" for i in range(12)) + " }\n"
    assert formatted(long) == "a:\n" + "".join(f"  key{i}: value\n" for i in range(12))
    assert formatted("a: [") is None
    assert formatted("on: yes\nt: 08:30\nn: \"NO\"\n") == "on: yes\nt: 08:30\nn: \"NO\"\n"


def test_fmt_writes_or_only_says_so(folder: Path) -> None:
    path = folder / "campaigns" / "sales.yaml"
    path.write_text(path.read_text().replace("{ name", "{name"))
    assert run("fmt", str(folder), "--check").exit_code == 1
    assert "{name" in path.read_text()
    assert run("fmt", str(folder)).exit_code == 0
    assert "{name" not in path.read_text()
    assert run("fmt", str(folder), "--check").exit_code == 0
    path.write_text("a: [")
    assert run("fmt", str(path)).exit_code == 1
    assert path.read_text() == "a: ["


def test_schemas_are_printed_and_written(tmp_path: Path) -> None:
    assert json.loads(run("schema").stdout)["title"] == "nurture campaign"
    assert run("schema", "--write", str(tmp_path)).exit_code == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(f"{kind}.schema.json" for kind in FILES)
    assert isinstance(run("schema", "nonsense").exception, UsageError)


@pytest.mark.parametrize("stage", FunnelStage)
@pytest.mark.parametrize("root", [GOOD, SHIPPED], ids=["good", "shipped"])
def test_a_new_campaign_checks_clean_as_it_is(stage: FunnelStage, root: Path) -> None:
    before = read_folder(root / "campaigns", root / "templates")
    assert before.draft is not None
    made = files(draft_for(before.draft, "spring", stage))
    after = read_sources({**before.sources, **made})
    mine = [p for p in check(after, today=TODAY) if p.place.file in made and p.code != NOTE]
    assert not [p for p in mine if p.severity == "error"], mine
    if root == GOOD:
        assert not mine and after.library is not None
    for name, text in made.items():
        if name.endswith(".yaml"):
            assert read_tree(text, Desk(name)) is not None and formatted(text) == text


def test_new_writes_a_campaign_its_mails_and_its_story_and_overwrites_nothing(tmp_path: Path) -> None:
    assert run("new", "awareness", "spring", "--into", str(tmp_path)).exit_code == 0
    written = sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file())
    assert written == ["campaigns/spring.test.yaml", "campaigns/spring.yaml", "templates/_base.html",
                       "templates/_base.txt",
                       "templates/awareness/spring-first.en.md", "templates/awareness/spring-second.en.md"]
    assert run("check", str(tmp_path)).exit_code == 0
    assert isinstance(run("new", "awareness", "spring", "--into", str(tmp_path)).exception, UsageError)
    assert isinstance(run("new", "awarness", "--into", str(tmp_path)).exception, UsageError)
    assert isinstance(run("new", "awareness", "../x", "--into", str(tmp_path)).exception, UsageError)


def test_a_story_for_a_campaign_that_has_none(folder: Path) -> None:
    (folder / "campaigns" / "awareness-buyers-guide.test.yaml").unlink()
    assert run("new", "--story", "awareness-buyers-guide", "--into", str(folder)).exit_code == 0
    assert run("check", str(folder), "--today", "2026-11-22", "--all").exit_code == 0
    library = read_folder(folder / "campaigns", folder / "templates").library
    assert library is not None
    assert library.stories[0].expect.sent == ("guide", "three-mistakes", "checklist")
    assert "sent: [case-study]" in story_for(library.campaigns["consideration-proof"])


def test_a_link_out_of_the_folder_is_not_followed(folder: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret.yaml"
    secret.write_text("campaign: x")
    (folder / "campaigns" / "linked.yaml").symlink_to(secret)
    assert "file-name" in {p.code for p in read_folder(folder / "campaigns", folder / "templates").problems}


def test_a_missing_folder_is_an_empty_one(tmp_path: Path) -> None:
    reading = read_folder(tmp_path / "a", tmp_path / "b")
    assert not reading.errors and reading.library is not None and not reading.library.campaigns


@pytest.mark.parametrize("case", sorted(p.name for p in CASES.iterdir())[::7])
def test_checking_twice_says_the_same(case: str) -> None:
    reading, before = wrong(case)
    assert check(reading, today=TODAY, before=before) == check(reading, today=TODAY, before=before)


def test_campaigns_written_before_the_company_fit_what_the_company_brings(tmp_path: Path) -> None:
    for stage in FunnelStage:
        assert run("new", stage, f"spring-{stage}", "--into", str(tmp_path)).exit_code == 0
    assert run("new", "company", "--into", str(tmp_path)).exit_code == 0
    said = check(read_folder(tmp_path / "campaigns", tmp_path / "templates"), today=TODAY)
    assert [str(p) for p in said if p.severity == Severity.ERROR] == []
    assert isinstance(run("new", "company", "--into", str(tmp_path)).exception, UsageError), "nothing is left to add"


def test_a_folder_to_begin_with_checks_clean_and_is_formatted() -> None:
    made = starter(TODAY)
    assert check(read_sources(made), today=TODAY) == ()
    for name, text in made.items():
        if name.endswith(".yaml") and not name.endswith(".test.yaml"):
            assert formatted(text) == text, name
