"""Where a word is still written: every text in the database, and every byte of every file of an installation.

For proving that an erased person is gone, and that no address or secret got into logs or into Prefect's own files.
"""

from __future__ import annotations

import base64
import json
import mmap
import quopri
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

from nurture.store import Store
from nurture.store.privacy import everywhere

SHORTEST: Final = 4


@dataclass(frozen=True, slots=True)
class Trace:
    """`where` is `lead.email` or a file's path below the folder; `spelling` says how the word is written there."""

    where: str
    spelling: str
    count: int


def find(store: Store, folder: Path, word: str) -> list[Trace]:
    """Every place where `word` stands, in any spelling that programs give it. Raises ValueError for a tiny word."""
    if len(word.strip()) < SHORTEST:
        raise ValueError(f"at least {SHORTEST} characters, or everything is a find")
    with store.read() as conn:
        found = [Trace(where, "plain", n) for where, n in everywhere.columns_with(conn, word)]
    spelt = spellings(word)
    folder = folder.absolute()
    for path in sorted({*folder.rglob("*"), *everywhere.files_of(store)}):
        shown = path.relative_to(folder) if path.is_relative_to(folder) else path
        named = [name for name, pattern in spelt.items() if pattern.search(path.name.encode())]
        found += [Trace(str(shown), f"the name itself, {name}", 1) for name in named]
        if path.is_file() and not path.is_symlink():
            found += [Trace(str(shown), name, n) for name, n in _in_file(path, spelt)]
    return found


def spellings(word: str) -> dict[str, re.Pattern[bytes]]:
    """How a word may be written: as it is, in a URL, in JSON, in a mail's encodings."""
    raw = word.encode()
    forms = {"plain": {raw}, "in a URL": {quote(word, safe="").encode(), quote(word).encode()}}
    forms["in JSON"] = {json.dumps(word)[1:-1].encode()}
    forms["quoted-printable"] = {quopri.encodestring(raw, quotetabs=True), raw.replace(b"@", b"=40")}
    seen: set[bytes] = set()
    made = {}
    for name, written in forms.items():
        fresh = {one for one in written if one not in seen}
        seen |= fresh
        if fresh:
            made[name] = re.compile(b"|".join(map(re.escape, sorted(fresh))), re.IGNORECASE)
    made["base64"] = re.compile(b"|".join(map(re.escape, sorted(_base64(raw)))))
    return made


def _base64(raw: bytes) -> set[bytes]:
    """The middle of the three ways in which base64 may write these bytes, whatever stands before and after."""
    ways = set()
    for shift in range(3):
        told = base64.b64encode(b"\0" * shift + raw).rstrip(b"=")
        ways.add(told[(shift * 8 + 5) // 6 : len(told) - 1])
    return ways


def _in_file(path: Path, spelt: dict[str, re.Pattern[bytes]]) -> Iterator[tuple[str, int]]:
    with path.open("rb") as file:
        if not path.stat().st_size:
            return
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as seen:
            for name, pattern in spelt.items():
                if n := sum(1 for _ in pattern.finditer(seen)):
                    yield name, n
