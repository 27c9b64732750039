"""How often somebody may ask, kept in memory: siblings by what they ask, strangers by what they were refused.

A sibling is counted after its signature has been verified, or whoever names its key could have it turned away. An address is
counted only by requests that were refused, so that nobody is limited for asking; one that has been refused too often is
answered before anything it sends is looked at.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import lru_cache

from core.errors import TooMany
from core.throttle import network_of
from federation.addresses import loopback_address

_MOST = 20_000
_SIBLING_BURST_SECONDS = 2.0
_ADDRESS_BURST_SECONDS = 60.0

Client = tuple[str, int] | None
"""Where a request came from, as the server says it: address and port; the port is 0 where a trusted proxy told."""


class Bucket:
    """For each subject so many a second, and at once as many as `burst` seconds bring.

    One number per subject: when its bucket will be full again (the generic cell rate algorithm). Of very many subjects those
    are forgotten whose buckets are nearest to full.
    """

    def __init__(self, per_second: float, burst: float, clock: Callable[[], float] = time.monotonic, most: int = _MOST) -> None:
        self._each, self._burst, self._clock, self._most = 1.0 / per_second, burst, clock, most
        self._full_at: dict[object, float] = {}

    def __len__(self) -> int:
        return len(self._full_at)

    def wait(self, subject: object) -> float:
        """How many seconds until there is something in the bucket; 0 where there is."""
        full_at = self._full_at.get(subject)
        return _more(full_at + self._each - self._burst - self._clock()) if full_at is not None else 0.0

    def take(self, subject: object) -> float:
        """Take one, if there is one; the seconds to wait otherwise."""
        now = self._clock()
        full_at = self._full_at.get(subject, 0.0)
        if full_at < now:
            full_at = now
        if wait := _more(full_at + self._each - self._burst - now):
            return wait
        self._full_at[subject] = full_at + self._each
        if len(self._full_at) > self._most:
            self._forget(now)
        return 0.0

    def _forget(self, now: float) -> None:
        kept = {subject: full_at for subject, full_at in self._full_at.items() if full_at > now}
        if len(kept) > self._most // 2:
            kept = dict(sorted(kept.items(), key=lambda one: one[1])[-(self._most // 2):])
        self._full_at = kept


class Rates:
    """The limits of one server process."""

    def __init__(self, sibling_per_second: float, refused_per_minute: float,
                 clock: Callable[[], float] = time.monotonic) -> None:
        self._siblings = Bucket(sibling_per_second, _SIBLING_BURST_SECONDS, clock)
        self._addresses = Bucket(refused_per_minute / 60.0, _ADDRESS_BURST_SECONDS, clock)

    def asked(self, sibling_id: int) -> None:
        """A sibling has asked something, and it was really that sibling; `TooMany` when it asks too often."""
        if wait := self._siblings.take(sibling_id):
            raise TooMany("Your instance sends more at once than is taken here; please slow down and send this again.",
                          reason="rate-sibling", retry_after=_seconds(wait))

    def refused(self, client: Client) -> None:
        """Something that came from there was refused."""
        if client is not None and (network := _network(*client)) is not None:
            self._addresses.take(network)

    def check(self, client: Client) -> None:
        """`TooMany` where so much from there was refused that nothing is looked at for now; its cause is the network."""
        if not self._addresses or client is None or (network := _network(*client)) is None:
            return
        if wait := self._addresses.wait(network):
            raise TooMany("Too much that came from your network was refused. Please wait a moment and try again.",
                          reason="rate-address", cause=network, retry_after=_seconds(wait))


def _more(wait: float) -> float:
    """A time to wait; less than the error of these sums is none."""
    return wait if wait > 1e-6 else 0.0


def _seconds(wait: float) -> int:
    return int(wait) + 1


@lru_cache(maxsize=4096)
def _network(address: str, port: int) -> str | None:
    """The network that is counted; None for this machine itself, unless a trusted proxy says that it asked."""
    return None if port and loopback_address(address) else network_of(address)
