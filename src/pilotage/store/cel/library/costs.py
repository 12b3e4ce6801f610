"""What calls cost, in the units of the Kubernetes cost model.

A call costs 1 unless it walks over its input: a string costs a tenth of its length per pass, a regular expression the
product of text and pattern, a list its elements.
"""

from __future__ import annotations

import math
from typing import Any

from pilotage.store.cel.declarations import Cost
from pilotage.store.cel.values import size_of

__all__ = ["CREATE_LIST", "TRAVERSAL", "fixed", "matching", "passes", "self_comparing", "tenth", "traversal"]

TRAVERSAL = 0.1
_REGEX = 0.25
CREATE_LIST = 10


def tenth(size: float) -> int:
    """One pass over `size` characters."""
    return math.ceil(size * TRAVERSAL)


def passes(count: int) -> Cost:
    """`count` passes over the first argument."""
    return lambda args, _result: math.ceil(size_of(args[0]) * count * TRAVERSAL)


def fixed(cost: int) -> Cost:
    return lambda _args, _result: cost


def matching(args: tuple[Any, ...], _result: Any) -> int:
    """A pattern (second argument) run over a text (first argument)."""
    return tenth(1.0 + size_of(args[0])) * math.ceil(size_of(args[1]) * _REGEX)


def traversal(value: Any) -> int:
    """One walk over a whole value."""
    if isinstance(value, (str, bytes)):
        return int((len(value.encode()) if isinstance(value, str) else len(value)) * TRAVERSAL)
    if isinstance(value, list):
        return sum(map(traversal, value))
    if isinstance(value, dict):
        return sum(traversal(key) + traversal(item) for key, item in value.items())
    return 1


def self_comparing(items: list[Any]) -> int:
    """Every element compared with every other."""
    factor = 2.0 + (TRAVERSAL if items and isinstance(items[0], (str, bytes)) else 0.0)
    return int(len(items) ** 2 * factor) + 1 + CREATE_LIST
