"""What a signal means to a command that runs until it is stopped."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable

__all__ = ["on_signal"]


def on_signal(stop: Callable[[], None]) -> None:
    """The first SIGINT or SIGTERM calls `stop`; the second one ends the process."""
    loop = asyncio.get_running_loop()

    def first(number: signal.Signals) -> None:
        loop.remove_signal_handler(number)
        stop()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, first, number)
