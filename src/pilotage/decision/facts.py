"""A fact is *known*, *absent*, or *not seen*.

The difference between the last two decides what a person is told: a payload without the component `hypershift` is an
answer; a payload that could not be read because the registry is down is not. A rule that meets a fact which was not
seen answers `Needs`, and an earlier rule that does not need it still wins.
"""

from __future__ import annotations

from typing import Generic, TypeVar

import msgspec

__all__ = ["Absent", "Fact", "Known", "NotSeen"]

T = TypeVar("T")


class Known(msgspec.Struct, Generic[T], frozen=True):
    """The value was observed; `source` says where, for `explain`."""

    value: T
    source: str = ""


class Absent(msgspec.Struct, frozen=True):
    """It was looked for where it would be, and there is none."""

    reason: str = ""


class NotSeen(msgspec.Struct, frozen=True):
    """It could not be looked at: the dump lacks it, the registry is down. `cause` says why, for a person."""

    cause: str = ""


Fact = Known[T] | Absent | NotSeen
