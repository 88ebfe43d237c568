"""Sending over SMTP: persistent connections per route, fail-over between routes, every message answered once."""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import math
import socket
import ssl
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from nurture.mail.dkim import Signer, signed_for
from nurture.mail.fastwire import PipelinedSession, fits
from nurture.mail.session import ConnectFailed, PlainSession, Session, connect
from nurture.mail.transport import Again, Done, Route, Take, parse_routes, routes_for
from nurture.model.delivery import Delivery, Outgoing, Phase, Reply

GIVE_UP_CONNECTING = 2
DEPTH = 8
"""Messages per connection that are between `take` and `done` at most."""
SOON, LATE = 0.25, 0.5
"""Seconds. Messages wait with the guard's yes: no longer than this, so that it stays fresh, and no more of them than
are answered in that time."""
FRESH = 1.0
"""Seconds. No message begins to leave on an older yes: the guard is asked anew."""
_EARLY = frozenset({Phase.MAIL, Phase.RCPT, Phase.DATA})
_NOT_LET_IN = frozenset({530, 535, 538})
"""To MAIL: log in, or encrypt, first (RFC 4954, 3207). Said of us, whoever the message is for."""
AGAIN = 2
"""How often a message is put back when a connection dies before its first byte."""


class SmtpTransport:
    """Hands messages to SMTP servers. Not for use from two threads at once: a second `pump` waits for the first."""

    def __init__(
        self,
        routes: Sequence[Route],
        *,
        helo: str = "localhost.localdomain",
        depth: int = DEPTH,
        tls: ssl.SSLContext | None = None,
        sign: Callable[[Outgoing], bytes] | None = None,
        loop: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop,
    ) -> None:
        if not routes:
            raise ValueError("a transport needs at least one route")
        self.routes = tuple(routes)
        self.resting: frozenset[str] = frozenset()
        self.names = frozenset(r.name for r in routes)
        self.per_hour = min((r.per_hour for r in routes if r.per_hour is not None), default=None)
        self.per_group = min((r.per_group for r in routes if r.per_group is not None), default=None)
        self.connections = sum(r.connections for r in routes)
        self.capacity = max(self.connections * depth, 1)
        self.pace = min(self.connections * 4, self.capacity)
        """How many messages are out now, of `capacity` at most: what is answered within `SOON` seconds, or two for each
        connection."""
        self.sign = sign
        self._helo, self._tls, self._new_loop = helo, tls, loop
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lock = threading.Lock()
        self._idle: dict[str, list[Session]] = {r.name: [] for r in routes}
        self._stopping = False
        self._began = 0.0

    def pump(self, take: Take, done: Done, again: Again | None = None) -> None:
        with self._lock:
            if self._loop is None:
                self._loop = self._new_loop()
            self._began = self._loop.time()
            self._loop.run_until_complete(_Run(self, take, done, again, self._loop.time).run())

    @property
    def elapsed(self) -> float:
        return self._loop.time() - self._began if self._loop is not None else 0.0

    def stop(self) -> None:
        self._stopping = True

    @property
    def stopping(self) -> bool:
        return self._stopping

    def close(self) -> None:
        with self._lock:
            if self._loop is None:
                return
            sessions = [s for idle in self._idle.values() for s in idle]
            self._loop.run_until_complete(_close_all(sessions))
            self._loop.close()
            self._loop = None
            self._idle = {r.name: [] for r in self.routes}

    async def session(self, route: Route) -> Session:
        """A live session of `route`, kept from before or new. Raises ConnectFailed."""
        idle = self._idle[route.name]
        while idle:
            session = idle.pop()
            if session.alive:
                return session
        client = await connect(route, helo=self._helo, tls=self._tls)
        return PipelinedSession(client, route) if fits(client, route) else PlainSession(client, route)

    def put_back(self, route: Route, session: Session) -> None:
        if session.alive:
            self._idle[route.name].append(session)


def over_smtp(smtp_url: str, more: Mapping[str, str], *, signers: Sequence[Signer] = ()) -> SmtpTransport:
    """The transport of an installation: its routes, its signatures, and the faster event loop where there is one."""
    routes = parse_routes(smtp_url, more)
    new_event_loop: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop
    if importlib.util.find_spec("uvloop") is not None:
        new_event_loop = importlib.import_module("uvloop").new_event_loop
    sign = partial(signed_for, tuple(signers)) if signers else None
    return SmtpTransport(routes, sign=sign, loop=new_event_loop, helo=own_name())


def own_name() -> str:
    """What EHLO says: this machine's name if it is a whole one, else its address in brackets (RFC 5321 4.1.3)."""
    name = socket.gethostname()
    return name if "." in name else "[127.0.0.1]"


