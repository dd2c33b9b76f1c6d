"""Which addresses of the network are everybody's, and which belong to this machine or to the network around it."""

from __future__ import annotations

import ipaddress
from typing import Final

#: IPv6 addresses that lead to the IPv4 address in their last 32 bits (RFC 6052).
_TRANSLATED: Final = ipaddress.ip_network("64:ff9b::/96")


def is_public(address: str) -> bool:
    """Tell whether an IP address is one of the open internet.

    Loopback, link-local, private, shared, reserved and multicast addresses are not, nor is an IPv6 address that leads
    to such an IPv4 address. What is no address is not public.

    Examples
    --------
    >>> [is_public(address) for address in ("1.1.1.1", "127.0.0.1", "::ffff:10.0.0.1", "example.org")]
    [True, False, False, False]
    """
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if ip in _TRANSLATED:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFF_FFFF)
        if inner is not None:
            return is_public(str(inner))
    return ip.is_global and not ip.is_multicast and not ip.is_reserved and not ip.is_unspecified
