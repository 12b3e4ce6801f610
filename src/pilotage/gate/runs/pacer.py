"""The one bucket of requests for each host, shared by all platforms of this process.

Prow counts requests by source address, so runs that know nothing of each other share its patience. A turn that is not due is
not reserved: whoever asks again first when it is due gets it, and nobody holds a place while he waits for something else.
"""

from __future__ import annotations

from pilotage.gate.runs.pacing import DEFAULT_RATE, Bucket, Rate, answered, take, throttled
from pilotage.runtime.clock import Clock

__all__ = ["Pacer"]


class Pacer:
    """Buckets by host, on one clock."""

    def __init__(self, clock: Clock, rate: Rate = DEFAULT_RATE) -> None:
        self.rate = rate
        self._clock = clock
        self._buckets: dict[str, Bucket] = {}

    def turn(self, host: str) -> float:
        """0 when a request may go out now, which then counts; else the seconds until it may."""
        turn = take(self._buckets.get(host, Bucket()), self.rate, self._clock.now())
        if turn.wait <= 0:
            self._buckets[host] = turn.bucket
        return turn.wait

    def wait(self, host: str) -> float:
        """The seconds until a request may go out, without asking for a turn."""
        return take(self._buckets.get(host, Bucket()), self.rate, self._clock.now()).wait

    def heard(self, host: str, *, is_throttled: bool, retry_after: float | None = None) -> None:
        """What the host thinks of our pace."""
        bucket = self._buckets.get(host, Bucket())
        if is_throttled:
            self._buckets[host] = throttled(bucket, self.rate, self._clock.now(), retry_after)
        else:
            self._buckets[host] = answered(bucket)
