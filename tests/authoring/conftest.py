from __future__ import annotations

import pytest

from nurture.authoring import Reading, read_sources
from tests.authoring.folders import good


@pytest.fixture
def reading() -> Reading:
    """The folder that checks clean."""
    return read_sources(good())
