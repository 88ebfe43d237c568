"""What the shell offers at Tab. Asks the folder only: no database, and no word of its own when something is wrong."""

from __future__ import annotations

import re
from typing import Final

_NAME: Final = re.compile(r"^campaign:\s*[\"']?([\w-]+)", re.M)
HEAD: Final = 4096
"""Characters of a file in which it says what it is."""


def campaigns(incomplete: str) -> list[str]:
    """Names of the campaigns in the folder that begin like this, in order."""
    from nurture.errors import NurtureError
    from nurture.settings import load_settings

    found = set()
    try:
        for path in load_settings().campaigns_dir.glob("*.yaml"):
            with path.open(encoding="utf-8", errors="replace") as file:
                named = _NAME.search(file.read(HEAD))
            if named and named[1].startswith(incomplete) and not path.name.endswith(".test.yaml"):
                found.add(named[1])
    except (OSError, NurtureError):
        return []
    return sorted(found)
