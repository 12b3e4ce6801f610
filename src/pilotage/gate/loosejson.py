"""What a JSON value that nobody checked says, where the gate must not stumble over it.

Snapshots, dumps, ledgers and answers reach the gate as they are: with null for a map, a number for a name, a list with holes.
None of that is an exception here. A map or a list that is none is empty, a text that is none is empty, a list item that is
no object is passed over; the decision then finds that something is missing, under a code of its own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["mapping", "number", "objects", "sequence", "tags_of", "text"]


def mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def sequence(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else ()


def objects(value: Any) -> tuple[Mapping[str, Any], ...]:
    """The items of a list that are objects, in order."""
    return tuple([item for item in sequence(value) if isinstance(item, dict)])


def text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def number(value: Any) -> float | None:
    """A number; true, false and a number written as text are none. An integer beyond every float is infinite."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return value if math.isfinite(value) else None
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def tags_of(value: Any) -> dict[str, str]:
    """Labels or annotations. Null is "not set"; a value that is no text is there, and says nothing: it is empty."""
    return {key: text(item) for key, item in mapping(value).items() if item is not None}
