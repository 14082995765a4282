"""Wrong tries, counted by what they have in common, so that passwords cannot be guessed by trying."""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from ipaddress import IPv6Address, ip_address, ip_network

KEYS = 10_000
"""Keys that are remembered; the one that was tried longest ago goes first."""


class Tries:
    """At most `most` wrong tries for a key within `within` seconds; then the key has to wait. For many threads."""

    def __init__(self, most: int, within: float) -> None:
        self._most = most
        self._within = within
        self._at: OrderedDict[str, deque[float]] = OrderedDict()
        self._lock = threading.Lock()

    def begin(self, key: str, now: float) -> float:
        """Count a try as wrong before it is looked at, so that many at once are many; gives the seconds to wait instead, else 0."""
        with self._lock:
            at = self._at.setdefault(key, deque(maxlen=self._most))
            self._at.move_to_end(key)
            while len(self._at) > KEYS:
                self._at.popitem(last=False)
            if len(at) == self._most and now - at[0] < self._within:
                return self._within - (now - at[0])
            at.append(now)
            return 0.0

    def undo(self, key: str, now: float) -> None:
        """The try that began at that moment was none, or was right."""
        with self._lock:
            if now in (at := self._at.get(key, deque())):
                at.remove(now)

    def forget(self, key: str) -> None:
        """Begin anew with a key."""
        with self._lock:
            self._at.pop(key, None)


def network_of(address: str) -> str:
    """What one person has: an IPv4 address, or an IPv6 network of 64 bits, out of which they may take any address."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, IPv6Address):
        return str(found.ipv4_mapped or ip_network((found, 64), strict=False))
    return str(found)
