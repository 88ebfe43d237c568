"""Files as marketers have them: every broken row is one line of complaint and never the end."""

from __future__ import annotations

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nurture.errors import UsageError
from nurture.intake.text import LONGEST_FIELD, Broken, Record, open_table, sniff_encoding

CELL = st.text(st.characters(exclude_categories=("Cs", "Cc")))


def read(raw: bytes, columns: tuple[str, ...] = ("email", "name"), **options: str):
    table, records = open_table(io.BytesIO(raw), columns=columns, **options)
    return table, list(records)


def good(records: list[Record | Broken]) -> list[list[str]]:
    return [record.values for record in records if isinstance(record, Record)]


def bad(records: list[Record | Broken]) -> dict[int, str]:
    return {record.line: record.reason for record in records if isinstance(record, Broken)}


def test_a_plain_file_is_read_with_line_numbers() -> None:
    table, records = read(b"email,name\na@example.org,Ann\n\nb@example.org,Bob\n")
    assert table.header == ("email", "name")
    assert [(r.line, r.values) for r in records] == [(2, ["a@example.org", "Ann"]), (4, ["b@example.org", "Bob"])]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_the_one_that_shows_the_wanted_columns(delimiter: str) -> None:
    raw = f"email{delimiter}name{delimiter}a,b;c\nx{delimiter}y{delimiter}z\n".encode()
    table, _ = read(raw)
    assert table.delimiter == delimiter


def test_excel_says_its_delimiter_in_a_line_of_its_own() -> None:
    table, records = read(b"sep=;\nemail;name\na@example.org;Ann\n")
    assert table.header == ("email", "name")
    assert good(records) == [["a@example.org", "Ann"]]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_every_unicode_form_is_recognised(encoding: str) -> None:
    _, records = read("email,name\r\na@example.org,Zażółć 😀\r\n".encode(encoding))
    assert good(records) == [["a@example.org", "Zażółć 😀"]]


@pytest.mark.parametrize(("encoding", "name"), [("cp1250", "Bożena Wałęsa"), ("cp1252", "José Muñoz")])
def test_windows_encodings_are_guessed_and_the_guess_is_said(encoding: str, name: str) -> None:
    table, records = read(f"email,name\na@example.org,{name}\nb@example.org,{name}\n".encode(encoding))
    assert table.guessed
    assert good(records)[0][1] == name


def test_one_row_in_another_encoding_is_named_and_the_rest_is_read() -> None:
    rows = [f"u{i}@example.org,Ż{i}".encode() for i in range(5)]
    rows[2] = "u2@example.org,José".encode("cp1252")
    _, records = read(b"email,name\n" + b"\n".join(rows))
    assert bad(records) == {4: "contains bytes that are not in the file's encoding"}
    assert len(good(records)) == 4


def test_wrong_numbers_of_columns_and_nul_are_named() -> None:
    _, records = read(b"email,name\na@example.org\nb@example.org,Bob,more\nc@example.org,C\0c\nd@example.org,Dee,,\n")
    assert bad(records) == {
        2: "1 columns where the header has 2",
        3: "3 columns where the header has 2",
        4: "contains a NUL character",
    }
    assert good(records) == [["d@example.org", "Dee"]]


def test_a_value_over_several_lines_is_one_row() -> None:
    _, records = read(b'email,name\na@example.org,"Ann\nLee, ""the first"""\nb@example.org,Bob\n')
    assert good(records) == [["a@example.org", 'Ann\nLee, "the first"'], ["b@example.org", "Bob"]]
    assert [record.line for record in records] == [2, 4]


def test_a_quote_that_never_closes_costs_its_own_line_only() -> None:
    lines = [f"u{i}@example.org,U{i}" for i in range(400)]
    lines[0] = 'u0@example.org,"open'
    lines[7] = 'u7@example.org,"also open'
    lines[9] = 'u9@example.org,19" screen'
    _, records = read(("email,name\n" + "\n".join(lines)).encode())
    assert set(bad(records)) == {2, 9}
    assert len(good(records)) == 398
    assert ["u9@example.org", '19" screen'] in good(records)


def test_a_megabyte_in_one_field_is_named() -> None:
    _, records = read(b"email,name\na@example.org," + b"x" * 1_000_000 + b"\nb@example.org,Bob\n")
    assert bad(records) == {2: f"column 2 holds 1,000,000 characters; {LONGEST_FIELD:,} is the limit"}
    assert good(records) == [["b@example.org", "Bob"]]


def test_a_line_too_long_to_be_a_row_is_passed_over() -> None:
    _, records = read(b"email,name\n" + b"x" * 9_000_000 + b"\nb@example.org,Bob\n")
    assert list(bad(records)) == [2]
    assert good(records) == [["b@example.org", "Bob"]]


@pytest.mark.parametrize("raw", [b"", b"\n\n", b"\xff\xfe", b"\x00\x00"])
def test_an_empty_file_is_said(raw: bytes) -> None:
    with pytest.raises(UsageError):
        read(raw)


def test_an_unknown_encoding_is_said() -> None:
    with pytest.raises(UsageError, match="klingon"):
        read(b"email\na", encoding="klingon")


def test_clean_ascii_is_no_guess() -> None:
    assert sniff_encoding(b"email,name\na,b\n") == ("utf-8", False)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=400))
def test_no_bytes_crash_the_reader(raw: bytes) -> None:
    try:
        _, records = read(b"email,name\n" + raw)
    except UsageError:
        return
    for record in records:
        assert isinstance(record, Record | Broken)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.lists(CELL, min_size=2, max_size=2), max_size=8))
def test_what_a_spreadsheet_writes_comes_back(rows: list[list[str]]) -> None:
    import csv

    kept = io.StringIO(newline="")
    writer = csv.writer(kept)
    writer.writerow(["email", "name"])
    writer.writerows(rows)
    _, records = read(kept.getvalue().encode(), encoding="utf-8", delimiter=",")
    expected = [row for row in rows if any(row)]
    assert good(records) == [row for row in expected if "\ufffd" not in "".join(row)]
