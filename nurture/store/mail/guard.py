"""What the sending guard and the copy need of a lead, read in the transaction that marks the start of its message.

Two queries for a whole group of messages. Everything else about a lead is in `snapshots`, which is too much to read
once per message.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import Connection

from nurture.model.facts import Consents, ConsentState, Lead, Sent, Snapshot
from nurture.model.words import Channel, ConsentStatus, Purpose, Stage
from nurture.store.driver import AMONG_LITE, AMONG_PG, Driver, moment
from nurture.store.mail.outgoing import Claimed

LOOKS_BACK = timedelta(days=31)
"""How far caps look back: a month is thirty days."""


class Fresh(NamedTuple):
    """One person. `lead` and `consents` are shared by all who differ in nothing the guard asks, so that what it answers
    about one holds for the others, as far as `blocks` and `sent` are empty; `words` are the profile values by name."""

    lead: Lead
    consents: Consents
    blocks: frozenset[str]
    sent: Sequence[Sent]
    words: dict[str, Any]
    email: str

    @property
    def snapshot(self) -> Snapshot:
        """What the guard is asked with: no events and no profile."""
        return Snapshot(self.lead, (), self.consents, self.sent, None, self.blocks)


class Group(NamedTuple):
    """What one transaction sees: leads by id (absent: erased or merged away), the messages still claimed by us, and
    the states of their enrollments."""

    leads: dict[int, Fresh]
    ours: set[int]
    states: dict[int, str]


_LEADS = """
SELECT m.id, m.owner = {me} AND m.state = 'claimed', e.id, e.state, l.id, l.email, l.fields, l.language, l.country,
  (SELECT {blocks} FROM suppression s WHERE s.address_hash = l.email_hash AND s.lifted_at IS NULL),
  (SELECT {said} FROM consent_state c WHERE c.lead_id = l.id AND c.channel = 'email'),
  l.stage, l.timezone, l.cool_off_until, l.cool_off_mode, l.contact_blocked, l.mail_paused_until, l.mails_per_month,
  l.topics_off, l.objected
FROM message m LEFT JOIN lead l ON l.id = m.lead_id LEFT JOIN enrollment e ON e.id = m.enrollment_id
WHERE m.id {among} {hold}
"""
_LEADS_LITE = _LEADS.format(
    me="?", among=AMONG_LITE, hold="", blocks="group_concat(s.reason || ':' || s.scope)",
    said="group_concat(c.purpose || '|' || c.status || '|' || coalesce(c.basis, '') || '|'"
         " || coalesce(substr(c.since, 1, 10), '') || '|'"
         " || coalesce(CASE WHEN c.until > ? THEN substr(c.until, 1, 10) ELSE c.until END, ''), ';')",
)  # fmt: skip
_UTC = "to_char({} AT TIME ZONE 'UTC', 'YYYY-MM-DD{}')"
_FULL = _UTC.format("c.until", " HH24:MI:SS.US")
# The rows are held until the start mark is committed; on SQLite nobody else can write now.
_LEADS_PG = _LEADS.format(
    me="?::text", among=AMONG_PG, hold="FOR UPDATE OF m", blocks="string_agg(s.reason || ':' || s.scope, ',')",
    said="string_agg(concat_ws('|', c.purpose, c.status, coalesce(c.basis, ''),"
         f" coalesce({_UTC.format('c.since', '')}, ''),"
         f" coalesce(CASE WHEN c.until > ? THEN {_UTC.format('c.until', '')} ELSE {_FULL} END, '')), ';')",
)  # fmt: skip
_LEDGER = """
SELECT lead_id, id, content, edition, coalesce(sent_at, started_at, planned_at), campaign, track, run, step_id, kind,
  state, owner
FROM message WHERE lead_id {among} AND state IN ('planned','claimed','started','sent','deferred','unknown')
  AND (sent_at IS NULL OR sent_at > ? OR content {among})
