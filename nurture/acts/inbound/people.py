"""Mail by people and by what answers for them: replies reach whoever looks after the lead, strangers become leads."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from nurture.acts.inbound.effects import Done, of_mail, review
from nurture.mail.headers import BadAddress, clean, mailable, parse_mailbox
from nurture.model.address import read_address
from nurture.model.inbound import Incoming, Kind
from nurture.model.words import EventKind
from nurture.parts import Parts
from nurture.store import Connection
from nurture.store.audience import leads
from nurture.store.facts import events
from nurture.store.facts.events import NewEvent
from nurture.store.mail import inbound, outbox
from nurture.store.mail.inbound import Known, Mailed
from nurture.store.sales import handoffs

REPLY: Final = "reply"
STRANGER: Final = "stranger"
KEEP_RAW: Final = frozenset({REPLY, STRANGER})
AUTO: Final = "auto_reply"
"""An event kind that no score and no condition counts."""
WROTE: Final = "wrote_to_us"
STRANGERS_A_DAY: Final = 200
"""More new leads than this from one mailbox in a day are a flood, and wait for a human."""
SHOWN: Final = 8000


def auto_reply(conn: Connection, seen: Incoming, lead: Known | None, mail: Mailed | None, *, now: datetime) -> Done:
    """An absence, a ticket number: told in the lead's story, and no sign of interest."""
    if lead is None:
        return Done(Kind.AUTO_REPLY, "from nobody we know")
    back = seen.back_on.isoformat() if seen.back_on else None
    data = {"back_on": back} if back else {}
    told = of_mail(AUTO, now, lead, mail, key=f"auto/{seen.key}", machine=True, data=data)
    events.record(conn, [told], now=now, wake=False)
    return Done(Kind.AUTO_REPLY, f"away until {back}" if back else "noted", lead.id, mail.id if mail else None)


def replied(conn: Connection, parts: Parts, seen: Incoming, lead: Known, mail: Mailed | None, *, now: datetime) -> Done:
    """A person answered: an event that wakes the lead, and the mail for whoever looks after them."""
    other = bool(lead.email) and seen.sender != str(lead.email).lower()
    data = {"from_another_address": True} if other else {}
    answer = of_mail(EventKind.REPLY, _when(seen, now), lead, mail, key=f"reply/{seen.key}", data=data)
    events.record(conn, [answer], now=now)
    told = _forward(conn, parts, seen, keepers(conn, parts, lead, mail), lead=lead, mail=mail, now=now)
    return Done(
        REPLY,
        f"told {', '.join(told)}" if told else "told nobody: there is no address to tell",
        lead.id,
        mail.id if mail else None,
    )


def stranger(conn: Connection, parts: Parts, seen: Incoming, *, now: datetime) -> Done:
    """Somebody new wrote: a lead whom nobody may mail until they agree to it, and whom a human sees (S4-03)."""
    if seen.sender in _ours(parts) or seen.sender.rpartition("@")[2] == parts.library.company.list_domain:
        return review("one of us wrote")
    if inbound.made_since(conn, STRANGER, now - timedelta(days=1)) >= STRANGERS_A_DAY:
        return review(f"more than {STRANGERS_A_DAY} strangers in a day", suggested=STRANGER)
    return become_lead(conn, parts, seen, now=now)


def become_lead(conn: Connection, parts: Parts, seen: Incoming, *, now: datetime) -> Done:
    try:
        address = read_address(seen.sender).mailbox
    except ValueError as wrong:
        return review(f"its sender cannot be mailed: {wrong}")
    find = partial(
        leads.find_or_create, conn, email=address, fields=_name(seen.name), origin="inferred", source="inbound",
        now=now, keys=parts.keys,
    )
    stored = find()
    if stored.lead_id is None:
        # Another worker may have made them from another mail a moment ago; then they are found now.
        stored = find()
    if stored.lead_id is None:
        return review(f"no lead was made: {stored.refused}")
    events.record(
        conn, [NewEvent(WROTE, _when(seen, now), stored.lead_id, key=f"wrote/{seen.key}", channel="email")], now=now
    )
    _forward(
        conn, parts, seen, _front_desk(parts), lead=inbound.known(conn, lead_id=stored.lead_id), mail=None, now=now
    )
    return Done(STRANGER, "a new lead" if stored.created else "a lead wrote", stored.lead_id)


