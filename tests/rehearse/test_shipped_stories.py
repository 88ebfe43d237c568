"""Every shipped campaign has stories, they all pass through the real pipeline, and together they reach every step."""

from __future__ import annotations

from functools import cache

import pytest

from nurture.authoring import Reading, read_folder
from nurture.model.story import Story
from nurture.rehearse.story import Told, tell, uncovered
from tests.conftest import ROOT


@cache
def shipped() -> Reading:
    return read_folder(ROOT / "campaigns", ROOT / "templates")


def stories() -> list[Story]:
    return [told for _, file in sorted(shipped().files.items()) if file.kind == "story" for told in file.noun]


@cache
def told(at: int) -> Told:
    library = shipped().library
    assert library is not None
    return tell(stories()[at], library)


@pytest.mark.xdist_group("stories")
@pytest.mark.parametrize("at", range(len(stories())), ids=[f"{s.campaign}: {s.name}" for s in stories()])
def test_story(at: int) -> None:
    assert told(at).failures == (), "\n".join(f"{m.at:%d %b %H:%M} {m.who} {m.text} {m.why}" for m in told(at).moments)


@pytest.mark.xdist_group("stories")
def test_the_stories_reach_every_step() -> None:
    library = shipped().library
    assert library is not None
    assert uncovered(library.campaigns, [told(i) for i in range(len(stories()))]) == {}
