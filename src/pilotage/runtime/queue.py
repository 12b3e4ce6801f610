"""Which key is next? A queue that holds each key once and hands it to one worker at a time.

Events only say *that* something changed, so a key that is added ten times is worked on once. A key has one entry:

    ready        somebody may take it now; foreground (a change) goes before background (a periodic second look)
    delayed      it becomes ready at its deadline; a second deadline for the same key moves it earlier, never later
    processing   a worker has it; an `add` meanwhile is remembered and makes it ready once, when the worker is done

Ready is the earliest deadline of all: `add` takes the place of a delay, and what a reconcile asks for replaces what an
earlier one asked for. The contract is that of client-go's rate-limited workqueue, with the two priorities of
controller-runtime's; limits and numbers are the same. All time comes from the injected clock.

*Idle* means that nothing will happen by itself except periodic looks: nothing ready, nothing processing, and no
foreground entry delayed.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import OrderedDict, deque
from collections.abc import Hashable
from contextlib import suppress
from itertools import count
from typing import Generic, TypeVar

import msgspec

from pilotage.runtime.clock import Alarm, Timers
from pilotage.runtime.retry import ITEM_BACKOFF, Backoff, Bucket

__all__ = ["QueueMetrics", "Timing", "WorkQueue"]

K = TypeVar("K", bound=Hashable)


class Timing(msgspec.Struct):
    """How often something was timed; the sum and the largest of the times, in seconds."""

    count: int = 0
    total: float = 0.0
    largest: float = 0.0

    def add(self, seconds: float) -> None:
        self.count += 1
        self.total += seconds
        self.largest = max(self.largest, seconds)


class QueueMetrics(msgspec.Struct, frozen=True):
    """One look at a queue. `latency` is from ready to taken, `work` from taken to done."""

    name: str
    depth: int
    delayed: int
    processing: int
    adds: int
    retries: int
    latency: Timing
    work: Timing
    longest_running: float


class _Delayed(msgspec.Struct, frozen=True, gc=False):
    due: float
    is_background: bool


class WorkQueue(Generic[K]):
    """`add` from the event loop's thread; workers `get`, work, and call `done` whatever happened."""

    def __init__(
        self, name: str, clock: Timers, *, backoff: Backoff = ITEM_BACKOFF, bucket: Bucket | None = None
    ) -> None:
        self.name = name
        self._clock = clock
        self._backoff = backoff
        self._bucket = bucket or Bucket()
        # When each became ready. Ordered dicts take from the front in constant time; plain ones slow down as they drain.
        self._foreground: OrderedDict[K, float] = OrderedDict()
        self._background: OrderedDict[K, float] = OrderedDict()
        self._added_meanwhile: dict[K, bool] = {}  # by key in processing: is it background?
        self._processing: dict[K, float] = {}
        self._delayed: dict[K, _Delayed] = {}
        self._deadlines: list[tuple[float, int, K]] = []
        self._foreground_delays = 0
        self._order = count()
        self._alarm: Alarm | None = None
        self._alarm_due = 0.0
        self._failures: dict[K, int] = {}
        self._takers: deque[asyncio.Future[None]] = deque()
        self._resting: list[asyncio.Future[None]] = []
        self._is_closed = False
        self._adds = 0
        self._retries = 0
        self._latency = Timing()
        self._work = Timing()

    # -- putting in -----------------------------------------------------------------------------------------------

    def add(self, key: K, *, background: bool = False) -> None:
        """Make `key` ready, once, however often it is added; ignored after `shut_down`."""
        if self._is_closed:
            return
        if (delay := self._drop_delay(key)) is not None:
            background = background and delay.is_background
        if key in self._processing:
            self._adds += key not in self._added_meanwhile
            self._added_meanwhile[key] = background and self._added_meanwhile.get(key, True)
        elif key in self._foreground:
            return
        elif key in self._background:
            if not background:  # the change overtakes; its wait counts from when it first became ready
                self._foreground[key] = self._background.pop(key)
        else:
            self._adds += 1
            self._make_ready(key, background=background)

    def add_after(self, key: K, delay: float, *, background: bool = False) -> None:
        """Make `key` ready in `delay` seconds, or earlier when an earlier deadline stands."""
        if delay <= 0:
            self.add(key, background=background)
            return
        if self._is_closed:
            return
        if key in self._foreground or key in self._background or key in self._added_meanwhile:
            if not background:
                self.add(key)
            return
        due = self._clock.monotonic() + delay
        if (standing := self._drop_delay(key)) is not None:
            due = min(due, standing.due)
            background = background and standing.is_background
        self._delayed[key] = _Delayed(due, background)
        self._foreground_delays += not background
        heapq.heappush(self._deadlines, (due, next(self._order), key))
        self._set_alarm()

    def retry(self, key: K) -> float:
        """After a failure: `key` again with back-off; the seconds until then."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        self._retries += 1
        delay = max(self._backoff.delay(failures), self._bucket.reserve(self._clock.monotonic()))
        self.add_after(key, delay)
        return delay

    def forget(self, key: K) -> None:
        """After a success: the next failure of `key` starts at the shortest back-off."""
        self._failures.pop(key, None)

    def failures(self, key: K) -> int:
        """Failures of `key` in a row."""
        return self._failures.get(key, 0)

    # -- taking out -----------------------------------------------------------------------------------------------

    async def get(self) -> K | None:
        """The next key, for this worker alone until `done`. None: the queue was shut down and holds nothing more."""
        while True:
            key = self.take()
            if key is not None:
                return key
            if self._is_closed and not self._added_meanwhile:
                return None
            await self._wait_for_ready()

    def take(self) -> K | None:
        """`get` without waiting: None when nothing is ready."""
        ready = self._foreground or self._background
        if not ready:
            return None
        key, since = ready.popitem(last=False)
        now = self._clock.monotonic()
        self._latency.add(now - since)
        self._processing[key] = now
        return key

    def done(self, key: K) -> None:
        """The worker is finished with `key`; raises KeyError when nobody was working on it."""
        self._work.add(self._clock.monotonic() - self._processing.pop(key))
        background = self._added_meanwhile.pop(key, None)
        if background is not None:
            self._make_ready(key, background=background)
        if self._is_closed:
            self._wake_all_takers()
        if not self.is_busy():
            self._wake_resting()

    def shut_down(self, *, drain: bool = True) -> None:
        """Accept nothing more. Ready keys are still handed out, unless `drain` is off; delays are dropped."""
        self._is_closed = True
        self._delayed.clear()
        self._deadlines.clear()
        self._foreground_delays = 0
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        if not drain:
            self._foreground.clear()
            self._background.clear()
            self._added_meanwhile.clear()
        self._wake_all_takers()
        if not self.is_busy():
            self._wake_resting()

    # -- looking --------------------------------------------------------------------------------------------------

    def is_busy(self) -> bool:
        """Something is ready or being worked on."""
        return bool(self._foreground or self._background or self._processing)

    def is_idle(self) -> bool:
        """Not busy, and nothing is due later except periodic looks."""
        return not self.is_busy() and not self._foreground_delays

    async def rest(self) -> None:
        """Wait until nothing is ready or being worked on; delayed keys may remain."""
        while self.is_busy():
            await self._wait_for_rest()

    async def idle(self) -> None:
        """Wait until `is_idle`."""
        while not self.is_idle():
            await self._wait_for_rest()

    def ready(self) -> tuple[K, ...]:
        """Keys that may be taken, in their order."""
        return (*self._foreground, *self._background)

    def processing(self) -> tuple[K, ...]:
        return tuple(self._processing)

    def delayed(self, *, background: bool = False) -> dict[K, float]:
        """Seconds until each delayed foreground key is ready; the background ones with `background`."""
        now = self._clock.monotonic()
        return {
            key: max(0.0, entry.due - now)
            for key, entry in self._delayed.items()
            if entry.is_background == background
        }

    def metrics(self) -> QueueMetrics:
        now = self._clock.monotonic()
        return QueueMetrics(
            self.name,
            depth=len(self),
            delayed=len(self._delayed),
            processing=len(self._processing),
            adds=self._adds,
            retries=self._retries,
            latency=msgspec.structs.replace(self._latency),
            work=msgspec.structs.replace(self._work),
            longest_running=max((now - start for start in self._processing.values()), default=0.0),
        )

    def __len__(self) -> int:
        """Ready keys."""
        return len(self._foreground) + len(self._background)

    # -- inside ---------------------------------------------------------------------------------------------------

    def _make_ready(self, key: K, *, background: bool) -> None:
        ready = self._background if background else self._foreground
        ready[key] = self._clock.monotonic()
        self._wake_taker()

    def _drop_delay(self, key: K) -> _Delayed | None:
        """Its deadline stays in the heap and is passed over there."""
        entry = self._delayed.pop(key, None)
        if entry is not None and not entry.is_background:
            self._foreground_delays -= 1
        return entry

    def _next_deadline(self) -> float | None:
        while self._deadlines:
            due, _, key = self._deadlines[0]
            entry = self._delayed.get(key)
            if entry is not None and entry.due == due:
                return due
            heapq.heappop(self._deadlines)
        return None

    def _set_alarm(self) -> None:
        due = self._next_deadline()
        if self._alarm is not None:
            if due is not None and self._alarm_due <= due:
                return
            self._alarm.cancel()
            self._alarm = None
        if due is not None:
            self._alarm_due = due
            self._alarm = self._clock.call_later(due - self._clock.monotonic(), self._on_alarm)

    def _on_alarm(self) -> None:
        self._alarm = None
        now = self._clock.monotonic()
        while (due := self._next_deadline()) is not None and due <= now:
            key = heapq.heappop(self._deadlines)[2]
            self.add(key, background=True)  # takes the priority of the delay that it ends
        self._set_alarm()

    async def _wait_for_ready(self) -> None:
        waiter = asyncio.get_running_loop().create_future()
        self._takers.append(waiter)
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():
                self._wake_taker()  # woken and cancelled at once: the key that it was woken for needs another worker
            else:
                with suppress(ValueError):  # somebody may have passed over it already
                    self._takers.remove(waiter)
            raise

    def _wake_taker(self) -> None:
        while self._takers:
            waiter = self._takers.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return

    def _wake_all_takers(self) -> None:
        while self._takers:
            self._wake_taker()

    async def _wait_for_rest(self) -> None:
        waiter = asyncio.get_running_loop().create_future()
        self._resting.append(waiter)
        await waiter

    def _wake_resting(self) -> None:
        waiting, self._resting = self._resting, []
        for waiter in waiting:
            if not waiter.done():
                waiter.set_result(None)