"""
_LEDGER_LITE, _LEDGER_PG = _LEDGER.format(among=AMONG_LITE), _LEDGER.format(among=AMONG_PG)
# The day is enough of a moment that is only shown (`since`), or that is more than a day ahead (`until`): fewer leads
# differ then.
_AHEAD = timedelta(days=1)
_NOTHING: frozenset[str] = frozenset()
_ELSEWHERE = "elsewhere.invalid"
# Tables: an enum looks its members up in Python.
_KEYS = {purpose.value: (purpose, Channel.EMAIL) for purpose in Purpose}
_STATUSES = {status.value: status for status in ConsentStatus}


def fresh(
    conn: Connection, batch: Sequence[Claimed], *, now: datetime, owner: str, flying: Collection[int] = (),
    apart: Collection[str] = (),
) -> Group:
    """The leads of these messages, at most one message of each lead, as this transaction sees them.

    `flying` are this worker's own messages on the wire: they count as started, like whatever others have claimed.
    `apart` are the domains the guard asks for; leads at others are told apart by nothing of their address.
    """
    to = Driver(conn)
    ids = {m.id for m in batch}
    rows = to.rows(_LEADS_LITE if to.lite else _LEADS_PG, [owner, to.moment(now + _AHEAD), to.list(list(ids))])
    leads, contents = [m.lead_id for m in batch], sorted({m.content for m in batch})
    given = [to.list(leads), to.moment(now - LOOKS_BACK), to.list(contents)]
    ledger: dict[int, list[Sent]] = {}
    for lead_id, id_, content, edition, at, *rest in to.rows(_LEDGER_LITE if to.lite else _LEDGER_PG, given):
        if id_ in ids:
            # The one that is asked about is no reason against itself.
            continue
        campaign, track, run, step, kind, state, holder = rest
        if state == "claimed" and (holder != owner or id_ in flying):
            state = "started"
        sent = Sent(id_, content, edition, moment(at) or now, campaign, track, step, run, kind, state)
        ledger.setdefault(lead_id, []).append(sent)
    return Group(
        {row[4]: _fresh(row, ledger.get(row[4], ()), apart) for row in rows if row[4] is not None},
        {row[0] for row in rows if row[1]},
        {row[2]: row[3] for row in rows if row[2] is not None},
    )


@lru_cache(maxsize=8192)
def _consents(said: str | None) -> Consents:
    """`purpose|status|basis|since|until;...` as the guard reads it. Leads who said the same share it."""
    found = {}
    for one in said.split(";") if said else ():
        purpose, status, basis, since, until = one.split("|")
        found[_KEYS[purpose]] = ConsentState(_STATUSES[status], basis or None, _moment(since), _moment(until))
    return found


def _moment(text: str) -> datetime | None:
    """A moment, or the beginning of a day."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC) if text else None


@lru_cache(maxsize=4096)
def _kind_of_lead(domain: str, language: str | None, country: str | None, stage: str, *rest: Any) -> Lead:
    """Leads that differ only in who they are share one noun: the guard asks nothing that tells them apart."""
    zone, cool, mode, blocked, paused, limit, topics, objected = rest
    return Lead(
        id=0, stage=Stage(stage), email=f"somebody@{domain}" if domain else None, language=language, country=country,
        timezone=zone, cool_off_until=moment(cool), cool_off_mode=mode, mail_paused_until=moment(paused),
        mails_per_month=limit, topics_off=frozenset(json.loads(topics)), objected=bool(objected),
        contact_blocked=bool(blocked),
    )


def _fresh(row: Sequence[Any], sent: Sequence[Sent], apart: Collection[str]) -> Fresh:
    _, _, _, _, _, email, fields, language, country, blocks, said, *rest = row
    if type(rest[7]) is not str:
        rest[7] = json.dumps(rest[7] or [])
    domain = email.rpartition("@")[2].lower() if apart and email else ""
    place = domain if domain in apart else _ELSEWHERE
    lead = _kind_of_lead(place if email else "", language, country, *rest)
    suppressed = frozenset(blocks.split(",")) if blocks else _NOTHING
    return Fresh(lead, _consents(said), suppressed, sent, _words(fields, email, language, country), email or "")


def _words(fields: Any, email: str | None, language: str | None, country: str | None) -> dict[str, Any]:
    held: Mapping[str, Any] = (json.loads(fields) if type(fields) is str else fields) or {}
    words = {name: value["v"] for name, value in held.items()}
    words["email"] = email
    if language is not None:
        words["language"] = language
    if country is not None:
        words["country"] = country
    return words
