"""A clock that runs fast until it has caught up with the present: a night that is over in a minute.

It begins at a moment in the past and passes so many seconds in each real one; when it reaches the time of the machine it goes
on as that does. So a demonstration shows a whole night at once, and whatever stays running afterwards keeps real time.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from pilotage.runtime.clock import Alarm, SystemClock, Timers

__all__ = ["LapseClock"]


class LapseClock:
    """Time since `start`, `pace` times as fast as `real`, never later than `real`."""

    def __init__(self, start: datetime, pace: float, real: Timers | None = None) -> None:
        self._real = real or SystemClock()
        self._start = min(start, self._real.now())
        self._began = self._real.monotonic()
        self._pace = max(1.0, pace)
        behind = (self._real.now() - self._start).total_seconds()
        # While it is behind it gains (pace - 1) seconds in each real one.
        self._catches_up = behind / (self._pace - 1) if self._pace > 1 else float("inf")
        self._gained = behind

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._passed(self._real.monotonic() - self._began))

    def monotonic(self) -> float:
        return self._passed(self._real.monotonic() - self._began)

    def call_later(self, delay: float, callback: Callable[[], object]) -> Alarm:
        return self._real.call_later(self._real_delay(delay), callback)

    async def sleep(self, delay: float) -> None:
        await self._real.sleep(self._real_delay(delay))

    def _passed(self, real: float) -> float:
        """Seconds on this clock after so many real ones."""
        return real * self._pace if real < self._catches_up else real + self._gained

    def _real_delay(self, delay: float) -> float:
        """How long to wait really until `delay` has passed here."""
        real = self._real.monotonic() - self._began
        due = self._passed(real) + delay
        fast = due / self._pace
        return max(0.0, (fast if fast < self._catches_up else due - self._gained) - real)
