"""Ending tasks, and telling who was ended.

A task that waits for a future which somebody else cancels gets the same `CancelledError` as a task that is cancelled
itself. The first is a failure like any other; a worker that took it for the second would vanish without a word.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from pilotage.runtime.clock import Timers

__all__ = ["cancel_all", "deadline", "is_being_cancelled"]


async def cancel_all(tasks: Sequence[asyncio.Future[Any]]) -> None:
    """Cancel the tasks and wait until they have ended, however they end."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def is_being_cancelled() -> bool:
    """Somebody asked the current task to end."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


@asynccontextmanager
async def deadline(clock: Timers, seconds: float) -> AsyncIterator[None]:
    """Raises TimeoutError when the block takes longer, by our clock, which may be simulated; asyncio knows only its loop's."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(None) as scope:
        alarm = clock.call_later(seconds, lambda: scope.reschedule(loop.time()))
        try:
            yield
        finally:
            alarm.cancel()
