"""send: planned messages whose time has come leave, each at most once, each with the guard's fresh yes.

Claimed in batches; then in groups no larger than what may be in flight: fresh rows, guard, bytes, start marks and the
endings of the group before, all in one transaction; only then the first byte leaves. A worker killed at any instant
leaves rows that say how far each message had come.
"""

from __future__ import annotations

import gc
import time
from collections import Counter, deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Final

from nurture.decide.groups import provider_of
from nurture.decide.reply import SENT, Attempt, judge, took
from nurture.errors import NurtureError, Unavailable
from nurture.mail.headers import BadAddress, clean
from nurture.model.delivery import OF_THE_ROUTE, Delivery, Fate, Judgement, Outgoing
from nurture.model.intents import Answer, Permit, Postpone, Refusal, Tally
from nurture.model.sandbox import CopyError
from nurture.model.words import EventKind, MessageState, RefusalCode
from nurture.parts import Parts
from nurture.stages import lost, reputation
from nurture.stages.letters import Case, Kind, Letters, Ready
from nurture.store import Connection
from nurture.store.audience import imports
from nurture.store.facts import events
from nurture.store.mail import brakes, domains, guard, messages, outgoing, rates
from nurture.store.mail.guard import Fresh
from nurture.store.mail.outgoing import Claimed, Ending, Start

ENROLLMENT_PAUSED_FOR: Final = timedelta(hours=1)
PATIENCE: Final = (0.1, 0.3, 1.0, 3.0)
"""Seconds between attempts to write down what a server has answered."""
LONG_PATIENCE: Final = (5.0, 10.0, 15.0, 30.0)
"""And after those, unless the worker was told to stop."""
LAG: Final = timedelta(seconds=30)
"""A batch over a slow server takes minutes: its clock moves on by at least so much at a time."""


def run(parts: Parts, *, now: datetime, limit: int, owner: str, only: frozenset[str] | None = None) -> Tally:
    """Send up to `limit` due messages (of the campaigns in `only`). The tally balances."""
    tally = Tally()
    with parts.store.begin() as conn:
        lost.recover(parts, conn, now=now)
        reputation.watch(parts, conn, now=now)
        halt, stopped, _ = outgoing.halts(conn, now=now)
        stopped |= reputation.held(parts, halt)
        resting = frozenset(k.removeprefix("route:") for k in halt if k.startswith("route:"))
        if brakes.ALL in halt or (parts.transport.names and parts.transport.names <= resting):
            return tally
        claimed = outgoing.claim(conn, now=now, limit=limit, owner=owner, stopped=stopped, only=only)
    if not claimed:
        return tally
    tally.due = len(claimed)
    job = _Job(parts, claimed, now=now, owner=owner, tally=tally)
    parts.transport.resting = resting
    try:
        with _few_collections():
            parts.transport.pump(job.take, job.done, job.again)
    finally:
        job.finish()
    return tally


