"""Work that takes longer than a second says on stderr how far it is: one line that changes on a terminal, a few in a log."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator

__all__ = ["counting"]

_QUIET = 1.0
_LOG_EVERY = 10.0
_DRAW_EVERY = 0.1


class _Counter:
    def __init__(self, what: str, total: int) -> None:
        self._what = what
        self._total = total
        self._done = 0
        self._is_live = sys.stderr.isatty()
        self._next = time.monotonic() + _QUIET
        self._drawn = 0

    def tick(self, name: str) -> None:
        self._done += 1
        now = time.monotonic()
        if now < self._next:
            return
        text = f"{self._what}: {self._done}{f' of {self._total}' if self._total else ''} ({name})"
        if self._is_live:
            self._next = now + _DRAW_EVERY
            print(f"\r{text[:100]:<{self._drawn}}", end="", file=sys.stderr, flush=True)
            self._drawn = len(text[:100])
        else:
            self._next = now + _LOG_EVERY
            print(text, file=sys.stderr, flush=True)

    def clear(self) -> None:
        if self._drawn:
            print(f"\r{'':<{self._drawn}}\r", end="", file=sys.stderr, flush=True)


@contextlib.contextmanager
def counting(what: str, total: int = 0) -> Iterator[Callable[[str], None]]:
    """Count what is done: call the function with the name of each thing that is. `total` 0 is an unknown number."""
    counter = _Counter(what, total)
    try:
        yield counter.tick
    finally:
        counter.clear()
