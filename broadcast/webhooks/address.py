"""Which addresses a webhook may reach: those of the internet, and those that the settings allow.

A receiver's URL comes from another program. Without this check that program could have a worker
call what only the worker reaches: the metadata of its cloud, a database, an admin page.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from typing import Final, TypeAlias

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

#: Global by the registry, or by an older Python's copy of it, and yet ways to inner addresses.
_WAYS_INSIDE: Final = tuple(
    ipaddress.ip_network(name)
    for name in (
        "100.64.0.0/10",  # carrier-grade NAT; a cloud's metadata is in it
        "192.0.0.0/24",
        "192.88.99.0/24",  # relays of 6to4
    )
)
#: The only addresses of IPv6 that are handed out for the internet.
_UNICAST: Final = ipaddress.ip_network("2000::/3")
_WAYS_INSIDE_6: Final = tuple(
    ipaddress.ip_network(name)
    for name in (
        "2001::/23",  # protocol assignments: Teredo and others carry other addresses inside
        "2002::/16",  # 6to4
        "2001:db8::/32",  # documentation
        "3fff::/20",  # documentation
    )
)


def parse_networks(text: str) -> tuple[Network, ...]:
    """Return networks that are written with commas or blanks between them. Raises ValueError.

    A network with bits behind its prefix (``10.0.3.7/24``) is a slip, and is refused.
    """
    return tuple(ipaddress.ip_network(word) for word in re.split(r"[,\s]+", text.strip()) if word)


def plain(address: Address) -> Address:
    """Return the IPv4 address that an IPv6 address only wraps (``::ffff:127.0.0.1``)."""
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def is_public(address: Address) -> bool:
    """Return whether *address* is one of the internet's, and none that leads elsewhere."""
    address = plain(address)
    if not address.is_global or address.is_multicast or address.is_reserved:
        return False
    if isinstance(address, ipaddress.IPv4Address):
        return not any(address in network for network in _WAYS_INSIDE)
    return address in _UNICAST and not any(address in network for network in _WAYS_INSIDE_6)


def is_allowed(address: Address, networks: Sequence[Network]) -> bool:
    """Return whether the settings name *address*."""
    address = plain(address)
    return any(address in network for network in networks)