@contextmanager
def _few_collections() -> Iterator[None]:
    """A batch makes many objects and no cycles; looking for cycles after every 700 costs a tenth of the whole job."""
    before = gc.get_threshold()
    gc.set_threshold(50_000, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


_Asked = tuple[Claimed, Answer | None, tuple[Kind, Case, Fresh] | None]
"""A message, what the guard says (None: it is ours no more), and what its mail is made of, where it can be."""


class _Job:
    """One claimed batch on its way: what waits, what is started, what has ended and is yet to be written."""

    def __init__(self, parts: Parts, claimed: Sequence[Claimed], *, now: datetime, owner: str, tally: Tally) -> None:
        self.parts, self.now, self.owner, self.tally = parts, now, owner, tally
        self.began = now
        self.letters = Letters(parts, now=now)
        self.waiting = deque(claimed)
        self.started: dict[int, tuple[Claimed, Start]] = {}
        self.flight = f"{owner}#{claimed[0].id}"
        """The key of our start mark. Nobody else can claim this message before that mark has been dealt with."""
        self.endings: list[Ending] = []
        self.brakes: dict[str, tuple[timedelta, str]] = {}
        self.bounced: list[tuple[Claimed, str]] = []
        self.volume: Counter[tuple[str | None, str]] = Counter()
        """Accepted in this run, by campaign and provider."""

    def take(self, n: int) -> list[Outgoing]:
        """Up to n messages that the guard has just permitted, durably marked as started."""
        self._move_on()
        while self.waiting:
            batch = self._next(n)
            written = len(self.endings)
            try:
                with self.parts.store.begin() as conn:
                    self._write(conn)
                    ready = self._group(conn, batch)
                    flying = [*self.started, *(m.id for m, _ in ready)]
                    outgoing.fly(conn, self.flight, flying, now=self.now, owner=self.owner)
            except BaseException:
                ended = {e.id for e in self.endings[written:]}
                self.waiting.extendleft(m for m in reversed(batch) if m.id not in ended)
                raise
            self._written(written)
            self.tally.in_flight += len(ready)
            for message, made in ready:
                self.started[message.id] = (message, made.start)
            if ready:
                return [made.outgoing for _, made in ready]
        return []

    def again(self, ids: Collection[int]) -> list[int]:
        """Which of these, started and not yet begun, may still go. The others never leave; their start is undone."""
        self._move_on()
        written = len(self.endings)
        with self.parts.store.begin() as conn:
            self._write(conn)
            halt, paused, _ = self._halts(conn)
            batch = [self.started[i][0] for i in ids]
            no: dict[int, Answer | None] = {}
            for message, answer, _ in self._ask(conn, batch, halt, paused):
                still = self._braked(self.started[message.id][1], halt) or answer
                if not isinstance(still, Permit):
                    no[message.id] = still
            outgoing.fly(conn, self.flight, self.started.keys() - no.keys(), now=self.now, owner=self.owner)
        self._written(written)
        for id_, answer in no.items():
            message, _ = self.started.pop(id_)
            if answer is not None:
                self.tally.in_flight -= 1
                self._withhold(message, answer)
        return [i for i in ids if i not in no]

    def _move_on(self) -> None:
        now = self.began + timedelta(seconds=self.parts.transport.elapsed)
        if now - self.now >= LAG:
            self.now = now
            self.letters.move_on(now)

    def done(self, delivery: Delivery) -> None:
        """Note how one message ended; written with the next group, or at the end."""
        message, start = self.started.pop(delivery.id)
        self.tally.in_flight -= 1
        if took(delivery.reply):
            self.endings.append(self._ending(message, start, delivery, SENT))
            return
        verdict = judge(
            delivery.reply, now=self.now,
            attempt=Attempt(message.attempt + 1, message.first_tried_at or self.now, _jitter(message.id)),
        )
        if verdict.pause_group is not None:
            self.brakes[brakes.group_key(start.domain_group)] = (verdict.pause_group, verdict.why)
        if verdict.pause_route is not None and delivery.route:
            self.brakes[brakes.route_key(delivery.route)] = (verdict.pause_route, verdict.why)
        if verdict.suppress is not None:
            self.bounced.append((message, verdict.suppress))
        self.endings.append(self._ending(message, start, delivery, verdict))

    def finish(self) -> None:
        """Write what is left to write and give back what was never begun."""
        left, self.waiting = list(self.waiting), deque()
        for message in left:
            self._end(message, _waits(message), "deferred", reason="worker_stopped", text="the worker was stopped")
        for wait in (*PATIENCE, *LONG_PATIENCE, None):
            try:
                with self.parts.store.begin() as conn:
                    self._write(conn)
                    outgoing.fly(conn, self.flight, list(self.started), now=self.now, owner=self.owner)
                    reputation.count(self.parts, conn, self.volume, now=self.now)
                self._written(len(self.endings))
                return
            except Unavailable:
                # What a server accepted and nobody wrote down will be unknown: worth a minute of waiting.
                if wait is None or (wait in LONG_PATIENCE and self.parts.transport.stopping):
                    raise
                time.sleep(wait)

    def _group(self, conn: Connection, batch: Sequence[Claimed]) -> list[tuple[Claimed, Ready]]:
        """Those of these that may go, as bytes."""
        halt, paused, rationed = self._halts(conn)
        ready: list[tuple[Claimed, Ready]] = []
        for message, answer, of in self._ask(conn, batch, halt, paused):
            if answer is None:
                # Our lease ran out and somebody else has it: theirs to count and to send.
                self.tally.in_flight += 1
            elif of is None or not isinstance(answer, Permit):
                self._withhold(message, answer)
            elif (made := self._make(message, *of, halt)) is not None:
                ready.append((message, made))
        ready = self._rationed(conn, ready, rationed)
        for digest, mail in self.letters.fresh.items():
            messages.keep_links(conn, digest, [(link.index, link.name, link.url) for link in mail.links])
        self.letters.fresh.clear()
        return ready

    def _halts(self, conn: Connection) -> outgoing.Halts:
        halt, paused, rationed = outgoing.halts(conn, now=self.now)
        return outgoing.Halts(halt, paused | reputation.held(self.parts, halt), rationed)

    def _ask(
        self, conn: Connection, batch: Sequence[Claimed], halt: Mapping[str, datetime | None], paused: frozenset[str]
    ) -> Iterator[_Asked]:
        """What the guard says to each of these, on rows of this very transaction."""
        leads, ours, states = guard.fresh(
            conn, batch, now=self.now, owner=self.owner, flying=self.started, apart=self.letters.apart
        )
        self._look_behind(conn, leads)
        for message in batch:
            lead = leads.get(message.lead_id)
            if lead is None or message.id not in ours:
                gone = Refusal(RefusalCode.ERASED, "the lead is no longer there") if lead is None else None
                yield message, gone, None
                continue
            state = states.get(message.enrollment_id) if message.enrollment_id is not None else "active"
            kind = self.letters.kind(message)
            answer, case = self.letters.answer(message, kind, lead)
            yield message, self._halted(message, halt, paused) or self._left(kind, state) or answer, (kind, case, lead)

    def _look_behind(self, conn: Connection, leads: Mapping[int, Fresh]) -> None:
        """Whose servers take these domains' mail, as far as that was looked up; new domains are noted for it."""
        if self.parts.outside.mail_servers is None:
            return
        groups = self.letters.groups
        new = {lead.email.rpartition("@")[2].lower() for lead in leads.values() if lead.email} - groups.keys()
        if new:
            known = domains.known(conn, new)
            groups.update(dict.fromkeys(new), **known)
            unseen = {name for name in new - known.keys() if name.isascii() and provider_of(f"@{name}") == "other"}
            domains.note(conn, unseen, now=self.now)

    def _rationed(
        self, conn: Connection, ready: list[tuple[Claimed, Ready]], rationed: frozenset[str]
    ) -> list[tuple[Claimed, Ready]]:
        """Those that the hourly limits of sender and receiving group leave room for; the others wait for a token."""
        transport = self.parts.transport
        if transport.per_hour is None and transport.per_group is None and not rationed:
            return ready
        keys = {
            m.id: (rates.sender_key(r.outgoing.from_domain), rates.group_key(r.start.domain_group)) for m, r in ready
        }
        limits: dict[str, float | None] = {}
        for sender, group in keys.values():
            limits[sender], limits[group] = transport.per_hour, transport.per_group
        waits = rates.take(conn, keys, limits, now=self.now)
        for message, _ in ready:
            if message.id in waits:
                self._postpone(message, Postpone(RefusalCode.RATE, "the hourly limit is reached", waits[message.id]))
        return [(m, r) for m, r in ready if m.id not in waits]

    def _next(self, n: int) -> list[Claimed]:
        """At most one message per lead in one group: the second must see the first in its caps."""
        batch: list[Claimed] = []
        later: list[Claimed] = []
        leads: set[int] = set()
        while self.waiting and len(batch) < n:
            message = self.waiting.popleft()
            (later if message.lead_id in leads else batch).append(message)
            leads.add(message.lead_id)
        self.waiting.extendleft(reversed(later))
        return batch

    def _halted(self, message: Claimed, halt: Mapping[str, datetime | None], paused: frozenset[str]) -> Postpone | None:
        if brakes.ALL in halt or message.campaign in paused:
            return Postpone(RefusalCode.PAUSED, "sending is paused", message.due_at)
        return None

    def _left(self, kind: Kind, state: str | None) -> Refusal | None:
        if kind.gone:
            return Refusal(RefusalCode.CAMPAIGN_STOPPED, "the campaign is no longer there")
        if state == "active" or state == "paused":
            return None
        return Refusal(RefusalCode.LEFT_CAMPAIGN, "the lead left the campaign")

    def _make(
        self, message: Claimed, kind: Kind, case: Case, lead: Fresh, halt: Mapping[str, datetime | None]
    ) -> Ready | None:
        try:
            made = self.letters.make(message, kind, case, lead)
        except (CopyError, NurtureError) as cannot:
            code = RefusalCode.NO_ADDRESS if isinstance(cannot, BadAddress) else RefusalCode.RENDER_FAILED
            self._refuse(message, Refusal(code, str(cannot)))
            return None
        except Exception as fault:
            # Our own mistake is no reason to stop the others, nor to give this one up: it waits for a better program.
            text = f"this mail cannot be made: {type(fault).__name__}: {fault}"
            self._postpone(message, Postpone(RefusalCode.GUARD_BLIND, text, self.now + ENROLLMENT_PAUSED_FOR))
            return None
        if halt and (wait := self._braked(made.start, halt)) is not None:
            self._withhold(message, wait)
            return None
        if kind.rehearses:
            self._end(message, MessageState.REHEARSED, "sent", reason="rehearsal", text="written and shown, not sent")
            self.tally.count("rehearsed")
            return None
        return made

    def _braked(self, start: Start, halt: Mapping[str, datetime | None]) -> Postpone | None:
        key = brakes.group_key(start.domain_group)
        if key not in halt:
            return None
        until = halt[key] or self.now + ENROLLMENT_PAUSED_FOR
        return Postpone(RefusalCode.DOMAIN_PAUSED, "the receiving side wants a pause", until)

    def _withhold(self, message: Claimed, answer: Answer) -> None:
        if isinstance(answer, Refusal):
            self._refuse(message, answer)
        elif isinstance(answer, Postpone):
            self._postpone(message, answer)

    def _refuse(self, message: Claimed, no: Refusal) -> None:
        self._end(message, MessageState.REFUSED, "refused", reason=no.code, text=no.text)

    def _postpone(self, message: Claimed, answer: Postpone) -> None:
        self._end(message, _waits(message), "postponed", reason=answer.code, text=answer.text, due_at=answer.until)

    def _end(
        self, message: Claimed, state: MessageState, book: str, *, reason: str, text: str,
        due_at: datetime | None = None,
    ) -> None:
        self.endings.append(Ending(
            message.id, state, self.now, message.enrollment_id, reason=str(reason), text=text[:400], due_at=due_at,
        ))
        setattr(self.tally, book, getattr(self.tally, book) + 1)

    def _ending(self, message: Claimed, start: Start, delivery: Delivery, verdict: Judgement) -> Ending:
        said = clean(f"{delivery.reply.code or ''} {delivery.reply.text}".strip()[:400])
        if verdict.fate is Fate.SENT:
            self.tally.sent += 1
            self.volume[message.campaign, provider_of(start.address)] += 1
            return Ending(
                message.id, MessageState.SENT, self.now, message.enrollment_id, said, None, None, None, delivery.route,
                start,
            )
        tried = not delivery.untried and delivery.reply.phase not in OF_THE_ROUTE
        match verdict.fate:
            case Fate.UNKNOWN:
                state, book = MessageState.UNKNOWN, "unknown"
            case Fate.FAILED:
                state, book = MessageState.FAILED, "failed"
            case _:
                state, book = MessageState.DEFERRED, "deferred"
        if not tried:
            state, book = _waits(message), "deferred"
        setattr(self.tally, book, getattr(self.tally, book) + 1)
        due_at = None if delivery.stopped else verdict.retry_at
        reason = str(verdict.blame)
        if state is MessageState.UNKNOWN and lost.resends(self.parts, message.campaign):
            due_at, reason = self.now + lost.RESEND_AFTER, messages.RESENDS
        return Ending(
            message.id, state, self.now, message.enrollment_id, reply=said, due_at=due_at, route=delivery.route,
            reason=reason, start=start if tried else None, text=clean(verdict.why),
        )

    def _write(self, conn: Connection) -> None:
        """Write every ending so far, and what they mean for others. Forgotten only once that is committed."""
        outgoing.record(conn, self.endings, now=self.now, owner=self.owner)
        brakes.put(conn, self.brakes, now=self.now)
        rates.slow_down(conn, [rates.group_key(k[7:]) for k in self.brakes if k.startswith("domain:")], now=self.now)
        if self.bounced:
            self._bounces(conn)

    def _written(self, endings: int) -> None:
        del self.endings[:endings]
        self.brakes, self.bounced = {}, []

    def _bounces(self, conn: Connection) -> None:
        hashes = messages.address_hashes(conn, [m.lead_id for m, _ in self.bounced])
        blocked = [(hashes[m.lead_id], why, m.lead_id) for m, why in self.bounced if m.lead_id in hashes]
        imports.suppress(conn, blocked, source="smtp", now=self.now)
        events.record(conn, [
            events.NewEvent(
                EventKind.BOUNCE, self.now, m.lead_id, key=f"bounce/{m.id}", content=m.content, campaign=m.campaign,
                step=m.step_id, message_id=m.id, machine=True, data={"kind": "hard"},
            ) for m, _ in self.bounced
        ], now=self.now)


def _waits(message: Claimed) -> MessageState:
    """Where a message goes that was not tried: back to what it was."""
    return MessageState.DEFERRED if message.attempt else MessageState.PLANNED


def _jitter(message_id: int) -> float:
    return (message_id * 2654435761 % 1000) / 1000
