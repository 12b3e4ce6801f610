"""Ending tasks, and telling who was ended.

A task that waits for a future which somebody else cancels gets the same `CancelledError` as a task that is cancelled
itself. The first is a failure like any other; a worker that took it for the second would vanish without a word.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

__all__ = ["cancel_all", "is_being_cancelled"]


async def cancel_all(tasks: Sequence[asyncio.Task[Any]]) -> None:
    """Cancel the tasks and wait until they have ended, however they end."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def is_being_cancelled() -> bool:
    """Somebody asked the current task to end."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
