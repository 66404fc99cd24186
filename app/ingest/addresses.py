"""Clients' addresses: what is kept of them."""

import ipaddress
from functools import lru_cache

MAX_ADDRESS = 45
"""Characters of the longest IPv6 address."""

_KEPT_BITS = {4: 24, 6: 48}
"""Of an anonymised address: a network of at least 256 hosts, or one site (RFC 6177)."""


@lru_cache(maxsize=4096)
def kept_address(address: str | None, how: str) -> str | None:
    """The address as IP_ADDRESSES has it kept: `full`, `anonymised` or `none`. What is no address is not kept."""
    if address is None or how == "none" or len(address) > MAX_ADDRESS:
        return None
    try:
        known = ipaddress.ip_address(address)
    except ValueError:  # a proxy may let anything through
        return None
    if how == "full":
        return address
    plain = getattr(known, "ipv4_mapped", None) or known
    return str(ipaddress.ip_network((plain, _KEPT_BITS[plain.version]), strict=False).network_address)
