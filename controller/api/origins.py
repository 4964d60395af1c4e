"""Where a request comes from, and whether it came encrypted: what the connection says, and nobody else.

Behind a reverse proxy every connection is the proxy's. What it says of its clients (`X-Forwarded-For`,
`X-Forwarded-Proto`) anybody else can say, too: it is believed only of proxies that were named, one after the other from
ours outwards, up to the first address that is none of them.
"""

import ipaddress
from collections.abc import Sequence

from aiohttp import web

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Networks = tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]

HOPS_MAX = 16
"""Of one request: what a client made up before the first proxy is never looked at, however much it is."""

PROXIES: web.AppKey[Networks] = web.AppKey("proxies")


def networks(text: str) -> Networks:
    """Addresses and networks with blanks between them; raise ValueError if one is none."""
    return tuple(ipaddress.ip_network(one) for one in text.split())


def address(request: web.Request) -> str:
    """Of the client; empty: it has none."""
    said = request.headers.getall("X-Forwarded-For", [])
    return client(request.remote or "", said, request.app[PROXIES])


def is_secure(request: web.Request) -> bool:
    """Does the client speak TLS, to us or to a proxy that says so?"""
    said = request.headers.get("X-Forwarded-Proto", "").split(",")[0].strip().lower()
    peer = _address(request.remote or "")
    is_believed = peer is not None and _is_named(peer, request.app[PROXIES])
    return said == "https" if said and is_believed else request.secure


def client(peer: str, said: Sequence[str], proxies: Networks) -> str:
    """The first address that is no named proxy's, from the connection's other end outwards. `said`: the headers."""
    found = _address(peer)
    if found is None:
        return peer
    for hop in reversed(",".join(said).rsplit(",", HOPS_MAX)[-HOPS_MAX:]):
        before = _address(hop) if _is_named(found, proxies) else None
        if before is None:
            break
        found = before
    return str(found)


def _is_named(one: Address, proxies: Networks) -> bool:
    return any(one.version == network.version and one in network for network in proxies)


def _address(text: str) -> Address | None:
    """An address, as sockets and proxies write it: some add a port, and put one of IPv6 in brackets."""
    plain = text.strip()
    if plain.startswith("["):
        plain = plain[1:].partition("]")[0]
    elif plain.count(":") == 1:
        plain = plain.partition(":")[0]
    try:
        found = ipaddress.ip_address(plain)
    except ValueError:
        return None
    mapped = found.ipv4_mapped if found.version == 6 else None
    return mapped or found
