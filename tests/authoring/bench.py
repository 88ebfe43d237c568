"""`python -m tests.authoring.bench`: how long reading and checking 500 campaigns with their stories takes."""

from __future__ import annotations

import sys
import time

from nurture.authoring import read_sources
from nurture.authoring.check import check
from nurture.authoring.copy import copy_faults
from nurture.authoring.reading import read_file
from tests.authoring.folders import TODAY, good


def many(campaigns: int) -> dict[str, str]:
    """The good folder with its campaigns repeated under other names; each differs, so none is in a cache."""
    sources = good()
    own = [n for n in sources if n.startswith("campaigns/") and n.count("/") == 1 and n.count("-")]
    names = sorted({n.split("/")[1].split(".")[0] for n in own})
    for i in range(campaigns - len(names)):
        name = names[i % len(names)]
        for ending in (".yaml", ".test.yaml"):
            text = sources[f"campaigns/{name}{ending}"]
            sources[f"campaigns/{name}-{i}{ending}"] = text.replace(f"campaign: {name}", f"campaign: {name}-{i}")
        if i % 10 == 0:
            guide = sources["templates/awareness/guide.en.md"]
            copy = guide.replace("content: guide", f"content: guide-{i}").replace("one thought", f"thought {i}")
            sources[f"templates/awareness/guide-{i}.en.md"] = copy
    return sources


def measure(campaigns: int) -> dict[str, float]:
    """Processor seconds to read and to check for the first time, and both again with nothing changed."""
    sources = many(campaigns)
    read_file.cache_clear()
    copy_faults.cache_clear()
    found: dict[str, float] = {}
    for word in ("first", "again"):
        begun = time.process_time()
        reading = read_sources(sources)
        read = time.process_time()
        check(reading, today=TODAY)
        found[f"read {word}"] = read - begun
        found[f"check {word}"] = time.process_time() - read
    return found


if __name__ == "__main__":
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    for what, seconds in measure(number).items():
        print(f"{number} campaigns, {what}: {seconds:.2f} s")
