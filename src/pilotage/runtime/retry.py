"""How long until the next try? Exponential for one item, a token bucket for all of them together.

One broken object must not be tried a thousand times a second, and a thousand broken objects must not be tried at the same
moment. `Backoff` answers the first, with jitter so that those which failed together do not return together;
`Bucket` answers the second. Both are computation only: time and chance are handed in.
"""

from __future__ import annotations

import random
from collections.abc import Callable

import msgspec

__all__ = ["ITEM_BACKOFF", "WATCH_BACKOFF", "Backoff", "Bucket"]

_MOST_DOUBLINGS = 60  # beyond this a float gains nothing; every sensible limit was reached long before


class Backoff(msgspec.Struct, frozen=True):
    """From `first` seconds, doubling, to `most`; each delay is stretched by up to `jitter` of itself.

    Every delay lies in [first, most]. At the top the stretch still has room, so late retries stay spread out.
    """

    first: float
    most: float
    jitter: float = 0.1
    chance: Callable[[], float] = random.random

    def delay(self, failures: int) -> float:
        """Seconds to wait when the try failed after `failures` earlier failures in a row."""
        doubled = self.first * 2.0 ** min(failures, _MOST_DOUBLINGS)
        shortest = max(self.first, min(doubled, self.most / (1 + self.jitter)))
        return min(shortest * (1 + self.jitter * self.chance()), self.most)


# The numbers of client-go: workqueue's default controller rate limiter, and the reflector's window.
ITEM_BACKOFF = Backoff(first=0.005, most=1000.0)
WATCH_BACKOFF = Backoff(first=0.8, most=30.0, jitter=1.0)


class Bucket:
    """Tokens flow in at `rate` a second up to `burst`; who takes one too many is told how long to wait for it."""

    def __init__(self, rate: float = 10.0, burst: int = 100) -> None:
        self._rate = rate
        self._burst = burst
        self._tokens = float(burst)
        self._at: float | None = None

    def reserve(self, now: float) -> float:
        """Take a token at monotonic time `now`; the seconds until it may be used, 0 when at once."""
        if self._at is not None:
            self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
        self._at = now
        self._tokens -= 1.0
        return max(0.0, -self._tokens / self._rate)
