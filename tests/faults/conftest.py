"""What a fault test notes belongs to the test that is running."""

from __future__ import annotations

import pytest

from tests.faults import book


@pytest.fixture(autouse=True)
def noted(request: pytest.FixtureRequest) -> None:
    name = getattr(request.node, "originalname", None) or request.node.name
    book.begin(request.node.user_properties, name, request.node.name)
