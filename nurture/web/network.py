"""What may be kept of an address that asked us something: its network, and nothing of our own machines."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

_OURS: Final = [
    ip_network(net)
    for net in (
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "100.64.0.0/10",
        "::1/128",
        "fc00::/7",
        "fe80::/10",
    )
]


def is_ours(address: IPv4Address | IPv6Address) -> bool:
    """Loopback and private networks: behind them stands a proxy or a test, not a visitor."""
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return any(address in net for net in _OURS if net.version == address.version)


@lru_cache(maxsize=8192)
def net_of(host: str | None) -> str:
    """The /24 or /48 an address belongs to; empty for our own machines and for what is no address."""
    if not host:
        return ""
    try:
        address = ip_address(host)
    except ValueError:
        return ""
    if is_ours(address):
        return ""
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return str(ip_network(f"{address}/{24 if address.version == 4 else 48}", strict=False))
