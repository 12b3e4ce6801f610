"""How do several transfers run at once? So many at a time, and the first failure stops the others and is the one that is raised."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Hashable, Iterable
from typing import Any, Generic, TypeVar

__all__ = ["SingleFlight", "gather"]

T = TypeVar("T")
K = TypeVar("K", bound=Hashable)


async def gather(work: Iterable[Awaitable[T]]) -> list[T]:
    """All results in order. Unlike `asyncio.gather`, nothing goes on behind the caller's back after a failure."""
    tasks = [asyncio.ensure_future(each) for each in work]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class SingleFlight(Generic[K, T]):
    """One run of the same work at a time: whoever asks meanwhile gets the result of the run under way, or its error.

    The run is cancelled when nobody waits for it any more.
    """

    def __init__(self) -> None:
        self._running: dict[K, _Run[T]] = {}

    async def run(self, key: K, make: Callable[[], Coroutine[Any, Any, T]]) -> T:
        run = self._running.get(key)
        if run is None:
            run = self._running[key] = _Run(asyncio.create_task(make()))
            run.task.add_done_callback(lambda task: self._forget(key, task))
        run.waiting += 1
        try:
            return await asyncio.shield(run.task)
        finally:
            run.waiting -= 1
            if not run.waiting and not run.task.done():
                self._forget(key, run.task)
                run.task.cancel()

    def _forget(self, key: K, task: asyncio.Task[T]) -> None:
        run = self._running.get(key)
        if run is not None and run.task is task:
            del self._running[key]


class _Run(Generic[T]):
    def __init__(self, task: asyncio.Task[T]) -> None:
        self.task = task
        self.waiting = 0
