"""The values that expressions compute with.

JSON values are used as they are: None, bool, int, float, str, list, dict. What JSON cannot say has a class here: unsigned
integers, bytes, points in time, durations, optionals, types as values; the classes of the Kubernetes libraries (URL, IP,
quantity, ...) live beside their functions and tell their type through `cel_type`.

Equality and order follow the CEL language definition: numbers compare across int, uint and double; a bool is no number;
values of different types are unequal.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, ClassVar

from pilotage.store.cel.problems import EvaluationError, no_such_overload

__all__ = [
    "NONE",
    "Duration",
    "MapList",
    "Optional",
    "SetList",
    "Timestamp",
    "TypeValue",
    "UInt",
    "compare",
    "equal",
    "float_text",
    "int_in_range",
    "kind_of",
    "size_of",
    "text_of",
    "type_name",
    "uint_in_range",
]

_INT_MAX = 2**63 - 1
_INT_MIN = -(2**63)
_UINT_MAX = 2**64 - 1
_NANOSECONDS = 1_000_000_000
# The years 1 to 9999, in seconds since 1970.
_FIRST_SECOND = -62_135_596_800
_LAST_SECOND = 253_402_300_799


class UInt(int):
    """An unsigned integer, `1u`."""

    __slots__ = ()


class Duration:
    """A length of time in nanoseconds, at most some 292 years either way."""

    __slots__ = ("ns",)
    cel_type: ClassVar[str] = "google.protobuf.Duration"

    def __init__(self, ns: int) -> None:
        if not _INT_MIN <= ns <= _INT_MAX:
            raise EvaluationError("duration overflow")
        self.ns = ns

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Duration) and self.ns == other.ns

    def __hash__(self) -> int:
        return hash(("duration", self.ns))

    def __lt__(self, other: Duration) -> bool:
        return self.ns < other.ns

    def __str__(self) -> str:
        return f"{_plain_decimal(self.ns / _NANOSECONDS)}s"


class Timestamp:
    """A point in time: nanoseconds since 1970, and the offset (seconds east of UTC) in which it was written."""

    __slots__ = ("ns", "offset")
    cel_type: ClassVar[str] = "google.protobuf.Timestamp"

    def __init__(self, ns: int, offset: int = 0) -> None:
        if not _FIRST_SECOND <= ns // _NANOSECONDS <= _LAST_SECOND:
            raise EvaluationError("timestamp overflow")
        self.ns = ns
        self.offset = offset

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Timestamp) and self.ns == other.ns

    def __hash__(self) -> int:
        return hash(("timestamp", self.ns))

    def __lt__(self, other: Timestamp) -> bool:
        return self.ns < other.ns


class Optional:
    """A value that may be missing; `NONE` is the one without."""

    __slots__ = ("present", "value")
    cel_type: ClassVar[str] = "optional_type"

    def __init__(self, value: Any = None, *, present: bool = True) -> None:
        self.value = value
        self.present = present

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Optional) or self.present != other.present:
            return False
        return not self.present or equal(self.value, other.value)

    __hash__ = None  # type: ignore[assignment]  # not a key of a map


NONE = Optional(present=False)


class TypeValue:
    """A type as a value, such as `type(1)`."""

    __slots__ = ("name",)
    cel_type: ClassVar[str] = "type"

    def __init__(self, name: str) -> None:
        self.name = name

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TypeValue) and self.name == other.name

    def __hash__(self) -> int:
        return hash(("type", self.name))


class SetList(list[Any]):
    """A list with `x-kubernetes-list-type: set`: equal in any order, `+` is a union."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, list) and len(self) == len(other) and set(self).issuperset(other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = None  # not a key of a map

    def merged(self, other: list[Any]) -> SetList:
        known = set(self)
        added = SetList(self)
        for item in other:
            if item not in known:
                known.add(item)
                added.append(item)
        return added


