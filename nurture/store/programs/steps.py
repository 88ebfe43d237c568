"""What the steps of campaigns did: mails by step and what came back, counted from the rows."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Connection, and_, case, distinct, func, select

from nurture.model.words import EventKind
from nurture.store.tables import EventRow, MessageRow
from nurture.store.tables.columns import core

_message = core(MessageRow)
_event = core(EventRow)


class StepCount(NamedTuple):
    """`opened` and `clicked` count mails, once each, and only what people did where they may be seen."""

    campaign: str
    step: str
    sent: int
    refused: int
    opened: int
    clicked: int


def by_step(conn: Connection) -> list[StepCount]:
    """Every step that planned a mail, by campaign, the busiest first."""
    by_people = and_(_event.c.message_id == _message.c.id, _event.c.machine.is_(False), _event.c.void.is_(False))
    query = (
        select(
            _message.c.campaign,
            _message.c.step_id,
            func.count(distinct(case((_message.c.state == "sent", _message.c.id)))),
            func.count(distinct(case((_message.c.state == "refused", _message.c.id)))),
            func.count(distinct(case((_event.c.kind == EventKind.OPEN.value, _message.c.id)))),
            func.count(distinct(case((_event.c.kind == EventKind.CLICK.value, _message.c.id)))),
        )
        .select_from(_message.outerjoin(_event, by_people))
        .where(_message.c.campaign.is_not(None))
        .group_by(_message.c.campaign, _message.c.step_id)
    )
    found = [StepCount(*row) for row in conn.execute(query)]
    busiest: dict[str, int] = {}
    for count in found:
        busiest[count.campaign] = busiest.get(count.campaign, 0) + count.sent
    return sorted(found, key=lambda c: (-busiest[c.campaign], c.campaign, -c.sent, c.step))
