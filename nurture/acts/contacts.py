"""People sales knows at an organisation without a lead having been converted: referral partners, colleagues."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from nurture.acts.desk import who
from nurture.errors import Refused
from nurture.model.address import read_address
from nurture.model.tokens import normal_address
from nurture.parts import Parts
from nurture.store.audience import leads
from nurture.store.sales import accounts


def add(
    parts: Parts, account_id: int, *, email: str, fields: Mapping[str, Any], by: str, now: datetime
) -> tuple[int, bool]:
    """Note a person as a contact of an account, in a named seller's name. Returns (contact, whether it is new).

    The person is known from now on and no lead yet: nothing is sent, because nobody asked them.

    Raises:
        Refused: `which_account`, or `forgotten` for somebody who asked to be.
        BadAddress: this is no address.
    """
    seller = who(parts, by)
    email = read_address(email).mailbox
    with parts.store.begin() as conn:
        if accounts.get(conn, account_id) is None:
            raise Refused(f"There is no account {account_id}.", code="which_account", fix="see `nurture sales account`")
        stored = leads.find_or_create(
            conn, email=email, fields=dict(fields), origin="sales", source=f"sales {seller.id}", now=now,
            keys=parts.keys,
        )
        if stored.lead_id is None:
            raise Refused("This person asked to be forgotten.", code="forgotten")
        known = accounts.contact_of(conn, stored.lead_id, account_id)
        if known is not None:
            return int(known["id"]), False
        accounts.link(conn, stored.lead_id, account_id, now=now)
        made = accounts.add_contact(conn, {
            "lead_id": stored.lead_id, "account_id": account_id, "fields": dict(fields),
            "role": fields.get("role"), "email_key": normal_address(email), "created_at": now, "created_by": seller.id,
        })
        return made, True