async def _close_all(sessions: Sequence[Session]) -> None:
    await asyncio.gather(*(s.close() for s in sessions), return_exceptions=True)


class _Run:
    """One `pump`: a lane of messages per route, connections that empty them, and one place that asks for more."""

    def __init__(
        self, transport: SmtpTransport, take: Take, done: Done, again: Again | None, clock: Callable[[], float]
    ) -> None:
        self.transport, self._take, self._done, self._again, self._clock = transport, take, done, again, clock
        self._fresh = FRESH if again is not None else math.inf
        self.asked: dict[int, float] = {}
        """When the guard said yes to each message that is out."""
        self.lanes = {r.name: deque[Outgoing]() for r in transport.routes}
        self.down: dict[str, Reply] = {}
        self.ways: dict[tuple[str | None, str], str | None] = {}
        self.tries: dict[int, int] = {}
        self.outstanding = 0
        self.taken_at: float | None = None
        self.exhausted = False
        self.workers: dict[str, set[asyncio.Task[None]]] = {r.name: set() for r in transport.routes}
        self.live: dict[str, int] = dict.fromkeys(self.lanes, 0)
        self.connecting: dict[str, int] = dict.fromkeys(self.lanes, 0)
        self.refused: dict[str, int] = dict.fromkeys(self.lanes, 0)
        self.most = {r.name: r.connections for r in transport.routes}
        """Connections a route gives us: fewer than we may have, where the server has turned one away."""
        self.failure: BaseException | None = None

    async def run(self) -> None:
        """Until nothing more is given and everything given is answered."""
        self.refill()
        while True:
            self._hire()
            tasks = [task for group in self.workers.values() for task in group]
            if not tasks and not self.exhausted and not self.outstanding:
                # The last connection ended with its message: what waits at the source goes over new ones.
                self.refill()
                continue
            if not tasks:
                if self.failure is not None:
                    raise self.failure
                return
            finished, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for group in self.workers.values():
                group -= finished
            for task in finished:
                self._look(task)

    def _look(self, task: asyncio.Task[None]) -> None:
        error = task.exception()
        if error is not None and self.failure is None:
            # The source of messages broke (the database is away): finish what is on the wire, then say so.
            self.failure, self.exhausted = error, True

    def _hire(self) -> None:
        """As many connections as there are messages for, at most what the route allows."""
        for route in self.transport.routes:
            name, group = route.name, self.workers[route.name]
            wanted = min(self.most[name], len(self.lanes[name]) + self.live[name])
            while name not in self.down and len(group) < wanted:
                group.add(asyncio.ensure_future(self._work(route)))

    def refill(self) -> None:
        """Ask for more once three quarters of what may be in flight are answered, or there is one left for each
        connection; hand each to its best route.

        Asking earlier would make a transaction per few messages, asking later would leave connections idle.
        """
        pace = self.transport.pace
        if self.exhausted or self.outstanding > min(max(pace // 4, self.transport.connections), pace - 1):
            return
        if self.transport.stopping or len(self.down) == len(self.lanes):
            self.exhausted = True
            return
        pace, at = self._keep_pace(), self._clock()
        try:
            given = self._take(max(pace - self.outstanding, 1))
        except Exception as error:
            # The source broke (the database is away): what is on the wire is finished first, then it is said.
            self.failure, self.exhausted = error, True
            return
        if not given:
            self.exhausted = True
        self.taken_at = self._clock()
        sign = self.transport.sign
        for message in given:
            self.outstanding += 1
            self.asked[message.id] = at
            self.assign(message if sign is None else message._replace(raw=sign(message)))
        self._hire()

    def _keep_pace(self) -> int:
        """How many messages to have out: twice as many as before if those were answered soon, half if late."""
        transport = self.transport
        if self.taken_at is not None:
            took = self._clock() - self.taken_at
            if took < SOON:
                transport.pace = min(transport.pace * 2, transport.capacity)
            elif took > LATE:
                transport.pace = max(transport.pace // 2, min(transport.connections * 2, transport.capacity))
            self.taken_at = None
        return transport.pace

    def assign(self, message: Outgoing) -> None:
        if self.transport.stopping:
            reply = Reply(Phase.CONNECT, None, "stopped before sending")
            self.finish(Delivery(message.id, reply, untried=True, stopped=True))
        elif (way := self._way(message)) is not None:
            self.lanes[way].append(message)
        else:
            nowhere = Reply(Phase.CONNECT, None, "no route may be used now")
            name, reply = next(reversed(self.down.items()), ("", nowhere))
            self.finish(Delivery(message.id, reply, name, untried=True))

    def _way(self, message: Outgoing) -> str | None:
        """The name of the best route that is up, worked out once for all messages of its kind."""
        kind = (message.route, message.from_domain)
        if kind not in self.ways:
            resting = self.transport.resting | frozenset(self.down)
            routes = routes_for(message, self.transport.routes, resting=resting)
            self.ways[kind] = routes[0].name if routes else None
        return self.ways[kind]

    def finish(self, delivery: Delivery) -> None:
        self.outstanding -= 1
        del self.asked[delivery.id]
        self._done(delivery)

    def next(self, route: Route) -> Outgoing | None:
        lane = self.lanes[route.name]
        while True:
            if not lane:
                self.refill()
            if self.transport.stopping:
                self._give_back(lane)
            if not lane:
                return None
            message = lane.popleft()
            if self.may(message):
                return message

    def may(self, message: Outgoing) -> bool:
        """Is the guard's yes fresh? An older one is asked for again, together with all that wait as long."""
        return self._clock() - self.asked[message.id] < self._fresh or self._ask_again(message)

    def _ask_again(self, message: Outgoing) -> bool:
        at, lanes = self._clock(), self.lanes.values()
        stale = {m.id for lane in lanes for m in lane if at - self.asked[m.id] >= self._fresh} | {message.id}
        try:
            going = frozenset(self._again(stale) if self._again is not None else stale)
        except Exception as error:
            # The guard cannot be asked (the database is away): nothing goes.
            self.failure, self.exhausted, going = self.failure or error, True, frozenset()
            unasked = Reply(Phase.CONNECT, None, "whether it may go could not be asked")
            for id_ in stale:
                self.finish(Delivery(id_, unasked, untried=True, stopped=True))
        else:
            for id_ in stale - going:
                self.outstanding -= 1
                del self.asked[id_]
        for lane in lanes:
            kept = [m for m in lane if m.id in going or m.id not in stale]
            lane.clear()
            lane.extend(kept)
        self.asked.update(dict.fromkeys(going, at))
        return message.id in going

    def _give_back(self, lane: deque[Outgoing]) -> None:
        while lane:
            self.assign(lane.popleft())

    async def _work(self, route: Route) -> None:
        """One connection: takes from its lane until that is empty or the connection ends."""
        session = await self._session(route)
        if session is None:
            return
        self.live[route.name] += 1
        held: dict[int, Outgoing] = {}
        carried = 0

        def more() -> Outgoing | None:
            message = self.next(route)
            if message is not None:
                held[message.id] = message
            return message

        def answer(message: Outgoing, reply: Reply) -> None:
            nonlocal carried
            del held[message.id]
            self._answered(route, message, reply, behind=carried > 0)
            carried += 1

        def may(message: Outgoing) -> bool:
            if self.may(message):
                return True
            del held[message.id]
            return False

        try:
            first = more()
            if first is not None:
                await session.run(first, more, answer, may)
        finally:
            self.live[route.name] -= 1
            for message in held.values():
                self.finish(Delivery(message.id, Reply(Phase.BODY, None, "the session broke"), route.name))
            self.transport.put_back(route, session)

    def _answered(self, route: Route, message: Outgoing, reply: Reply, *, behind: bool) -> None:
        """A connection that died before the message began says nothing about it: put it back, but not for ever.

        Some servers close after a few messages: who came `behind` others and was not even heard has not been tried.
        """
        early = reply.code in (None, 421) and reply.phase in _EARLY
        if reply.phase is Phase.MAIL and reply.code in _NOT_LET_IN:
            self._down(route, reply._replace(phase=Phase.AUTH))
            self.assign(message)
        elif early and behind and reply.phase is Phase.MAIL:
            self.assign(message)
        elif early and self.tries.get(message.id, 0) < AGAIN:
            self.tries[message.id] = self.tries.get(message.id, 0) + 1
            self.assign(message)
        else:
            self.finish(Delivery(message.id, reply, route.name))

    async def _session(self, route: Route) -> Session | None:
        """A connection, or None. One too many refused is no outage; twice none at all is one."""
        while True:
            self.connecting[route.name] += 1
            try:
                made = await self.transport.session(route)
                self.refused[route.name] = 0
                return made
            except ConnectFailed as no:
                reply = no.reply
            finally:
                self.connecting[route.name] -= 1
            self.refused[route.name] += 1
            others = self.live[route.name] + self.connecting[route.name]
            if others:
                self.most[route.name] = min(self.most[route.name], others)
                return None
            if self.refused[route.name] >= GIVE_UP_CONNECTING:
                self._down(route, reply)
                return None

    def _down(self, route: Route, reply: Reply) -> None:
        """The route is out for this run: its lane goes to the next one."""
        self.down[route.name] = reply
        self.ways.clear()
        lane = self.lanes[route.name]
        waiting = list(lane)
        lane.clear()
        for message in waiting:
            self.assign(message)
        self._hire()
