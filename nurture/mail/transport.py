"""How messages leave: the contract of a transport, and the routes it may take."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Literal, Protocol
from urllib.parse import parse_qs, unquote, urlsplit

from nurture.errors import UsageError
from nurture.model.delivery import Delivery, Outgoing

Take = Callable[[int], Sequence[Outgoing]]
"""`take(n)` gives at most n messages, each durably marked as started; nothing means: no more in this run."""
Done = Callable[[Delivery], None]
Again = Callable[[Collection[int]], Collection[int]]
"""`again(ids)` asks the guard anew about messages that were given and have not begun to leave: which may still go. The
others are taken back, and are answered for no more."""


class Transport(Protocol):
    """Sends messages and says how each ended.

    `capacity` is the most messages that are ever between `take` and `done`: after a kill no more than these are
    unknown. `pump` calls `take` until it gives nothing or `stop` was called, and `done` exactly once per message that
    was not taken back. A message that has waited begins to leave only after `again`, if that is given.
    """

    capacity: int
    resting: frozenset[str]
    """Routes whose breaker is open: they get nothing."""
    names: frozenset[str]
    """Every route there is; empty where routes mean nothing."""
    per_hour: float | None
    """The most messages one sending identity may send per hour; None: no limit."""
    per_group: float | None
    """The most messages one receiving domain group may get per hour; None: no limit."""

    @property
    def stopping(self) -> bool:
        """Was `stop` called?"""

    @property
    def elapsed(self) -> float:
        """Seconds since `pump` was called; 0 where nothing is waited for."""

    def pump(self, take: Take, done: Done, again: Again | None = None) -> None: ...

    def stop(self) -> None:
        """Finish what is on the wire, give back the rest untried (SIGTERM)."""

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds. RFC 5321 4.5.3.2 asks for five minutes per command and ten after the final dot."""

    connect: float = 30
    command: float = 300
    body: float = 600


@dataclass(frozen=True, slots=True)
class Route:
    """One SMTP server we hand mail to. `senders` are the From domains it is for; empty: any."""

    name: str
    host: str
    port: int
    security: Literal["none", "starttls", "tls"] = "none"
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    senders: frozenset[str] = frozenset()
    connections: int = 10
    per_connection: int = 1000
    """Messages before a connection is renewed."""
    per_hour: float | None = None
    per_group: float | None = None
    verify: bool = True
    pipelining: bool = True
    """Use PIPELINING where the server offers it."""
    timeouts: Timeouts = Timeouts()


_SCHEMES: Mapping[str, tuple[Literal["none", "starttls", "tls"], int]] = {
    "smtp": ("none", 25),
    "smtp+starttls": ("starttls", 587),
    "smtps": ("tls", 465),
}


def parse_route(name: str, url: str) -> Route:
    """`smtps://user:password@host:465?from=example.com&connections=5&per_hour=3600` as a Route.

    Raises UsageError for an address that cannot be used, or that would send a password in clear over a network.
    """
    parts = urlsplit(url)
    scheme = _SCHEMES.get(parts.scheme)
    if parts.scheme == "lmtp":
        raise UsageError(
            f"The mail route `{name}` is LMTP, which ends in mailboxes: nothing is passed on to others.",
            fix="Write the SMTP address of a server that passes mail on, e.g. smtp+starttls://user:password@host:587.",
        )
    if scheme is None or not parts.hostname:
        raise UsageError(
            f"The mail route `{name}` is not an SMTP address.",
            fix="Write smtp://host:25, smtp+starttls://user:password@host:587 or smtps://user:password@host:465.",
        )
    security, port = scheme
    options = {key: values[-1] for key, values in parse_qs(parts.query).items()}
    if parts.username and security == "none" and not _is_loopback(parts.hostname):
        raise UsageError(
            f"The mail route `{name}` would send its password in clear.", fix="Use smtp+starttls:// or smtps://."
        )
    try:
        return Route(
            name=name,
            host=parts.hostname,
            port=parts.port or port,
            security=security,
            username=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password else None,
            senders=frozenset(d for d in options.get("from", "").lower().split(",") if d),
            connections=int(options.get("connections", 10)),
            per_connection=int(options.get("per_connection", 1000)),
            per_hour=float(options["per_hour"]) if "per_hour" in options else None,
            per_group=float(options["per_group"]) if "per_group" in options else None,
            verify=options.get("verify", "yes") != "no",
            pipelining=options.get("pipelining", "yes") != "no",
            timeouts=Timeouts(
                connect=float(options.get("connect_timeout", 30)),
                command=float(options.get("command_timeout", 300)),
                body=float(options.get("body_timeout", 600)),
            ),
        )
    except ValueError as wrong:
        raise UsageError(f"The mail route `{name}` has an option that is not a number: {wrong}") from None


def parse_routes(smtp_url: str, more: Mapping[str, str]) -> tuple[Route, ...]:
    """The default route first (`main`), then the named ones."""
    return (parse_route("main", smtp_url), *(parse_route(name, url) for name, url in more.items()))


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def routes_for(message: Outgoing, routes: Sequence[Route], *, resting: frozenset[str] = frozenset()) -> list[Route]:
    """The routes this message may take, best first: the named one, those for its From domain, then those for any.

    A named route is the only one; routes that rest (`resting`, by name) are left out, so the list may be empty.
    """
    if message.route is not None and any(r.name == message.route for r in routes):
        chosen = [r for r in routes if r.name == message.route]
    else:
        chosen = [r for r in routes if message.from_domain in r.senders] + [r for r in routes if not r.senders]
    return [r for r in chosen if r.name not in resting]
