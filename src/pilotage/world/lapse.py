"""A clock that is behind and catches up: a night that is over in a second, and then the time of the machine.

While it is behind nothing happens on it until everything has come to rest; then it jumps to the next moment at which somebody wants
to be woken. So a night takes as long as its work, and comes out the same on a slow machine. When it reaches the present, what is
still to come is handed over to real timers.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from pilotage.runtime.clock import Alarm, ManualClock, SystemClock, Timers

__all__ = ["LapseClock"]


class LapseClock:
    """Time from `start` on, never later than `real`. `catch_up` moves it while it is behind."""

    def __init__(self, start: datetime, real: Timers | None = None) -> None:
        self._real = real or SystemClock()
        self._past = ManualClock(min(start, self._real.now()))
        self._waiting: list[_LapseAlarm] = []
        self._joined_at: float | None = None
        """The real clock's reading when the two became one."""

    @property
    def is_behind(self) -> bool:
        return self._joined_at is None

    def now(self) -> datetime:
        return self._past.now() if self._joined_at is None else self._real.now()

    def monotonic(self) -> float:
        if self._joined_at is None:
            return self._past.monotonic()
        return self._past.monotonic() + self._real.monotonic() - self._joined_at

    def call_later(self, delay: float, callback: Callable[[], object]) -> Alarm:
        if self._joined_at is not None:
            return self._real.call_later(delay, callback)
        alarm = _LapseAlarm(self._past.now() + timedelta(seconds=max(delay, 0.0)), callback)
        alarm.inner = self._past.call_later(delay, alarm.ring)
        self._waiting.append(alarm)
        return alarm

    async def sleep(self, delay: float) -> None:
        import asyncio  # noqa: PLC0415 -- as in `runtime.clock`

        woken = asyncio.Event()
        alarm = self.call_later(delay, woken.set)
        try:
            await woken.wait()
        finally:
            alarm.cancel()

    async def catch_up(self, rested: Callable[[], Awaitable[None]]) -> None:
        """Play the past: let everything come to rest, jump, and again, until the present is reached."""
        while self._joined_at is None:
            await rested()
            due = self._past.next_due
            now = self._real.now()
            behind = (now - self._past.now()).total_seconds()
            if due is not None and due - self._past.monotonic() <= behind:
                self._past.advance_to_next()
            else:
                self._join(behind)

    def _join(self, behind: float) -> None:
        """What is due later goes to real timers."""
        self._past.advance(max(behind, 0.0))
        self._joined_at = self._real.monotonic()
        now = self._real.now()
        for alarm in self._waiting:
            if alarm.is_due:
                alarm.inner = self._real.call_later((alarm.at - now).total_seconds(), alarm.ring)
        self._waiting.clear()


class _LapseAlarm:
    """An alarm that may move from one clock to another."""

    __slots__ = ("_callback", "at", "inner", "is_due")

    def __init__(self, at: datetime, callback: Callable[[], object]) -> None:
        self.at = at
        self.inner: Alarm | None = None
        self.is_due = True
        self._callback = callback

    def ring(self) -> None:
        if self.is_due:
            self.is_due = False
            self._callback()

    def cancel(self) -> None:
        self.is_due = False
        if self.inner is not None:
            self.inner.cancel()
