"""What a fault test notes belongs to the test that is running."""

from __future__ import annotations

import pytest

from tests.faults import book
from tests.flows import conftest as installed
from tests.web import conftest as served

# An installation and a web app to break: the fixtures of the folders that use them whole.
settings, mail, prepared = installed.settings, installed.mail, installed.prepared
world = served.world


@pytest.fixture(autouse=True)
def noted(request: pytest.FixtureRequest) -> None:
    name = getattr(request.node, "originalname", None) or request.node.name
    book.begin(request.node.user_properties, name, request.node.name)
