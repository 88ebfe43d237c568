"""Mails that lie beside us as files, where a mail server on the same machine keeps them (the demo's does)."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path


def forget(folder: Path, words: Iterable[str]) -> int:
    """Delete the files in which one of `words` stands (addresses, Message-IDs), whatever its capitals. Returns how
    many those were; none where there is no such folder."""
    wanted = [word.strip().lower().encode() for word in words if word.strip()]
    if not wanted or not folder.is_dir():
        return 0
    gone = 0
    for path in [path for path in folder.rglob("*") if path.is_file()]:
        held = path.read_bytes().lower()
        if any(word in held for word in wanted):
            path.unlink()
            gone += 1
            if path.parent != folder and not any(path.parent.iterdir()):
                path.parent.rmdir()
    return gone
