"""Reads a takeout as a stranger would, by what `personal.cell` says of it: the proof that nothing is lost in it."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from typing import Any


def uncell(text: str) -> Any:
    text = text.removeprefix("'")
    try:
        return json.loads(text)
    except ValueError:
        return text


def unpacked(packed: bytes) -> dict[str, list[dict[str, Any]]]:
    """Section -> rows of a zip with one CSV per section."""
    found: dict[str, list[dict[str, Any]]] = {}
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        for name in archive.namelist():
            rows = csv.reader(io.StringIO(archive.read(name).decode(), newline=""))
            columns = next(rows)
            found[name.removesuffix(".csv")] = [
                {c: uncell(t) for c, t in zip(columns, row, strict=True) if t} for row in rows
            ]
    return found
