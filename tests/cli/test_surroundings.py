"""Commands in the wrong folder, under misspelt settings, on a poor terminal: said, never a quiet default."""

from __future__ import annotations

import io
import json
import logging
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner, Result

from flows.installation import listen
from nurture.cli import build, common, main
from nurture.cli.intake import stopped_in_words
from nurture.cli.up import log_to
from nurture.errors import UsageError
from nurture.settings import load_settings, strange_variables
from nurture.store import open_store
from nurture.store.schema import ensure


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, as somebody finds themselves in by mistake."""
    monkeypatch.chdir(tmp_path)
    common.remark.cache_clear()
    return tmp_path


def run(*words: str) -> Result:
    return CliRunner().invoke(build(), list(words))


@pytest.mark.parametrize("words", [("check",), ("test",), ("plan",), ("apply", "--yes")])
def test_a_folder_without_files_is_no_success(words: tuple[str, ...]) -> None:
    done = run(*words)
    assert isinstance(done.exception, UsageError)
    assert "NURTURE_CAMPAIGNS_DIR" in done.exception.fix


def test_a_database_that_was_not_there_is_said_once_and_never_into_the_json(here: Path) -> None:
    first, second = run("queue", "--json"), run("queue", "--json")
    assert json.loads(first.stdout)["waiting"] == json.loads(second.stdout)["waiting"]
    assert "there was no database at var/nurture.db; an empty one was made" in first.stderr
    assert {stat.S_IMODE(file.stat().st_mode) for file in (here / "var").glob("nurture.db*")} == {0o600}
    assert second.stderr == ""


def test_a_database_in_memory_would_forget_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    for url in ("sqlite://", "sqlite:///", "sqlite:///:memory:", "sqlite:///?mode=memory"):
        monkeypatch.setenv("NURTURE_DATABASE_URL", url)
        with pytest.raises(UsageError, match="names no file"):
            load_settings()
    monkeypatch.setenv("NURTURE_DATABASE_URL", "postgres://me@db/nurture")
    assert load_settings().database_url == "postgresql://me@db/nurture"


def test_a_misspelt_variable_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NURTURE_DATABSE_URL", "sqlite:///elsewhere.db")
    monkeypatch.setenv("NURTURE_SELLER", "lena")
    said = "NURTURE_DATABSE_URL is no setting and changes nothing. Did you mean NURTURE_DATABASE_URL?"
    assert strange_variables() == [said]
    assert said in run("queue").stderr.replace("\n", " ")


@pytest.mark.parametrize(
    ("text", "fix"), [('smtp_ulr = "smtp://x"', "smtp_url"), ("[nurture]\nport = 1", "at the top")]
)
def test_a_misspelt_line_of_the_settings_file_stops_the_command(here: Path, text: str, fix: str) -> None:
    (here / "nurture.toml").write_text(text, encoding="utf-8")
    with pytest.raises(UsageError) as wrong:
        load_settings()
    assert fix in wrong.value.fix


def test_ensure_says_what_it_did(here: Path) -> None:
    store = open_store(f"sqlite:///{here}/new.db")
    before, after = ensure(store)
    assert before is None
    assert ensure(store) == (after, after)
    store.close()


def test_a_terminal_that_cannot_show_a_name_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    poor = io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors="strict")
    monkeypatch.setattr(sys, "stderr", poor)
    monkeypatch.setattr(common.err, "_file", None)
    with pytest.raises(SystemExit) as ended:
        main(["explain", "Žofie"])
    poor.flush()
    assert ended.value.code == common.USAGE
    assert b"no lead" in poor.buffer.getvalue()


def test_the_log_is_private_and_cannot_fill_the_disk(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nurture.cli.up.LARGEST_LOG", 2_000)
    path = here / "log" / "nurture.log"
    root = logging.getLogger("nurture")
    before = root.handlers[:], root.level, root.propagate
    try:
        log_to(path)
        for n in range(200):
            root.info("line %d of a long life", n)
        for handler in root.handlers:
            handler.close()
    finally:
        root.handlers[:], root.level, root.propagate = before
    kept = sorted(path.parent.iterdir())
    assert len(kept) == 5
    assert all(stat.S_IMODE(file.stat().st_mode) == 0o600 and file.stat().st_size <= 2_000 for file in kept)


@pytest.mark.parametrize(
    "words", [("schema", "--write", "taken/sub"), ("queue", "--json"), ("up", "--port", "0")], ids=" ".join
)
def test_a_place_that_cannot_be_used_ends_in_a_sentence(
    here: Path, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "taken").write_text("a file where a folder, or a database, is wanted")
    monkeypatch.setenv("NURTURE_DATABASE_URL", f"sqlite:///{here}/taken")
    monkeypatch.setenv("NURTURE_VAR_DIR", str(here / "taken" / "var"))
    monkeypatch.setattr(common.err, "_file", None)
    with pytest.raises(SystemExit) as ended:
        main(list(words))
    assert ended.value.code == common.USAGE
    said = capsys.readouterr().err
    assert "fix:" in said
    assert "taken" in said or "file is not a database" in said


def test_a_backup_made_while_somebody_writes_is_whole_and_private(here: Path) -> None:
    assert run("users", "add", "ann", "--address", "ann@example.com", "--role", "admin").exit_code == 0
    store = open_store(f"sqlite:///{here}/var/nurture.db")
    with store.begin() as writing:
        writing.exec_driver_sql("delete from user")
        assert run("db", "backup", "kept/monday").exit_code == 0
    assert isinstance(run("db", "backup", "kept/monday").exception, UsageError)
    store.close()
    kept = sorted((here / "kept" / "monday").iterdir())
    assert [file.name for file in kept] == ["nurture.db", "secret.key"]
    assert {stat.S_IMODE(file.stat().st_mode) for file in kept} == {0o600}
    again = open_store(f"sqlite:///{kept[0]}")
    with again.read() as conn:
        assert conn.exec_driver_sql('select id from user').scalars().all() == ["ann"]
    again.close()


def test_json_on_a_narrow_output_loses_no_letter(monkeypatch: pytest.MonkeyPatch) -> None:
    poor = io.TextIOWrapper(io.BytesIO(), encoding="latin-1", errors="strict")
    monkeypatch.setattr(sys, "stdout", poor)
    common.emit_json({"who": "Žofie Müller"})
    poor.flush()
    assert json.loads(poor.buffer.getvalue()) == {"who": "Žofie Müller"}


def test_who_stops_reading_a_pipe_is_told_nothing() -> None:
    """`nurture schema campaign | head -1`, and a short answer nobody waits for."""
    for words in (["schema", "campaign"], ["check", "--rules"], ["--version"]):
        reader, writer = os.pipe()
        os.close(reader)
        command = [sys.executable, "-m", "nurture.cli", *words]
        told = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, check=False)
        os.close(writer)
        assert (told.returncode, told.stderr) == (0, b""), words


def test_check_speaks_json_by_either_name(here: Path) -> None:
    (here / "campaigns").mkdir()
    (here / "campaigns" / "x.yaml").write_text("campaign: [\n", encoding="utf-8")
    one, other = run("check", "--json"), run("check", "--format", "json")
    assert one.stdout == other.stdout
    assert json.loads(one.stdout)
    assert one.exit_code == other.exit_code == 1


@pytest.mark.parametrize("host", ["no-such-host.invalid", "203.0.113.7", "a" * 70 + ".example"])
def test_a_wrong_host_is_about_the_host_and_not_about_ports(host: str) -> None:
    with pytest.raises(UsageError) as said:
        listen(host, 8000)
    assert f"`{host}`" in said.value.message
    assert "port" not in said.value.message + said.value.fix


def test_ctrl_c_in_an_import_says_what_became_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as ended, stopped_in_words():
        raise KeyboardInterrupt
    assert ended.value.exit_code == 130
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(("said", "level"), [(None, 1), ("full", 2)])
def test_a_power_cut_takes_nothing_back_where_that_is_asked(
    said: str | None, level: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite's own answer: 1 is NORMAL, 2 waits for the disk at every commit."""
    from nurture.cli.common import open_database

    monkeypatch.chdir(tmp_path)
    if said:
        monkeypatch.setenv("NURTURE_DATABASE_SYNC", said)
    with open_database().read() as conn:
        assert conn.exec_driver_sql("PRAGMA synchronous").scalar() == level


def _commands(one: Any, path: str) -> Iterator[tuple[str, Any]]:
    yield path, one
    for name, inner in getattr(one, "commands", {}).items():
        yield from _commands(inner, f"{path} {name}")


def test_every_command_and_every_option_says_what_it_does() -> None:
    silent = []
    for path, one in _commands(typer.main.get_command(build()), "nurture"):
        silent += [] if one.help else [path]
        silent += [f"{path} {part.opts[0]}" for part in one.params if not getattr(part, "help", None)]
    assert silent == []


def test_the_title_of_a_narrow_table_stays_on_one_line() -> None:
    title = "Engagement 0.000 (model mid_market): these lines sum to it"
    printed = io.StringIO()
    Console(file=printed, width=80).print(common.table(title, ("when", "why"), [("now", "x")]))
    assert printed.getvalue().splitlines()[0].rstrip() == title
