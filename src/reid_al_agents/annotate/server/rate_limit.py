"""A limit on the requests of each peer."""

from __future__ import annotations

import ipaddress
import time

_MOST_PEERS = 10_000


class RateLimit:
    """A token bucket for each peer (the address that a connection comes from).

    The limit is high enough for a group of annotators behind one address.

    Args:
        per_second: Sustained requests per second.
        burst: Largest number of requests at once.
    """

    def __init__(self, per_second: float = 500.0, burst: float = 2000.0) -> None:
        self._rate, self._burst = per_second, burst
        self._left: dict[str, tuple[float, float]] = {}

    def take(self, peer: str, now: float | None = None) -> bool:
        """Count a request of a peer at the time ``now``, in seconds; return whether it is allowed."""
        now = time.monotonic() if now is None else now
        key = _network(peer)
        left, at = self._left.pop(key, (self._burst, now))
        left = min(self._burst, left + (now - at) * self._rate)
        if len(self._left) >= _MOST_PEERS:
            del self._left[next(iter(self._left))]  # the peer with the oldest request
        self._left[key] = (left - 1 if left >= 1 else left, now)
        return left >= 1


def _network(peer: str) -> str:
    """The IPv4 address, or the /64 network of an IPv6 address, since one machine can use all of a /64."""
    try:
        address = ipaddress.ip_address(peer)
    except ValueError:
        return peer
    if address.version == 4:
        return peer
    return str(ipaddress.ip_network((address, 64), strict=False))
