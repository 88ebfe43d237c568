"""Which addresses a program of ours may call on somebody's behalf: public ones, whatever disguise the others wear."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

_CLOSED: Final = [
    ip_network(net) for net in (
        # The standard library of some maintained versions calls several of these global.
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
        "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
        "224.0.0.0/4", "240.0.0.0/4", "::/128", "::1/128", "100::/64", "2001::/23", "2001:db8::/32", "fc00::/7",
        "fe80::/10", "fec0::/10", "ff00::/8",
    )
]
_NAT64: Final = ip_network("64:ff9b::/96")
_NAT64_LOCAL: Final = ip_network("64:ff9b:1::/48")


def is_public(address: str | IPv4Address | IPv6Address) -> bool:
    """Whether an address lies in the open internet. What an IPv6 form carries inside is judged too."""
    if isinstance(address, str):
        try:
            address = ip_address(address.partition("%")[0])
        except ValueError:
            return False
    inner = _inside(address)
    if inner is not None:
        return is_public(inner)
    if isinstance(address, IPv6Address) and address in _NAT64_LOCAL:
        return False
    closed = any(address.version == net.version and address in net for net in _CLOSED)
    return address.is_global and not closed


def _inside(address: IPv4Address | IPv6Address) -> IPv4Address | None:
    """The IPv4 address that an IPv6 one stands for: mapped, compatible, 6to4, Teredo, NAT64."""
    if isinstance(address, IPv4Address):
        return None
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address.teredo is not None:
        return address.teredo[1]
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    if 1 < int(address) < 2**32:
        return IPv4Address(int(address))
    return None
