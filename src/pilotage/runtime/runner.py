"""Run these controllers on this store until stopped.

    start     informers list and follow; workers begin when all are in sync
    settled   the informers hold what the store holds, nothing is queued, worked on, or due except periodic looks
    stop      what is being worked on is finished, within a grace period; the rest is found again at the next start

Use it as a context (`async with Runner(...) as runner`), or `await runner.run()` until somebody calls `stop`.

A rehearsal runs it on a `ManualClock`: `run_to_rest` lets everything come to rest, jumps to the next moment at which a
controller wants to look again, and goes on until nothing is pending.
"""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from types import TracebackType
from typing import Protocol, Self

from pilotage.api.meta import ObjectKey
from pilotage.runtime.cache import CacheReader, Informers
from pilotage.runtime.clock import ManualClock, Timers
from pilotage.runtime.controller import Controller
from pilotage.runtime.informer import ListWatch
from pilotage.runtime.loop import ControllerLoop, Problem
from pilotage.runtime.perform import Change, Performer, ReadWrite
from pilotage.runtime.queue import QueueMetrics
from pilotage.runtime.tasks import cancel_all

__all__ = ["Runner", "RunnerStore", "run_to_rest"]

logger = logging.getLogger(__name__)


class RunnerStore(ListWatch, ReadWrite, Protocol):
    """All of the store port that running needs."""


class Runner:
    """`informers` may be given when the controllers were built over its reader; else they read how they were built to.

    `grace` is in seconds of real time. `freeze_heap` keeps the garbage collector from walking the caches again and again;
    it concerns the whole process, so only a process that lives for its runner asks for it.
    """

    def __init__(
        self,
        store: RunnerStore,
        controllers: Sequence[Controller],
        clock: Timers,
        *,
        informers: Informers | None = None,
        on_change: Callable[[Change], None] | None = None,
        grace: float = 10.0,
        freeze_heap: bool = False,
    ) -> None:
        self.clock = clock
        self.informers = informers or Informers(store, clock)
        self.objects: CacheReader = self.informers.reader()
        performer = Performer(
            store, clock, cache=self.objects, on_change=on_change, on_written=self.objects.written
        )
        self.loops = tuple(
            ControllerLoop(controller, self.informers, performer, clock) for controller in controllers
        )
        self._grace = grace
        self._freeze_heap = freeze_heap
        self._following: list[asyncio.Task[None]] = []
        self._working: list[asyncio.Task[None]] = []
        self._stopping = asyncio.Event()
        self._failed: asyncio.Task[None] | None = None

    # -- life -----------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Until `stop` is called, or the task is cancelled. Raises when one of our own tasks broke down."""
        async with self:
            await self._stopping.wait()

    def stop(self) -> None:
        self._stopping.set()

    async def __aenter__(self) -> Self:
        self._following = [self._start(informer.run(), informer.kind.plural) for informer in self.informers]
        try:
            await self._unless_stopped(self._all_synced())
        except BaseException:
            await cancel_all(self._following)
            raise
        if self._freeze_heap:
            gc.collect()
            gc.freeze()
        self._working = [
            self._start(loop.work(), f"{loop.controller.name}-{number}")
            for loop in self.loops
            for number in range(loop.controller.workers)
        ]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        for loop in self.loops:
            loop.queue.shut_down(drain=False)
        if self._working and error is None:
            _, late = await asyncio.wait(self._working, timeout=self._grace)
            if late:
                logger.warning("%d workers were not done within %g s and are cut off", len(late), self._grace)
        await cancel_all([*self._working, *self._following])
        if self._failed is not None and error is None:
            self._failed.result()

    async def _unless_stopped(self, work: Coroutine[None, None, None]) -> None:
        """`stop` ends every wait; so does a task of ours that broke down, with its error."""
        task = asyncio.ensure_future(work)
        stopping = asyncio.ensure_future(self._stopping.wait())
        try:
            await asyncio.wait((task, stopping), return_when=asyncio.FIRST_COMPLETED)
        finally:
            is_done = task.done()
            await cancel_all([task, stopping])
        if is_done:
            task.result()
        elif self._failed is not None:
            self._failed.result()

    async def _all_synced(self) -> None:
        for informer in self.informers:
            await informer.synced()

    def _start(self, work: Coroutine[None, None, None], name: str) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(self._on_end)
        return task

    def _on_end(self, task: asyncio.Task[None]) -> None:
        """A task of ours that breaks down ends the run: half a runner would look alive and do half the work."""
        if not task.cancelled() and task.exception() is not None and self._failed is None:
            self._failed = task
            self._stopping.set()

    # -- rest -----------------------------------------------------------------------------------------------------

    def is_settled(self) -> bool:
        """Every queue is idle. Events may still be under way; `settled` waits for them."""
        return all(loop.queue.is_idle() for loop in self.loops)

    async def settled(self) -> None:
        """Wait until all informers caught up with the store and all queues are idle.

        Costs a list of every followed kind, taken only when the queues are idle. A failing object that is retried keeps the
        system from settling; `pending` and `problems` say what and why. Returns early when the runner is stopped. Raises what
        the store raises when it cannot be listed.
        """
        await self._unless_stopped(self._at_rest(lambda loop: loop.queue.idle(), self.is_settled))

    async def rested(self) -> None:
        """Wait until nothing can happen unless time passes or somebody writes."""
        await self._unless_stopped(self._at_rest(lambda loop: loop.queue.rest(), self._is_resting))

    def pending(self) -> dict[str, dict[ObjectKey, float]]:
        """What keeps the system from settling: by controller, each key with the seconds until it is due, 0 for now."""
        return {
            loop.controller.name: {
                **loop.queue.delayed(),
                **dict.fromkeys((*loop.queue.ready(), *loop.queue.processing()), 0.0),
            }
            for loop in self.loops
            if not loop.queue.is_idle()
        }

    def problems(self) -> tuple[Problem, ...]:
        """The keys whose last reconcile failed, by controller and key."""
        return tuple(loop.problems[key] for loop in self.loops for key in sorted(loop.problems))

    def metrics(self) -> tuple[QueueMetrics, ...]:
        return tuple(loop.queue.metrics() for loop in self.loops)

    def _is_resting(self) -> bool:
        return not any(loop.queue.is_busy() for loop in self.loops)

    def _adds(self) -> int:
        return sum(metrics.adds for metrics in self.metrics())

    async def _at_rest(
        self, wait: Callable[[ControllerLoop], Awaitable[None]], is_reached: Callable[[], bool]
    ) -> None:
        """Idle queues, then true caches; anything that was queued meanwhile begins it anew."""
        while True:
            for loop in self.loops:
                await wait(loop)
            adds = self._adds()
            for informer in self.informers:
                await informer.caught_up()
            if self._adds() == adds and is_reached():
                return


async def run_to_rest(runner: Runner, clock: ManualClock, *, horizon: float = 86_400.0) -> bool:
    """Play a started runner until it has settled, jumping over the times in which nothing happens.

    False: something was still pending when `horizon` seconds had passed on the clock.
    """
    end = clock.monotonic() + horizon
    while True:
        await runner.rested()
        if runner.is_settled():
            return True
        due = clock.next_due
        if due is None or due > end:
            return False
        clock.advance_to_next()
