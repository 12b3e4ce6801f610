"""Types that are read in threads are worked out beforehand.

msgspec works a type out when it is first used, and two threads that do so at the same moment can crash the process: what they
build is not guarded. So a type that a thread reads is worked out when its module is loaded, which only one thread does.
"""

from __future__ import annotations

from typing import TypeVar

import msgspec

__all__ = ["prepared"]

T = TypeVar("T")


def prepared(kind: type[T]) -> type[T]:
    """Work the type out now, with all that it consists of; everything that it names must be defined already."""
    msgspec.json.Decoder(kind)
    return kind
