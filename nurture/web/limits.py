"""Rate limits of one process: so many asks per key and window, then no. Quotas that must survive live in the store."""

from __future__ import annotations

from collections import deque
from datetime import datetime, timedelta
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from nurture.web.network import is_ours


class Limit:
    """At most `count` per `per` and key, sliding. Memory is bounded: the oldest keys are forgotten first."""

    def __init__(self, count: int, per: timedelta, *, keys: int = 20_000) -> None:
        self.count, self.per, self.keys = count, per, keys
        self._seen: dict[str, deque[datetime]] = {}

    def take(self, key: str, now: datetime) -> bool:
        """Whether this ask is within the limit."""
        asks = self._seen.pop(key, None) or deque()
        while asks and now - asks[0] >= self.per:
            asks.popleft()
        fine = len(asks) < self.count
        if fine:
            asks.append(now)
        self._seen[key] = asks
        if len(self._seen) > self.keys:
            del self._seen[next(iter(self._seen))]
        return fine


def client_key(host: str | None) -> str | None:
    """The network an ask is counted under; None for our own machines, behind which a proxy hides everybody.

    Of IPv6 the /64: each house has one, and could otherwise ask under as many names as it has addresses.
    """
    if not host:
        return None
    try:
        address = ip_address(host)
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        address = address.ipv4_mapped or address
    if is_ours(address):
        return None
    return str(address if isinstance(address, IPv4Address) else ip_network((address, 64), strict=False))
