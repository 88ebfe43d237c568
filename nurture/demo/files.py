"""Which leads a demo plays with: those that ship, any file with its map, or a public file by its name."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from nurture.demo.sample import SHIPPED, SHIPPED_MAP
from nurture.errors import UsageError

PUBLIC: Final = {"x_education": "x_education_leads.csv", "olist": "olist_marketing_qualified_leads.csv"}
"""Public files whose maps ship under `campaigns/imports/`, by the name of the map."""
PLACES: Final = ("", "data", "../shared/data")
"""Where such a file is looked for."""


def chosen(leads: str | None, map_path: Path | None, imports: Path) -> tuple[Path, Path]:
    """The file of leads and the map of its columns. `imports` is the folder of shipped maps.

    Raises:
        UsageError: a file is not there, or a file came without the map that says what its columns mean.
    """
    if leads is None:
        if map_path is not None:
            raise UsageError("There is a map and no file of leads.", fix="make demo LEADS=file.csv MAP=file.map.yaml")
        return SHIPPED, SHIPPED_MAP
    file = _public(leads) if leads in PUBLIC else Path(leads)
    known = next((name for name, its in PUBLIC.items() if file.name == its), None)
    if map_path is None and known is not None:
        map_path = imports / f"{known}.map.yaml"
    if not file.is_file():
        named = ", ".join(PUBLIC)
        raise UsageError(f"There is no file {leads}.", fix=f"Give a path that exists, or one of the names {named}.")
    if map_path is None:
        raise UsageError(
            f"Nothing says what the columns of {file.name} mean.",
            fix="Give its map too: make demo LEADS=file.csv MAP=file.map.yaml (examples: campaigns/imports/).",
        )
    if not map_path.is_file():
        raise UsageError(f"There is no file {map_path}.", fix="Give a path that exists.")
    return file, map_path


def _public(name: str) -> Path:
    looked = [Path(place) / PUBLIC[name] for place in PLACES]
    found = next((path for path in looked if path.is_file()), None)
    if found is None:
        raise UsageError(
            f"The file {PUBLIC[name]} is not here.",
            fix=f"Put it beside this folder ({', '.join(str(path) for path in looked)}), or give its path with LEADS=.",
        )
    return found