class MapList(list[Any]):
    """A list with `x-kubernetes-list-type: map`: items have identities; equal in any order, `+` merges by identity."""

    __slots__ = ("keys",)
    keys: tuple[str, ...]

    @classmethod
    def of(cls, items: list[Any], keys: tuple[str, ...]) -> MapList:
        found = cls(items)
        found.keys = keys
        return found

    def identity(self, item: Any) -> tuple[Any, ...]:
        return tuple(item.get(key) for key in self.keys)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, list) or len(self) != len(other):
            return False
        if list.__eq__(self, other):
            return True
        mine = {self.identity(item): item for item in self}
        return all((identity := self.identity(item)) in mine and mine[identity] == item for item in other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = None  # not a key of a map

    def merged(self, other: list[Any]) -> MapList:
        found = MapList.of(list(self), self.keys)
        places = {self.identity(item): place for place, item in enumerate(self)}
        for item in other:
            place = places.get(self.identity(item))
            if place is None:
                found.append(item)
            else:
                found[place] = item
        return found


_KINDS: Mapping[type, str] = {
    bool: "bool",
    int: "int",
    UInt: "uint",
    float: "double",
    str: "string",
    bytes: "bytes",
    list: "list",
    SetList: "list",
    MapList: "list",
    dict: "map",
    type(None): "null",
    Duration: "duration",
    Timestamp: "timestamp",
    Optional: "optional",
    TypeValue: "type",
}
_NUMBERS = frozenset([int, UInt, float])
_SCALARS = frozenset([bool, int, UInt, float, str, bytes, type(None)])


def kind_of(value: Any) -> str:
    """`int`, `string`, `list`, ...; for values of the Kubernetes libraries the name of their type."""
    found = _KINDS.get(type(value))
    return found if found is not None else str(value.cel_type)


def type_name(value: Any) -> str:
    """The name of a value's type as CEL spells it: `null_type`, `google.protobuf.Timestamp`, `net.IP`, ..."""
    if value is None:
        return "null_type"
    found = getattr(value, "cel_type", None)
    return found if found is not None else kind_of(value)


def equal(one: Any, two: Any) -> bool:
    """`one == two` for values of any types."""
    first, second = type(one), type(two)
    if first in _SCALARS:
        if first is second:
            return bool(one == two)
        return first in _NUMBERS and second in _NUMBERS and bool(one == two)
    if isinstance(one, list):
        if not isinstance(two, list):
            return False
        if first is not list:
            return bool(one == two)
        return len(one) == len(two) and all(map(equal, one, two))
    if isinstance(one, dict):
        if not isinstance(two, dict) or len(one) != len(two):
            return False
        return all(key in two and equal(value, two[key]) for key, value in one.items())
    return bool(one == two)


_ORDERED = frozenset([bool, str, bytes, Duration, Timestamp])


def compare(one: Any, two: Any) -> int:
    """Negative, 0 or positive. Raises EvaluationError for values without an order."""
    first, second = type(one), type(two)
    if first in _NUMBERS and second in _NUMBERS:
        if one != one or two != two:  # noqa: PLR0124 - only NaN is unequal to itself
            raise EvaluationError("NaN values cannot be ordered")
    elif first is not second or first not in _ORDERED:
        raise no_such_overload()
    if one == two:
        return 0
    return -1 if one < two else 1


def int_in_range(value: int) -> int:
    """The value if an int can hold it. Raises EvaluationError."""
    if _INT_MIN <= value <= _INT_MAX:
        return value
    raise EvaluationError("integer overflow")


def uint_in_range(value: int) -> UInt:
    """The value if a uint can hold it. Raises EvaluationError."""
    if 0 <= value <= _UINT_MAX:
        return UInt(value)
    raise EvaluationError("unsigned integer overflow")


def size_of(value: Any) -> int:
    """The size that costs are counted with: 1 for whatever has none."""
    if isinstance(value, (str, bytes, list, dict)):
        return len(value)
    if isinstance(value, Optional):
        return size_of(value.value) if value.present else 1
    return int(getattr(value, "cel_size", 1))


def float_text(value: float) -> str:
    """A double as text: the shortest that reads back the same, with an exponent below 1e-4 and from 1e6 on."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    digits, exponent = _shortest(value)
    sign = "-" if math.copysign(1.0, value) < 0 else ""
    if -4 <= exponent < 6:
        return _plain_decimal(value)
    mantissa = digits[0] + ("." + digits[1:] if len(digits) > 1 else "")
    return f"{sign}{mantissa}e{'-' if exponent < 0 else '+'}{abs(exponent):02d}"


def _shortest(value: float) -> tuple[str, int]:
    """Significant digits and decimal exponent of the shortest text that reads back the same."""
    _, parts, exponent = Decimal(repr(abs(value))).normalize().as_tuple()
    digits = "".join(map(str, parts))
    return digits, len(digits) - 1 + int(exponent)


def _plain_decimal(value: float) -> str:
    """Without exponent, as short as possible: `1.5`, `90`."""
    text = format(Decimal(repr(value)), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def text_of(value: Any) -> str:
    """A value inside a message, such as the key in `no such key: a`."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return float_text(value)
    return str(value)