def _name(display: str) -> dict[str, str]:
    """First and last name out of a display name that looks like one."""
    words = [w for w in clean(display).replace(",", " ").split() if any(c.isalpha() for c in w)]
    if "," in display and len(words) == 2:
        words.reverse()
    if not 2 <= len(words) <= 4 or "@" in display or len(display) > 80 or any(c.isdigit() for c in display):
        return {}
    return {"first_name": words[0], "last_name": " ".join(words[1:])}


def _when(seen: Incoming, now: datetime) -> datetime:
    """When it was written, where its own clock can be believed; a mailbox may have waited for days."""
    believable = seen.at is not None and now - timedelta(days=7) <= seen.at <= now
    return seen.at if believable and seen.at is not None else now


def keepers(conn: Connection, parts: Parts, lead: Known, mail: Mailed | None) -> list[str]:
    """Who looks after a lead: the seller who has it, else the campaign's owner, else the front desk."""
    handoff = handoffs.open_of(conn, lead.id)
    sales = parts.library.sales
    if handoff is not None:
        queue = sales.queues.get(handoff.queue)
        who = [handoff.owner] if handoff.owner else list(queue.members) if queue else []
        found = [sales.sellers[w].email if w in sales.sellers else w for w in who if w]
        if any("@" in a for a in found):
            return [a for a in dict.fromkeys(found) if "@" in a]
    campaign = parts.library.campaigns.get(mail.campaign or "") if mail else None
    if campaign is not None and "@" in campaign.owner:
        return [campaign.owner]
    return _front_desk(parts)


def _front_desk(parts: Parts) -> list[str]:
    """Whom strangers are shown: the manager of the default queue, else its members, else the support address."""
    sales, company = parts.library.sales, parts.library.company
    queue = sales.queues.get(sales.default_queue)
    who = ([queue.manager] if queue.manager else list(queue.members)) if queue else []
    found = [sales.sellers[w].email if w in sales.sellers else w for w in who if w]
    return [a for a in dict.fromkeys(found) if "@" in a] or ([company.support_email] if company.support_email else [])


def _ours(parts: Parts) -> set[str]:
    library = parts.library
    found = {s.email.lower() for s in library.sales.sellers.values()} | {library.company.support_email.lower()}
    for campaign in library.campaigns.values():
        found.add(campaign.owner.lower())
        try:
            found.add(parse_mailbox(campaign.sending.sender)[1].lower())
        except BadAddress:
            continue
    return found


def _forward(
    conn: Connection,
    parts: Parts,
    seen: Incoming,
    to: Iterable[str],
    *,
    lead: Known | None,
    mail: Mailed | None,
    now: datetime,
) -> list[str]:
    """Queue the mail for our own people, at most once each.

    Where it lands in a watched mailbox again it is marked as automatic, and goes no further.
    """
    told = list(to)
    who = " ".join(p for p in (lead.name if lead else "", f"({lead.company})" if lead and lead.company else "") if p)
    who = clean(who or seen.name or seen.sender)
    about = f" of {mail.campaign}, step {mail.step}" if mail and mail.campaign else ""
    lines = [
        f"{who} <{seen.sender}> {'answered the mail' + about if mail else 'wrote to us'}.",
        f"Lead: {lead.id}" if lead else "",
        f"Subject: {seen.subject}",
        "This mail also speaks of unsubscribing: please see whether that is what is wanted."
        if seen.asks_to_stop
        else "",
        "",
        seen.text[:SHOWN] or "(no text)",
        "",
        "Answering this mail writes to them.",
    ]
    text = "\n".join(line for i, line in enumerate(lines) if line or i > 3)
    outbox.put(
        conn,
        [
            outbox.row(
                "staff_mail",
                address,
                key=f"inbound/{seen.key}/{address}",
                now=now,
                subject=clean(f"{who}: {seen.subject}")[:150],
                payload={"text": text, "reply_to": _answerable(seen.sender)},
                lead_id=lead.id if lead else None,
            )
            for address in told
        ],
    )
    return told


def _answerable(sender: str) -> str | None:
    """An address that may stand in a header of ours."""
    try:
        address, utf8 = mailable(sender)
    except BadAddress:
        return None
    return None if utf8 else address


def tell_waiting(conn: Connection, *, now: datetime) -> None:
    """Once a day: there are mails nobody could judge."""
    text = "Mail came in that only a human can judge: the page /mail, or `nurture inbound list`."
    handoffs.alert(conn, f"inbound-review/{now:%Y-%m-%d}", "inbound_review", text, for_whom=None, now=now)
