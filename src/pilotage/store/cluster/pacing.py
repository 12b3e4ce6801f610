"""How fast a cluster is asked, and how long to wait when it asks us to wait.

An API server shares its attention between its clients. It answers 429 with `Retry-After` to one that wants too much, so we
keep below that ourselves: 50 requests a second, 100 at once, as the controllers of Kubernetes do with few exceptions.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

import msgspec

from pilotage.store.cluster.access import Clock

__all__ = ["RetryPolicy", "SystemClock", "TokenBucket", "retry_after"]

_ROUNDING: Final = 0.001


class SystemClock:
    """The time of the machine."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, delay: float) -> None:
        await asyncio.sleep(delay)


class TokenBucket:
    """At most `rate` requests a second on average and `burst` at once; waiters go in the order they came. Rate 0: no limit."""

    def __init__(self, rate: float, burst: int, clock: Clock) -> None:
        self._interval = 1.0 / rate if rate > 0 else 0.0
        self._slack = self._interval * (burst - 1)
        self._clock = clock
        self._next = clock.monotonic() - self._slack

    async def take(self) -> None:
        if not self._interval:
            return
        now = self._clock.monotonic()
        turn = max(self._next, now - self._slack)
        self._next = turn + self._interval
        if turn - now > _ROUNDING:
            await self._clock.sleep(turn - now)


class RetryPolicy(msgspec.Struct, frozen=True):
    """When a request that was turned away is sent again; times in seconds.

    Only a server that says so is asked again: 429 and 503, or any failure that carries `Retry-After`. Other failures go
    to the caller, whose queue backs off. A connection that breaks under a request that may be repeated gets one more try.
    """

    retries: int = 5
    first_wait: float = 1.0
    longest_wait: float = 30.0
    """A server that asks for a longer pause than this is reported instead of waited for."""
    chance: Callable[[], float] = random.random

    def wait(self, attempt: int, status: int, asked: float | None) -> float | None:
        """Seconds before the next try, when attempt number `attempt` (from 0) got `status`; None when the answer stands."""
        if attempt >= self.retries or not (status in (429, 503) or (status >= 500 and asked is not None)):
            return None
        if asked is not None and asked > self.longest_wait:
            return None
        base = asked if asked is not None else self.first_wait * 2.0**attempt
        # Those who were turned away together should not come back together.
        return min(base * (1 + self.chance() / 10), self.longest_wait)


def retry_after(header: str) -> float | None:
    """Seconds; None unless the header is a number, the only form that API servers send."""
    text = header.strip()
    return float(text) if text.isascii() and text.isdigit() else None
