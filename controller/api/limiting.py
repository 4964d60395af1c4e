"""How often strangers may ask: a bucket of tokens for each address, and one for all of them together."""

import collections
import ipaddress
from collections.abc import Callable

ADDRESSES_MAX = 4096
"""Addresses that are remembered; the one that was quiet longest is forgotten first, and then may ask anew."""


CUSTOMER_BITS = 64
"""Of an address of IPv6, the network's: whoever has one such network has all 2^64 addresses of it."""


class Bucket:
    """Holds `burst` at most, and gains `rate_s` in each second."""

    def __init__(self, rate_s: float, burst: float, *, at: float) -> None:
        self._rate_s = rate_s
        self._burst = burst
        self._held = burst
        self._at = at

    def take(self, at: float) -> float:
        """Take one; 0 if that went well, else the seconds until it would."""
        self._held = min(self._burst, self._held + (at - self._at) * self._rate_s)
        self._at = at
        if self._held < 1:
            return (1 - self._held) / self._rate_s
        self._held -= 1
        return 0.0


class Limiter:
    """Buckets by address."""

    def __init__(self, clock: Callable[[], float], *, each: tuple[float, float], total: tuple[float, float]) -> None:
        """`each`, `total`: a rate per second and a burst. `clock`: monotonic seconds."""
        self._clock = clock
        self._each = each
        self._all = Bucket(*total, at=clock())
        self._buckets: collections.OrderedDict[str, Bucket] = collections.OrderedDict()

    def take(self, address: str) -> float:
        """Take one for this address; 0 if it may ask, else the seconds until it may."""
        at, address = self._clock(), customer(address)
        bucket = self._buckets.pop(address, None) or Bucket(*self._each, at=at)
        self._buckets[address] = bucket
        while len(self._buckets) > ADDRESSES_MAX:
            self._buckets.popitem(last=False)
        return bucket.take(at) or self._all.take(at)


def customer(address: str) -> str:
    """What an address counts as: itself and, of IPv6, its network."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if found.version == 4:
        return address
    mapped = found.ipv4_mapped
    return str(mapped or ipaddress.ip_network((int(found), CUSTOMER_BITS), strict=False))
