"""Time is a fact. Whoever needs it is given a clock; tests and rehearsals give one that they move by hand.

Decisions and `observe` see a `Clock`: what time is it? The loop also waits, so it takes `Timers`: a clock that can wake
somebody later. `SystemClock` is the time of the machine. On a `ManualClock` nothing happens until it is moved: a
rehearsal lets the controllers come to rest, jumps to the next moment at which something is due, and so plays a week in
a second, the same way each time.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Protocol

__all__ = ["Alarm", "Clock", "ManualClock", "SystemClock", "Timers", "rfc3339"]

_COMPACT_ABOVE = 64  # cancelled alarms that may lie in the heap before it is rebuilt


class Clock(Protocol):
    def now(self) -> datetime:
        """The current time, in UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back, for deadlines."""
        ...


class Alarm(Protocol):
    """A call that is due later."""

    def cancel(self) -> None: ...


class Timers(Clock, Protocol):
    """A clock that can wake somebody. Delays are in seconds."""

    def call_later(self, delay: float, callback: Callable[[], object]) -> Alarm:
        """Call `callback` once, in the event loop, when `delay` has passed."""
        ...

    async def sleep(self, delay: float) -> None: ...


class SystemClock:
    """The time of the machine, and the timers of the running event loop."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    def call_later(self, delay: float, callback: Callable[[], object]) -> Alarm:
        import asyncio  # noqa: PLC0415 -- start-up time: pure commands ask the time and run no loop

        return asyncio.get_running_loop().call_later(delay, callback)

    async def sleep(self, delay: float) -> None:
        import asyncio  # noqa: PLC0415 -- as above

        await asyncio.sleep(delay)


class ManualClock:
    """Stands still until `advance` or `advance_to_next` moves it.

    Moving runs the callbacks that fall due, in the order of their times, each at its own time. Coroutines that they
    wake run when the caller next awaits; so move in steps when sleepers sleep again.
    """

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self._start = start
        self._elapsed = 0.0
        self._alarms: list[tuple[float, int, _ManualAlarm]] = []
        self._order = count()
        self._cancelled = 0

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._elapsed)

    def monotonic(self) -> float:
        return self._elapsed

    def call_later(self, delay: float, callback: Callable[[], object]) -> Alarm:
        alarm = _ManualAlarm(self, callback)
        heapq.heappush(self._alarms, (self._elapsed + max(delay, 0.0), next(self._order), alarm))
        return alarm

    async def sleep(self, delay: float) -> None:
        import asyncio  # noqa: PLC0415 -- as above

        woken = asyncio.Event()
        alarm = self.call_later(delay, woken.set)
        try:
            await woken.wait()
        finally:
            alarm.cancel()

    @property
    def next_due(self) -> float | None:
        """The monotonic time of the next alarm; None when nobody waits."""
        while self._alarms and self._alarms[0][2].callback is None:
            heapq.heappop(self._alarms)
            self._cancelled -= 1
        return self._alarms[0][0] if self._alarms else None

    def advance(self, seconds: float) -> None:
        """Let `seconds` pass."""
        self._move_to(self._elapsed + seconds)

    def advance_to_next(self) -> bool:
        """Jump to the next alarm and run it, with those due at the same moment; False when nobody waits."""
        due = self.next_due
        if due is None:
            return False
        self._move_to(due)
        return True

    def _move_to(self, target: float) -> None:
        while (due := self.next_due) is not None and due <= target:
            alarm = heapq.heappop(self._alarms)[2]
            self._elapsed = max(self._elapsed, due)
            callback, alarm.callback = alarm.callback, None
            if callback is not None:
                callback()
        self._elapsed = max(self._elapsed, target)

    def _forget_cancelled(self) -> None:
        """Drop cancelled alarms once they are the greater part: a deadline that was met would else stay for its hour."""
        self._cancelled += 1
        if self._cancelled > _COMPACT_ABOVE and self._cancelled * 2 > len(self._alarms):
            self._alarms = [entry for entry in self._alarms if entry[2].callback is not None]
            heapq.heapify(self._alarms)
            self._cancelled = 0


class _ManualAlarm:
    __slots__ = ("_clock", "callback")

    def __init__(self, clock: ManualClock, callback: Callable[[], object]) -> None:
        self._clock = clock
        self.callback: Callable[[], object] | None = callback

    def cancel(self) -> None:
        if self.callback is not None:
            self.callback = None
            self._clock._forget_cancelled()  # noqa: SLF001 -- the two are one thing in two classes


def rfc3339(moment: datetime) -> str:
    """`2026-05-20T04:35:16Z`, as Kubernetes writes times."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
