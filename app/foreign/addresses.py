"""Addresses: which of them an sql app may lead to. Each connection asks anew, and goes to the address that was looked at."""

import re
import socket
from concurrent.futures import TimeoutError as ResolvingTooLong
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from app.background import begin
from app.foreign.place import AppUnavailable, Place

RESOLVE_S = 3
MOST = 4
"""So many of a name's addresses are tried."""

SETTING = "SQL_APPS_PRIVATE_NETWORKS"

HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,252})\Z|[0-9A-Fa-f:.]{2,45}\Z")
"""A name or an address; no list of them, no path of a socket, no zone."""

NEVER = [
    ip_network(text)
    for text in (
        *("0.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "240.0.0.0/4"),  # this host, link-local, multicast, reserved
        *("::/128", "fe80::/10", "ff00::/8"),
        # Where clouds tell their machines' secrets: AWS, Google, Alibaba, Azure, Oracle.
        *("fd00:ec2::/32", "fd20:ce::254/128", "100.100.100.200/32", "168.63.129.16/32", "192.0.0.0/24"),
    )
]

_WRAPPING = {
    ip_network("::ffff:0:0/96"): 0,  # IPv4-mapped
    ip_network("::/96"): 0,  # IPv4-compatible
    ip_network("64:ff9b::/96"): 0,  # NAT64
    ip_network("2002::/16"): 80,  # 6to4
}
"""IPv6 networks that lead to an IPv4 address, and how many bits stand behind it (RFC 4291, 6052, 3056)."""


def addresses_of(place: Place, allows_private: bool) -> list[str]:
    """The addresses of the place's host, in the resolver's order; all of them may be connected to. Raises AppUnavailable."""
    found = _resolved(place)
    for text in found:
        if problem := problem_of(text, allows_private):
            raise AppUnavailable(place.app, f"can't be used: its host {problem}")
    return found[:MOST]


def problem_of(text: str, allows_private: bool) -> str | None:
    """Why nobody may connect to the address; None if they may."""
    address = _unwrapped(ip_address(text))
    if any(address in network for network in NEVER if network.version == address.version):
        return "has an address that is never connected to (link-local, multicast, or a cloud's own)"
    if not allows_private and (not address.is_global or getattr(address, "is_site_local", False)):
        return f"is on a private network, and {SETTING} does not allow these: set it to 1, if that is meant"
    return None


def _unwrapped(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The IPv4 address that an IPv6 one leads to."""
    if isinstance(address, IPv6Address) and int(address) > 1:
        for network, behind in _WRAPPING.items():
            if address in network:
                return IPv4Address(int(address) >> behind & 0xFFFF_FFFF)
    return address


def _resolved(place: Place) -> list[str]:
    def ask() -> list[str]:
        found = socket.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM)
        return list(dict.fromkeys(str(one[4][0]).partition("%")[0] for one in found))

    try:
        return begin(ask).result(RESOLVE_S)
    except (OSError, UnicodeError, ResolvingTooLong):
        raise AppUnavailable(place.app, "can't be reached: its host has no address that can be found") from None
