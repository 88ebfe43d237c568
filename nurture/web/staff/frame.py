"""What all pages for staff share: whose leads somebody may see, in which zone, and the frame around a page."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final
from zoneinfo import ZoneInfo

from fastapi import HTTPException, Request
from fastapi.responses import Response

from nurture.stages import opening
from nurture.store.running.sessions import User
from nurture.store.sales import board
from nurture.web.answers import page
from nurture.web.house import House
from nurture.web.staff.signin import need

MARKETING: Final = ("marketing", "manager", "privacy")


def zone_of(house: House, user: User) -> ZoneInfo:
    """The zone a seller's times are shown in: their own, else that of the agreement's calendar."""
    return ZoneInfo(opening.zone_of(house.parts, user.id))


def queues_of(house: House, user: User) -> Collection[str] | None:
    """The queues whose hand-offs a user may see; None: all."""
    if user.may("manager", "marketing"):
        return None
    queues = house.parts.library.sales.queues.values()
    return frozenset(q.id for q in queues if user.id in q.members or user.id == q.manager)


def may_see(house: House, user: User, lead_id: int) -> None:
    """Marketing sees every lead, a seller those that came to them. The answer to both kinds of no is the same."""
    if user.may(*MARKETING):
        return
    need(user, "sales")
    queues = queues_of(house, user)
    with house.parts.store.read() as conn:
        if queues is not None and not board.with_handoff_in(conn, lead_id, queues=queues, owner=user.id):
            raise HTTPException(404, "not found")


def staff_page(request: Request, house: House, name: str, user: User, *, here: str, **values: Any) -> Response:
    return page(request, house, name, user=user, here=here, csrf=request.state.csrf, known=None, **values)
