"""`/metrics`: there only with a token, and then the books of every campaign."""

from __future__ import annotations

from dataclasses import replace

from tests.web.conftest import World


def test_metrics_are_there_only_for_who_has_the_token(world: World) -> None:
    assert world.client.get("/metrics").status_code == 404
    world.parts.outside = replace(world.parts.outside, metrics_token="let me in, it is long")
    assert world.client.get("/metrics").status_code == 401
    assert world.client.get("/metrics", headers={"authorization": "Bearer let me in"}).status_code == 401
    told = world.client.get("/metrics", headers={"authorization": "Bearer let me in, it is long"})
    assert told.status_code == 200 and told.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert "nurture_messages_due 0.0" in told.text
