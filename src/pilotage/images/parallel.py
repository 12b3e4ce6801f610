"""How do several transfers run at once?

The first failure stops the others and is the one that is raised; work that several ask for at the same time is done once;
and what runs in a thread is never left running behind the caller's back.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Hashable, Iterable
from typing import Any, Generic, ParamSpec, TypeVar

__all__ = ["SingleFlight", "closing", "gather", "in_thread"]

P = ParamSpec("P")
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


async def in_thread(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run blocking work in a thread. A caller that is cancelled waits for it: files are not closed under its hands."""
    task = asyncio.ensure_future(asyncio.to_thread(work, *args, **kwargs))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        while not task.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait([task])
        if not task.cancelled():
            task.exception()  # taken note of; the cancellation is what the caller asked for
        raise


@contextlib.asynccontextmanager
async def closing(chunks: AsyncIterator[T]) -> AsyncIterator[None]:
    """Stop a transfer when its reader stops, now and not when the garbage is collected."""
    try:
        yield
    finally:
        close = getattr(chunks, "aclose", None)
        if close is not None:
            await close()


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
