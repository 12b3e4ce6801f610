"""How long to wait before asking a registry again, and how often to ask at all.

The first wait is that of OpenShift's own client (2 s after 429, 5 s after a server error, 1 s after a network time-out) and
doubles; `Retry-After` overrides it. Both get jitter, so that a fleet of clients does not come back in one wave.
Time is handed in: a rehearsal or a test waits by moving its clock.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final, Protocol

import msgspec

__all__ = ["RETRIED_STATUSES", "Clock", "Pace", "RetryPolicy", "TokenBucket", "retry_after"]

RETRIED_STATUSES: Final = frozenset({429, 500, 502, 503, 504})


class Clock(Protocol):
    """What we need of `runtime.clock.Clock`; this room lies below that one."""

    def now(self) -> datetime: ...

    def monotonic(self) -> float: ...


class _SystemClock:
    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()


class Pace(msgspec.Struct, frozen=True):
    """Time as it passes for a client. `jitter` gives a number in [0, 1)."""

    clock: Clock = _SystemClock()
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    jitter: Callable[[], float] = random.random


class RetryPolicy(msgspec.Struct, frozen=True):
    """How often a failed request is sent again, and the first wait in seconds by the kind of failure."""

    retries: int = 2
    after_429: float = 2.0
    after_5xx: float = 5.0
    after_network: float = 1.0
    longest_wait: float = 120.0
    """A registry that asks for a longer pause than this is reported instead of waited for."""

    def wait(self, attempt: int, status: int, asked: float | None, jitter: float) -> float | None:
        """Seconds to wait after attempt number `attempt` (from 0) failed; None when the failure stands.

        `status` is 0 when there was no answer; `asked` is what `Retry-After` said; `jitter` is in [0, 1).
        """
        if attempt >= self.retries:
            return None
        if asked is not None:
            # A tenth more at most: coming back before the time that the registry named would be counted against us.
            return asked * (1 + jitter / 10) if asked <= self.longest_wait else None
        base = self.after_429 if status == 429 else self.after_5xx if status else self.after_network
        return min(base * 2.0**attempt * (0.75 + jitter / 2), self.longest_wait)


class TokenBucket:
    """At most `rate` requests a second on average and `burst` at once. Waiters are served in the order they came."""

    def __init__(self, rate: float, burst: int, pace: Pace) -> None:
        self._interval = 1.0 / rate
        self._slack = self._interval * (burst - 1)
        self._pace = pace
        self._next = pace.clock.monotonic() - self._slack

    async def take(self) -> None:
        now = self._pace.clock.monotonic()
        turn = max(self._next, now - self._slack)
        self._next = turn + self._interval
        # Less than a millisecond is rounding, not a wait.
        if turn - now > 0.001:
            await self._pace.sleep(turn - now)


def retry_after(header: str, now: datetime) -> float | None:
    """Seconds from a `Retry-After` header, a number or an HTTP date; None when there is none that can be read."""
    text = header.strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - now).total_seconds())
