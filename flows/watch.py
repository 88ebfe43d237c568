"""Noticing that a file of a running campaign broke or went away: its owner is told, the applied version runs on."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from nurture.insight.running import note_files
from nurture.store import Store

Print = tuple[tuple[str, int, int], ...]
"""(path, time of the last change, size) of every file: what changes when a file does."""


class FolderWatch:
    """Looks at the files of marketers, cheaply: only where something changed are they read again.

    With `patient`, a file is read once it has been left alone from one look to the next, so that one in the middle of
    being written is not taken for broken. A folder that is not there at all says nothing about any campaign.
    """

    def __init__(self, store: Store, campaigns_dir: Path, templates_dir: Path, *, patient: bool = True) -> None:
        self.store = store
        self.patient = patient
        self.folders = (campaigns_dir, templates_dir)
        self._seen: Print = ()
        self._noted: Print | None = None

    def look(self, *, now: datetime, again: bool = False) -> list[str]:
        """What is wrong, in words, where that may have changed since the last look (`again`: in any case)."""
        if not self.folders[0].is_dir():
            return []
        found = _print_of(self.folders[0]) + _print_of(self.folders[1])
        settled, self._seen = found == self._seen or not self.patient, found
        if not again and (not settled or found == self._noted):
            return []
        said = note_files(self.store, *self.folders, now=now)
        self._noted = found
        return said


def _print_of(folder: Path) -> Print:
    found = []
    for path in folder.rglob("*"):
        try:
            known = path.stat()
        except OSError:
            continue  # gone since it was listed: the next look sees the same
        found.append((str(path), known.st_mtime_ns, known.st_size))
    return tuple(sorted(found))
