"""The shapes of a parsed regular expression; see `patterns.py`."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

__all__ = [
    "MAX_CODE",
    "Alternatives",
    "Assertion",
    "Characters",
    "Node",
    "Place",
    "Ranges",
    "Repeat",
    "Sequence",
    "inverted",
]

MAX_CODE = 0x10FFFF
Ranges: TypeAlias = tuple[tuple[int, int], ...]


class Characters(msgspec.Struct, frozen=True):
    """One character out of these code points: sorted, disjoint, ends included."""

    ranges: Ranges


Place = Literal["start", "end", "line start", "line end", "boundary", "inside"]


class Assertion(msgspec.Struct, frozen=True):
    """A place in the text; takes no character."""

    kind: Place


class Sequence(msgspec.Struct, frozen=True):
    parts: tuple[Node, ...]


class Alternatives(msgspec.Struct, frozen=True):
    options: tuple[Node, ...]


class Repeat(msgspec.Struct, frozen=True):
    """`high` None: without end."""

    item: Node
    low: int
    high: int | None


Node: TypeAlias = Characters | Assertion | Sequence | Alternatives | Repeat


def inverted(ranges: Ranges) -> Ranges:
    gaps: list[tuple[int, int]] = []
    start = 0
    for low, high in ranges:
        if low > start:
            gaps.append((start, low - 1))
        start = high + 1
    if start <= MAX_CODE:
        gaps.append((start, MAX_CODE))
    return tuple(gaps)
